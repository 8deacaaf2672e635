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

const quote = (name: string): string => `\`${name.slice(0, MAX_NAME)}\``;

function missing(why: string, { columns }: Detected): TransferFault {
  const named = (columns ?? []).slice(0, MAX_NAMED).map(quote);
  const more = (columns?.length ?? 0) > MAX_NAMED ? ' …' : '';
  return new TransferFault('missing_column', `${why} It has ${named.join(', ')}${more}.`);
}

const unnamed = (field: string, detected: Detected): TransferFault =>
  missing(`The file has no column for ${quote(field)}: say in \`mapping\` which it is.`, detected);

/** The one of that name; where there is none, the first that differs in case alone. */
function columnNamed(name: string, columns: readonly string[]): string | undefined {
  if (columns.includes(name)) return name;
  const lower = name.toLowerCase();
  return columns.find((column) => column.toLowerCase() === lower);
}

/** A column by its name, or by its number from 1. Of objects, whose columns are not known, as it is written. */
function columnOf(field: string, named: string | number, detected: Detected): string {
  const { columns } = detected;
  if (columns === null) return String(named);
  const column = typeof named === 'number' ? columns[named - 1] : columnNamed(named, columns);
  if (column !== undefined) return column;
  const what = typeof named === 'number' ? String(named) : quote(named);
  throw missing(`\`mapping\` says that ${quote(field)} is column ${what}: the file has none such.`, detected);
}

/** What an item has beside its data. */
const OWN = ['url', 'kind', 'page'];
const LONGEST_OWN = 4;

/** Which field each column is: that of its name, and one of an item's own also in other case if none has it as it is. */
function fieldsNamed(names: readonly string[]): FieldOfRow[] {
  return names.map((name) => {
    const own = name.length > LONGEST_OWN ? name : name.toLowerCase();
    const field = own !== name && OWN.includes(own) && columnNamed(own, names) === name ? own : name;
    return { field, column: name };
  });
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
  const named = (names: readonly string[]): FieldOfRow[] => fieldsNamed(broughtOf(names));
  if (columns === null) return (values) => named(Object.keys(values));
  const all = header
    ? named(columns)
    : columns.map((column, i) => ({ field: i === 0 ? 'url' : column, column }));
  if (!all.some(({ field }) => field === 'url')) throw unnamed('url', detected);
  return () => all;
}

/**
 * The column of the target: what the mapping says; else `target`, the parameter's name or its singular, `url`, in any
 * case, or the only column. Undefined where a row has none of them.
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
    likely.find((name) => names.includes(name)) ??
    likely.map((name) => columnNamed(name, names)).find((name) => name !== undefined) ??
    (names.length === 1 ? names[0] : undefined);
  if (columns === null) return (values) => among(Object.keys(values));
  const column = header ? among(columns) : columns[0];
  if (column === undefined) throw unnamed('target', detected);
  return () => column;
}
