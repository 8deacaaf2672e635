/** Reading a file that somebody sent, row by row: any size, any rubbish, flat memory. */
import type { Detected, Place, Read, ReadOptions } from './row.ts';

export { ReadFault, START } from './row.ts';
export type { BadRow, Detected, Place, Read, ReadLimits, ReadOptions, Row } from './row.ts';

/**
 * Looks at the first 64 KiB (decompressed) and says what the file is.
 * @throws ReadFault not_a_table, empty_file, unknown_encoding, bad_gzip, bad_header, too_many_columns, too_large
 */
export async function detect(path: string, options: ReadOptions): Promise<Detected> {
  await Promise.resolve();
  throw new Error(`not yet: ${path} ${options.name}`);
}

/**
 * The rows from a checkpoint on (`START` for all), in batches of about 1,000; what is held is bounded by
 * `maxLine`. A batch that was given is complete: a fault is thrown after the rows before it were given.
 * @throws ReadFault too_many_rows, too_large, bad_gzip, bad_json; the signal's reason when it is aborted
 */
export async function* readRows(
  path: string,
  detected: Detected,
  options: ReadOptions,
  from: Place,
  signal: AbortSignal,
): AsyncGenerator<Read> {
  await Promise.resolve();
  yield { rows: [], bytesRead: from.end };
  throw new Error(`not yet: ${path} ${detected.format} ${options.name} ${signal.aborted}`);
}
