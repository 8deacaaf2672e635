const KEEP_MS = 600_000;
const KEEP_COUNT = 20_000;

/**
 * Which jobs are on hold in this replica: no step of theirs of this epoch, or an older one, is to be begun.
 * A hold is forgotten after ten minutes, when no step of that dispatch can be under way any more, and the
 * oldest go first when there are more than 20,000.
 */
export class Holds {
  readonly #holds = new Map<string, { epoch: number; at: number }>();
  readonly #now: () => number;
  readonly #count: number;

  constructor({ now = Date.now, count = KEEP_COUNT }: { now?: () => number; count?: number } = {}) {
    this.#now = now;
    this.#count = count;
  }

  get size(): number {
    return this.#holds.size;
  }

  add(jobId: string, epoch: number): void {
    const before = this.#holds.get(jobId)?.epoch ?? epoch;
    this.#holds.delete(jobId);
    this.#holds.set(jobId, { epoch: Math.max(epoch, before), at: this.#now() });
    for (const [oldest, { at }] of this.#holds) {
      if (this.#holds.size <= this.#count && this.#now() - at < KEEP_MS) break;
      this.#holds.delete(oldest);
    }
  }

  covers({ jobId, epoch }: { jobId: string; epoch: number }): boolean {
    const hold = this.#holds.get(jobId);
    return hold !== undefined && epoch <= hold.epoch && this.#now() - hold.at < KEEP_MS;
  }
}
