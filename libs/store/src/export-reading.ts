/**
 * Reads by order of arrival where MongoDB may have to look through millions for a few: what takes too long is asked for
 * again in shorter ranges of orders, which get longer again where they go fast.
 */
import type { Place } from './queries.ts';

/** What is needed of a cursor of the driver. */
export interface Cursor<T> {
  hasNext(): Promise<boolean>;
  readBufferedDocuments(): T[];
  close(): Promise<void>;
}

export interface Found {
  _id: string;
  order: number;
}

export interface ReadingOptions<T> {
  /** What is behind `after`, of no order higher than `until`. MongoDB ends the query when it takes too long. */
  open: (after: Place | undefined, until: number, batchSize: number) => Cursor<T>;
  /** The lowest order there is; undefined where a shorter range takes no less time. */
  first?: () => Promise<number>;
  after: Place | undefined;
  bound: number;
  /** What a query may take, ms. */
  queryMs: number;
}

/** What is asked for cannot be found in the time that a query has, and cannot be asked for in parts. */
export class ExportTooBroad extends Error {
  override readonly name = 'ExportTooBroad';
  constructor() {
    super('The search finds too much for one export, or takes too long');
  }
}

export class Reading<T extends Found> {
  readonly #options: ReadingOptions<T>;
  #from: Place | undefined;
  /** The end of the range that is read now. */
  #until: number;
  #length = 0;
  #cursor: Cursor<T> | undefined;
  #size = 0;
  #openedAt = 0;
  /** Whether this cursor has found something: then it is worth as much time again. */
  #found = false;

  constructor(options: ReadingOptions<T>) {
    this.#options = options;
    this.#from = options.after;
    this.#until = options.bound;
  }

  /**
   * What comes next, and up to where all was read; nothing in it where a range had nothing. Undefined at the end.
   * @throws ExportTooBroad
   */
  async next(size: number): Promise<{ found: T[]; place: Place } | undefined> {
    for (;;) {
      try {
        const cursor = await this.#opened(size);
        if (!(await cursor.hasNext())) return await this.#nextRange();
        this.#found = true;
        const found = cursor.readBufferedDocuments();
        const { order, _id } = found.at(-1) as T;
        this.#from = [order, _id];
        return { found, place: this.#from };
      } catch (error) {
        if (!isTimeUp(error)) throw error;
        await this.close();
        if (!this.#found) await this.#shorten();
      }
    }
  }

  async close(): Promise<void> {
    await this.#cursor?.close();
    this.#cursor = undefined;
  }

  /** Another one where its batches are far from the size that they should have. */
  async #opened(size: number): Promise<Cursor<T>> {
    if (this.#cursor !== undefined && (size > this.#size * 2 || size < this.#size / 2)) await this.close();
    if (this.#cursor === undefined) {
      this.#cursor = this.#options.open(this.#from, this.#until, size);
      this.#size = size;
      this.#openedAt = performance.now();
      this.#found = false;
    }
    return this.#cursor;
  }

  async #nextRange(): Promise<{ found: T[]; place: Place } | undefined> {
    const { bound, queryMs } = this.#options;
    const end = this.#until;
    if (end >= bound) return undefined;
    const fast = performance.now() - this.#openedAt < queryMs / 4;
    await this.close();
    this.#from = [end + 1, ''];
    if (fast) this.#length *= 2;
    this.#until = Math.min(bound, end + this.#length);
    return { found: [], place: this.#from };
  }

  async #shorten(): Promise<void> {
    const { first } = this.#options;
    if (first === undefined) throw new ExportTooBroad();
    // All before the first one is nothing, and is read.
    this.#from ??= [await first(), ''];
    this.#length = Math.floor((this.#until - this.#from[0]) / 2);
    if (this.#length < 1) throw new ExportTooBroad();
    this.#until = this.#from[0] + this.#length;
  }
}

/** MongoDB ended a query that took too long. */
export const isTimeUp = (error: unknown): boolean => (error as { code?: unknown } | null)?.code === 50;
