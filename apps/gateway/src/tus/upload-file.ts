/** The bytes of an upload on disk: the part while they come, the file once all are there and safe. */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rename, stat, type FileHandle } from 'node:fs/promises';
import { Lines } from '../uploads/lines.ts';

const READ_BYTES = 1024 * 1024;

export interface Paths {
  part: string;
  file: string;
}

/** How many bytes there are; 0 when there is no file. */
export const bytesAt = async ({ part, file }: Paths): Promise<number> =>
  (await sizeOf(part)) ?? (await sizeOf(file)) ?? 0;

/** Opens what there is for writing after its first `offset` bytes; what follows them is cut off. */
export async function openAfter({ part, file }: Paths, offset: number): Promise<FileHandle> {
  // All was in its place once, and the job did not come to know.
  if ((await sizeOf(part)) === undefined && (await sizeOf(file)) !== undefined) await rename(file, part);
  const handle = await open(part, constants.O_RDWR | constants.O_CREAT, 0o640);
  try {
    if ((await handle.stat()).size > offset) await cutOff(handle, offset);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Forgets what follows the first `offset` bytes, for good. */
export async function cutOff(handle: FileHandle, offset: number): Promise<void> {
  await handle.truncate(offset);
  await handle.datasync();
}

/**
 * SHA-256 and lines of the first `bytes` bytes, read a mebibyte at a time, so that others get their turn.
 * @param check may throw, between two reads
 */
export async function digestOf(
  handle: FileHandle,
  bytes: number,
  check: () => void,
): Promise<{ sha256: string; rows: number }> {
  const hash = createHash('sha256');
  const lines = new Lines();
  const buffer = Buffer.allocUnsafe(Math.min(Math.max(bytes, 1), READ_BYTES));
  let rows = 0;
  for (let position = 0; position < bytes;) {
    check();
    const wanted = Math.min(buffer.length, bytes - position);
    const { bytesRead } = await handle.read(buffer, 0, wanted, position);
    if (bytesRead === 0) throw new Error('the file of an upload is shorter than what was received');
    const chunk = buffer.subarray(0, bytesRead);
    hash.update(chunk);
    rows += lines.in(chunk);
    position += bytesRead;
  }
  return { sha256: hash.digest('hex'), rows };
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
