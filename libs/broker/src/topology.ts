import type { Channel } from 'amqplib';

/** An exchange by its permanent name, and what a publish to it is unless the message says otherwise. */
export interface ExchangeSpec {
  readonly name: string;
  readonly type: 'topic' | 'fanout' | 'headers';
  /** Whether a message that no queue takes is an error. */
  readonly mandatory: boolean;
  /** Whether its messages survive a restart of the broker. */
  readonly persistent: boolean;
}

export interface Binding {
  readonly exchange: string;
  readonly routingKey: string;
  readonly arguments?: Readonly<Record<string, string | number>>;
}

export interface QueueSpec {
  /** `<consumer>.<entity>.<action>` */
  readonly name: string;
  readonly arguments: Readonly<Record<string, string | number>>;
  readonly bindings: readonly Binding[];
}

export interface Topology {
  readonly exchanges: readonly ExchangeSpec[];
  readonly queues: readonly QueueSpec[];
}

const exchange = (
  name: string,
  type: ExchangeSpec['type'],
  { lossy }: { lossy: boolean } = { lossy: false },
): ExchangeSpec => Object.freeze({ name, type, mandatory: !lossy, persistent: !lossy });

/** Every exchange; the names are permanent. */
export const EXCHANGES = {
  /** `<source>.<priority>`: work for the collectors of a source; `<source>.alone.<priority>` for what is done alone. */
  steps: exchange('magpie.steps', 'topic'),
  /** `<source>`: what became of steps. */
  results: exchange('magpie.results', 'topic'),
  /** To every collector replica that listens now. */
  control: exchange('magpie.control', 'fanout', { lossy: true }),
  /** `job.<id>.<event>`, `source.<id>.announced`. */
  events: exchange('magpie.events', 'topic', { lossy: true }),
  /** Routed by the header `magpie-retry-level`; the routing key is the queue to come back to. */
  retry: exchange('magpie.retry', 'headers'),
  dead: exchange('magpie.dead', 'fanout'),
} as const satisfies Record<string, ExchangeSpec>;

/**
 * Arguments of a durable quorum queue, each explicit, so that RabbitMQ 3.10 and 4.x behave alike (4.0 brought
 * a default delivery limit of 20, and drops what exceeds it). The limit is out of reach on purpose: consumers
 * quarantine what crashes them long before.
 */
const QUORUM = {
  'x-queue-type': 'quorum',
  'x-queue-leader-locator': 'client-local',
  'x-delivery-limit': 1000,
  'x-overflow': 'reject-publish',
} as const;

const queue = (
  name: string,
  bindings: readonly Binding[],
  extra: Readonly<Record<string, string | number>> = {},
): QueueSpec => Object.freeze({ name, arguments: { ...QUORUM, ...extra }, bindings });

/**
 * How long a steps message waits for a collector, in ms; then the broker drops it, and the dispatcher
 * creates it anew when its lease has run out. A lease must be longer than this plus the time a step may take.
 */
export const STEPS_TTL_MS = 60_000;

/** The work of one source, of every priority. */
export const stepsQueue = (source: string): QueueSpec =>
  queue(`${source}.steps.run`, [{ exchange: EXCHANGES.steps.name, routingKey: `${source}.*` }], {
    'x-message-ttl': STEPS_TTL_MS,
  });

/** Steps over which a collector died: one at a time, in a replica that does nothing else meanwhile. */
export const stepsAloneQueue = (source: string): QueueSpec =>
  queue(`${source}.steps.run-alone`, [{ exchange: EXCHANGES.steps.name, routingKey: `${source}.alone.*` }], {
    'x-message-ttl': STEPS_TTL_MS,
  });

/** Results of every source. */
export const RESULTS_QUEUE = queue('storage.results.store', [
  { exchange: EXCHANGES.results.name, routingKey: '#' },
]);

/** Sources that announce themselves. */
export const SOURCES_QUEUE = queue('storage.sources.register', [
  { exchange: EXCHANGES.events.name, routingKey: 'source.*.announced' },
]);

/** Dead letters. */
export const DEAD_QUEUE = queue('storage.dead-letters.keep', [
  { exchange: EXCHANGES.dead.name, routingKey: '' },
]);

/** Before attempt 2, 3, … in ms; a message that fails more often becomes a dead letter. */
export const RETRY_DELAYS_MS: readonly number[] = [1_000, 5_000, 30_000, 120_000, 600_000];

/** The header that picks the retry queue. Not `x-…`: a headers exchange does not look at those. */
export const RETRY_LEVEL_HEADER = 'magpie-retry-level';

/**
 * The queue in which messages wait for one delay. Nobody consumes it: what expires goes through the default
 * exchange to the queue named by its routing key, at least once (a broker killed in between loses nothing).
 */
export function retryQueue(delayMs: number): QueueSpec {
  const level = delayMs % 1000 === 0 ? `${delayMs / 1000}s` : `${delayMs}ms`;
  return queue(
    `broker.retry.${level}`,
    [
      {
        exchange: EXCHANGES.retry.name,
        routingKey: '',
        arguments: { 'x-match': 'all', [RETRY_LEVEL_HEADER]: String(delayMs) },
      },
    ],
    {
      'x-message-ttl': delayMs,
      'x-dead-letter-exchange': '',
      'x-dead-letter-strategy': 'at-least-once',
    },
  );
}

/**
 * Where a queue's suspects wait: messages that were in the hands of a consumer that died, more than once.
 * They are handled one at a time, so that the one that kills is told from its neighbours.
 */
export const suspectsQueue = (of: QueueSpec): QueueSpec =>
  Object.freeze({ name: `${of.name}.suspects`, arguments: of.arguments, bindings: [] });

/** What every process declares: all exchanges, and the queues that must exist before their consumer does. */
export const coreTopology = (retryDelaysMs: readonly number[] = RETRY_DELAYS_MS): Topology => ({
  exchanges: Object.values(EXCHANGES),
  queues: [RESULTS_QUEUE, SOURCES_QUEUE, DEAD_QUEUE, ...retryDelaysMs.map(retryQueue)],
});

/** Declares exchanges, queues and bindings; each name gets the prefix. Declaring twice changes nothing. */
export async function assertTopology(channel: Channel, topology: Topology, prefix = ''): Promise<void> {
  await Promise.all(
    topology.exchanges.map(({ name, type }) =>
      channel.assertExchange(prefix + name, type, { durable: true, autoDelete: false, internal: false }),
    ),
  );
  await Promise.all(
    topology.queues.map(async (spec) => {
      await channel.assertQueue(prefix + spec.name, {
        durable: true,
        exclusive: false,
        autoDelete: false,
        arguments: spec.arguments,
      });
      for (const bound of spec.bindings) {
        await channel.bindQueue(
          prefix + spec.name,
          prefix + bound.exchange,
          bound.routingKey,
          bound.arguments,
        );
      }
    }),
  );
}

/**
 * A queue that was deleted is declared again only after all its consumers were told, in ms: RabbitMQ 3.10 by
 * itself attaches the consumers of a queue that is back within milliseconds, and then delivers nothing to them.
 */
export const DELETED_QUEUE_PAUSE_MS = 250;

export type Declare = (channel: Channel, topology: Topology) => Promise<void>;

/**
 * `assertTopology` with a prefix, one at a time: RabbitMQ 3.10 ends a connection (541) when two channels
 * declare the same new quorum queue at once.
 */
export function declareInTurn(prefix: string): Declare {
  let last: Promise<unknown> = Promise.resolve();
  return (channel, topology) => {
    const mine = last.then(() => assertTopology(channel, topology, prefix));
    last = mine.catch(() => {});
    return mine;
  };
}

/** Deletes all that `assertTopology` made, and the suspects of each queue, messages included. For tests. */
export async function deleteTopology(channel: Channel, topology: Topology, prefix: string): Promise<void> {
  if (prefix === '') throw new Error('refusing to delete a topology without a prefix');
  for (const queue of topology.queues) {
    await channel.deleteQueue(prefix + queue.name);
    await channel.deleteQueue(prefix + suspectsQueue(queue).name);
  }
  for (const { name } of topology.exchanges) await channel.deleteExchange(prefix + name);
}
