import { statfs } from 'node:fs/promises';
import { TransferWait } from './engine/work.ts';

/**
 * Waits, by a `TransferWait`, when less than `reserve` bytes would be left on the disk of `directory` after `wanted`.
 */
export async function needRoom(directory: string, reserve: number, wanted = 0): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize - wanted >= reserve) return;
  throw diskFull();
}

/** An error of the file system that means that there is no room, as a wait; any other as it is. */
export const orDiskFull = (error: unknown): unknown =>
  ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException | null)?.code ?? '') ? diskFull() : error;

const diskFull = (): TransferWait =>
  new TransferWait('disk_full', 'The disk is full: it goes on by itself when there is room');
