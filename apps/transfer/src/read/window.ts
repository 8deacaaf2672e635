/** The stretch of text that a reader still needs: from the beginning of the row it is in. */
import { isUtf8 } from 'node:buffer';
import type { RowFault } from '@magpie/contracts';
import type { BadRow, Row } from './row.ts';

/** Turns text that comes in pieces into rows; each reader holds one row at most. */
export interface RowReader {
  /** What was read so far; whoever takes it away leaves an empty one. */
  rows: (Row | BadRow)[];
  /**
   * What was taken is not read to its end, because there are rows enough: take them away, then `take` nothing, or
   * `finish` again.
   */
  readonly more: boolean;
  /** @throws ReadFault when nothing after it can be read; `rows` has what came before. */
  take(text: Buffer): void;
  /** Nothing follows. */
  finish(): void;
}

const LF = 0x0a;
const CR = 0x0d;

/**
 * Text as UTF-8, in which whatever the file's encoding does not allow stands as bytes that UTF-8 does not allow.
 * Whole stretches are checked at once; only within a bad one are rows to be checked one by one.
 */
export class Window {
  bytes = Buffer.allocUnsafeSlow(64 * 1024);
  length = 0;
  /** Offset of `bytes[0]` in the text. */
  base: number;
  #checked = 0;
  #suspect = 0;

  constructor(base: number) {
    this.base = base;
  }

  append(text: Buffer): void {
    const length = this.length + text.length;
    if (length > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(length, this.bytes.length * 2));
      this.bytes.copy(larger, 0, 0, this.length);
      this.bytes = larger;
    }
    text.copy(this.bytes, this.length);
    const last = Math.max(text.lastIndexOf(LF), text.lastIndexOf(CR));
    if (last >= 0) this.#check(this.length + last + 1);
    this.length = length;
  }

  /** The last row may end without a line break. */
  finish(): void {
    this.#check(this.length);
  }

  drop(count: number): void {
    if (count === 0) return;
    this.bytes.copyWithin(0, count, this.length);
    this.length -= count;
    this.base += count;
    this.#checked = Math.max(0, this.#checked - count);
    this.#suspect = Math.max(0, this.#suspect - count);
  }

  // Up to a line break, which no character of UTF-8 contains, so that none is cut in two.
  #check(to: number): void {
    if (to <= this.#checked) return;
    const stretch = this.bytes.subarray(this.#checked, to);
    if (!isUtf8(stretch) || stretch.includes(0)) this.#suspect = to;
    this.#checked = to;
  }

  /** Where in these bytes something stands that no row may have; undefined for good ones. */
  flaw(from: number, to: number): { at: number; code: string; message: string } | undefined {
    if (from >= this.#suspect && to <= this.#checked) return undefined;
    const row = this.bytes.subarray(from, to);
    if (!isUtf8(row)) {
      const at = firstInvalid(row);
      return {
        at: from + at,
        code: 'bad_encoding',
        message: `What stands at byte ${at + 1} of the row is not valid in the file's encoding`,
      };
    }
    const nul = row.indexOf(0);
    if (nul < 0) return undefined;
    return { at: from + nul, code: 'bad_character', message: `A NUL at byte ${nul + 1} of the row` };
  }
}

const continues = (byte: number | undefined) => byte !== undefined && (byte & 0xc0) === 0x80;

// The longest valid beginning: halved by native code, which never cuts a character, then one by one.
function firstInvalid(row: Buffer): number {
  let good = 0;
  let bad = row.length;
  while (bad - good > 16) {
    let middle = (good + bad) >> 1;
    for (let back = 0; back < 3 && continues(row[middle]); back++) middle--;
    if (isUtf8(row.subarray(good, middle))) good = middle;
    else bad = middle;
  }
  while (good < bad) {
    let length = 1;
    while (length < 4 && continues(row[good + length])) length++;
    if (!isUtf8(row.subarray(good, good + length))) break;
    good += length;
  }
  return good;
}

export function badRow(
  fault: Omit<RowFault, 'line' | 'column'> & { column?: string | null },
  line: number,
  end: number,
  next: number,
): BadRow {
  return {
    line,
    end,
    next,
    fault: { line, column: fault.column ?? null, code: fault.code, message: fault.message },
  };
}
