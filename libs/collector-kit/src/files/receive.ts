import { createHash, hash } from 'node:crypto';
import { imageSize } from './dimensions.ts';
import type { ImageSize } from './dimensions.ts';
import { notAnImage, tooLarge } from './file-errors.ts';
import { sniffImage } from './sniff.ts';
import type { SniffedImage } from './sniff.ts';
import { TemporaryFile } from './temporary-file.ts';

/** Chunks must not be changed after they were handed over. */
export type FileBody = AsyncIterable<Uint8Array> | Iterable<Uint8Array> | Uint8Array;

/** What is known of a body once all of it is there. */
export type Received = SniffedImage & { sha256: string; bytes: number; width?: number; height?: number };

export type ReceiveOptions = {
  /** The body is refused as soon as it has more bytes. */
  maxBytes: number;
  /** Ends the write at once, with its reason, also while it waits for the body. */
  signal?: AbortSignal | undefined;
  /** Sees the type as soon as 64 KiB or the whole body are there, before anything is written. Throws to refuse. */
  accept?: ((sniffed: SniffedImage | undefined) => void) | undefined;
  /** Sees all that is known before the file becomes visible. Throws to refuse. */
  check?: ((received: Received) => void) | undefined;
};

/** Bodies up to this size are kept in memory and written at once. */
const IN_MEMORY = 64 * 1024;
const FLUSH_AT = 256 * 1024;
/** How far into a file its size is looked for. */
const MAX_HEAD = 512 * 1024;

/**
 * Reads a body to its end: hashes it, learns type and size from its head, and spools it to a temporary file in
 * `directory` if it is larger than 64 KiB. Whoever gets a temporary file discards it; a failed call leaves none.
 */
export async function receive(
  body: FileBody,
  { maxBytes, signal, accept, check }: ReceiveOptions,
  directory: string,
): Promise<Received & { content: Uint8Array | TemporaryFile }> {
  signal?.throwIfAborted();
  const sha256 = createHash('sha256');
  const head = new Head(accept);
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let bytes = 0;
  let file: TemporaryFile | undefined;
  try {
    const source = body instanceof Uint8Array ? [body] : body;
    for await (const chunk of abortable(source, signal)) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      pending.push(chunk);
      pendingBytes += chunk.length;
      if (pendingBytes <= (file ? FLUSH_AT : IN_MEMORY)) continue;
      const block = joined(pending);
      pending = [];
      pendingBytes = 0;
      head.add(block);
      sha256.update(block);
      file ??= await TemporaryFile.create(directory);
      await file.write(block);
    }
    const rest = joined(pending);
    const known = { ...head.end(rest), bytes };
    if (file) {
      sha256.update(rest);
      await file.write(rest);
    }
    const received = { sha256: file ? sha256.digest('hex') : hash('sha256', rest), ...known };
    signal?.throwIfAborted();
    check?.(received);
    return { ...received, content: file ?? rest };
  } catch (error) {
    await file?.discard();
    throw error;
  }
}

/** Collects the first bytes of a body until its type and size are known. */
class Head {
  private readonly accept: ((sniffed: SniffedImage | undefined) => void) | undefined;
  private bytes: Uint8Array = new Uint8Array();
  private sniffed: SniffedImage | undefined;
  private size: ImageSize | undefined | 'more' = 'more';

  constructor(accept: ((sniffed: SniffedImage | undefined) => void) | undefined) {
    this.accept = accept;
  }

  /** Refuses what is no image with the first block, which must hold the 64 KiB that tell. */
  add(block: Uint8Array): void {
    if (this.size !== 'more' || this.bytes.length >= MAX_HEAD) return;
    this.bytes = joined([this.bytes, block.subarray(0, MAX_HEAD - this.bytes.length)]);
    if (!this.sniffed) {
      this.sniffed = sniffImage(this.bytes);
      this.accept?.(this.sniffed);
      if (!this.sniffed) throw notAnImage();
    }
    this.size = imageSize(this.bytes);
  }

  end(rest: Uint8Array): SniffedImage & Partial<ImageSize> {
    if (rest.length > 0 || !this.sniffed) this.add(rest);
    return { ...(this.sniffed as SniffedImage), ...(this.size === 'more' ? undefined : this.size) };
  }
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const filled = chunks.filter((chunk) => chunk.length > 0);
  return filled.length === 1 ? (filled[0] as Uint8Array) : Buffer.concat(filled);
}

/** The chunks of a body, until the signal aborts: then its reason is thrown, even if the body never says more. */
async function* abortable(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  if (!signal || !(Symbol.asyncIterator in body)) {
    yield* body;
    return;
  }
  const iterator = body[Symbol.asyncIterator]();
  const stop = Promise.withResolvers<never>();
  stop.promise.catch(() => {});
  const onAbort = (): void => stop.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  let isDone = false;
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), stop.promise]);
      isDone = next.done === true;
      if (next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    if (!isDone) {
      // A stream's iterator would wait for the next chunk before it ends; destroying the stream does not.
      if ('destroy' in body && typeof body.destroy === 'function') body.destroy();
      iterator.return?.().catch(() => {});
    }
  }
}
