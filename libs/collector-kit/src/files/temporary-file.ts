import { randomUUID } from 'node:crypto';
import { mkdir, open, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import path from 'node:path';

/** Readable for the web server, whatever the umask of the process. */
const FILE_MODE = 0o644;
const DIRECTORY_MODE = 0o755;
/** Nobody but the collector's user has business among half-written files. */
const TEMPORARY_MODE = 0o700;

/** A file under a random name that is not served. Ends by `discard`, after its content was linked or wasn't. */
export class TemporaryFile {
  readonly path: string;
  private readonly handle: FileHandle;
  private isClosed = false;

  private constructor(file: string, handle: FileHandle) {
    this.path = file;
    this.handle = handle;
  }

  /** Makes a new empty file in a directory, which is made when it is missing. */
  static async create(directory: string): Promise<TemporaryFile> {
    const file = path.join(directory, randomUUID());
    const handle = await open(file, 'wx', FILE_MODE).catch(async (error: unknown) => {
      if (!hasCode(error, 'ENOENT')) throw error;
      await mkdir(path.dirname(directory), { recursive: true, mode: DIRECTORY_MODE });
      await mkdir(directory, { recursive: true, mode: TEMPORARY_MODE });
      return open(file, 'wx', FILE_MODE);
    });
    return new TemporaryFile(file, handle);
  }

  /** Appends all of it. */
  async write(bytes: Uint8Array): Promise<void> {
    await this.handle.writeFile(bytes);
  }

  /** Ends the writing; with `sync`, the content is on the disk afterwards. */
  async finish(sync: boolean): Promise<void> {
    if ((process.umask() & FILE_MODE) !== 0) await this.handle.chmod(FILE_MODE);
    if (sync) await this.handle.datasync();
    await this.close();
  }

  /** Removes the name. What was linked from it stays. May be called at any time, and twice. */
  async discard(): Promise<void> {
    await this.close().catch(() => {});
    await unlinkIfThere(this.path);
  }

  private async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    await this.handle.close();
  }
}

/** Deletes a file; false when there is none. */
export async function unlinkIfThere(file: string): Promise<boolean> {
  try {
    await unlink(file);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}

/** Whether an error is the file system's, with one of these codes. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && codes.includes(String(error.code));
}
