import { chmod, link, mkdir, open, rename, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { hasCode, TemporaryFile } from './temporary-file.ts';

const DIRECTORY_MODE = 0o755;

/** Gives whole files their name, and makes the directories for it. */
export class Publisher {
  private readonly temporary: string;
  private readonly sync: boolean;

  constructor(temporary: string, sync: boolean) {
    this.temporary = temporary;
    this.sync = sync;
  }

  /**
   * Makes the content visible as `file`, which holds these very bytes or nothing: false when it was there. A file of
   * another length under that name, as a power cut may leave, is replaced. The temporary file is gone afterwards.
   */
  async publish(content: Uint8Array | TemporaryFile, file: string, bytes: number): Promise<boolean> {
    let spooled = content instanceof TemporaryFile ? content : undefined;
    try {
      const found = await stat(file).catch(() => undefined);
      const isThere = found?.size === bytes;
      let fresh = false;
      if (!isThere) {
        if (!spooled) {
          spooled = await TemporaryFile.create(this.temporary);
          await spooled.write(content as Uint8Array);
        }
        await spooled.finish(this.sync);
        if (found) await rename(spooled.path, file);
        fresh = found !== undefined || (await this.link(spooled.path, file));
      }
      if (this.sync) await syncDirectory(path.dirname(file));
      return fresh;
    } finally {
      await spooled?.discard();
    }
  }

  /** False when another process or call was first, with the same bytes. */
  private async link(from: string, file: string): Promise<boolean> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await link(from, file);
        return true;
      } catch (error) {
        if (hasCode(error, 'EEXIST')) return false;
        // Directories are made when they turn out to be missing, and again if somebody removes them meanwhile.
        if (hasCode(error, 'ENOENT') && attempt <= 3) {
          await this.makeDirectory(path.dirname(file));
          continue;
        }
        // File systems without hard links. Two equal writes may then both count as fresh.
        if (!hasCode(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK')) throw error;
        await rename(from, file);
        return true;
      }
    }
  }

  private async makeDirectory(directory: string): Promise<void> {
    const first = await mkdir(directory, { recursive: true, mode: DIRECTORY_MODE });
    if (first === undefined) return;
    const top = path.dirname(first);
    for (let made = directory; made !== top && made.length > top.length; made = path.dirname(made)) {
      if ((process.umask() & DIRECTORY_MODE) !== 0) await chmod(made, DIRECTORY_MODE);
      if (this.sync) await syncDirectory(path.dirname(made));
    }
  }
}

/** Puts the names in a directory on the disk, where the system allows that. */
async function syncDirectory(directory: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(directory, 'r');
    await handle.sync();
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'EACCES', 'EPERM', 'EISDIR', 'EINVAL', 'ENOTSUP')) throw error;
  } finally {
    await handle?.close();
  }
}
