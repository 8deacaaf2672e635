import { createHash } from 'node:crypto';
import { open, rename, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HttpProblem } from '../problems.ts';
import { Lines } from './lines.ts';
import type { Receiving } from './receiving.ts';

/** An error of the file system that means that there is no room. */
const isDiskFull = (error: unknown): boolean =>
  ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException | null)?.code ?? '');

export interface Written {
  bytes: number;
  /** Of all bytes, hexadecimal. */
  sha256: string;
}

/**
 * Writes what comes through the gate to a new file, one chunk at a time, and syncs it. A disk without room makes it
 * wait and write the same bytes again at the same place.
 * @throws ReceivingEnded, HttpProblem `upload_too_large`; what the source throws
 */
export async function writeFile(
  receiving: Receiving,
  chunks: AsyncIterable<Buffer>,
  path: string,
  maxBytes: number,
): Promise<Written> {
  const file = await create(receiving, path);
  try {
    const hash = createHash('sha256');
    const lines = new Lines();
    let bytes = 0;
    for await (const chunk of receiving.gate(chunks)) {
      if (bytes + chunk.length > maxBytes) throw tooLarge(maxBytes);
      // The disk and the processor work at the same time.
      const writing = writeAt(receiving, file, chunk, bytes);
      hash.update(chunk);
      const rows = lines.in(chunk);
      await writing;
      bytes += chunk.length;
      receiving.written(chunk.length, rows);
    }
    await file.sync();
    return { bytes, sha256: hash.digest('hex') };
  } finally {
    await file.close();
  }
}

/** A disk may have room for bytes and none for another file. */
async function create(receiving: Receiving, path: string): Promise<FileHandle> {
  for (;;)
    try {
      return await open(path, 'wx', 0o640);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      await receiving.whenRoom(1);
    }
}

export const tooLarge = (maxBytes: number): HttpProblem =>
  new HttpProblem('upload_too_large', `At most ${maxBytes} bytes.`);

/** Writes all of a chunk; waits while the disk has no room. @throws ReceivingEnded */
export async function writeAt(
  receiving: Receiving,
  file: FileHandle,
  chunk: Buffer,
  at: number,
): Promise<void> {
  for (let done = 0; done < chunk.length;) {
    try {
      done += (await file.write(chunk, done, chunk.length - done, at + done)).bytesWritten;
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      await receiving.whenRoom(chunk.length - done);
    }
  }
}

/** @throws HttpProblem `checksum_mismatch` when another one was announced of the file than it has */
export function requireSha256({ transfer }: Receiving['job'], sha256: string): void {
  const { sha256: announced } = transfer.options;
  if (announced !== undefined && announced !== sha256)
    throw new HttpProblem('checksum_mismatch', `The SHA-256 of what came is ${sha256}.`);
}

/** Gives a synced file its name, for good: a crash afterwards leaves it there. */
export async function renameForGood(from: string, to: string): Promise<void> {
  await rename(from, to);
  const directory = await open(dirname(to));
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
