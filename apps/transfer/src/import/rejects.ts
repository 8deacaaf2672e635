/**
 * The list of rejected rows: a CSV file that grows ahead of the checkpoint, and is cut to it on resume.
 *
 * Each is written at its place, not at the end: who was frozen, and writes when another one has gone on, writes the
 * same bytes there again.
 */
import { constants } from 'node:fs';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { REJECT_COLUMNS, type RowFault } from '@magpie/contracts';
import { csvRecord } from '@magpie/domain';
import { orDiskFull } from '../disk.ts';
import type { Places } from '../places.ts';

const HEADER = csvRecord(REJECT_COLUMNS);

export class Rejects {
  readonly #file: FileHandle;
  /** Bytes. */
  size: number;

  private constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.size = size;
  }

  /**
   * Opens an import's list as it was at its checkpoint; anew, when it has expired since.
   * @param committed bytes that were committed; 0 at the beginning
   */
  static async open(places: Places, id: string, committed: number): Promise<Rejects> {
    const path = join(places.work(id), 'rejects.csv');
    await mkdir(dirname(path), { recursive: true });
    try {
      const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o640);
      const size = (await file.stat()).size < committed ? 0 : committed;
      await file.truncate(size);
      const rejects = new Rejects(file, size);
      if (size === 0) await rejects.#write(HEADER);
      return rejects;
    } catch (error) {
      throw orDiskFull(error);
    }
  }

  /** Adds rows; they are on the disk when it resolves. @throws TransferWait `disk_full` */
  async add(faults: readonly RowFault[]): Promise<void> {
    if (faults.length === 0) return;
    await this.#write(faults.map(line).join(''));
  }

  async #write(text: string): Promise<void> {
    const bytes = Buffer.from(text);
    try {
      for (let done = 0; done < bytes.length;)
        done += (await this.#file.write(bytes, done, bytes.length - done, this.size + done)).bytesWritten;
      await this.#file.datasync();
    } catch (error) {
      throw orDiskFull(error);
    }
    this.size += bytes.length;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.#file.close().catch(() => undefined);
  }
}

const line = (fault: RowFault): string => csvRecord(REJECT_COLUMNS.map((name) => fault[name] ?? null));
