import { statfs } from 'node:fs/promises';

/** So often at least the disk is looked at while something is written, ms; and while it is full. */
const LOOK_MS = 1000;
/** So much is written at most between two looks, bytes. */
const AT_ONCE = 16 * 1024 * 1024;

/** Bytes that may still be written to the disk of a directory. */
export async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

/** Room on the disk of a directory, of which `reserve` bytes are to stay free. One for each who writes. */
export class Room {
  readonly #directory: string;
  readonly #reserve: number;
  readonly #free: (directory: string) => Promise<number>;
  /** What may be written before the next look. */
  #granted = 0;
  #lookedAt = -Infinity;
  /** So much is waited for; undefined while there is room. */
  #wanted: number | undefined;

  constructor(directory: string, reserve: number, free = freeBytes) {
    this.#directory = directory;
    this.#reserve = reserve;
    this.#free = free;
  }

  get full(): boolean {
    return this.#wanted !== undefined;
  }

  /** Whether so many bytes may be written now; they are then taken as written. False until a `look` finds room. */
  async has(bytes: number): Promise<boolean> {
    if (this.full) return false;
    if (bytes === 0) return true;
    if (bytes > this.#granted || performance.now() - this.#lookedAt >= LOOK_MS) {
      const spare = await this.#spare();
      if (spare < bytes) {
        this.#wanted = bytes;
        return false;
      }
      this.#granted = Math.min(spare, Math.max(bytes, AT_ONCE));
    }
    this.#granted -= bytes;
    return true;
  }

  /** The disk refused to take so many bytes. */
  wait(bytes: number): void {
    this.#wanted = bytes;
    this.#lookedAt = performance.now();
  }

  /** While it is full: looks whether it still is, once a second. */
  async look(): Promise<void> {
    if (this.#wanted === undefined || performance.now() - this.#lookedAt < LOOK_MS) return;
    if ((await this.#spare()) >= this.#wanted) this.#wanted = undefined;
  }

  async #spare(): Promise<number> {
    const free = await this.#free(this.#directory);
    this.#lookedAt = performance.now();
    this.#granted = 0;
    return free - this.#reserve;
  }
}
