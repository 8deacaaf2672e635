/** gzip for what is written piece by piece. */
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

const CHUNK_BYTES = 64 * 1024;

/** One gzip member (RFC 1952), which says neither when nor what. Compressed off the main thread. */
export class Compressor {
  readonly #gzip = createGzip({ chunkSize: CHUNK_BYTES });
  readonly #done: Promise<void>;
  #wake = (): void => undefined;

  /** @param sink gets what is compressed, a piece after the other; what it throws, `write` and `end` throw */
  constructor(sink: (chunk: Buffer) => Promise<void>) {
    this.#gzip.on('drain', () => this.#wake());
    this.#done = pipeline(this.#gzip, async (source: AsyncIterable<Buffer>) => {
      for await (const chunk of source) await sink(chunk);
    });
    this.#done.catch(() => this.#wake());
  }

  /** Done when there is room for more; the chunk's memory is free then. One at a time. */
  async write(chunk: Uint8Array): Promise<void> {
    if (!this.#gzip.destroyed && !this.#gzip.write(Buffer.from(chunk)))
      await new Promise<void>((resolve) => (this.#wake = resolve));
    if (this.#gzip.destroyed) await this.#done;
  }

  /** Done when the sink has all of it. */
  async end(): Promise<void> {
    this.#gzip.end();
    await this.#done;
  }

  /** Nothing more comes to the sink afterwards. May be called twice, and after `end`. */
  async close(): Promise<void> {
    this.#gzip.destroy();
    await this.#done.catch(() => undefined);
  }
}
