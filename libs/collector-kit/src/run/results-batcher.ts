import type { HostReport, Outcome, ResultsMessage } from '@magpie/contracts';
import { deferred, type Deferred } from './deferred.ts';

export interface ResultsBatcherOptions {
  readonly source: string;
  /** Resolves when the broker has confirmed the message; retries by itself, rejects only when all is over. */
  readonly publish: (message: ResultsMessage) => Promise<void>;
  /** How long an outcome waits for company; default 20 ms. */
  readonly waitMs?: number;
  /** Outcomes in a message at most; default 100. */
  readonly count?: number;
  /** A message is sent when it has reached this size; default 256 KiB. */
  readonly bytes?: number;
}

interface Batch {
  outcomes: Outcome[];
  hosts: HostReport[];
  bytes: number;
  confirmed: Deferred<void>;
  timer: NodeJS.Timeout;
}

/**
 * Gathers outcomes, of steps of any message, into few result messages: a confirm for each outcome would cost
 * several times as much. No message gets larger than `bytes` and one outcome, so below 4 MiB.
 */
export class ResultsBatcher {
  readonly #options: Required<ResultsBatcherOptions>;
  readonly #publishing = new Set<Promise<void>>();
  readonly #hosts = new Map<string, number>();
  #batch: Batch | undefined;

  constructor(options: ResultsBatcherOptions) {
    this.#options = { waitMs: 20, count: 100, bytes: 256 * 1024, ...options };
  }

  /** Resolves when the outcome is confirmed; rejects when it never will be. */
  add(outcome: Outcome): Promise<void> {
    const size = sizeOf(outcome);
    if (this.#batch && this.#batch.bytes + size > this.#options.bytes) this.#send();
    const batch = (this.#batch ??= this.#open());
    batch.outcomes.push(outcome);
    batch.bytes += size;
    if (batch.outcomes.length >= this.#options.count || batch.bytes >= this.#options.bytes) this.#send();
    return batch.confirmed.promise;
  }

  /** A host's wish goes along with the next outcome. */
  report({ host, delayMs }: HostReport): void {
    this.#hosts.set(host, delayMs);
  }

  /** Sends what has gathered and waits for every confirm. Never rejects: `add` tells who failed. */
  async flush(): Promise<void> {
    this.#send();
    while (this.#publishing.size > 0) await Promise.allSettled(this.#publishing);
  }

  #open(): Batch {
    return {
      outcomes: [],
      hosts: [],
      bytes: 0,
      confirmed: deferred(),
      timer: setTimeout(() => this.#send(), this.#options.waitMs),
    };
  }

  #send(): void {
    const batch = this.#batch;
    if (!batch) return;
    this.#batch = undefined;
    clearTimeout(batch.timer);
    for (const [host, delayMs] of [...this.#hosts].slice(0, 500)) {
      batch.hosts.push({ host, delayMs });
      this.#hosts.delete(host);
    }
    const { resolve, reject, promise } = batch.confirmed;
    promise.catch(() => {});
    const publishing = this.#options
      .publish({
        source: this.#options.source,
        outcomes: batch.outcomes,
        ...(batch.hosts.length > 0 ? { hosts: batch.hosts } : {}),
      })
      .then(resolve, reject)
      .finally(() => this.#publishing.delete(publishing));
    this.#publishing.add(publishing);
  }
}

/** Bytes of an outcome as JSON, near enough: characters beyond ASCII are counted at their UTF-8 length. */
const sizeOf = (outcome: Outcome): number => Buffer.byteLength(JSON.stringify(outcome));
