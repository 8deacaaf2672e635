import type { Channel, ConsumeMessage } from 'amqplib';
import type { MessageType } from '@magpie/contracts';
import { AckWindow } from './acks.ts';
import { atMost } from './at-most.ts';
import { KeptChannel } from './channel.ts';
import type { Connection } from './connection.ts';
import { errorText, Poison, Unavailable } from './errors.ts';
import { meetFate, requeueCopy, type Undertaker } from './fate.ts';
import type { Hold } from './hold.ts';
import { decode, describe, type Delivery } from './message.ts';
import { DELETED_QUEUE_PAUSE_MS, EXCHANGES, type Declare, type QueueSpec } from './topology.ts';

/** What the handler says of deliveries it could not handle; those not named are done. */
export type Rejections = ReadonlyMap<Delivery, unknown>;

export interface LaneOptions {
  readonly connection: Connection;
  readonly undertaker: Undertaker;
  readonly declare: Declare;
  readonly hold: Hold;
  /** The queue that the lane consumes. */
  readonly queue: QueueSpec;
  /** The queue that retried messages come back to. */
  readonly home: QueueSpec;
  readonly types: readonly MessageType[];
  readonly prefetch: number;
  /** How many calls of the handler at a time. */
  readonly concurrency: number;
  readonly batch: { readonly max: number; readonly waitMs: number };
  /** A message that came back unacked more often than `limit` goes to `exit` instead of to the handler. */
  readonly comebacks: { readonly limit: number; readonly exit: QueueSpec | 'dead' };
  readonly maxBytes: number;
  /** A message held this long is put at the end of its queue, so that its ack never comes too late. */
  readonly holdMaxMs: number;
  readonly call: (deliveries: Delivery[], signal: AbortSignal) => Promise<Rejections | undefined>;
  readonly count: (what: 'consumed' | 'acked') => void;
  readonly onChannel?: ((channel: Channel, queue: string) => void) | undefined;
}

/** One incarnation of the channel. Deliveries belong to one, and are never acked on another. */
interface Session {
  readonly channel: Channel;
  readonly acks: AckWindow;
  closed: boolean;
  flushing: boolean;
}

interface Held {
  readonly raw: ConsumeMessage;
  readonly about: Omit<Delivery, 'body' | 'version'>;
  readonly session: Session;
  delivery: Delivery | undefined;
  inHandler: boolean;
  /** Acked, or being moved elsewhere. */
  over: boolean;
}

/** One queue on one channel: takes deliveries, hands them to the handler, sends each to its fate, acks it. */
export class Lane {
  readonly #options: LaneOptions;
  readonly #channel: KeptChannel<Channel>;
  readonly #abort = new AbortController();
  readonly #held = new Set<Held>();
  #ready: Held[] = [];
  /** Handlers at work, and messages on their way elsewhere. */
  readonly #work = new Set<Promise<void>>();
  #calls = 0;
  #session: Session | undefined;
  #batchTimer: NodeJS.Timeout | undefined;
  #consumerTag: string | undefined;
  #closing = false;

  constructor(options: LaneOptions, onReady: () => void) {
    this.#options = options;
    const { connection, undertaker, queue, prefetch } = options;
    this.#channel = new KeptChannel<Channel>({
      connection,
      log: undertaker.log,
      name: `consume ${queue.name}`,
      create: (model) => model.createChannel(),
      setUp: async (channel) => {
        const exchanges = Object.values(EXCHANGES);
        await options.declare(channel, { exchanges, queues: [queue] });
        await channel.prefetch(prefetch);
        options.onChannel?.(channel, queue.name);
        await this.#consume(channel);
      },
      onReady,
    });
  }

  /** Takes nothing more, waits for running handlers, aborts those that last longer, closes the channel. */
  async close(timeoutMs: number): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#batchTimer);
    const channel = this.#channel.current;
    if (channel && this.#consumerTag !== undefined) {
      await atMost(1_000, channel.cancel(this.#consumerTag)).catch(() => {});
    }
    if (!(await atMost(timeoutMs, this.#idle()))) {
      this.#abort.abort(new Error('the consumer is closing'));
      await atMost(1_000, this.#idle());
    }
    this.#abort.abort(new Error('the consumer is closed'));
    const session = this.#session;
    if (session && !session.closed) {
      this.#flush(session);
      // given back on purpose: RabbitMQ 4.3 counts that less severely than a channel that goes
      if (session.acks.open > 0) session.channel.nackAll(true);
    }
    await this.#channel.close();
  }

  async #idle(): Promise<void> {
    while (this.#work.size > 0) await Promise.allSettled(this.#work);
  }

  async #consume(channel: Channel): Promise<void> {
    const { queue, undertaker } = this.#options;
    const session: Session = { channel, acks: new AckWindow(), closed: false, flushing: false };
    this.#session = session;
    channel.prependListener('close', () => {
      session.closed = true;
      this.#ready = this.#ready.filter((held) => held.session !== session);
      for (const held of this.#held) if (held.session === session) this.#held.delete(held);
    });
    const { consumerTag } = await channel.consume(
      undertaker.prefix + queue.name,
      (raw) => {
        if (raw) return this.#onDelivery(session, raw);
        undertaker.log.warn({ queue: queue.name }, 'the queue was deleted');
        setTimeout(() => {
          if (!session.closed) channel.close().catch(() => {});
        }, DELETED_QUEUE_PAUSE_MS);
      },
      { noAck: false },
    );
    this.#consumerTag = consumerTag;
  }

  /** Never throws: amqplib would close the connection. */
  #onDelivery(session: Session, raw: ConsumeMessage): void {
    if (this.#closing) return;
    const { prefix } = this.#options.undertaker;
    const about = describe(raw, prefix);
    const held: Held = { raw, about, session, delivery: undefined, inHandler: false, over: false };
    session.acks.deliver(raw.fields.deliveryTag);
    this.#held.add(held);
    this.#options.count('consumed');
    const { comebacks, types, maxBytes } = this.#options;
    if ((about.deliveryCount ?? 0) >= comebacks.limit) {
      return this.#track(this.#isolate(held));
    }
    try {
      held.delivery = decode(raw, about, types, maxBytes);
    } catch (error) {
      return this.#track(this.#meetFate(held, error));
    }
    this.#ready.push(held);
    this.#pump();
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => {
        this.#options.undertaker.log.error({ error: errorText(error) }, 'consumer failed');
      })
      .finally(() => {
        this.#work.delete(tracked);
        this.#pump();
      });
    this.#work.add(tracked);
  }

  #pump(): void {
    const { concurrency, batch } = this.#options;
    clearTimeout(this.#batchTimer);
    while (!this.#closing && this.#ready.length > 0 && this.#calls < concurrency) {
      if (this.#ready.length < batch.max) {
        const wait = (this.#ready[0]?.about.receivedAt ?? 0) + batch.waitMs - Date.now();
        if (wait > 0) {
          this.#batchTimer = setTimeout(() => this.#pump(), wait);
          return;
        }
      }
      this.#calls += 1;
      const done = this.#run(this.#ready.splice(0, batch.max)).finally(() => (this.#calls -= 1));
      this.#track(done);
    }
  }

  #alive(held: Held): boolean {
    return !held.over && !held.session.closed;
  }

  async #run(group: readonly Held[]): Promise<void> {
    const { hold, undertaker } = this.#options;
    for (let rest = group, tries = 0; ; tries += 1) {
      await hold.enter();
      rest = rest.filter((held) => this.#alive(held));
      if (rest.length === 0 || (this.#closing && (tries > 0 || hold.shut))) return hold.gaveUp();
      let rejections: Rejections;
      try {
        rejections = await this.#call(rest);
      } catch (error) {
        if (this.#abort.signal.aborted) return hold.gaveUp();
        if (error instanceof Unavailable) {
          if (!hold.shut) undertaker.log.warn({ reason: errorText(error) }, 'holding messages');
          hold.failed();
          continue;
        }
        hold.worked();
        const [only, ...others] = rest;
        if (only && others.length === 0) return await this.#meetFate(only, error);
        // one of them may be to blame: each by itself, so that no other loses an attempt
        for (const held of rest) await this.#run([held]);
        return;
      }
      const unavailable: Held[] = [];
      const fates: Promise<void>[] = [];
      for (const held of rest) {
        const error =
          held.delivery && rejections.has(held.delivery) ? rejections.get(held.delivery) : undefined;
        if (!held.delivery || !rejections.has(held.delivery)) this.#settle(held);
        else if (error instanceof Unavailable) unavailable.push(held);
        else fates.push(this.#meetFate(held, error));
      }
      await Promise.all(fates);
      if (unavailable.length === 0) return hold.worked();
      hold.failed();
      rest = unavailable;
    }
  }

  async #call(group: readonly Held[]): Promise<Rejections> {
    for (const held of group) held.inHandler = true;
    try {
      const deliveries = group.map(({ delivery }) => delivery as Delivery);
      return (await this.#options.call(deliveries, this.#abort.signal)) ?? new Map();
    } finally {
      for (const held of group) held.inHandler = false;
    }
  }

  async #meetFate(held: Held, error: unknown): Promise<void> {
    const { undertaker, home } = this.#options;
    held.over = true;
    if (await meetFate(error, held.raw, held.about, home.name, undertaker, () => this.#mayMove(held))) {
      this.#settle(held);
    }
  }

  /** A message that was in the hands of consumers that died is tried alone, or not at all any more. */
  async #isolate(held: Held): Promise<void> {
    const { comebacks, undertaker } = this.#options;
    if (comebacks.exit === 'dead') {
      return this.#meetFate(held, new Poison('crashed_consumer', 'consumers died while they handled it'));
    }
    undertaker.log.warn({ queue: comebacks.exit.name, messageId: held.about.messageId }, 'suspect message');
    await this.#moveTo(comebacks.exit, held);
  }

  async #moveTo(queue: QueueSpec, held: Held): Promise<void> {
    const { undertaker } = this.#options;
    held.over = true;
    if (await requeueCopy(held.raw, held.about, queue.name, undertaker, () => this.#mayMove(held))) {
      this.#settle(held);
    }
  }

  #mayMove(held: Held): boolean {
    return !held.session.closed && !this.#abort.signal.aborted;
  }

  /** Of what is held because a dependency is down: the oldest start again at the end of their queue. */
  refresh(): void {
    const { holdMaxMs, queue } = this.#options;
    const before = Date.now() - holdMaxMs;
    for (const held of this.#held) {
      if (held.about.receivedAt > before || held.inHandler || !this.#alive(held) || !held.delivery) continue;
      this.#ready = this.#ready.filter((other) => other !== held);
      this.#track(this.#moveTo(queue, held));
    }
  }

  /** Acks follow in the next turn of the event loop, several in one where their order permits. */
  #settle(held: Held): void {
    const { session } = held;
    held.over = true;
    this.#held.delete(held);
    if (session.closed) return;
    session.acks.done(held.raw.fields.deliveryTag);
    this.#options.count('acked');
    if (session.flushing) return;
    session.flushing = true;
    setImmediate(() => this.#flush(session));
  }

  #flush(session: Session): void {
    session.flushing = false;
    if (session.closed) return;
    try {
      for (const { tag, multiple } of session.acks.take()) {
        session.channel.ack({ fields: { deliveryTag: tag } } as ConsumeMessage, multiple);
      }
    } catch {
      // the channel is closing: the broker hands the messages out again
    }
  }
}
