import type { Channel } from 'amqplib';
import type { MessageType } from '@magpie/contracts';
import { DEAD_QUEUE, suspectsQueue, type Declare, type QueueSpec } from './topology.ts';
import { deadLetterLimit } from './dead-letters.ts';
import type { Connection } from './connection.ts';
import type { Undertaker } from './fate.ts';
import { Hold } from './hold.ts';
import { Lane, type LaneOptions, type Rejections } from './lane.ts';
import type { BodyOf, Delivery } from './message.ts';

interface ConsumeCommon<T extends readonly MessageType[]> {
  readonly queue: QueueSpec;
  /** What the queue may hold; anything else is malformed. */
  readonly types: T;
  /** At most so many messages unacked at a time; default: enough to keep the handlers busy. */
  readonly prefetch?: number;
  /** Calls of the handler at a time; default: the prefetch, or 1 for batches. With 1, the queue's order holds. */
  readonly concurrency?: number;
}

export interface ConsumeOptions<T extends readonly MessageType[]> extends ConsumeCommon<T> {
  readonly batch?: undefined;
  /** Returns when the effect is there: then the message is acked. */
  readonly handler: (delivery: Delivery<BodyOf<T[number]>>, signal: AbortSignal) => Promise<void>;
}

export interface ConsumeBatchOptions<T extends readonly MessageType[]> extends ConsumeCommon<T> {
  /** The handler gets up to `max` messages, fewer when the first of them has waited `waitMs` (default 20). */
  readonly batch: { readonly max: number; readonly waitMs?: number };
  /**
   * Returns when the effect of all is there, except those in `rejected`, each of which meets the fate of its
   * error. When it throws for a batch of several it is called again with each of them alone, so that one bad
   * message costs no other an attempt: it must be idempotent.
   */
  readonly handler: (
    deliveries: Delivery<BodyOf<T[number]>>[],
    signal: AbortSignal,
  ) => Promise<{ rejected?: ReadonlyMap<Delivery, unknown> } | void>;
}

export type AnyConsumeOptions =
  ConsumeOptions<readonly MessageType[]> | ConsumeBatchOptions<readonly MessageType[]>;

export interface ConsumerSettings {
  readonly connection: Connection;
  readonly undertaker: Undertaker;
  readonly declare: Declare;
  readonly maxBytes: number;
  readonly holdMaxMs: number;
  readonly holdTryMs: number;
  /** Comebacks after which a message is tried alone, and then after which it is given up. */
  readonly isolateAfter: number;
  readonly giveUpAfter: number;
  readonly count: LaneOptions['count'];
  readonly onChannel?: ((channel: Channel, queue: string) => void) | undefined;
  readonly onClosed: (consumer: Consumer) => void;
}

const DEFAULT_PREFETCH = 32;
const DEFAULT_CLOSE_MS = 10_000;

/** A handler at a queue, until it is closed. See `Broker.consume` for what it promises. */
export class Consumer {
  readonly queue: string;
  /** Resolves when the first message may come; never, if the broker is never reached. */
  readonly ready: Promise<void>;
  readonly #hold: Hold;
  readonly #lanes: readonly Lane[];
  readonly #settings: ConsumerSettings;
  #closed: Promise<void> | undefined;

  constructor(options: AnyConsumeOptions, settings: ConsumerSettings) {
    this.#settings = settings;
    const { queue, types } = options;
    this.queue = queue.name;
    const max = options.batch?.max ?? 1;
    const concurrency = options.concurrency ?? (options.batch ? 1 : (options.prefetch ?? DEFAULT_PREFETCH));
    const prefetch = options.prefetch ?? (options.batch ? max * (concurrency + 1) : concurrency);
    if (prefetch < max) throw new RangeError(`a batch of ${max} needs a prefetch of at least as many`);

    this.#hold = new Hold({
      maxMs: settings.holdTryMs,
      onTry: () => this.#lanes.forEach((lane) => lane.refresh()),
    });
    const suspects = suspectsQueue(queue);
    const common = {
      ...settings,
      hold: this.#hold,
      home: queue,
      types,
      maxBytes: queue.name === DEAD_QUEUE.name ? deadLetterLimit(settings.maxBytes) : settings.maxBytes,
      call: caller(options),
    };
    let isReady = (): void => {};
    this.ready = new Promise((resolve) => (isReady = resolve));
    this.#lanes = [
      new Lane(
        {
          ...common,
          queue,
          prefetch,
          concurrency,
          batch: { max, waitMs: options.batch?.waitMs ?? 20 },
          comebacks: { limit: settings.isolateAfter, exit: suspects },
        },
        isReady,
      ),
      new Lane(
        {
          ...common,
          queue: suspects,
          prefetch: 1,
          concurrency: 1,
          batch: { max: 1, waitMs: 0 },
          comebacks: { limit: settings.giveUpAfter, exit: 'dead' },
        },
        () => {},
      ),
    ];
  }

  /** The handler said `Unavailable`, and nothing has worked since. */
  get holding(): boolean {
    return this.#hold.shut;
  }

  /**
   * Takes nothing more; what is not in a handler goes back to the queue. Waits for running handlers up to
   * `timeoutMs` (default 10 s), then aborts their signal and waits 1 s more. What a handler does after that
   * is not acked: the message comes again. May be called twice.
   */
  close({ timeoutMs = DEFAULT_CLOSE_MS }: { timeoutMs?: number } = {}): Promise<void> {
    this.#closed ??= (async () => {
      const closing = this.#lanes.map((lane) => lane.close(timeoutMs));
      this.#hold.close();
      await Promise.all(closing);
      this.#settings.onClosed(this);
    })();
    return this.#closed;
  }
}

const NONE: Rejections = new Map();

function caller(options: AnyConsumeOptions): LaneOptions['call'] {
  if (options.batch) {
    const { handler } = options;
    return async (deliveries, signal) => (await handler(deliveries, signal))?.rejected ?? NONE;
  }
  const { handler } = options;
  return async ([delivery], signal) => {
    if (delivery) await handler(delivery, signal);
    return NONE;
  };
}
