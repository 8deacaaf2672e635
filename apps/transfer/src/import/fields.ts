/** Which column of a row is which field. Pure. */
import type { RowFault } from '@magpie/contracts';
import { TransferFault } from '../engine/work.ts';
import type { Detected, Row } from '../read/index.ts';
import type { ImportOptions } from './options.ts';
import { broughtOf } from './own-export.ts';

/** Gives the column of each field that a row has, in the file's order. */
export type Fields = (values: Row['values']) => readonly FieldOfRow[];

export interface FieldOfRow {
  field: string;
  column: string;
}

export const isFault = (outcome: object): outcome is RowFault => 'code' in outcome && 'message' in outcome;

export const fault = (line: number, column: string | null, code: string, message: string): RowFault => ({
  line,
  column,
  code,
  message,
});

const MAX_NAMED = 20;
const MAX_NAME = 100;

function missing(field: string, { columns }: Detected): TransferFault {
  const named = (columns ?? []).slice(0, MAX_NAMED).map((name) => `\`${name.slice(0, MAX_NAME)}\``);
  const more = (columns?.length ?? 0) > MAX_NAMED ? ' …' : '';
  return new TransferFault(
    'missing_column',
    `The file has no column for \`${field}\`. It has ${named.join(', ')}${more}.`,
  );
}

/** A column by its name, or by its number from 1. Of objects, whose columns are not known, as it is written. */
function columnOf(field: string, named: string | number, detected: Detected): string {
  const { columns } = detected;
  if (columns === null) return String(named);
  const column = typeof named === 'number' ? columns[named - 1] : columns.find((name) => name === named);
  if (column === undefined) throw missing(field, detected);
  return column;
}

/**
 * The fields of items: what the mapping says, or each column is the field of its name; of an export of the platform's
 * own those that it does not make anew. Without names the first column is `url`.
 * @throws TransferFault `missing_column`
 */
export function itemFields({ mapping }: ImportOptions, detected: Detected): Fields {
  const { columns, header } = detected;
  if (mapping !== undefined) {
    const all = Object.entries(mapping).map(([field, named]) => ({
      field,
      column: columnOf(field, named, detected),
    }));
    return () => all;
  }
  const named = (names: readonly string[]): FieldOfRow[] =>
    broughtOf(names).map((name) => ({ field: name, column: name }));
  if (columns === null) return (values) => named(Object.keys(values));
  const all = header
    ? named(columns)
    : columns.map((column, i) => ({ field: i === 0 ? 'url' : column, column }));
  if (!all.some(({ field }) => field === 'url')) throw missing('url', detected);
  return () => all;
}

/**
 * The column of the target: what the mapping says; else `target`, the parameter's name or its singular, `url`, or the
 * only column. Undefined where a row has none of them.
 * @throws TransferFault `missing_column`
 */
export function targetColumn(
  { mapping, targets }: ImportOptions,
  detected: Detected,
): (values: Row['values']) => string | undefined {
  const { columns, header } = detected;
  const named = mapping?.['target'];
  if (named !== undefined) {
    const column = columnOf('target', named, detected);
    return () => column;
  }
  const param = targets?.param ?? 'target';
  const likely = ['target', param, param.replace(/s$/, ''), 'url'];
  const among = (names: readonly string[]): string | undefined =>
    likely.find((name) => names.includes(name)) ?? (names.length === 1 ? names[0] : undefined);
  if (columns === null) return (values) => among(Object.keys(values));
  const column = header ? among(columns) : columns[0];
  if (column === undefined) throw missing('target', detected);
  return () => column;
}
