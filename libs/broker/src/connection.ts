import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type ChannelModel } from 'amqplib';
import { retryDelay } from '@magpie/domain';
import { atMost } from './at-most.ts';
import { errorText } from './errors.ts';
import type { Log } from './log.ts';

const CONNECT_TIMEOUT_MS = 10_000;
const CLOSE_TIMEOUT_MS = 1_000;
/** A connection that lived this long starts the back-off anew. */
const STEADY_MS = 5_000;

export interface ConnectionOptions {
  readonly url: string;
  /** What it is for; shown by the broker's management and in logs. */
  readonly name: string;
  readonly heartbeatSeconds: number;
  readonly log: Log;
  readonly onChange: () => void;
}

/** @throws TypeError when it is no AMQP URL; the error does not repeat it, it may hold a password */
export function checkUrl(url: string): void {
  const protocol = URL.canParse(url) ? new URL(url).protocol : undefined;
  if (protocol !== 'amqp:' && protocol !== 'amqps:') throw new TypeError('not an amqp:// or amqps:// URL');
}

/** Where a broker is, without its credentials. */
export function brokerAddress(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

/**
 * One AMQP connection, kept: connects again for ever, after 100 ms at first, 5 s at most, half of it at
 * random. `model()` gives the living connection. Not amqplib's own recovery, which restores connections but
 * leaves a consumer silent after a channel error.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #closing = new AbortController();
  readonly #loop: Promise<void>;
  #model: ChannelModel | undefined;
  #blocked = false;
  #waiting: (() => void)[] = [];
  #everUp = false;
  #lastError: string | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#loop = this.#keep();
  }

  get up(): boolean {
    return this.#model !== undefined;
  }

  get everUp(): boolean {
    return this.#everUp;
  }

  /** The broker refuses publishes for now (out of memory or disk). */
  get blocked(): boolean {
    return this.#blocked;
  }

  get lastError(): string | undefined {
    return this.#lastError;
  }

  /** The living connection, as soon as there is one; undefined once closed. */
  async model(): Promise<ChannelModel | undefined> {
    while (!this.#model && !this.#closing.signal.aborted) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return this.#model;
  }

  /** Ends the connection within about 1 s, whatever its state. Channels must be done with. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#wake();
    const model = this.#model;
    if (model) await closeModel(model);
    await this.#loop;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  async #keep(): Promise<void> {
    const { log, name, url, onChange } = this.#options;
    const address = brokerAddress(url);
    for (let failures = 0; !this.#closing.signal.aborted;) {
      const began = Date.now();
      try {
        const model = await this.#connect();
        const gone = new Promise<void>((resolve) => {
          model.on('error', (error) => (this.#lastError = errorText(error)));
          model.on('blocked', (reason) => {
            this.#blocked = true;
            log.warn({ broker: address, reason }, 'broker refuses publishes');
            onChange();
          });
          model.on('unblocked', () => {
            this.#blocked = false;
            log.info({ broker: address }, 'broker takes publishes again');
            onChange();
          });
          model.once('close', (error) => {
            if (error) this.#lastError = errorText(error);
            resolve();
          });
        });
        if (this.#closing.signal.aborted) {
          await closeModel(model);
          return;
        }
        this.#model = model;
        this.#everUp = true;
        this.#blocked = false;
        log.info({ broker: address, connection: name }, 'broker connected');
        this.#wake();
        onChange();
        await gone;
        this.#model = undefined;
        destroySocket(model);
        if (this.#closing.signal.aborted) return;
        log.warn({ broker: address, connection: name, error: this.#lastError }, 'broker connection lost');
        onChange();
      } catch (error) {
        this.#lastError = errorText(error);
        if (!this.#closing.signal.aborted) {
          log.warn({ broker: address, connection: name, error: this.#lastError }, 'broker not reached');
        }
      }
      failures = Date.now() - began > STEADY_MS ? 1 : failures + 1;
      const pause = retryDelay(failures, { baseMs: 100, maxMs: 5_000 });
      await sleep(pause, undefined, { signal: this.#closing.signal }).catch(() => {});
    }
  }

  /** A connect that hangs is given up after 10 s, and closed if it succeeds after all. */
  async #connect(): Promise<ChannelModel> {
    const { url, name, heartbeatSeconds } = this.#options;
    const target = new URL(url);
    target.searchParams.set('heartbeat', String(heartbeatSeconds));
    const connecting = connect(target.href, {
      noDelay: true,
      timeout: CONNECT_TIMEOUT_MS,
      clientProperties: { connection_name: name },
    });
    const late = new AbortController();
    try {
      return await Promise.race([
        connecting,
        sleep(CONNECT_TIMEOUT_MS, undefined, {
          signal: AbortSignal.any([late.signal, this.#closing.signal]),
        }).then(() => {
          throw new Error(`no connection within ${CONNECT_TIMEOUT_MS} ms`);
        }),
      ]);
    } catch (error) {
      connecting.then(
        (model) => {
          model.on('error', () => {});
          return closeModel(model);
        },
        () => {},
      );
      throw error;
    } finally {
      late.abort();
    }
  }
}

/**
 * A socket that was not closed in order (a heartbeat missed, say) would stay half open. The error makes amqplib
 * end what it still believes to be open: its channels, its heartbeat timer.
 */
function destroySocket(model: ChannelModel): void {
  const { stream } = model.connection as unknown as { stream?: { destroy?: (error: Error) => void } };
  stream?.destroy?.(new Error('connection given up'));
}

async function closeModel(model: ChannelModel): Promise<void> {
  await atMost(CLOSE_TIMEOUT_MS, model.close()).catch(() => {});
  destroySocket(model);
}
