import type { Channel, ConsumeMessage } from 'amqplib';
import type { MessageType } from '@magpie/contracts';
import { KeptChannel } from './channel.ts';
import type { Connection } from './connection.ts';
import { errorText } from './errors.ts';
import type { Log } from './log.ts';
import { decode, describe, type BodyOf, type Delivery } from './message.ts';
import { EXCHANGES } from './topology.ts';

/** So many messages wait for a slow subscriber; then the oldest are dropped. */
const MAX_WAITING = 10_000;

export interface SubscribeOptions<T extends readonly MessageType[]> {
  readonly exchange: { readonly name: string };
  /** Topic patterns (`job.*.changed`, `#`); ignored by a fanout exchange. */
  readonly bindingKeys: readonly string[];
  readonly types: T;
  /** Called in order of arrival, not waited for; what it throws is logged. */
  readonly handler: (delivery: Delivery<BodyOf<T[number]>>) => void | Promise<void>;
  /** The subscription is back after a loss: messages in between were missed. */
  readonly onGap?: () => void;
}

export interface SubscriptionSettings {
  readonly connection: Connection;
  readonly prefix: string;
  readonly log: Log;
  readonly maxBytes: number;
  readonly onClosed: (subscription: Subscription) => void;
}

/** What is published while somebody listens: at most once, nothing kept, nothing acked. */
export class Subscription {
  /** Resolves when messages arrive from now on; never, if the broker is never reached. */
  readonly ready: Promise<void>;
  readonly #options: SubscribeOptions<readonly MessageType[]>;
  readonly #settings: SubscriptionSettings;
  readonly #channel: KeptChannel<Channel>;
  #closed: Promise<void> | undefined;

  constructor(options: SubscribeOptions<readonly MessageType[]>, settings: SubscriptionSettings) {
    this.#options = options;
    this.#settings = settings;
    const { connection, log } = settings;
    let isReady = (): void => {};
    this.ready = new Promise((resolve) => (isReady = resolve));
    let before = false;
    this.#channel = new KeptChannel<Channel>({
      connection,
      log,
      name: `subscribe ${options.exchange.name}`,
      create: (model) => model.createChannel(),
      setUp: (channel) => this.#listen(channel),
      onReady: () => {
        if (before) options.onGap?.();
        before = true;
        isReady();
      },
    });
  }

  close(): Promise<void> {
    this.#closed ??= this.#channel.close().then(() => this.#settings.onClosed(this));
    return this.#closed;
  }

  /** The queue's name is the broker's choice: a fixed exclusive one would be locked by a connection just lost. */
  async #listen(channel: Channel): Promise<void> {
    const { exchange, bindingKeys } = this.#options;
    const { prefix } = this.#settings;
    const spec = Object.values(EXCHANGES).find(({ name }) => name === exchange.name);
    if (!spec) throw new Error(`no exchange "${exchange.name}"`);
    await channel.assertExchange(prefix + spec.name, spec.type, { durable: true });
    const { queue } = await channel.assertQueue('', {
      exclusive: true,
      autoDelete: true,
      durable: false,
      arguments: { 'x-queue-type': 'classic', 'x-max-length': MAX_WAITING, 'x-overflow': 'drop-head' },
    });
    for (const key of bindingKeys) await channel.bindQueue(queue, prefix + spec.name, key);
    await channel.consume(
      queue,
      (raw) => {
        if (raw) this.#onMessage(raw);
        else channel.close().catch(() => {});
      },
      { noAck: true, exclusive: true },
    );
  }

  /** Never throws: amqplib would close the connection. */
  #onMessage(raw: ConsumeMessage): void {
    if (this.#closed) return;
    const { prefix, maxBytes, log } = this.#settings;
    const about = describe(raw, prefix);
    const complain = (error: unknown): void => {
      log.warn({ exchange: about.exchange, type: about.type, error: errorText(error) }, 'message dropped');
    };
    try {
      const delivery = decode(raw, about, this.#options.types, maxBytes);
      void Promise.resolve(this.#options.handler(delivery)).catch(complain);
    } catch (error) {
      complain(error);
    }
  }
}
