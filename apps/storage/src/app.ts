/** Storage: keeps jobs, frontier and items, and decides what comes next. Any number of replicas. */
import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  DEAD_QUEUE,
  EXCHANGES,
  PublishManyError,
  RESULTS_QUEUE,
  SOURCES_QUEUE,
  stepsAloneQueue,
  stepsQueue,
  Unavailable,
  UnroutableError,
  type Broker,
  type Delivery,
} from '@magpie/broker';
import { MESSAGES, type DeadLetterBody, type ResultsMessage } from '@magpie/contracts';
import type { Config, Logger } from '@magpie/service-kit';
import { isUnavailable, type JobDocument, type Store } from '@magpie/store';
import type { storageConfig } from './config.ts';
import { Credentials } from './credentials/credentials.ts';
import { Director } from './dispatch/director.ts';
import { Leader } from './dispatch/leader.ts';
import type { OutgoingSteps, Unpublished } from './dispatch/outgoing.ts';
import { SourceCatalogue } from './dispatch/sources.ts';
import { releaseOrphans } from './files/release.ts';
import { Intake } from './intake/intake.ts';
import { Lifecycle } from './lifecycle/lifecycle.ts';
import { Throttle } from './lifecycle/throttle.ts';
import { Scheduler } from './schedule/scheduler.ts';
import { setRetention, tidySamples } from './samples/keep.ts';

export type StorageOptions = Omit<
  Config<typeof storageConfig>,
  'LOG_LEVEL' | 'HEALTH_PORT' | 'HEALTH_HOST' | 'MONGODB_URL' | 'AMQP_URL'
>;

export interface StorageDeps {
  store: Store;
  broker: Broker;
  log: Logger;
  options: StorageOptions;
  /** The clock of jobs and schedules, ms since the epoch; what collectors are told goes by the real one. */
  clock?: () => number;
}

/** Begins to take results in and to direct. `close` ends both in order; idempotent. */
export async function startStorage({
  store,
  broker,
  log,
  options,
  clock = Date.now,
}: StorageDeps): Promise<{ close(): Promise<void> }> {
  const filesRoot = resolve(options.MAGPIE_DATA, 'files');
  await mkdir(join(filesRoot, 'images'), { recursive: true });
  await store.prepare();
  await setRetention(store, options.MAGPIE_SAMPLES_RETENTION);

  const changed = (
    { _id, state, rev }: Pick<JobDocument, '_id' | 'state' | 'rev'>,
    event: 'changed' | 'progress' = 'changed',
  ) =>
    void broker.tryPublish({
      exchange: EXCHANGES.events,
      routingKey: `job.${_id}.${event}`,
      type: MESSAGES.jobEvent,
      body: { jobId: _id, event, state, rev },
    });
  const onError = (err: unknown): void => log.error({ err }, 'directing failed; tried again');
  const told = (job: Pick<JobDocument, '_id' | 'state' | 'rev' | 'correlationId'>): void => {
    log.info({ jobId: job._id, correlationId: job.correlationId, state: job.state }, 'job changed');
    changed(job);
  };
  const lifecycle = new Lifecycle({
    store,
    onError,
    clock,
    changed: told,
    control: (body) =>
      void broker.tryPublish({ exchange: EXCHANGES.control, routingKey: '', type: MESSAGES.control, body }),
  });
  const sources = new SourceCatalogue(store);
  const credentials = new Credentials({
    store,
    log,
    providerOf: (source) => sources.get(source)?.provider,
    clock,
  });
  const progress = new Throttle(200);
  const director = new Director(
    {
      store,
      lifecycle,
      scheduler: new Scheduler({
        store,
        clock,
        onError,
        changed: told,
        describe: (source) => sources.get(source),
      }),
      clock,
      sources,
      credentials,
      leader: new Leader(store, randomUUID(), onError),
      publish: (messages) => publishSteps(broker, messages),
      releaseOrphans: () => releaseOrphans(store, filesRoot, onError),
      tidySamples: () => tidySamples(store, options.MAGPIE_SAMPLES_RETENTION),
      expire: (steps) =>
        intake.apply(
          steps.map(({ _id: id, lease = '', source }) => ({
            source,
            outcome: { id, lease, outcome: 'expired', counts: sources.isAlive(source) },
          })),
        ),
      isCatchingUp: () => intake.busy || broker.status !== 'up',
      onError,
    },
    {
      window: options.MAGPIE_JOB_WINDOW,
      hostConcurrency: options.MAGPIE_HOST_CONCURRENCY,
      startMs: 30_000,
      workMs: options.MAGPIE_STEP_TIMEOUT,
    },
  );
  const intake = new Intake({
    store,
    filesRoot,
    clock,
    termsOf: (source) => sources.get(source) ?? {},
    onCalls: (calls) => credentials.settle(calls),
    limits: { maxAttempts: options.MAGPIE_MAX_ATTEMPTS, maxCrashes: 3, maxExpiries: 20, maxBackoffs: 12 },
    onChanged: async (jobs) => {
      director.wake(jobs);
      for (const id of jobs) await lifecycle.completeIfDone(id);
      const due = [...jobs].filter((id) => progress.isDue(id));
      if (due.length === 0) return;
      const found = (await store.jobs.collection
        .find({ _id: { $in: due } } as never, { projection: { state: 1, rev: 1 } })
        .toArray()) as unknown as JobDocument[];
      for (const job of found) changed(job, 'progress');
    },
  });

  director.start();
  broker.subscribe({
    exchange: EXCHANGES.events,
    bindingKeys: ['job.*.*'],
    types: [MESSAGES.jobEvent],
    handler: ({ body }) => director.wake([body.jobId]),
    onGap: () => director.wake(),
  });
  broker.consume({
    queue: RESULTS_QUEUE,
    types: [MESSAGES.results],
    prefetch: 100,
    batch: { max: 50, waitMs: 10 },
    handler: async (deliveries: Delivery<ResultsMessage>[]) =>
      held(async () => {
        await sources.refresh();
        await intake.take(deliveries);
      }),
  });
  broker.consume({
    queue: SOURCES_QUEUE,
    types: [MESSAGES.sourceAnnounced],
    handler: async ({ body }) =>
      held(async () => {
        await broker.declare(stepsQueue(body.id));
        await broker.declare(stepsAloneQueue(body.id));
        await sources.announce(body);
      }),
  });
  broker.consume({
    queue: DEAD_QUEUE,
    types: [MESSAGES.deadLetter],
    handler: async ({ body, messageId }) => held(() => keepDeadLetter(store, messageId, body)),
  });
  return {
    async close() {
      await director.close();
    },
  };
}

/** While the database is away messages are held, and use up no attempt. */
async function held<T>(work: () => Promise<T>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (isUnavailable(error)) throw new Unavailable('the database does not answer', { cause: error });
    throw error;
  }
}

async function keepDeadLetter(store: Store, messageId: string, body: DeadLetterBody): Promise<void> {
  const { at, ...rest } = body;
  await store.deadLetters.collection.updateOne(
    { _id: messageId } as never,
    { $setOnInsert: { ...rest, at: new Date(at) } },
    { upsert: true },
  );
}

/** Publishes steps with confirms. What no queue takes is a dead letter by now. */
async function publishSteps(broker: Broker, messages: OutgoingSteps[]): Promise<Unpublished> {
  try {
    await broker.publishMany(
      messages.map(({ message, alone, priority, correlationId }) => ({
        exchange: EXCHANGES.steps,
        routingKey: `${message.source}.${alone ? 'alone.' : ''}${priority}`,
        type: MESSAGES.steps,
        body: message,
        correlationId,
      })),
    );
    return { unroutable: [], failed: [] };
  } catch (error) {
    if (!(error instanceof PublishManyError)) throw error;
    const of = (wanted: boolean): OutgoingSteps[] =>
      error.failures.flatMap((failure) =>
        failure.error instanceof UnroutableError === wanted ? (messages[failure.index] ?? []) : [],
      );
    return { unroutable: of(true), failed: of(false) };
  }
}
