/** Undoes `Content-Encoding` (RFC 9110 section 8.4) as a stream, however much comes out of however little. */
import { pipeline, Readable, type Transform } from 'node:stream';
import zlib from 'node:zlib';
import { Permanent, Retryable, StepError } from '../errors.ts';
import { MAX_ENCODINGS } from './limits.ts';

type Coding = 'gzip' | 'deflate' | 'br' | 'zstd';

const hasZstd = typeof zlib.createZstdDecompress === 'function';
/** RFC 9659: a zstd body on the web needs a window of at most 8 MiB. */
const ZSTD_WINDOW_LOG = 23;

/** What this build can undo, as the value of `Accept-Encoding`. */
export const ACCEPT_ENCODING = hasZstd ? 'gzip, deflate, br, zstd' : 'gzip, deflate, br';

/**
 * The codings of a body in the order they were applied, `identity` left out.
 * @throws Permanent `encoding_unsupported`, or `too_many_encodings` beyond two
 */
export function contentCodings(header: string | undefined, url: string): Coding[] {
  if (header === undefined) return [];
  const names = header
    .split(',', 64)
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '' && name !== 'identity');
  if (names.length > MAX_ENCODINGS) {
    const message = `${names.length} content encodings on top of each other, at most ${MAX_ENCODINGS} are undone`;
    throw new Permanent('too_many_encodings', message, { url });
  }
  return names.map((name) => {
    if (name === 'gzip' || name === 'x-gzip') return 'gzip';
    if (name === 'deflate' || name === 'br' || (name === 'zstd' && hasZstd)) return name;
    throw new Permanent('encoding_unsupported', `content encoding not understood: ${name.slice(0, 40)}`, {
      url,
    });
  });
}

/**
 * The body with all codings undone, piece by piece; nothing is decoded that nobody pulls. A body of no bytes at
 * all is taken as empty, whatever its label. Ending the iteration ends `source`.
 * @throws Permanent `decompressed_too_large` when any coding yields more than `maxBytes`
 * @throws Retryable `truncated_body` when the compressed data end early, `decode_error` when they are damaged
 * @throws whatever `source` throws
 */
export function decoded(
  source: AsyncIterable<Uint8Array>,
  codings: readonly Coding[],
  { maxBytes, url }: { maxBytes: number; url: string },
): AsyncIterable<Uint8Array> {
  return codings
    .toReversed()
    .reduce<AsyncIterable<Uint8Array>>(
      (inner, coding) => ({ [Symbol.asyncIterator]: () => undo(inner, coding, maxBytes, url) }),
      source,
    );
}

async function* undo(
  source: AsyncIterable<Uint8Array>,
  coding: Coding,
  maxBytes: number,
  url: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  let input: Readable | undefined;
  let decoder: Transform | undefined;
  try {
    const start = await firstBytes(iterator, coding === 'deflate' ? 2 : 1);
    if (start === undefined) return;
    decoder = decoderOf(coding, start);
    input = Readable.from(rest(start, iterator), { highWaterMark: 1 });
    pipeline(input, decoder, () => undefined);
    let total = 0;
    for await (const chunk of decoder as AsyncIterable<Buffer>) {
      total += chunk.length;
      if (total > maxBytes) throw decompressedTooLarge(url, maxBytes);
      yield chunk;
    }
  } catch (error) {
    throw decodingFailure(error, coding, url);
  } finally {
    input?.destroy();
    decoder?.destroy();
    // Not awaited: it may wait for bytes that only come, or fail, once the reader has given up the exchange.
    iterator.return?.()?.then(undefined, () => undefined);
  }
}

async function firstBytes(
  iterator: AsyncIterator<Uint8Array>,
  count: number,
): Promise<Uint8Array | undefined> {
  let start: Uint8Array | undefined;
  while (start === undefined || start.length < count) {
    const { done, value } = await iterator.next();
    if (done === true) break;
    if (value.length > 0) start = start === undefined ? value : Buffer.concat([start, value]);
  }
  return start;
}

async function* rest(start: Uint8Array, iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield start;
  for (;;) {
    const { done, value } = await iterator.next();
    if (done === true) return;
    yield value;
  }
}

function decoderOf(coding: Coding, start: Uint8Array): Transform {
  switch (coding) {
    case 'gzip':
      return zlib.createGunzip();
    case 'deflate':
      return hasZlibHeader(start) ? zlib.createInflate() : zlib.createInflateRaw();
    case 'br':
      return zlib.createBrotliDecompress();
    case 'zstd':
      return zlib.createZstdDecompress({ params: { [zlib.constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG } });
  }
}

/** `deflate` means the zlib format (RFC 1950), yet some servers send the bare stream within it. */
function hasZlibHeader(start: Uint8Array): boolean {
  const [cmf = 0, flg = 0] = start;
  return (cmf & 0x0f) === 8 && cmf >> 4 <= 7 && ((cmf << 8) | flg) % 31 === 0;
}

/** @internal */
export function decompressedTooLarge(url: string, maxBytes: number): Permanent {
  return new Permanent('decompressed_too_large', `decompressed, the body has more than ${maxBytes} bytes`, {
    url,
  });
}

function decodingFailure(error: unknown, coding: Coding, url: string): StepError {
  if (error instanceof StepError) return error;
  const { code, message } = error as { code?: string; message?: string };
  if (code === 'Z_BUF_ERROR' || code === 'ERR_STREAM_PREMATURE_CLOSE') {
    return new Retryable('truncated_body', `the ${coding} data end early`, { url, cause: error });
  }
  return new Retryable('decode_error', `damaged ${coding} data: ${message ?? ''}`, { url, cause: error });
}
