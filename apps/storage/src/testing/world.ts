/** A storage service on real servers, and a scripted collector at the other end of the broker. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { EXCHANGES, stepsAloneQueue, stepsQueue, type Broker } from '@magpie/broker';
import { brokerSuite, type BrokerSuite } from '@magpie/broker/testing';
import {
  MESSAGES,
  type FoundItem,
  type JobState,
  type NextStep,
  type Outcome,
  type SourceDescription,
  type StepWork,
} from '@magpie/contracts';
import { newId, type Action } from '@magpie/domain';
import { createLogger } from '@magpie/service-kit';
import { controlJob, createJob, openStore, type JobDocument, type NewJob, type Store } from '@magpie/store';
import { startStorage, type StorageOptions } from '../app.ts';

export type Answer = Record<string, unknown> & { outcome: Outcome['outcome'] };
/** What the scripted collector does with a step; undefined: never answers. */
export type Script = (step: StepWork) => Promise<Answer | undefined> | Answer | undefined;

export const SOURCE = 'web-images';

/** A test waits several times, up to `LOOKS` looks each; jest's limit ends only what hangs. */
const LOOKS = 800;
jest.setTimeout(150_000);

export class World {
  readonly store: Store;
  readonly broker: Broker;
  readonly prefix: string;
  readonly files: string;
  /** Every step that reached the collector, in order. */
  readonly seen: StepWork[] = [];
  readonly controls: unknown[] = [];
  script: Script = () => undefined;
  /** The clock of jobs, schedules and retries; leases go by the real one. */
  readonly clock = new Clock();
  readonly #storages: { close(): Promise<void> }[] = [];
  readonly #suite: BrokerSuite;
  readonly #brokers: Broker[] = [];
  readonly #options: Partial<StorageOptions>;

  private constructor(files: string, options: Partial<StorageOptions>) {
    this.files = files;
    this.#options = options;
    this.store = openStore({ url: env('MAGPIE_TEST_MONGODB_URL'), database: `storage_${newId()}` });
    this.#suite = brokerSuite();
    this.prefix = this.#suite.prefix;
    this.broker = this.#suite.broker();
  }

  static async make(
    options: Partial<StorageOptions> = {},
    { storages = 1, duplicate = false } = {},
  ): Promise<World> {
    const world = new World(await mkdtemp(join(tmpdir(), 'magpie-storage-')), options);
    for (let i = 0; i < storages; i++) await world.addStorage({ duplicate });
    await world.broker.declare(stepsQueue(SOURCE));
    await world.broker.declare(stepsAloneQueue(SOURCE));
    await world.announce();
    await world.broker.subscribe({
      exchange: EXCHANGES.control,
      bindingKeys: ['#'],
      types: [MESSAGES.control],
      handler: ({ body }) => void world.controls.push(body),
    }).ready;
    for (const queue of [stepsQueue(SOURCE), stepsAloneQueue(SOURCE)])
      world.broker.consume({
        queue,
        types: [MESSAGES.steps],
        prefetch: 100,
        handler: async ({ body }) => {
          for (const step of body.steps) {
            world.seen.push(step);
            const answer = await world.script(step);
            if (answer) await world.answer(step, answer);
          }
        },
      });
    return world;
  }

  /** Says what the scripted collector's source is like; in force when it returns, if a storage of this world runs. */
  async announce(rest: Partial<SourceDescription> = {}): Promise<void> {
    const version = newId();
    await this.broker.publish({
      exchange: EXCHANGES.events,
      routingKey: `source.${SOURCE}.announced`,
      type: MESSAGES.sourceAnnounced,
      body: {
        id: SOURCE,
        summary: 's',
        version,
        params: {},
        emits: {},
        batch: { image: 10, page: 2 },
        ...rest,
      },
    });
    if (this.#storages.length === 0) return;
    await this.eventually(
      () => this.store.sources.collection.findOne({ _id: SOURCE } as never),
      (found) => found?.['version'] === version,
    );
  }

  async addStorage({ duplicate = false } = {}): Promise<{ close(): Promise<void> }> {
    const broker = this.#suite.broker({ testHooks: { duplicateDeliveries: duplicate } });
    this.#brokers.push(broker);
    const storage = await startStorage({
      store: this.store,
      broker,
      log: createLogger({ name: 'storage', level: 'error' }),
      options: {
        MAGPIE_DATA: this.files,
        MAGPIE_HOST_CONCURRENCY: 50,
        MAGPIE_JOB_WINDOW: 200,
        MAGPIE_MAX_ATTEMPTS: 2,
        MAGPIE_SAMPLES_RETENTION: 0,
        MAGPIE_STEP_TIMEOUT: 60_000,
        ...this.#options,
      },
      clock: this.clock.now,
    });
    this.#storages.push(storage);
    return storage;
  }

  /** Nothing of storage runs any more. */
  async closeStorages(): Promise<void> {
    for (const storage of this.#storages.splice(0)) await storage.close();
    await Promise.all(this.#brokers.splice(0).map((broker) => broker.close()));
  }

  /** Sends what became of a step, `times` times. */
  async answer(step: Pick<StepWork, 'id' | 'lease'>, answer: Answer, times = 1): Promise<void> {
    for (let i = 0; i < times; i++)
      await this.broker.publish({
        exchange: EXCHANGES.results,
        routingKey: SOURCE,
        type: MESSAGES.results,
        body: { source: SOURCE, outcomes: [{ id: step.id, lease: step.lease, ...answer } as Outcome] },
      });
  }

  async submit(
    params: Record<string, unknown> = {},
    priority: 'high' | 'normal' = 'normal',
    rest: Partial<NewJob> = {},
  ): Promise<string> {
    const { job } = await createJob(this.store, {
      source: SOURCE,
      params,
      priority,
      correlationId: newId(),
      ...rest,
    });
    this.#hint(job);
    return job._id;
  }

  async control(id: string, action: Action): Promise<void> {
    const job = await controlJob(this.store, id, action, new Date(this.clock.now()));
    if (job) this.#hint(job);
  }

  #hint(job: JobDocument): void {
    this.broker.tryPublish({
      exchange: EXCHANGES.events,
      routingKey: `job.${job._id}.changed`,
      type: MESSAGES.jobEvent,
      body: { jobId: job._id, event: 'changed', state: job.state, rev: job.rev },
    });
  }

  async job(id: string): Promise<JobDocument> {
    const found = await this.store.jobs.collection.findOne({ _id: id } as never);
    if (found === null) throw new Error(`no job ${id}`);
    return found as unknown as JobDocument;
  }

  /** Waits for a state; throws after 40 s with where the job is. */
  async until(id: string, state: JobState): Promise<JobDocument> {
    let job = await this.job(id);
    for (let i = 0; i < LOOKS && job.state !== state; i++) {
      await pause(50);
      job = await this.job(id);
    }
    if (job.state !== state)
      throw new Error(
        `job is ${job.state}, not ${state}: ${JSON.stringify({ ...job.counts, pages: job.pages, error: job.error })}`,
      );
    return job;
  }

  /** Waits until collectors were told of this so often: what is told comes by the broker, later than what it stands for. */
  told(action: string, times = 1): Promise<number> {
    const count = () => this.controls.filter((one) => (one as { action: string }).action === action).length;
    return this.eventually(count, (n) => n >= times);
  }

  async eventually<T>(what: () => Promise<T> | T, holds: (value: T) => boolean): Promise<T> {
    let value = await what();
    for (let i = 0; i < LOOKS && !holds(value); i++) {
      await pause(50);
      value = await what();
    }
    if (!holds(value)) throw new Error(`never: ${JSON.stringify(value)}`);
    return value;
  }

  async close(): Promise<void> {
    const admin = this.broker;
    await this.closeStorages();
    await admin.close();
    await this.#suite.end();
    await this.store.connection.dropDatabase();
    await this.store.close();
    await rm(this.files, { recursive: true, force: true });
  }
}

/** Goes on as the real one does, from where it is set. */
class Clock {
  #ahead = 0;
  readonly now = (): number => Date.now() + this.#ahead;

  advance(ms: number): void {
    this.#ahead += ms;
  }

  set(to: number): void {
    this.#ahead = to - Date.now();
  }
}

function env(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export const page = (url: string, input: Record<string, unknown> = {}): NextStep => ({
  kind: 'page',
  key: url,
  url,
  input,
});

export const image = (url: string, rest: Partial<NonNullable<NextStep['item']>> = {}): NextStep => ({
  kind: 'image',
  key: url,
  url,
  input: {},
  item: { kind: 'image', url, ...rest },
});

export const found = (url: string, rest: Partial<FoundItem> = {}): FoundItem => ({
  kind: 'image',
  url,
  data: {},
  ...rest,
});

export const done = (items: FoundItem[] = [], next: NextStep[] = []): Answer => ({
  outcome: 'done',
  items,
  next,
});

/** discovered = stored + shared + skipped + failed + pending */
export const addsUp = ({ counts }: JobDocument): boolean =>
  counts.discovered === counts.stored + counts.shared + counts.skipped + counts.failed + counts.pending;
