/** NDJSON: an object a line; blank lines are passed over. */
import { objectRow, type ObjectLimits } from './object.ts';
import type { BadRow, Place, Row } from './row.ts';
import { badRow, Window, type RowReader } from './window.ts';

const LF = 0x0a;
const BLANK = new Set([0x20, 0x09, 0x0d]);

export class NdjsonReader implements RowReader {
  rows: (Row | BadRow)[] = [];
  readonly more = false;
  readonly #window: Window;
  readonly #limits: ObjectLimits;
  #line: number;
  /** How far the window holds no end of a line. */
  #searched = 0;
  #lost = false;

  constructor(limits: ObjectLimits, from: Place) {
    this.#limits = limits;
    this.#line = from.line;
    this.#window = new Window(from.end);
  }

  take(text: Buffer): void {
    const window = this.#window;
    window.append(text);
    const { bytes, length } = window;
    const held = bytes.subarray(0, length);
    let begin = 0;
    let end = held.indexOf(LF, this.#searched);
    while (end >= 0) {
      this.#row(begin, end, end + 1, 1);
      begin = end + 1;
      end = held.indexOf(LF, begin);
    }
    if (this.#lost || length - begin > this.#limits.maxLine) {
      this.#lost = true;
      begin = length;
    }
    window.drop(begin);
    this.#searched = window.length;
  }

  finish(): void {
    const window = this.#window;
    window.finish();
    if (window.length > 0 || this.#lost) this.#row(0, window.length, window.length, 0);
    window.drop(window.length);
  }

  #row(from: number, to: number, after: number, terminated: number): void {
    const { bytes, base } = this.#window;
    const line = this.#line;
    const end = base + after;
    this.#line += terminated;
    const next = this.#line;
    const { maxLine } = this.#limits;
    if (this.#lost || to - from > maxLine) {
      this.#lost = false;
      const message = `Longer than ${maxLine} bytes`;
      this.rows.push(badRow({ code: 'line_too_long', message }, line, end, next));
      return;
    }
    let first = from;
    while (first < to && BLANK.has(bytes[first]!)) first++;
    if (first < to) this.rows.push(objectRow(this.#window, { from, to, line, end, next }, this.#limits));
  }
}
