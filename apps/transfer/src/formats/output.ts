/** A file while it is written: counted and hashed on the way, gone when it comes to nothing. */
import { createHash } from 'node:crypto';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { orDiskFull } from '../disk.ts';

export class Output {
  readonly #file: FileHandle;
  readonly #hash = createHash('sha256');
  readonly #signal: AbortSignal;
  #bytes = 0;

  constructor(file: FileHandle, signal: AbortSignal) {
    this.#file = file;
    this.#signal = signal;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Appends; done when the file system has it. One at a time. */
  async write(chunk: Uint8Array): Promise<void> {
    this.#signal.throwIfAborted();
    for (let from = 0; from < chunk.length;) {
      const { bytesWritten } = await this.#file.write(chunk, from, chunk.length - from);
      from += bytesWritten;
    }
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
  }

  async end(): Promise<{ bytes: number; sha256: string }> {
    await this.#file.datasync();
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }
}

/**
 * Writes a file by `fill`. It is synced when this returns; after an error there is none.
 * @throws TransferWait `disk_full`; the signal's reason
 */
export async function writeFileBy<T>(
  path: string,
  signal: AbortSignal,
  fill: (output: Output) => Promise<T>,
): Promise<T & { bytes: number; sha256: string }> {
  signal.throwIfAborted();
  try {
    const file = await open(path, 'w');
    try {
      const output = new Output(file, signal);
      const result = await fill(output);
      signal.throwIfAborted();
      return { ...result, ...(await output.end()) };
    } finally {
      await file.close();
    }
  } catch (error) {
    await rm(path, { force: true });
    throw orDiskFull(error);
  }
}
