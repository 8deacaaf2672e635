/** Reading a file that somebody sent, row by row: any size, any rubbish, flat memory. */
import { CsvReader } from './csv.ts';
import { JsonReader } from './json.ts';
import { NdjsonReader } from './ndjson.ts';
import {
  ReadFault,
  type BadRow,
  type Detected,
  type Place,
  type Read,
  type ReadOptions,
  type Row,
} from './row.ts';
import { readText } from './text.ts';
import type { RowReader } from './window.ts';

export { detect } from './detect.ts';
export { ReadFault, START } from './row.ts';
export type { BadRow, Detected, Place, Read, ReadLimits, ReadOptions, Row } from './row.ts';

const BATCH = 1000;
/** Values of a batch of a table: a short one takes thirty times its text in memory. Then a batch has fewer rows. */
const VALUES = 20_000;
/**
 * Bytes of text without a thousand rows in it: then a batch has fewer, or none. A value takes ten times its text in
 * memory, and several batches are there at once.
 */
const SPARSE = 512 * 1024;
// Text that is passed over on the way to a checkpoint counts too, so that it can be left between batches.
const PASSED_OVER = 64 * 1024;
const NOTHING: Buffer = Buffer.alloc(0);

/**
 * The rows from a checkpoint on (`START` for all), in batches of about 1,000; fewer, or none, where rows are long or wide.
 * What is held is bounded by `maxLine`. A fault is thrown after the rows before it were given.
 * @throws ReadFault too_many_rows, too_large, bad_gzip, bad_json; the signal's reason when it is aborted
 */
export async function* readRows(
  path: string,
  detected: Detected,
  options: ReadOptions,
  from: Place,
  signal: AbortSignal,
): AsyncGenerator<Read> {
  const { maxBytes, maxRows } = options.limits;
  const reader = readerOf(detected, options, from);
  const batch = rowsAtOnce(detected);
  const text = readText(path, detected, { from: from.end, maxBytes, signal });
  let pending: (Row | BadRow)[] = [];
  let bytesRead = 0;
  let given = 0;
  let since = 0;
  let fault: ReadFault | undefined;
  let last = false;
  try {
    for (let over = false; !over;) {
      try {
        let piece = NOTHING;
        if (!reader.more && !last) {
          const { value } = await text.next();
          if (value === undefined) last = true;
          else {
            piece = value.bytes;
            bytesRead = value.read;
            since += piece.length || PASSED_OVER;
          }
        }
        if (last) reader.finish();
        else reader.take(piece);
        over = last && !reader.more;
      } catch (error) {
        if (!(error instanceof ReadFault)) throw error;
        fault = error;
        over = true;
      }
      pending = pending.length === 0 ? reader.rows : pending.concat(reader.rows);
      reader.rows = [];
      if (given + pending.length > maxRows) {
        pending.length = maxRows - given;
        fault = new ReadFault('too_many_rows', `More than ${maxRows} rows`);
        over = true;
      }
      let taken = 0;
      for (; pending.length - taken >= batch; taken += batch)
        yield { rows: pending.slice(taken, taken + batch), bytesRead };
      given += taken;
      if (taken > 0) {
        pending = pending.slice(taken);
        since = 0;
      }
      if ((over && pending.length > 0) || since >= SPARSE) {
        given += pending.length;
        yield { rows: pending, bytesRead };
        pending = [];
        since = 0;
      }
    }
  } finally {
    await text.return(undefined);
  }
  if (fault !== undefined) throw fault;
}

const rowsAtOnce = ({ columns }: Detected): number =>
  Math.max(1, Math.min(BATCH, Math.floor(VALUES / (columns?.length ?? 1))));

function readerOf(
  { format, delimiter, columns, header, sep }: Detected,
  { limits }: ReadOptions,
  from: Place,
): RowReader {
  if (format === 'ndjson') return new NdjsonReader(limits, from);
  if (format === 'json') return new JsonReader(limits, from);
  return new CsvReader(
    { delimiter: delimiter ?? ',', columns: columns ?? [], header, sep: sep === true, limits },
    from,
  );
}
