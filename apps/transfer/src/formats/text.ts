/** csv, ndjson and json: the spool holds the lines as they stand in the file, which is head, parts and tail. */
import { csvRecord, type CsvCell } from '@magpie/domain';
import { placeOf, valueAt, type Column, type ExportRow, type Format } from './format.ts';
import { jsonText, plain } from './json.ts';
import { writeFileBy, type Output } from './output.ts';
import { bytesOf } from './parts.ts';

/** Comma-separated values, RFC 4180: UTF-8 without a byte order mark, a header, CRLF. */
export const csv: Format = {
  type: 'text/csv; charset=utf-8',
  extension: 'csv',
  encode: (rows, options) => csvLines(rows, options.columns ?? [], options.formulas),
  assemble: (parts, path, options, context) =>
    writeFileBy(path, { ...context, gzip: options.gzip }, (output) => {
      const header = csvHeader(options.columns ?? []);
      return joined(parts, output, context.signal, [header, '', 0]);
    }),
};

/** A JSON text a line, ended by `\n`. */
export const ndjson: Format = {
  type: 'application/x-ndjson',
  extension: 'ndjson',
  encode: (rows, { columns }) => {
    const choose = chooser(columns);
    return rows.map((row) => `${jsonText(choose(row))}\n`).join('');
  },
  assemble: (parts, path, { gzip }, context) =>
    writeFileBy(path, { ...context, gzip }, (output) => joined(parts, output, context.signal, ['', '', 0])),
};

/** One JSON array, an item a line. Each stands in the spool after a comma, of which the first is left out. */
export const json: Format = {
  type: 'application/json',
  extension: 'json',
  encode: (rows, { columns }) => {
    const choose = chooser(columns);
    return rows.map((row) => `,${jsonText(choose(row))}\n`).join('');
  },
  assemble: (parts, path, { gzip }, context) =>
    writeFileBy(path, { ...context, gzip }, (output) =>
      joined(parts, output, context.signal, ['[', ']\n', 1]),
    ),
};

/** A record an item. */
export function csvLines(rows: readonly ExportRow[], columns: readonly Column[], formulas: boolean): string {
  let lines = '';
  for (const row of rows)
    lines += csvRecord(
      columns.map(({ path }) => cellOf(valueAt(row, path))),
      formulas,
    );
  return lines;
}

export const csvHeader = (columns: readonly Column[]): string =>
  csvRecord(columns.map(({ header }) => header));

function cellOf(given: unknown): CsvCell {
  const value = plain(given);
  return typeof value === 'object' && value !== null ? jsonText(value) : value;
}

/** The item, or what was asked of it, in the same places; what it does not have is null. */
function chooser(columns: readonly Column[] | null): (row: ExportRow) => ExportRow {
  if (columns === null) return (row) => row;
  const paths = columns.map(({ path }) => path);
  // Of `data` and `data.title` the first holds the second.
  const held = new Set(paths.filter((path) => paths.some((other) => isWithin(path, other))));
  return (row) => {
    const result = branch();
    for (const path of paths) {
      const place = placeOf(row, path);
      if (held.has(path) && paths.some((other) => isWithin(place, other))) continue;
      let at = result;
      for (const name of place.slice(0, -1)) at = (at[name] ??= branch()) as Branch;
      at[place.at(-1) ?? ''] = valueAt(row, place) ?? null;
    }
    return result;
  };
}

type Branch = Record<string, unknown>;
/** Without a prototype, so that any name is a name like any other. */
const branch = (): Branch => Object.create(null) as Branch;

const isWithin = (path: readonly string[], other: readonly string[]): boolean =>
  path.length > other.length && other.every((name, index) => path[index] === name);

/** Head, parts and tail; of the parts all but the first byte when the head stands for it. */
async function joined(
  parts: readonly string[],
  output: Output,
  signal: AbortSignal,
  [head, tail, skip]: readonly [head: string, tail: string, skip: number],
): Promise<{ report: Record<string, number> }> {
  await output.write(Buffer.from(head));
  let skipped = 0;
  for await (const chunk of bytesOf(parts, signal)) {
    const from = Math.min(skip - skipped, chunk.length);
    skipped += from;
    await output.write(chunk.subarray(from));
  }
  await output.write(Buffer.from(tail));
  return { report: {} };
}
