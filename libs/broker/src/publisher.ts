import { setTimeout as sleep } from 'node:timers/promises';
import type { ConfirmChannel, Message } from 'amqplib';
import { KeptChannel } from './channel.ts';
import type { Connection } from './connection.ts';
import { BrokerUnavailable, UnroutableError } from './errors.ts';
import type { Log } from './log.ts';
import type { Envelope } from './message.ts';
import { DELETED_QUEUE_PAUSE_MS, type Declare, type Topology } from './topology.ts';

const SWEEP_MS = 250;
const NACK_PAUSE_MS = 200;

export interface PublisherOptions {
  readonly connection: Connection;
  readonly log: Log;
  readonly prefix: string;
  readonly declare: Declare;
  /** `own` is declared when the channel opens; `all`, consumed queues too, when a message comes back unroutable. */
  readonly topology: () => { readonly own: Topology; readonly all: Topology };
  /** At most so many messages, and bytes of bodies, unconfirmed at a time; the rest waits its turn. */
  readonly maxInFlight: number;
  readonly maxInFlightBytes: number;
  readonly timeoutMs: number;
  readonly onChange: () => void;
}

/** Where an envelope goes; names are without prefix, '' is the default exchange. */
export interface Address {
  readonly exchange: string;
  readonly routingKey: string;
}

/**
 * An entry is in exactly one of three sets: `waiting` for its turn, `sent` and unconfirmed, or `aside`
 * while something is mended for it. All three keep the order of arrival.
 */
interface Entry extends Address {
  readonly envelope: Envelope;
  readonly since: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  sentAt: number | undefined;
  returned: boolean;
  returnedBefore: boolean;
}

/** Publishes with confirms over one channel. See `Broker.publish` for what it promises. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #channel: KeptChannel<ConfirmChannel>;
  #waiting = new Set<Entry>();
  readonly #sent = new Set<Entry>();
  readonly #aside = new Set<Entry>();
  readonly #gone = new WeakSet<ConfirmChannel>();
  #sentBytes = 0;
  #writable = true;
  #lastConfirmAt = 0;
  #sweep: NodeJS.Timeout | undefined;
  #mending: Promise<void> | undefined;
  #watchers: (() => void)[] = [];
  #closed = false;

  constructor(options: PublisherOptions) {
    this.#options = options;
    const { connection, log, onChange, declare, topology } = options;
    this.#channel = new KeptChannel<ConfirmChannel>({
      connection,
      log,
      name: 'publish',
      create: (model) => model.createConfirmChannel(),
      setUp: async (channel) => {
        await declare(channel, topology().own);
        // before amqplib's own listener, which fails every unconfirmed publish of the channel
        channel.prependListener('close', () => this.#gone.add(channel));
        channel.on('return', (message: Message) => this.#onReturn(message));
        channel.on('drain', () => {
          this.#writable = true;
          this.pump();
        });
      },
      onReady: () => {
        this.#writable = true;
        onChange();
        this.pump();
      },
      onLost: () => {
        this.#resendAll();
        onChange();
      },
    });
  }

  get up(): boolean {
    return this.#channel.current !== undefined;
  }

  /** Why the channel is not open, if it was the channel's fault. */
  get lastError(): string | undefined {
    return this.#channel.lastError;
  }

  /** Messages whose fate is not known yet. */
  get pending(): number {
    return this.#waiting.size + this.#sent.size + this.#aside.size;
  }

  /** Resolves when one more message would not have to wait behind a full window of others. */
  async room(): Promise<void> {
    while (this.#waiting.size >= this.#options.maxInFlight && !this.#closed) await this.#change();
  }

  /** Resolves when every message so far is confirmed or has failed. */
  async drained(): Promise<void> {
    while (this.pending > 0) await this.#change();
  }

  /** Resolves when the broker has the message in a queue, or nobody wanted it and it was not mandatory. */
  send(address: Address, envelope: Envelope): Promise<void> {
    if (this.#closed) return Promise.reject(new BrokerUnavailable('the broker is closed'));
    return new Promise<void>((resolve, reject) => {
      this.#waiting.add({
        ...address,
        envelope,
        resolve,
        reject,
        since: Date.now(),
        sentAt: undefined,
        returned: false,
        returnedBefore: false,
      });
      this.#sweep ??= setInterval(() => this.#expire(), SWEEP_MS);
      this.pump();
    });
  }

  /** Writes at once and forgets, or drops; tells which. */
  trySend({ exchange, routingKey }: Address, { content, options }: Envelope): boolean {
    const channel = this.#channel.current;
    if (!channel || !this.#writable || this.#options.connection.blocked || this.#waiting.size > 0)
      return false;
    try {
      this.#writable = channel.publish(this.#wire(exchange), routingKey, content, {
        ...options,
        mandatory: false,
      });
      return true;
    } catch {
      return false;
    }
  }

  /** Everything still pending is rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const entry of [...this.#sent, ...this.#aside, ...this.#waiting]) {
      this.#finish(entry, new BrokerUnavailable('the broker was closed before the message was confirmed'));
    }
    this.#changed();
    await this.#channel.close();
  }

  /** Sends what may be sent now. */
  pump(): void {
    const { connection, maxInFlight, maxInFlightBytes } = this.#options;
    const channel = this.#channel.current;
    if (!channel || connection.blocked) return;
    for (const entry of this.#waiting) {
      if (!this.#writable || this.#sent.size >= maxInFlight) break;
      const bytes = entry.envelope.content.length;
      if (this.#sent.size > 0 && this.#sentBytes + bytes > maxInFlightBytes) break;
      if (!this.#write(channel, entry)) break;
    }
    this.#changed();
  }

  #wire(exchange: string): string {
    return exchange === '' ? '' : this.#options.prefix + exchange;
  }

  #write(channel: ConfirmChannel, entry: Entry): boolean {
    const { exchange, routingKey, envelope } = entry;
    this.#waiting.delete(entry);
    this.#sent.add(entry);
    this.#sentBytes += envelope.content.length;
    entry.returned = false;
    entry.sentAt ??= Date.now();
    try {
      this.#writable = channel.publish(
        this.#wire(exchange),
        routingKey,
        envelope.content,
        envelope.options,
        (error) => {
          if (!this.#gone.has(channel)) this.#onConfirm(entry, error as Error | null);
        },
      );
      return true;
    } catch (error) {
      this.#sent.delete(entry);
      this.#sentBytes -= envelope.content.length;
      if ((error as Error).name === 'IllegalOperationError') {
        // the channel is closing; `onLost` follows, and then a new one
        this.#waiting = new Set([entry, ...this.#waiting]);
        return false;
      }
      this.#finish(entry, error as Error);
      return true;
    }
  }

  /** The broker sends a mandatory message back before it confirms it. */
  #onReturn({ fields, properties }: Message): void {
    for (const entry of this.#sent) {
      if (
        !entry.returned &&
        entry.envelope.options.messageId === properties.messageId &&
        this.#wire(entry.exchange) === fields.exchange &&
        entry.routingKey === fields.routingKey
      ) {
        entry.returned = true;
        return;
      }
    }
  }

  #onConfirm(entry: Entry, error: Error | null): void {
    if (!this.#sent.delete(entry)) return;
    this.#sentBytes -= entry.envelope.content.length;
    this.#lastConfirmAt = Date.now();
    if (error) {
      this.#setAside(entry, new Promise((resolve) => setTimeout(resolve, NACK_PAUSE_MS)));
    } else if (!entry.returned) {
      this.#finish(entry);
    } else if (entry.returnedBefore) {
      this.#finish(entry, new UnroutableError(entry.exchange, entry.routingKey));
    } else {
      entry.returnedBefore = true;
      this.#setAside(entry, this.#mend());
    }
    this.pump();
  }

  #setAside(entry: Entry, until: Promise<void>): void {
    this.#aside.add(entry);
    void until.then(() => {
      if (!this.#aside.delete(entry)) return;
      this.#waiting.add(entry);
      this.pump();
    });
  }

  /** Declares on a channel of its own: a declaration that the broker refuses closes its channel. */
  async declare(topology: Topology): Promise<void> {
    const { connection, declare } = this.#options;
    const channel = await (await connection.model())?.createChannel();
    if (!channel) throw new BrokerUnavailable('the broker is closed');
    channel.on('error', () => {});
    await declare(channel, topology);
    await channel.close();
  }

  /** Declares the topology again; once for all that wait for it. */
  #mend(): Promise<void> {
    this.#mending ??= sleep(DELETED_QUEUE_PAUSE_MS)
      .then(() => this.declare(this.#options.topology().all))
      .catch((error: Error) => this.#options.log.warn({ error: error.message }, 'topology not declared'))
      .finally(() => (this.#mending = undefined));
    return this.#mending;
  }

  /** What was sent and not confirmed is sent again, in its order, before what waits. */
  #resendAll(): void {
    this.#waiting = new Set([...this.#sent, ...this.#waiting]);
    this.#sent.clear();
    this.#sentBytes = 0;
  }

  /** One that waits its turn has time as long as others are being confirmed; one that was sent has not. */
  #expire(): void {
    const { timeoutMs, connection } = this.#options;
    const now = Date.now();
    for (const entry of [...this.#sent, ...this.#aside, ...this.#waiting]) {
      const from = entry.sentAt ?? Math.max(entry.since, this.#lastConfirmAt);
      if (now - from < timeoutMs) continue;
      const why = this.up ? 'not confirmed' : `broker not reached (${connection.lastError ?? 'no answer'})`;
      this.#finish(entry, new BrokerUnavailable(`${why} within ${timeoutMs} ms`));
    }
    this.pump();
  }

  #finish(entry: Entry, error?: Error): void {
    if (this.#sent.delete(entry)) this.#sentBytes -= entry.envelope.content.length;
    this.#waiting.delete(entry);
    this.#aside.delete(entry);
    if (this.pending === 0) {
      clearInterval(this.#sweep);
      this.#sweep = undefined;
    }
    if (error) entry.reject(error);
    else entry.resolve();
    this.#changed();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#watchers.push(resolve));
  }

  #changed(): void {
    const watchers = this.#watchers;
    this.#watchers = [];
    for (const watcher of watchers) watcher();
  }
}
