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

const LOOK_BYTES = 4 * 1024 * 1024;

/** Keeps the reserve while something is written to a disk: to within 4 MiB for each that writes there. */
export class RoomWatch {
  readonly #directory: string;
  readonly #reserve: number;
  #unseen = 0;

  constructor(directory: string, reserve: number) {
    this.#directory = directory;
    this.#reserve = reserve;
  }

  /**
   * To be told of what was written.
   * @throws TransferWait `disk_full`
   */
  async wrote(bytes: number): Promise<void> {
    this.#unseen += bytes;
    if (this.#unseen < LOOK_BYTES) return;
    this.#unseen = 0;
    await needRoom(this.#directory, this.#reserve);
  }
}

/** An error of the file system that means that there is no room, as a wait; any other as it is. */
export const orDiskFull = (error: unknown): unknown =>
  ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException | null)?.code ?? '') ? diskFull() : error;

const diskFull = (): TransferWait =>
  new TransferWait('disk_full', 'The disk is full: it goes on by itself when there is room');
