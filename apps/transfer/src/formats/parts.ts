/** Reads a spool. */
import { open } from 'node:fs/promises';

const CHUNK_BYTES = 256 * 1024;
const NEWLINE = 0x0a;

/** The bytes of all parts in order, in pieces that are good until the next one is asked for. */
export async function* bytesOf(parts: readonly string[], signal: AbortSignal): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  for (const part of parts) {
    const file = await open(part, 'r');
    try {
      for (;;) {
        signal.throwIfAborted();
        const { bytesRead } = await file.read(buffer, 0, buffer.length);
        if (bytesRead === 0) break;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  }
}

/**
 * The lines of all parts in order, some at a time, without their `\n`. Holds about 256 KiB, or the longest line.
 * Every line of a spool ends in `\n`; bytes after the last one are no row.
 */
export async function* linesOf(parts: readonly string[], signal: AbortSignal): AsyncGenerator<string[]> {
  let begun: Buffer[] = [];
  for await (const chunk of bytesOf(parts, signal)) {
    const end = chunk.lastIndexOf(NEWLINE);
    if (end === -1) {
      begun.push(Buffer.from(chunk));
      continue;
    }
    const whole = chunk.subarray(0, end);
    const lines = begun.length === 0 ? whole : Buffer.concat([...begun, whole]);
    begun = end + 1 < chunk.length ? [Buffer.from(chunk.subarray(end + 1))] : [];
    yield lines.toString('utf8').split('\n');
  }
}
