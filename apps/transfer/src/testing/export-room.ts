/** For tests: rows through a spool on disk to a finished file, and how much memory that holds. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { CreateExport } from '@magpie/contracts';
import {
  FORMATS,
  formatOptions,
  type AssembleContext,
  type Assembled,
  type ExportRow,
  type Format,
} from '../formats/index.ts';

export interface Exported extends Assembled {
  path: string;
  /** The file's bytes, of which size and digest were found to be what was said. */
  content: Buffer;
}

export interface Room {
  directory: string;
  /** Writes parts of so many rows each, and the file; it takes the place of the one before. */
  exported(rows: readonly ExportRow[], request: CreateExport, options?: ExportedOptions): Promise<Exported>;
  remove(): Promise<void>;
}

interface ExportedOptions {
  /** In the place of the one that the request names, as with smaller limits. */
  by?: Format;
  partRows?: number;
  title?: string;
  context?: Partial<AssembleContext>;
}

export async function exportRoom(): Promise<Room> {
  const directory = await mkdtemp(join(tmpdir(), 'magpie-formats-'));
  const exported: Room['exported'] = async (rows, request, { by, partRows = 3, title, context } = {}) => {
    const options = formatOptions(request, title);
    const format = by ?? FORMATS[request.format ?? 'csv'];
    const spool = join(directory, 'spool');
    await rm(spool, { recursive: true, force: true });
    await mkdir(spool);
    const parts: string[] = [];
    for (let from = 0; from < rows.length; from += partRows) {
      parts.push(join(spool, `part-${parts.length}`));
      await writeFile(parts.at(-1) ?? '', format.encode(rows.slice(from, from + partRows), options));
    }
    const path = join(directory, `file.${format.extension}`);
    const signal = new AbortController().signal;
    const assembled = await format.assemble(parts, path, options, { signal, ...context });
    const content = await readFile(path);
    const found = { bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') };
    if (found.bytes !== assembled.bytes || found.sha256 !== assembled.sha256)
      throw new Error('The file is not what it is said to be');
    return { ...assembled, path, content };
  };
  return { directory, exported, remove: () => rm(directory, { recursive: true, force: true }) };
}

/**
 * What the work holds at most, in bytes beyond what was held before, after collecting. It is looked at while the work
 * writes, each time that it has written half as much again.
 */
export async function heldBy(
  work: (wrote: (bytes: number) => Promise<void>) => Promise<unknown>,
): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const held = () => {
    collect();
    // Buffers are freed beside a collection; the second begins when those of the first are.
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = held();
  let most = before;
  let written = 0;
  let next = 512 * 1024;
  await work(async (bytes) => {
    written += bytes;
    if (written < next) return;
    next = written * 1.5;
    most = Math.max(most, held());
  });
  return Math.max(most, held()) - before;
}
