import { access, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { asFileError } from './file-errors.ts';
import { Publisher } from './publish.ts';
import { receive } from './receive.ts';
import type { FileBody, ReceiveOptions } from './receive.ts';
import { hasCode, unlinkIfThere } from './temporary-file.ts';

/** What is kept; the first part of a file's path. */
export type FileKind = 'images';

export type StoredFile = {
  /** Of the content, 64 hexadecimal digits. */
  sha256: string;
  /** Below the root, always with `/`: `images/ab/cd/<sha256>.<ext>`. */
  path: string;
  /** Media type and extension, from the bytes alone. */
  type: string;
  ext: string;
  bytes: number;
  /** As the header claims, turned as a viewer would; absent where it doesn't say. */
  width?: number;
  height?: number;
  /** False when the same bytes were kept already. Of several equal writes at a time, one is fresh. */
  fresh: boolean;
};

export type FileStoreOptions = {
  /** The directory that is served below /files. Made when it is missing. */
  root: string;
  /**
   * Whether a file, and its name, are on the disk when `write` returns, so that they survive a power cut (default
   * true). Without it they survive the death of any process, but not the machine's.
   */
  sync?: boolean;
  log?: { warn(details: object, message: string): void };
};

export type FileStore = {
  /**
   * Keeps a body under the name of its content, or refuses it. Nothing is visible below `images/` before it is whole,
   * and nothing remains of a write that throws. The body is read no faster than it is written; its iterator is
   * closed when the write ends early.
   *
   * @throws what the body throws, what `accept` throws, the signal's reason
   * @throws Permanent `not_an_image`, `body_too_large`
   * @throws Retryable `disk_full`
   */
  write(kind: FileKind, body: FileBody, options: ReceiveOptions): Promise<StoredFile>;
  /** The absolute path of a file by its path below the root. A RangeError when it isn't one of a kept file. */
  path(file: string): string;
  exists(file: string): Promise<boolean>;
  /** Deletes a kept image; false when there was none. Its directories stay. */
  remove(sha256: string, ext: string): Promise<boolean>;
  /** Deletes what killed processes left half written, if it is older than this; how many there were. */
  sweepTemporary(olderThanMs: number): Promise<number>;
};

const KEPT_FILE = /^images\/([0-9a-f]{2})\/([0-9a-f]{2})\/\1\2[0-9a-f]{60}\.[a-z0-9]{1,8}$/;

/** The content-addressed store of collected files. Any number of processes may use one root. */
export function createFileStore({ root, sync = true, log }: FileStoreOptions): FileStore {
  const base = path.resolve(root);
  const temporary = path.join(base, '.tmp');
  const publisher = new Publisher(temporary, sync);

  const absolute = (file: string): string => {
    if (!KEPT_FILE.test(file)) throw new RangeError(`not the path of a kept file: ${file.slice(0, 120)}`);
    return path.join(base, file);
  };

  return {
    async write(kind, body, options) {
      try {
        const { content, ...received } = await receive(body, options, temporary);
        const file = keptPath(kind, received.sha256, received.ext);
        const fresh = await publisher.publish(content, path.join(base, file), received.bytes);
        return { ...received, path: file, fresh };
      } catch (error) {
        const shown = asFileError(error);
        if (shown !== error) log?.warn({ err: error }, 'no space left for files');
        throw shown;
      }
    },

    path: absolute,

    async exists(file) {
      try {
        await access(absolute(file));
        return true;
      } catch (error) {
        if (hasCode(error, 'ENOENT', 'ENOTDIR')) return false;
        throw error;
      }
    },

    async remove(sha256, ext) {
      return unlinkIfThere(absolute(keptPath('images', sha256, ext)));
    },

    async sweepTemporary(olderThanMs) {
      let count = 0;
      for (const name of await readdir(temporary).catch(() => [])) {
        const file = path.join(temporary, name);
        const found = await stat(file).catch(() => undefined);
        if (found && Date.now() - found.mtimeMs > olderThanMs && (await unlinkIfThere(file))) count += 1;
      }
      return count;
    },
  };
}

function keptPath(kind: FileKind, sha256: string, ext: string): string {
  return `${kind}/${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256}.${ext}`;
}
