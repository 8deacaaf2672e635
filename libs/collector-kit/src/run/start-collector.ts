import { setTimeout as sleep } from 'node:timers/promises';
import { createBroker, EXCHANGES, stepsAloneQueue, stepsQueue, type Broker } from '@magpie/broker';
import { MESSAGES } from '@magpie/contracts';
import { createLogger, createMetrics, createOpened, type Logger, type Metrics } from '@magpie/service-kit';
import { createContexts } from '../context/create-contexts.ts';
import type { Source } from '../source/define-source.ts';
import { settingsOf } from '../source/settings.ts';
import { announce } from './announce.ts';
import { createResultsPublisher } from './publish-results.ts';
import { Replica } from './replica.ts';
import { createReplicaMetrics } from './replica-metrics.ts';
import { ResultsBatcher } from './results-batcher.ts';

export interface CollectorOptions {
  readonly amqpUrl: string;
  /** Directory of files; made when missing. */
  readonly filesRoot: string;
  /** CIDRs or addresses that may be fetched though they are private. */
  readonly allow?: readonly string[];
  /** Named in the User-Agent. */
  readonly contact?: string | undefined;
  /** MAGPIE_SECRET: opens credentials; without it a step that asks for its credential fails. */
  readonly secret?: string | undefined;
  /** Of the source's own settings those that are not as their defaults say; a text is read as in the environment. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Steps at once; default 64. */
  readonly concurrency?: number;
  /** Messages held at once; default 32. A message is held until its slowest step is done. */
  readonly prefetch?: number;
  /** The largest body that is fetched; default 64 MiB. */
  readonly maxBytes?: number;
  /** Exchanges at once with one host; default 8. */
  readonly hostConcurrency?: number;
  /** How long running steps may go on at the end; default 5,000 ms. */
  readonly graceMs?: number;
  /** Before the names of exchanges and queues, for tests. */
  readonly prefix?: string;
  readonly log?: Logger;
  readonly metrics?: Metrics;
}

export interface Collector {
  readonly source: Source;
  readonly broker: Broker;
  /** Steps taken and not settled, and those of them that run. */
  readonly held: number;
  readonly running: number;
  /** Resolves when steps are taken; never, if the broker is never reached. */
  readonly ready: Promise<void>;
  /**
   * Takes nothing more, gives back what has not begun, lets running steps go on for a while, publishes what
   * is to be said and ends. May be called twice.
   */
  close(): Promise<void>;
}

/** Outcomes that are still unconfirmed when all steps have ended get so long. */
const LAST_WORDS_MS = 3_000;

/**
 * Starts one replica of a source's collector in this process; returns at once and connects in the background.
 * @throws ConfigError when the settings are not those of the source
 */
export async function startCollector(source: Source, options: CollectorOptions): Promise<Collector> {
  const { amqpUrl, prefix, prefetch = 32, concurrency = 64, graceMs = 5_000 } = options;
  const name = `collector-${source.id}`;
  const settings = settingsOf(source.settings, options.settings);
  const log = options.log ?? createLogger({ name, level: 'silent' });
  const metrics = createReplicaMetrics(options.metrics ?? createMetrics({ name, defaults: false }));
  const opened = createOpened(log);
  const over = new AbortController();
  try {
    opened.add('source', source);
    const results = new ResultsBatcher({
      source: source.id,
      publish: (message) => publish(message),
    });
    const contexts = opened.add(
      'contexts',
      await createContexts({
        filesRoot: options.filesRoot,
        allow: options.allow ?? [],
        contact: options.contact,
        secret: options.secret,
        ...(options.maxBytes === undefined ? {} : { maxBytes: options.maxBytes }),
        ...(options.hostConcurrency === undefined ? {} : { hostConcurrency: options.hostConcurrency }),
        log,
        metrics,
        onHostDelay: (host, delayMs) => results.report({ host, delayMs }),
      }),
    );
    const broker = opened.add(
      'broker',
      createBroker({ url: amqpUrl, name, log, ...(prefix === undefined ? {} : { prefix }) }),
    );
    const publish = createResultsPublisher(broker, log, over.signal);
    const replica = new Replica({
      source,
      concurrency,
      createContext: (work, run) => contexts.create(work, { ...run, settings }),
      answer: (outcome) => results.add(outcome),
      log,
      metrics,
    });
    opened.add('announcements', announce(broker, source.description, log));
    const control = broker.subscribe({
      exchange: EXCHANGES.control,
      bindingKeys: [''],
      types: [MESSAGES.control],
      handler: ({ body }) => replica.control(body),
      onGap: () => replica.missedControls(),
    });
    const consumer = broker.consume({
      queue: stepsQueue(source.id),
      types: [MESSAGES.steps],
      prefetch,
      concurrency: prefetch,
      handler: ({ body, redelivered, correlationId }) => replica.take(body, { redelivered, correlationId }),
    });
    const suspects = broker.consume({
      queue: stepsAloneQueue(source.id),
      types: [MESSAGES.steps],
      prefetch: 1,
      concurrency: 1,
      handler: ({ body, redelivered, correlationId }) =>
        replica.take(body, { redelivered, correlationId, alone: true }),
    });
    let closed: Promise<void> | undefined;
    const close = async (): Promise<void> => {
      const timeoutMs = graceMs + LAST_WORDS_MS + 2_000;
      const taken = Promise.all([consumer.close({ timeoutMs }), suspects.close({ timeoutMs })]);
      await replica.end(graceMs);
      await Promise.race([results.flush(), sleep(LAST_WORDS_MS, undefined, { ref: false })]);
      over.abort(new Error('the collector is closed'));
      await taken;
      await opened.close();
    };
    return {
      source,
      broker,
      get held() {
        return replica.held;
      },
      get running() {
        return replica.running;
      },
      ready: Promise.all([consumer.ready, suspects.ready, control.ready, broker.whenUp()]).then(() => {}),
      close: () => (closed ??= close()),
    };
  } catch (error) {
    over.abort();
    await opened.close().catch(() => {});
    throw error;
  }
}
