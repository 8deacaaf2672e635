import { retryDelay } from '@magpie/domain';

/**
 * Holds work back while something it depends on is down. Open: everybody passes. Shut: one at a time may
 * try, after a back-off of 100 ms at first and `maxMs` at most; when one gets through, all do.
 */
export class Hold {
  readonly #maxMs: number;
  readonly #onTry: () => void;
  #shut = false;
  #trying = false;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #waiting: (() => void)[] = [];
  #closed = false;

  constructor({ maxMs, onTry }: { maxMs: number; onTry: () => void }) {
    this.#maxMs = maxMs;
    this.#onTry = onTry;
  }

  get shut(): boolean {
    return this.#shut;
  }

  /** Resolves when the caller may try. It must then call `failed`, `worked` or `gaveUp`. */
  enter(): Promise<void> {
    if (!this.#shut || this.#closed) return Promise.resolve();
    if (!this.#timer && !this.#trying) {
      this.#trying = true;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  failed(): void {
    if (this.#closed) return;
    this.#shut = true;
    this.#trying = false;
    if (this.#timer) return;
    this.#failures += 1;
    const pause = retryDelay(this.#failures, { baseMs: 100, maxMs: this.#maxMs });
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#onTry();
      this.#next();
    }, pause);
  }

  worked(): void {
    if (!this.#shut) return;
    this.#shut = false;
    this.#trying = false;
    this.#failures = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#releaseAll();
  }

  /** The caller had nothing left to try with. */
  gaveUp(): void {
    this.#trying = false;
    if (this.#shut && !this.#timer) this.#next();
  }

  /** Lets everybody through for good. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#releaseAll();
  }

  #next(): void {
    const next = this.#waiting.shift();
    if (!next) return;
    this.#trying = true;
    next();
  }

  #releaseAll(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
