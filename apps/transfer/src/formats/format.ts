/**
 * What every format of exports promises.
 *
 * An export is written in two steps. First the *spool*: parts on disk, each the rows of one checkpoint, encoded by
 * `encode`; a part knows nothing of the others, so one that was cut short is written anew. Then the finished file,
 * made of all parts in one go by `assemble`; dying there costs that step alone.
 */
import type { CreateExport, ExportFormat } from '@magpie/contracts';

/**
 * An item as the API shows it. Instants are `Date`s where a format is to know them as such (xlsx, parquet); the others
 * write them as ISO 8601. For zip, `file` bears `path`, the file's place below the directory that `fileOf` is given.
 */
export type ExportRow = Readonly<Record<string, unknown>>;

export interface Column {
  /** As `url` or `data.title`. */
  field: string;
  /** What the column is called in the file. */
  header: string;
  path: readonly string[];
}

export interface FormatOptions {
  /** In this order; null means the whole item, of formats that have no columns (ndjson, json, zip). */
  columns: readonly Column[] | null;
  /** Leaves cells alone that a spreadsheet would run. */
  formulas: boolean;
  /** Compresses the file as a whole; not of zip. */
  gzip: boolean;
  /** Names what is inside where a format has a place for it: the sheet of a workbook. */
  title: string;
}

export interface AssembleContext {
  /** Aborted, nothing of the file is left, and the signal's reason is thrown. */
  signal: AbortSignal;
  /** Told of what was written; throws when there is no room for more. */
  wrote?: (bytes: number) => Promise<void>;
  /** Of zip: where a file is that a row named by `file.path`. */
  fileOf?: (path: string) => string;
}

export interface Assembled {
  bytes: number;
  sha256: string;
  /** What else there is to say, by the format's own words, as `{ sheets: 2, cutCells: 1 }`. */
  report: Record<string, number>;
}

export interface Format {
  /** Media type of the file when it is not compressed as a whole. */
  type: string;
  /** Of its name, without the dot. */
  extension: string;
  /** The rows as they stand in a part of the spool: whole lines of UTF-8. '' of no rows. */
  encode(rows: readonly ExportRow[], options: FormatOptions): string;
  /**
   * Writes the finished file to `path`, which is overwritten; it is on the disk, synced, when this returns. Memory does
   * not grow with the rows. On any error there is no file.
   * @param parts paths of the spool, in order
   * @throws TransferWait `disk_full`; the signal's reason
   */
  assemble(
    parts: readonly string[],
    path: string,
    options: FormatOptions,
    context: AssembleContext,
  ): Promise<Assembled>;
}

/** The columns of csv, xlsx and parquet when none are named. */
const COLUMNS = [
  'id',
  'kind',
  'url',
  'finalUrl',
  'page',
  'source',
  'data',
  'file.url',
  'file.type',
  'file.bytes',
  'file.sha256',
  'file.width',
  'file.height',
  'revision',
  'storedAt',
  'checkedAt',
];
const WHOLE: readonly ExportFormat[] = ['ndjson', 'json', 'zip'];

export const columnsOf = (fields: readonly string[]): Column[] =>
  fields.map((field) => ({ field, header: field, path: field.split('.') }));

/** What was asked for, with what is meant where nothing was said. `gzip` of a zip has no effect. */
export function formatOptions(
  { format = 'csv', fields, formulas = false, gzip = false }: CreateExport,
  title = 'items',
): FormatOptions {
  return {
    columns: fields !== undefined || !WHOLE.includes(format) ? columnsOf(fields ?? COLUMNS) : null,
    formulas,
    gzip: gzip && format !== 'zip',
    title,
  };
}

/** What a field says of an item; undefined when there is nothing of that name. Only own properties are looked at. */
export function valueAt(row: ExportRow, path: readonly string[]): unknown {
  const value = ownAt(row, path);
  return value === undefined && path.length > 2 ? ownAt(row, placeOf(row, path)) : value;
}

/**
 * Where a field of an item is: along its path, or, where there is nothing, below a name that has dots itself, as of a
 * column `price.eur`.
 */
export function placeOf(row: ExportRow, path: readonly string[]): readonly string[] {
  if (ownAt(row, path) !== undefined) return path;
  let value: unknown = row;
  for (let i = 0; i < path.length - 1 && isObject(value); i += 1) {
    const dotted = path.slice(i).join('.');
    if (Object.hasOwn(value, dotted)) return [...path.slice(0, i), dotted];
    value = ownAt(value, path.slice(i, i + 1));
  }
  return path;
}

function ownAt(row: ExportRow, path: readonly string[]): unknown {
  let value: unknown = row;
  for (const name of path) {
    if (!isObject(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;
