/**
 * The spool of formats whose cells have types (xlsx, parquet): a row a line, a letter for each cell's type, then the
 * cells as a JSON array: `sid-["a",5,2.5,null]`. So the types of a column are known without reading its values.
 */
import { valueAt, type Column, type ExportRow } from './format.ts';
import { jsonText, plain } from './json.ts';
import { linesOf } from './parts.ts';

/** A cell's type, and how its value stands in the JSON array. */
export const CELL = {
  /** null */
  none: '-',
  string: 's',
  boolean: 'b',
  /** An integer that a double holds exactly: a number. */
  integer: 'i',
  /** Any other integer of 64 bits: its digits, as a string. */
  long: 'l',
  /** A number; of what JSON has no word for a string: NaN, Infinity, -Infinity. */
  double: 'd',
  /** Milliseconds since 1970. */
  time: 't',
  /** A list or an object, as a string of JSON. */
  nested: 'j',
} as const;
export type CellType = (typeof CELL)[keyof typeof CELL];

/** The rows as lines of the spool. Integers of more than 64 bits become text. */
export function typedLines(rows: readonly ExportRow[], columns: readonly Column[]): string {
  let lines = '';
  for (const row of rows) {
    let types = '';
    const values: unknown[] = [];
    for (const { path } of columns) {
      const [type, value] = cellOf(valueAt(row, path));
      types += type;
      values.push(value);
    }
    lines += `${types}${JSON.stringify(values)}\n`;
  }
  return lines;
}

const NONE: [CellType, unknown] = [CELL.none, null];

function cellOf(given: unknown): [CellType, unknown] {
  if (given instanceof Date && !Number.isNaN(given.getTime())) return [CELL.time, given.getTime()];
  const value = plain(given);
  switch (typeof value) {
    case 'string':
      return [CELL.string, value];
    case 'boolean':
      return [CELL.boolean, value];
    case 'number':
      if (Number.isSafeInteger(value)) return [CELL.integer, value];
      return [CELL.double, Number.isFinite(value) ? value : String(value)];
    case 'bigint':
      if (Number.isSafeInteger(Number(value))) return [CELL.integer, Number(value)];
      return [BigInt.asIntN(64, value) === value ? CELL.long : CELL.string, String(value)];
    default:
      return value === null ? NONE : [CELL.nested, jsonText(value)];
  }
}

/** The cells of a line, beside which `typeAt(line, column)` says their types. */
export const valuesOf = (line: string, columns: number): unknown[] =>
  JSON.parse(line.slice(columns)) as unknown[];

export const typeAt = (line: string, column: number): CellType => line[column] as CellType;

/** A cell as text, for where text is all that there is room for. */
export function textOf(type: CellType, value: unknown): string {
  return type === CELL.time ? new Date(value as number).toISOString() : String(value as string | number);
}

/** The types that occur in each column, and how many rows there are. */
export async function typesOf(
  parts: readonly string[],
  columns: number,
  signal: AbortSignal,
): Promise<{ types: Set<CellType>[]; rows: number }> {
  const seen = Array.from({ length: columns }, () => new Uint8Array(128));
  let rows = 0;
  for await (const lines of linesOf(parts, signal)) {
    rows += lines.length;
    for (const line of lines) {
      for (let column = 0; column < columns; column += 1)
        (seen[column] as Uint8Array)[line.charCodeAt(column)] = 1;
    }
  }
  const types = seen.map(
    (letters) => new Set(Object.values(CELL).filter((letter) => letters[letter.charCodeAt(0)] === 1)),
  );
  return { types, rows };
}
