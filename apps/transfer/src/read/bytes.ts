/** The bytes of a file, decompressed: in pieces, within limits. */
import { open, type FileHandle } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { ReadFault } from './row.ts';

export interface Piece {
  /** Valid until the next one is asked for. */
  bytes: Buffer;
  /** Bytes of the file itself that were read for it and those before, from the file's beginning. */
  read: number;
}

// A row may have two bytes, and the rows of a piece are all held at once.
const PIECE = 64 * 1024;
// What is decompressed just before damage is lost with it, up to this.
const DECOMPRESSED = 64 * 1024;
// What gzip makes of this is 32 MiB at most, and is all held at once.
const COMPRESSED = 32 * 1024;

/** Text compresses to a fifth or a twentieth; a bomb to a thousandth. Looked at beyond the first 64 MiB only. */
const MAX_RATIO = 250;
const RATIO_FROM = 64 * 1024 * 1024;

const tooLarge = (maxBytes: number) =>
  new ReadFault('too_large', `More than ${maxBytes} bytes when decompressed`);

/**
 * A file, or what gzip makes of it (RFC 1952, any number of members).
 * @throws ReadFault too_large, bad_gzip after what came before; the signal's reason when it is aborted
 */
export async function* readBytes(
  path: string,
  { gzip, from, maxBytes, signal }: { gzip: boolean; from: number; maxBytes: number; signal: AbortSignal },
): AsyncGenerator<Piece> {
  signal.throwIfAborted();
  const file = await open(path, 'r');
  try {
    if (gzip) yield* decompressed(file, maxBytes, signal);
    else {
      const { size } = await file.stat();
      if (size > maxBytes) throw new ReadFault('too_large', `${size} bytes, of ${maxBytes} that are allowed`);
      yield* plain(file, from, PIECE, signal);
    }
  } finally {
    await file.close();
  }
}

async function* plain(
  file: FileHandle,
  from: number,
  size: number,
  signal: AbortSignal,
): AsyncGenerator<Piece> {
  const buffer = Buffer.allocUnsafeSlow(size);
  for (let position = from; ;) {
    const { bytesRead } = await file.read(buffer, 0, size, position);
    signal.throwIfAborted();
    if (bytesRead === 0) return;
    position += bytesRead;
    yield { bytes: buffer.subarray(0, bytesRead), read: position };
  }
}

// One small write at a time, so that what was decompressed before damage is met has been handed on.
async function* decompressed(file: FileHandle, maxBytes: number, signal: AbortSignal): AsyncGenerator<Piece> {
  const gunzip = createGunzip({ chunkSize: DECOMPRESSED });
  let out: Buffer[] = [];
  let total = 0;
  let damage: Error | undefined;
  let ended = false;
  let wake = () => {};
  const settled = () => new Promise<void>((resolve) => (wake = resolve));
  gunzip.on('data', (chunk: Buffer) => out.push(chunk));
  gunzip.on('error', (error) => {
    damage = error;
    wake();
  });
  // Before the input is over: what follows is no further member.
  gunzip.on('end', () => {
    ended = true;
    wake();
  });
  const handOn = function* (read: number): Generator<Piece> {
    const pieces = out;
    out = [];
    for (const bytes of pieces) {
      total += bytes.length;
      if (total > maxBytes) throw tooLarge(maxBytes);
      if (total > RATIO_FROM && total > read * MAX_RATIO)
        throw new ReadFault('too_large', `Each byte became more than ${MAX_RATIO}: this looks like a bomb`);
      yield { bytes, read };
    }
  };
  const bad = (read: number) =>
    new ReadFault('bad_gzip', `${reason(damage)}, in the ${read.toLocaleString('en')} bytes read so far`);

  let read = 0;
  try {
    for await (const piece of plain(file, 0, COMPRESSED, signal)) {
      read = piece.read;
      if (ended) {
        if (piece.bytes.some((byte) => byte !== 0)) throw bad(read);
        continue;
      }
      const written = settled();
      gunzip.write(piece.bytes, () => wake());
      await written;
      signal.throwIfAborted();
      yield* handOn(read);
      if (damage !== undefined) throw bad(read);
      if (
        ended &&
        piece.bytes.subarray(gunzip.bytesWritten - (read - piece.bytes.length)).some((byte) => byte !== 0)
      )
        throw bad(read);
    }
    if (!ended) {
      const over = settled();
      gunzip.end();
      await over;
      signal.throwIfAborted();
      yield* handOn(read);
      if (damage !== undefined) throw bad(read);
    }
  } finally {
    gunzip.destroy();
  }
}

function reason(damage: (Error & { code?: string }) | undefined): string {
  if (damage === undefined) return 'Something that is not gzip follows the gzip file';
  if (damage.code === 'Z_BUF_ERROR') return 'The gzip file ends too early';
  return `The gzip file is damaged (${damage.message})`;
}
