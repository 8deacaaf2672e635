/**
 * The files of the items as a ZIP: `files/<sha256>.<ending>` once each though several items share it, stored as they are,
 * then `manifest.ndjson` and `manifest.csv`, which say of each item where its file is, or that
 * there is none (`missing`): it never had one, or it is gone.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { crc32 } from 'node:zlib';
import { TransferFault } from '../engine/work.ts';
import { columnsOf, type ExportRow, type Format } from './format.ts';
import { jsonText } from './json.ts';
import { writeFileBy } from './output.ts';
import { linesOf } from './parts.ts';
import { SeenFiles } from './seen-files.ts';
import { csvHeader, csvLines } from './text.ts';
import { ZipFile } from './zip-file.ts';

/** A row of the spool, and with `missing` one of the manifest. */
interface Entry {
  id: unknown;
  kind: unknown;
  url: unknown;
  page: unknown;
  /** Its name in the archive; null when the item has no file. */
  file: string | null;
  sha256: string | null;
  type: string | null;
  bytes: number | null;
  /** Its place among the kept files. */
  path: string | null;
}
const MANIFEST = columnsOf(['id', 'kind', 'url', 'page', 'file', 'sha256', 'type', 'bytes', 'missing']);
/** So much of a file is held at once. */
const CHUNK_BYTES = 1024 * 1024;
/** A manifest is at most about five times as long as the spool. */
const LARGE_SPOOL = 512 * 1024 * 1024;
const MANIFEST_LEVEL = 6;
/** So many files are told apart in 64 MiB of memory. */
const MOST_FILES = 3_000_000;
const SHA256 = /^[0-9a-f]{64}$/;

/** @throws TransferFault `too_many_files`, beyond `mostFiles` */
export const zipOf = (mostFiles: number): Format => ({
  type: 'application/zip',
  extension: 'zip',
  encode: (rows) => rows.map((row) => `${jsonText(entryOf(row))}\n`).join(''),
  assemble: (parts, path, options, context) =>
    writeFileBy(path, context, async (output) => {
      const { signal, fileOf } = context;
      if (fileOf === undefined) throw new Error('A zip needs to know where the files are');
      const archive = new ZipFile(output);
      const at = new Date();
      const kept = new SeenFiles();
      const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
      let spool = 0;
      let items = 0;
      for await (const lines of linesOf(parts, signal)) {
        items += lines.length;
        for (const line of lines) {
          spool += line.length;
          const entry = JSON.parse(line) as Entry;
          if (entry.file === null || entry.path === null || kept.knows(entry.file)) continue;
          if (kept.size === mostFiles)
            throw new TransferFault(
              'too_many_files',
              `An archive holds at most ${mostFiles} files: export fewer days, or one host, at a time`,
            );
          kept.note(entry.file, await addFile(archive, entry.file, fileOf(entry.path), buffer, signal));
        }
      }
      const manifest = { level: MANIFEST_LEVEL, large: spool > LARGE_SPOOL };
      async function* manifestBy(encode: (rows: ExportRow[]) => string, head: string) {
        yield Buffer.from(head);
        for await (const lines of linesOf(parts, signal)) {
          const rows = lines.map((line) => {
            const { path: _, ...entry } = JSON.parse(line) as Entry;
            return { ...entry, missing: entry.file === null || !kept.has(entry.file) };
          });
          yield Buffer.from(encode(rows));
        }
      }
      const asLines = (rows: ExportRow[]) => rows.map((row) => `${jsonText(row)}\n`).join('');
      await archive.addDeflated('manifest.ndjson', at, manifest, manifestBy(asLines, ''));
      const asCsv = (rows: ExportRow[]) => csvLines(rows, MANIFEST, options.formulas);
      await archive.addDeflated('manifest.csv', at, manifest, manifestBy(asCsv, csvHeader(MANIFEST)));
      await archive.end();
      return { report: { items, files: kept.there, missingFiles: kept.gone } };
    }),
});

export const zip = zipOf(MOST_FILES);

function entryOf({ id, kind, url, page, file }: ExportRow): Entry {
  const kept = file as { sha256: string; type: string; bytes: number; path: string } | null | undefined;
  const row = { id, kind, url, page: page ?? null };
  if (kept === null || kept === undefined)
    return { ...row, file: null, sha256: null, type: null, bytes: null, path: null };
  const { sha256, type, bytes, path } = kept;
  if (!SHA256.test(sha256)) throw new Error('A file without a digest');
  const ending = /^\.[a-z0-9]{1,10}$/.exec(extname(basename(path)))?.[0] ?? '';
  return { ...row, file: `files/${sha256}${ending}`, sha256, type, bytes, path };
}

/** Adds a kept file; gives whether it was there. It is read twice when it is large: its checksum comes first. */
async function addFile(
  archive: ZipFile,
  name: string,
  path: string,
  buffer: Buffer,
  signal: AbortSignal,
): Promise<boolean> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
  try {
    const { mtime } = await file.stat();
    const first = await fill(file, buffer, 0);
    if (first.length < buffer.length) {
      await archive.addStored(name, mtime, { size: first.length, crc: crc32(first) }, [first]);
      return true;
    }
    let size = 0;
    let crc = 0;
    for await (const chunk of chunksOf(file, buffer, signal)) {
      size += chunk.length;
      crc = crc32(chunk, crc);
    }
    await archive.addStored(name, mtime, { size, crc }, chunksOf(file, buffer, signal));
    return true;
  } finally {
    await file.close();
  }
}

/** From the file's start to its end, in pieces that are good until the next one is asked for. */
async function* chunksOf(file: FileHandle, buffer: Buffer, signal: AbortSignal): AsyncGenerator<Buffer> {
  for (let position = 0; ;) {
    signal.throwIfAborted();
    const chunk = await fill(file, buffer, position);
    if (chunk.length > 0) yield chunk;
    if (chunk.length < buffer.length) return;
    position += chunk.length;
  }
}

/** As much as there is room for; less at the end of the file only. */
async function fill(file: FileHandle, buffer: Buffer, position: number): Promise<Buffer> {
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, position + length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}
