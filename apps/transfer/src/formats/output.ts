/** A file while it is written: counted and hashed on the way, gone when it comes to nothing. */
import { createHash } from 'node:crypto';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { orDiskFull } from '../disk.ts';
import { Aside } from './aside.ts';
import { Compressor } from './compressor.ts';
import type { AssembleContext } from './format.ts';

type OutputContext = Pick<AssembleContext, 'signal' | 'wrote'>;

export class Output {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #hash = createHash('sha256');
  readonly #context: OutputContext;
  readonly #compressor: Compressor | undefined;
  #bytes = 0;
  #fileBytes = 0;
  #aside: Aside | undefined;

  constructor(path: string, file: FileHandle, context: OutputContext, gzip: boolean) {
    this.#path = path;
    this.#file = file;
    this.#context = context;
    this.#compressor = gzip ? new Compressor((chunk) => this.#append(chunk)) : undefined;
  }

  /** So much was written, before it is compressed: the place of what comes next. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Appends; done when the file system, or the compressor, has it. One at a time. */
  async write(chunk: Uint8Array): Promise<void> {
    this.#context.signal.throwIfAborted();
    this.#bytes += chunk.length;
    await (this.#compressor?.write(chunk) ?? this.#append(chunk));
  }

  async #append(chunk: Uint8Array): Promise<void> {
    for (let from = 0; from < chunk.length;) {
      const { bytesWritten } = await this.#file.write(chunk, from, chunk.length - from);
      from += bytesWritten;
    }
    this.#hash.update(chunk);
    this.#fileBytes += chunk.length;
    await this.#context.wrote?.(chunk.length);
  }

  /** Keeps aside, outside of memory, what stands behind all that is written before `writeKept`. One at a time. */
  async keep(chunk: Uint8Array): Promise<void> {
    this.#aside ??= await Aside.open(`${this.#path}.aside`);
    await this.#aside.add(chunk);
  }

  get keptBytes(): number {
    return this.#aside?.bytes ?? 0;
  }

  async writeKept(): Promise<void> {
    if (this.#aside === undefined) return;
    for await (const piece of this.#aside.content()) await this.write(piece);
  }

  /** Of the file as it is on the disk. */
  async end(): Promise<{ bytes: number; sha256: string }> {
    await this.#compressor?.end();
    await this.#file.datasync();
    return { bytes: this.#fileBytes, sha256: this.#hash.digest('hex') };
  }

  async close(): Promise<void> {
    await this.#compressor?.close();
    await this.#aside?.close();
    await this.#file.close();
  }
}

/**
 * Writes a file by `fill`, with `gzip` compressed as a whole. It is synced when this returns; after an error there is none.
 * @throws TransferWait `disk_full`; the signal's reason
 */
export async function writeFileBy<T>(
  path: string,
  { gzip = false, ...context }: OutputContext & { gzip?: boolean },
  fill: (output: Output) => Promise<T>,
): Promise<T & { bytes: number; sha256: string }> {
  const { signal } = context;
  signal.throwIfAborted();
  try {
    const output = new Output(path, await open(path, 'w'), context, gzip);
    try {
      const result = await fill(output);
      signal.throwIfAborted();
      return { ...result, ...(await output.end()) };
    } finally {
      await output.close();
    }
  } catch (error) {
    await rm(path, { force: true });
    throw orDiskFull(error);
  }
}
