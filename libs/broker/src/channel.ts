import { setTimeout as sleep } from 'node:timers/promises';
import type { Channel, ChannelModel } from 'amqplib';
import { retryDelay } from '@magpie/domain';
import { atMost } from './at-most.ts';
import type { Connection } from './connection.ts';
import { errorText } from './errors.ts';
import type { Log } from './log.ts';

const STEADY_MS = 5_000;
const CLOSE_TIMEOUT_MS = 1_000;

export interface KeptChannelOptions<C extends Channel> {
  readonly connection: Connection;
  /** For logs. */
  readonly name: string;
  readonly log: Log;
  readonly create: (model: ChannelModel) => Promise<C>;
  /** Makes the channel ready (declares, binds, consumes). Its failure closes the channel and tries again. */
  readonly setUp: (channel: C) => Promise<void>;
  readonly onReady?: (channel: C) => void;
  /** The channel is gone, and with it every delivery and unconfirmed publish on it. */
  readonly onLost?: (channel: C) => void;
}

/**
 * A channel that is there again after whatever closed it: its connection, an error of its own, a set-up that
 * failed. Every incarnation is a new object; what belongs to an old one is void.
 */
export class KeptChannel<C extends Channel> {
  readonly #options: KeptChannelOptions<C>;
  readonly #closing = new AbortController();
  readonly #loop: Promise<void>;
  #current: C | undefined;
  #lastError: string | undefined;

  constructor(options: KeptChannelOptions<C>) {
    this.#options = options;
    this.#loop = this.#keep();
  }

  /** The channel, when it is open and set up. */
  get current(): C | undefined {
    return this.#current;
  }

  /** Why it was lost, or could not be set up, the last time. */
  get lastError(): string | undefined {
    return this.#lastError;
  }

  /** May be called twice. Takes about 1 s at most: a channel that does not answer goes with its connection. */
  async close(): Promise<void> {
    this.#closing.abort();
    const closing = this.#current ? closeQuietly(this.#current) : Promise.resolve();
    if (this.#options.connection.up)
      await atMost(
        CLOSE_TIMEOUT_MS,
        closing.then(() => this.#loop),
      );
  }

  async #keep(): Promise<void> {
    const { connection, create, setUp, onReady, onLost, log, name } = this.#options;
    for (let failures = 0; !this.#closing.signal.aborted;) {
      const model = await connection.model();
      if (!model || this.#closing.signal.aborted) return;
      const began = Date.now();
      let channel: C | undefined;
      let reason: string | undefined;
      try {
        const opened = await create(model);
        channel = opened;
        const gone = new Promise<void>((resolve) => opened.once('close', () => resolve()));
        opened.on('error', (error) => (reason = errorText(error)));
        await setUp(opened);
        if (this.#closing.signal.aborted) {
          await closeQuietly(opened);
          return;
        }
        this.#current = opened;
        onReady?.(opened);
        await gone;
      } catch (error) {
        reason ??= errorText(error);
        if (channel) await closeQuietly(channel);
      }
      if (this.#current) {
        const lost = this.#current;
        this.#current = undefined;
        onLost?.(lost);
      }
      if (this.#closing.signal.aborted) return;
      failures = Date.now() - began > STEADY_MS ? 1 : failures + 1;
      this.#lastError = reason;
      if (reason) log.warn({ channel: name, error: reason }, 'channel lost, building it again');
      const pause = retryDelay(failures, { baseMs: 50, maxMs: 5_000 });
      await sleep(pause, undefined, { signal: this.#closing.signal }).catch(() => {});
    }
  }
}

async function closeQuietly(channel: Channel): Promise<void> {
  try {
    await atMost(CLOSE_TIMEOUT_MS, channel.close());
  } catch {
    // closed already
  }
}
