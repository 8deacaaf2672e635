/** Lets each key through once in a while; the others are dropped. Remembers a bounded number of keys. */
export class Throttle {
  readonly #everyMs: number;
  readonly #last = new Map<string, number>();

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  isDue(key: string): boolean {
    const now = performance.now();
    if (now - (this.#last.get(key) ?? -Infinity) < this.#everyMs) return false;
    this.#last.delete(key);
    this.#last.set(key, now);
    if (this.#last.size > 1000) this.#last.delete(this.#last.keys().next().value as string);
    return true;
  }
}
