/**
 * Apache Parquet. A column's type is what all its cells are: text, INT64, DOUBLE, BOOLEAN, TIMESTAMP (milliseconds,
 * UTC) or JSON for nested values; integers among decimals are doubles, any other mixture and a column without a value
 * are text. Every column may be null. Compressed by snappy.
 */
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import type { SchemaElement } from 'hyparquet';
import type { Column, Format } from './format.ts';
import { writeFileBy, type Output } from './output.ts';
import { ParquetFooter } from './parquet-footer.ts';
import { linesOf } from './parts.ts';
import { CELL, textOf, typeAt, typedLines, typesOf, valuesOf, type CellType } from './typed-rows.ts';

/** Longer texts have no statistic: the footer would be as long as the rows. */
const STATISTIC_CHARACTERS = 256;
/** A row group ends at whichever comes first: what is held in memory is about ten times its text. */
interface GroupLimits {
  rows: number;
  characters: number;
}
const GROUP: GroupLimits = { rows: 50_000, characters: 1024 * 1024 };

export const parquetOf = (limits: GroupLimits): Format => ({
  type: 'application/vnd.apache.parquet',
  extension: 'parquet',
  encode: (rows, { columns }) => typedLines(rows, columns ?? []),
  assemble: (parts, path, options, context) =>
    writeFileBy(path, { ...context, gzip: options.gzip }, async (output) => {
      const { signal } = context;
      const columns = options.columns ?? [];
      const { types } = await typesOf(parts, columns.length, signal);
      const chosen = columns.map((column, index) => columnOf(column, types[index] ?? new Set()));
      const groups = await writeGroups(parts, output, chosen, limits, signal);
      return { report: { rowGroups: groups } };
    }),
});

export const parquet = parquetOf(GROUP);

interface TypedColumn {
  element: SchemaElement;
  /** Without a statistic of its least and greatest where these could be as long as the values. */
  statistics: boolean;
  value: (type: CellType, value: unknown) => unknown;
}

function columnOf({ header }: Column, types: ReadonlySet<CellType>): TypedColumn {
  const only = (...allowed: CellType[]) =>
    [...types].some((type) => type !== CELL.none) &&
    [...types].every((type) => type === CELL.none || allowed.includes(type));
  const element = { name: header, repetition_type: 'OPTIONAL' } as const;
  const integer = (_: CellType, value: unknown) => BigInt(value as number | string);
  if (only(CELL.boolean))
    return { element: { ...element, type: 'BOOLEAN' }, statistics: true, value: (_, value) => value };
  if (only(CELL.integer, CELL.long))
    return { element: { ...element, type: 'INT64' }, statistics: true, value: integer };
  if (only(CELL.integer, CELL.double))
    return { element: { ...element, type: 'DOUBLE' }, statistics: true, value: (_, value) => Number(value) };
  if (only(CELL.time))
    return {
      element: {
        ...element,
        type: 'INT64',
        converted_type: 'TIMESTAMP_MILLIS',
        logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MILLIS' },
      },
      statistics: true,
      value: integer,
    };
  if (only(CELL.nested))
    return {
      element: { ...element, type: 'BYTE_ARRAY', logical_type: { type: 'JSON' } },
      statistics: false,
      value: (_, value) => value,
    };
  return {
    element: { ...element, type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } },
    statistics: true,
    value: textOf,
  };
}

async function writeGroups(
  parts: readonly string[],
  output: Output,
  columns: readonly TypedColumn[],
  limits: GroupLimits,
  signal: AbortSignal,
): Promise<number> {
  const bytes = new ByteWriter(1024 * 1024);
  const footer = new ParquetFooter(output);
  const flush = async (): Promise<void> => {
    await output.write(bytes.getBytes());
    bytes.index = 0;
  };
  const schema = [
    { name: 'root', num_children: columns.length },
    ...columns.map(({ element }) => element),
  ] as SchemaElement[];
  const writer = new ParquetWriter({ writer: Object.assign(bytes, { flush }), schema });
  let characters = 0;
  let held: unknown[][] = columns.map(() => []);
  const write = async (): Promise<void> => {
    const rows = held[0]?.length ?? 0;
    if (rows === 0) return;
    const columnData = columns.map(({ element, statistics }, index) => {
      const data = held[index] ?? [];
      return { name: element.name, data, statistics: statistics && data.every(isShort), offsetIndex: false };
    });
    held = columns.map(() => []);
    characters = 0;
    await writer.write({ columnData, rowGroupSize: rows });
    for (const group of writer.row_groups.splice(0)) await footer.add(group, schema);
    writer.pendingIndexes.length = 0;
  };
  for await (const lines of linesOf(parts, signal)) {
    for (const line of lines) {
      const values = valuesOf(line, columns.length);
      columns.forEach((column, index) => {
        const value = values[index];
        (held[index] as unknown[]).push(value === null ? null : column.value(typeAt(line, index), value));
      });
      characters += line.length;
      if (characters >= limits.characters || (held[0]?.length ?? 0) >= limits.rows) await write();
    }
  }
  await write();
  // The writer would make JSON of what is JSON already, had it known of the older word for it while it wrote.
  for (const element of schema) if (element.logical_type?.type === 'JSON') element.converted_type = 'JSON';
  await flush();
  await footer.write(schema);
  return footer.groups;
}

const isShort = (value: unknown): boolean =>
  typeof value !== 'string' || value.length <= STATISTIC_CHARACTERS;
