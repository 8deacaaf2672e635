/** What an import needs to be worked on: its file, what that is, and where its rows go. */
import { join, dirname } from 'node:path';
import { parseCidrs } from '@magpie/domain';
import { findJob, findSource, listSources, type Store } from '@magpie/store';
import type { TransferOptions } from '../app.ts';
import { TransferFault, type Work } from '../engine/work.ts';
import type { Places } from '../places.ts';
import { detect, ReadFault, type Detected, type ReadLimits, type ReadOptions } from '../read/index.ts';
import { dryItemsSink, dryTargetsSink } from './dry-sink.ts';
import { itemReader, type Searchable } from './item-rows.ts';
import { itemsSink } from './items-sink.ts';
import type { ImportOptions } from './options.ts';
import type { DrySink, Sink } from './sink.ts';
import { targetReader } from './target-rows.ts';
import { targetsSinkOf } from './targets-sink.ts';

/** Held in memory of one row at most, bytes. */
const MAX_LINE = 4 * 1024 * 1024;

export interface OpenImport {
  path: string;
  options: ImportOptions & { detected: Detected };
  read: ReadOptions;
}

export const optionsOf = ({ job }: Work): ImportOptions => job.transfer.options as unknown as ImportOptions;

const limitsOf = (options: TransferOptions): ReadLimits => ({
  maxBytes: options.MAGPIE_IMPORT_MAX_BYTES,
  maxRows: options.MAGPIE_IMPORT_MAX_ROWS,
  maxColumns: options.MAGPIE_IMPORT_MAX_COLUMNS,
  maxCell: options.MAGPIE_IMPORT_MAX_CELL,
  maxLine: Math.max(MAX_LINE, options.MAGPIE_IMPORT_MAX_CELL),
});

/**
 * Finds the file, and looks at it once.
 * @throws TransferFault `upload_gone`, and what `detect` throws
 */
export async function openImport(work: Work, places: Places, limits: TransferOptions): Promise<OpenImport> {
  const options = optionsOf(work);
  const upload = (await findJob(work.store, options.upload))?.transfer;
  if (upload?.kind !== 'upload' || upload.file === null)
    throw new TransferFault('upload_gone', 'The uploaded file is gone: upload it again');
  const { sha256 } = upload.file;
  if (options.sha256 !== undefined && options.sha256 !== sha256)
    throw new TransferFault('upload_gone', 'Another file was uploaded to the same job meanwhile');
  const path = join(dirname(places.uploads), upload.file.path);
  const { format, encoding, delimiter, mapping = {} } = options;
  const named = Object.values(mapping).some((column) => typeof column === 'string');
  const header = options.header ?? (named ? true : undefined);
  const read: ReadOptions = {
    name: upload.file.name,
    ...(format === undefined ? {} : { format }),
    ...(encoding === undefined ? {} : { encoding }),
    ...(delimiter === undefined ? {} : { delimiter }),
    ...(header === undefined ? {} : { header }),
    limits: limitsOf(limits),
  };
  const detected = options.detected ?? (await reading(() => detect(path, read)));
  if (options.detected === undefined)
    await work.commit({ options: { ...options, detected, sha256 }, totalBytes: upload.file.bytes });
  return { path, options: { ...options, detected }, read };
}

/** What reading throws, as faults of the transfer. */
export async function reading<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ReadFault) throw new TransferFault(error.code, error.message);
    if ((error as NodeJS.ErrnoException | null)?.code === 'ENOENT')
      throw new TransferFault('upload_gone', 'The uploaded file is gone: upload it again');
    throw error;
  }
}

/** @throws TransferFault `missing_column`, `unknown_source` */
export async function sinkOf(
  work: Work,
  options: OpenImport['options'],
  { MAGPIE_ALLOW_ADDRESSES }: TransferOptions,
): Promise<Sink | DrySink> {
  const { store, job } = work;
  const { detected, targets, dryRun = false, source = 'import' } = options;
  if (targets === undefined) {
    const read = itemReader(options, detected, await searchableOf(store));
    return dryRun
      ? dryItemsSink(store, read)
      : itemsSink(store, job._id, source, read, () => work.surelyOurs());
  }
  const known = await findSource(store, targets.source);
  if (known === undefined)
    throw new TransferFault('unknown_source', `${targets.source} is not a source that runs`);
  const allow = parseCidrs(MAGPIE_ALLOW_ADDRESSES);
  const read = targetReader({ ...options, targets }, detected, known.params, allow);
  if (dryRun) return dryTargetsSink(targets, read);
  return { read, ...targetsSinkOf({ store, job, targets }) };
}

/** By kind, whatever source says so. */
async function searchableOf(store: Store): Promise<Searchable> {
  const { rows } = await listSources(store, { limit: 200 });
  return Object.assign({}, ...rows.map(({ searchable = {} }) => searchable)) as Searchable;
}
