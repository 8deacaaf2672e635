/**
 * What is known while a file is written and stands at its end: the directory of an archive, the footer of a table. It waits
 * in a file that loses its name as soon as it is open, so that nothing is left of it whoever dies.
 */
import { open, rm, type FileHandle } from 'node:fs/promises';

const BLOCK_BYTES = 64 * 1024;

export class Aside {
  readonly #file: FileHandle;
  readonly #block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #used = 0;
  #spilled = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** @param path where nothing is; there is nothing afterwards either */
  static async open(path: string): Promise<Aside> {
    const file = await open(path, 'w+');
    await rm(path);
    return new Aside(file);
  }

  get bytes(): number {
    return this.#spilled + this.#used;
  }

  async add(chunk: Uint8Array): Promise<void> {
    for (let from = 0; from < chunk.length;) {
      if (this.#used === BLOCK_BYTES) await this.#spill();
      const some = chunk.subarray(from, from + BLOCK_BYTES - this.#used);
      this.#block.set(some, this.#used);
      this.#used += some.length;
      from += some.length;
    }
  }

  /** All of it, in pieces that are good until the next one is asked for. */
  async *content(): AsyncGenerator<Buffer> {
    await this.#spill();
    for (let position = 0; position < this.#spilled;) {
      const { bytesRead } = await this.#file.read(this.#block, 0, BLOCK_BYTES, position);
      if (bytesRead === 0) throw new Error('What was kept aside is gone');
      position += bytesRead;
      yield this.#block.subarray(0, bytesRead);
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #spill(): Promise<void> {
    await this.#file.writeFile(this.#block.subarray(0, this.#used));
    this.#spilled += this.#used;
    this.#used = 0;
  }
}
