import type { DeadLetterBody, MessageType } from '@magpie/contracts';
import { atMost } from './at-most.ts';
import { checkUrl, Connection } from './connection.ts';
import {
  Consumer,
  type AnyConsumeOptions,
  type ConsumeBatchOptions,
  type ConsumeOptions,
  type ConsumerSettings,
} from './consumer.ts';
import { deadLetter, resurrect } from './dead-letters.ts';
import { BrokerUnavailable, errorText, InvalidMessage, PublishManyError, UnroutableError } from './errors.ts';
import { SILENT, type Log } from './log.ts';
import { encode, VERSION_HEADER, type OutgoingMessage } from './message.ts';
import type { BrokerCounts, BrokerOptions, BrokerStatus } from './options.ts';
import { Publisher } from './publisher.ts';
import { Subscription, type SubscribeOptions } from './subscription.ts';
import {
  coreTopology,
  declareInTurn,
  EXCHANGES,
  RETRY_DELAYS_MS,
  suspectsQueue,
  type ExchangeSpec,
  type QueueSpec,
  type Topology,
} from './topology.ts';

const DEFAULT_CLOSE_MS = 10_000;

/**
 * A process's access to the broker: one connection to publish and one to consume, so that a broker that slows
 * its publishers never holds up acks. Returns at once and connects in the background, again for ever.
 * @throws TypeError when the URL is no AMQP URL
 */
export function createBroker(options: BrokerOptions): Broker {
  return new Broker(options);
}

export class Broker {
  readonly #prefix: string;
  readonly #log: Log;
  readonly #maxBytes: number;
  readonly #copies: number;
  readonly #retryDelaysMs: readonly number[];
  readonly #declared = new Map<string, QueueSpec>();
  readonly #consumed = new Map<string, QueueSpec>();
  readonly #outgoing: Connection;
  readonly #incoming: Connection;
  readonly #publisher: Publisher;
  readonly #settings: ConsumerSettings;
  readonly #consumers = new Set<Consumer>();
  readonly #subscriptions = new Set<Subscription>();
  readonly #listeners = new Set<(status: BrokerStatus) => void>();
  #status: BrokerStatus = 'connecting';
  #closed: Promise<void> | undefined;
  /** For metrics. */
  readonly counts: BrokerCounts = { published: 0, consumed: 0, acked: 0, retried: 0, deadLettered: 0 };

  constructor(options: BrokerOptions) {
    const { url, name = 'magpie', testHooks } = options;
    checkUrl(url);
    this.#prefix = options.prefix ?? '';
    this.#log = options.log ?? SILENT;
    this.#maxBytes = options.maxMessageBytes ?? 8 * 1024 * 1024;
    this.#retryDelaysMs = options.retryDelaysMs ?? RETRY_DELAYS_MS;
    this.#copies = (testHooks?.duplicateDeliveries ?? process.env['MAGPIE_TEST_DUPLICATE'] === '1') ? 2 : 1;
    const link = {
      url,
      heartbeatSeconds: options.heartbeatSeconds ?? 10,
      log: this.#log,
      onChange: () => this.#onChange(),
    };
    this.#outgoing = new Connection({ ...link, name: `${name} publish` });
    this.#incoming = new Connection({ ...link, name: `${name} consume` });
    const declare = declareInTurn(this.#prefix);
    this.#publisher = new Publisher({
      declare,
      connection: this.#outgoing,
      log: this.#log,
      prefix: this.#prefix,
      topology: () => ({ own: this.#topologyWith([...this.#declared.values()]), all: this.topology }),
      maxInFlight: options.maxInFlight ?? 2_000,
      maxInFlightBytes: options.maxInFlightBytes ?? 32 * 1024 * 1024,
      timeoutMs: options.publishTimeoutMs ?? 10_000,
      onChange: () => this.#onChange(),
    });
    this.#settings = {
      connection: this.#incoming,
      declare,
      undertaker: {
        publisher: this.#publisher,
        log: this.#log,
        prefix: this.#prefix,
        maxBytes: this.#maxBytes,
        retryDelaysMs: this.#retryDelaysMs,
        count: (what) => (this.counts[what] += 1),
      },
      maxBytes: this.#maxBytes,
      holdTryMs: options.holdTryMs ?? 5_000,
      holdMaxMs: options.holdMaxMs ?? 600_000,
      isolateAfter: options.isolateAfter ?? 2,
      giveUpAfter: options.giveUpAfter ?? 3,
      count: (what) => (this.counts[what] += 1),
      onChannel: testHooks?.onConsumerChannel,
      onClosed: (consumer) => this.#consumers.delete(consumer),
    };
  }

  /** `up`: both connections and the publishing channel work. `connecting`: never been up. */
  get status(): BrokerStatus {
    return this.#status;
  }

  /** Why it is not up, as far as is known; undefined when it is. For a readiness check. */
  get lastError(): string | undefined {
    if (this.#status === 'up') return undefined;
    if (this.#outgoing.up && this.#incoming.up) return this.#publisher.lastError;
    return this.#outgoing.up ? this.#incoming.lastError : this.#outgoing.lastError;
  }

  /** Consumers and subscriptions not closed yet. */
  get open(): number {
    return this.#consumers.size + this.#subscriptions.size;
  }

  /** All that this process declares: what it publishes to, and what it consumes. */
  get topology(): Topology {
    return this.#topologyWith([...this.#declared.values(), ...this.#consumed.values()]);
  }

  #topologyWith(queues: readonly QueueSpec[]): Topology {
    const core = coreTopology(this.#retryDelaysMs);
    const byName = new Map([...core.queues, ...queues].map((queue) => [queue.name, queue]));
    return { ...core, queues: [...byName.values()] };
  }

  /** Calls the listener at each change; returns what ends that. */
  onStatus(listener: (status: BrokerStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when the broker is up. @throws BrokerUnavailable after `timeoutMs` (default: waits for ever) */
  async whenUp({ timeoutMs }: { timeoutMs?: number } = {}): Promise<void> {
    if (this.#status === 'up') return;
    let stop = (): void => {};
    const up = new Promise<void>((resolve) => {
      stop = this.onStatus((status) => status === 'up' && resolve());
    });
    try {
      if (timeoutMs === undefined) await up;
      else if (!(await atMost(timeoutMs, up))) {
        throw new BrokerUnavailable(
          `broker not up within ${timeoutMs} ms (${this.lastError ?? 'no answer'})`,
        );
      }
    } finally {
      stop();
    }
  }

  /**
   * Declares a queue that this process publishes to and another one consumes, now and after every reconnect;
   * resolves when it is there. @throws BrokerUnavailable
   */
  async declare(queue: QueueSpec, { timeoutMs = 10_000 }: { timeoutMs?: number } = {}): Promise<void> {
    this.#declared.set(queue.name, queue);
    await this.whenUp({ timeoutMs });
    await this.#publisher.declare({ exchanges: Object.values(EXCHANGES), queues: [queue] });
  }

  /**
   * Resolves when the broker has confirmed the message: it is in its queues, on disk if persistent. A mandatory
   * message that no queue takes is published once more after the topology was declared again, and then parked
   * as a dead letter. While the broker is away, and after a connection lost, it is sent (again) as soon as
   * possible: at least once, in the order of publishing unless something went wrong in between.
   * @throws InvalidMessage at once · BrokerUnavailable after the timeout · UnroutableError
   */
  async publish<M extends MessageType>(message: OutgoingMessage<M>): Promise<void> {
    const spec = exchangeOf(message.exchange.name);
    const envelope = encode(message, spec, this.#maxBytes);
    const address = { exchange: spec.name, routingKey: message.routingKey };
    const copies = Array.from({ length: this.#copies }, () => this.#publisher.send(address, envelope));
    try {
      await Promise.all(copies);
      this.counts.published += 1;
    } catch (error) {
      if (error instanceof UnroutableError) await this.#park(message, envelope, error);
      throw error;
    } finally {
      if (copies.length > 1) await Promise.allSettled(copies);
    }
  }

  /**
   * Publishes all, many unconfirmed at a time, and resolves when each is confirmed. Takes from `messages` only
   * what fits into the window. @throws PublishManyError when all have ended and some failed
   */
  async publishMany<M extends MessageType>(messages: Iterable<OutgoingMessage<M>>): Promise<void> {
    const failures: { index: number; error: Error }[] = [];
    const open = new Set<Promise<void>>();
    let index = 0;
    for (const message of messages) {
      const at = index++;
      const one: Promise<void> = this.publish(message)
        .catch((error: Error) => void failures.push({ index: at, error }))
        .finally(() => open.delete(one));
      open.add(one);
      await this.#publisher.room();
    }
    await Promise.all(open);
    if (failures.length > 0) {
      failures.sort((a, b) => a.index - b.index);
      throw new PublishManyError(failures, index);
    }
  }

  /**
   * Publishes a hint: at once, unconfirmed, or not at all when the broker is away or busy. Never throws; tells
   * whether it was sent.
   */
  tryPublish<M extends MessageType>(message: OutgoingMessage<M>): boolean {
    try {
      const spec = exchangeOf(message.exchange.name);
      const envelope = encode(message, spec, this.#maxBytes);
      const address = { exchange: spec.name, routingKey: message.routingKey };
      let sent = false;
      for (let copy = 0; copy < this.#copies; copy += 1) sent = this.#publisher.trySend(address, envelope);
      return sent;
    } catch (error) {
      this.#log.error({ type: message.type.name, error: errorText(error) }, 'hint not published');
      return false;
    }
  }

  /**
   * Takes messages from a queue until closed. A message is acked after its handler has returned (the effect is
   * there), or after it was moved elsewhere with a confirm; otherwise it comes again: at least once, so
   * handlers are idempotent. What the handler throws decides:
   * `RetryLater`, or anything unknown: the message comes again after the delay of its attempt, with the attempt
   * raised; after the last one it is a dead letter, `attempts_exhausted`.
   * `Poison(reason)`: a dead letter with that reason. A message that can't be understood is one too: `malformed`.
   * `Unavailable`: the message is held and handled again, with back-off; no attempt is used up.
   * A message that comes back unacked several times (its consumers died) is handled alone, then given up:
   * `crashed_consumer`. Up to `concurrency` handlers run at a time, begun in the queue's order.
   */
  consume<const T extends readonly MessageType[]>(options: ConsumeOptions<T>): Consumer;
  consume<const T extends readonly MessageType[]>(options: ConsumeBatchOptions<T>): Consumer;
  consume(options: AnyConsumeOptions): Consumer {
    if (this.#closed) throw new BrokerUnavailable('the broker is closed');
    for (const queue of [options.queue, suspectsQueue(options.queue)]) this.#consumed.set(queue.name, queue);
    const consumer = new Consumer(options, this.#settings);
    this.#consumers.add(consumer);
    return consumer;
  }

  /** Listens to what is published from now on, at most once; after a loss the subscription is made again. */
  subscribe<const T extends readonly MessageType[]>(options: SubscribeOptions<T>): Subscription {
    if (this.#closed) throw new BrokerUnavailable('the broker is closed');
    const subscription = new Subscription(options as SubscribeOptions<readonly MessageType[]>, {
      connection: this.#incoming,
      prefix: this.#prefix,
      log: this.#log,
      maxBytes: this.#maxBytes,
      onClosed: (closed) => this.#subscriptions.delete(closed),
    });
    this.#subscriptions.add(subscription);
    return subscription;
  }

  /**
   * Publishes a dead letter's message again, as new (new id, attempt 1), to where it was published at first.
   * If it can't be routed still, it is not parked a second time.
   * @throws InvalidMessage · BrokerUnavailable · UnroutableError
   */
  async replay(letter: DeadLetterBody): Promise<void> {
    const exchange = letter.exchange === '' ? '' : exchangeOf(letter.exchange).name;
    await this.#publisher.send({ exchange, routingKey: letter.routingKey }, resurrect(letter));
  }

  /**
   * Closes consumers (running handlers have `timeoutMs` to end, default 10 s, and may publish meanwhile),
   * waits for outstanding confirms, then closes the connections. May be called twice.
   */
  close({ timeoutMs = DEFAULT_CLOSE_MS }: { timeoutMs?: number } = {}): Promise<void> {
    this.#closed ??= (async () => {
      await Promise.all([
        ...[...this.#consumers].map((consumer) => consumer.close({ timeoutMs })),
        ...[...this.#subscriptions].map((subscription) => subscription.close()),
      ]);
      await atMost(timeoutMs, this.#publisher.drained());
      await this.#publisher.close();
      await Promise.all([this.#outgoing.close(), this.#incoming.close()]);
      this.#onChange();
      this.#listeners.clear();
    })();
    return this.#closed;
  }

  async #park(
    message: OutgoingMessage,
    { content, options }: ReturnType<typeof encode>,
    error: Error,
  ): Promise<void> {
    const { exchange, routingKey, type, headers = {}, correlationId } = message;
    const messageId = options.messageId ?? '';
    const about = {
      exchange: exchange.name,
      routingKey,
      type: type.name,
      messageId,
      correlationId,
      headers,
      attempt: 1,
    };
    const version = Number(options.headers[VERSION_HEADER]);
    const letter = deadLetter(
      { about, version, content },
      { reason: 'unroutable', error, consumer: 'publisher', maxBytes: this.#maxBytes },
    );
    this.#log.error({ ...error, messageId }, 'unroutable message is a dead letter');
    try {
      await this.#publisher.send({ exchange: EXCHANGES.dead.name, routingKey: '' }, letter);
      this.counts.deadLettered += 1;
    } catch (failure) {
      this.#log.error({ messageId, error: errorText(failure) }, 'dead letter not published');
    }
  }

  #onChange(): void {
    if (!this.#publisher) return;
    this.#publisher.pump();
    const up = this.#outgoing.up && this.#incoming.up && this.#publisher.up && !this.#closed;
    const status = up ? 'up' : this.#status === 'connecting' && !this.#closed ? 'connecting' : 'down';
    if (status === this.#status) return;
    this.#status = status;
    for (const listener of this.#listeners) listener(status);
  }
}

function exchangeOf(name: string): ExchangeSpec {
  const spec = Object.values(EXCHANGES).find((known) => known.name === name);
  if (!spec) throw new InvalidMessage(`no exchange "${name}"`);
  return spec;
}
