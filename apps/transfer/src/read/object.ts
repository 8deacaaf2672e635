/** One JSON object as a row: whether it is one, and within the limits. */
import type { RowFault } from '@magpie/contracts';
import { whereBroken } from './json-syntax.ts';
import type { BadRow, ReadLimits, Row } from './row.ts';
import { badRow, type Window } from './window.ts';

/** Levels of objects and arrays within each other: a database takes 100. */
export const MAX_DEPTH = 64;

/** Values of one object, however deep: parsed, an empty list takes more memory than fifty bytes of text. */
const MAX_VALUES = 100_000;

// Shorter texts cannot be deep enough, nor have values enough, to matter before they are parsed.
const CHECKED_FIRST = 64 * 1024;

export type ObjectLimits = Pick<ReadLimits, 'maxColumns' | 'maxCell' | 'maxLine'>;

type Flaw = Pick<RowFault, 'code' | 'message'> & { column?: string | null };

/** What stands in the window between two places, as a row or a bad one. */
export function objectRow(
  window: Window,
  { from, to, line, end, next }: { from: number; to: number; line: number; end: number; next: number },
  limits: ObjectLimits,
): Row | BadRow {
  const bad = (flaw: Flaw) => badRow(flaw, line, end, next);
  const wrong = window.flaw(from, to);
  // A NUL is no JSON, and is told as such with its place.
  if (wrong?.code === 'bad_encoding') return bad(wrong);
  const text = window.bytes.toString('utf8', from, to);
  if (text.length > CHECKED_FIRST) {
    const { depth, values } = shapeOf(text);
    if (depth > MAX_DEPTH) return bad(tooDeep);
    if (values > MAX_VALUES) return bad(tooMany);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return bad({ code: 'bad_json', message: `Not valid JSON: ${whereBroken(text)}` });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return bad({ code: 'bad_json', message: `${nameOf(value)} where an object is expected` });
  const long = to - from > limits.maxCell;
  let values = value as Record<string, unknown>;
  let flaw = flawOf(values, limits, long);
  // Only what is known to be shallow is parsed again.
  if (flaw === undefined && LONG_NUMBER.test(text)) {
    values = JSON.parse(text, exact as Reviver) as Record<string, unknown>;
    flaw = flawOf(values, limits, long);
  }
  return flaw === undefined ? { line, end, next, values } : bad(flaw);
}

/** Whole numbers beyond 2^53 - 1 have sixteen digits or more; most texts have none such. */
const LONG_NUMBER = /[:,[\s-]\d{16}/;
const WHOLE = /^-?\d+$/;

type Reviver = (key: string, value: unknown) => unknown;

/** A whole number that a double may not hold exactly is kept as text, digit by digit: ids look like that. */
const exact = (_: string, value: unknown, { source }: { source?: string }): unknown =>
  typeof value === 'number' && !Number.isSafeInteger(value) && source !== undefined && WHOLE.test(source)
    ? source
    : value;

const tooMany: Flaw = {
  code: 'row_too_large',
  message: `More than ${MAX_VALUES.toLocaleString('en')} values`,
};
const tooDeep: Flaw = { code: 'too_deep', message: `More than ${MAX_DEPTH} levels of objects and arrays` };

function flawOf(
  values: Record<string, unknown>,
  { maxColumns, maxCell }: ObjectLimits,
  long: boolean,
): Flaw | undefined {
  let count = 0;
  for (const key in values) {
    if (++count > maxColumns) return { code: 'too_many_columns', message: `More than ${maxColumns} fields` };
    const value = values[key];
    let flaw: Flaw | undefined;
    if (key === '__proto__') flaw = unusable;
    else if (typeof value === 'object' && value !== null) flaw = nested(value, long ? maxCell : Infinity, 2);
    else if (long && typeof value === 'string' && value.length > maxCell) flaw = tooLong(value, maxCell);
    if (flaw !== undefined) return { ...flaw, column: key.slice(0, 200) };
  }
  return undefined;
}

const unusable: Flaw = { code: 'bad_name', message: 'No field can have this name' };
const tooLong = (value: string, maxCell: number): Flaw => ({
  code: 'cell_too_long',
  message: `${value.length} characters, of ${maxCell} that a cell may have`,
});

function nested(value: object, maxCell: number, depth: number): Flaw | undefined {
  if (depth > MAX_DEPTH) return tooDeep;
  for (const key in value) {
    const inner = (value as Record<string, unknown>)[key];
    if (key === '__proto__') return unusable;
    if (typeof inner === 'string') {
      if (inner.length > maxCell) return tooLong(inner, maxCell);
    } else if (typeof inner === 'object' && inner !== null) {
      const flaw = nested(inner, maxCell, depth + 1);
      if (flaw !== undefined) return flaw;
    }
  }
  return undefined;
}

/** How deep it goes and how many values it has, as far as that matters; what is within strings does not count. */
function shapeOf(text: string): { depth: number; values: number } {
  let depth = 0;
  let deepest = 0;
  let values = 1;
  for (let at = 0; at < text.length && deepest <= MAX_DEPTH && values <= MAX_VALUES; at++) {
    const c = text.charCodeAt(at);
    if (c === 0x22) {
      do {
        at = text.indexOf('"', at + 1);
        if (at < 0) return { depth: deepest, values };
      } while (escaped(text, at));
    } else if (c === 0x7b || c === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (c === 0x2c) values++;
    else if (c === 0x7d || c === 0x5d) depth--;
  }
  return { depth: deepest, values };
}

function escaped(text: string, at: number): boolean {
  let slashes = 0;
  while (text.charCodeAt(at - 1 - slashes) === 0x5c) slashes++;
  return slashes % 2 === 1;
}

function nameOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'An array';
  return `A ${typeof value}`;
}
