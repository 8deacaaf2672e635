/**
 * One JSON array, element by element: where one ends is found by its brackets and quotes, then it is parsed by
 * itself. An element that is broken within is a bad row; what is no array, or ends before the array does, is a fault.
 */
import { MAX_DEPTH, objectRow, type ObjectLimits } from './object.ts';
import { ReadFault, type BadRow, type Place, type Row } from './row.ts';
import { badRow, Window, type RowReader } from './window.ts';

const LF = 0x0a;
const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

const table = (...bytes: number[]) => {
  const marks = new Uint8Array(256);
  for (const byte of bytes) marks[byte] = 1;
  return marks;
};
const STRUCTURE = table(LF, QUOTE, COMMA, OPEN, CLOSE, OPEN_OBJECT, CLOSE_OBJECT);
const IN_STRING = table(LF, QUOTE, BACKSLASH);
const SPACE = table(0x20, 0x09, LF, 0x0d);

// Before the array, before its first element or end, before an element that must come, in one, after one, after all.
type State = 'before' | 'first' | 'element' | 'within' | 'after' | 'over';

export class JsonReader implements RowReader {
  rows: (Row | BadRow)[] = [];
  readonly more = false;
  readonly #window: Window;
  readonly #limits: ObjectLimits;
  #state: State;
  #line: number;

  // Of the element that is being read; it begins at byte 0 of the window between two calls.
  #at = 0;
  #began = 1;
  #inString = false;
  /** The brackets that are open, as bytes, to `MAX_DEPTH`; deeper ones are counted alone. */
  readonly #open = new Uint8Array(MAX_DEPTH + 1);
  #depth = 0;
  #lost: 'line_too_long' | 'too_deep' | undefined;

  constructor(limits: ObjectLimits, from: Place) {
    this.#limits = limits;
    this.#line = from.line;
    this.#state = from.end === 0 ? 'before' : 'after';
    this.#window = new Window(from.end);
  }

  take(text: Buffer): void {
    this.#window.append(text);
    const { bytes, length } = this.#window;
    let begin = 0;
    let at = this.#at;
    while (at < length) {
      if (this.#state === 'within') {
        const ended = this.#within(at);
        at = this.#at;
        if (!ended) break;
        this.#end(begin, at);
        this.#state = 'after';
        continue;
      }
      const byte = bytes[at]!;
      if (SPACE[byte] === 1) {
        if (byte === LF) this.#line++;
        at++;
        continue;
      }
      switch (this.#state) {
        case 'before':
          if (byte !== OPEN) this.#fail('The file is no JSON array', at);
          this.#state = 'first';
          at++;
          break;
        case 'after':
          if (byte !== COMMA && byte !== CLOSE) this.#fail('A comma is missing', at);
          this.#state = byte === COMMA ? 'element' : 'over';
          at++;
          break;
        case 'over':
          this.#fail('Something follows the end of the array', at);
          break;
        default:
          if (byte === CLOSE && this.#state === 'first') {
            this.#state = 'over';
            at++;
          } else if (byte === CLOSE || byte === COMMA) this.#fail('An element of the array is missing', at);
          else {
            this.#state = 'within';
            this.#began = this.#line;
            begin = at;
          }
      }
    }
    if (this.#state !== 'within') begin = at;
    else if (this.#lost === 'line_too_long' || at - begin > this.#limits.maxLine) {
      this.#lost = 'line_too_long';
      begin = at;
    }
    this.#window.drop(begin);
    this.#at = at - begin;
  }

  finish(): void {
    this.#window.finish();
    // Complete by itself, though the array is not.
    if (this.#state === 'within' && this.#depth === 0 && !this.#inString) {
      let to = this.#at;
      while (to > 0 && SPACE[this.#window.bytes[to - 1]!] === 1) to--;
      if (this.#window.bytes[to - 1] === CLOSE_OBJECT) this.#end(0, this.#at);
    }
    if (this.#state !== 'over') this.#fail('The array is not closed: the file ends too early', this.#at);
  }

  #fail(what: string, at: number): never {
    throw new ReadFault(
      'bad_json',
      `${what}, in line ${this.#line}, byte ${this.#window.base + at + 1} of the text`,
    );
  }

  /** Goes on to the comma or bracket after the element, and says whether it is there. */
  #within(from: number): boolean {
    const { bytes, length } = this.#window;
    let at = from;
    while (at < length) {
      if (this.#inString) {
        while (at < length && IN_STRING[bytes[at]!] === 0) at++;
        if (at >= length) break;
        const byte = bytes[at]!;
        if (byte === BACKSLASH) {
          if (at + 1 >= length) break;
          // What is escaped ends no string; a line break there is counted.
          if (bytes[at + 1] === LF) this.#line++;
          at += 2;
          continue;
        }
        if (byte === QUOTE) this.#inString = false;
        else this.#line++;
        at++;
        continue;
      }
      while (at < length && STRUCTURE[bytes[at]!] === 0) at++;
      if (at >= length) break;
      const byte = bytes[at]!;
      if (byte === QUOTE) this.#inString = true;
      else if (byte === LF) this.#line++;
      else if (byte === COMMA) {
        if (this.#depth === 0) return this.#stopped(at, true);
      } else if (byte === OPEN || byte === OPEN_OBJECT) this.#push(byte);
      else if (this.#depth === 0) {
        if (byte === CLOSE) return this.#stopped(at, true);
      } else this.#pop(byte === CLOSE ? OPEN : OPEN_OBJECT, at);
      at++;
    }
    return this.#stopped(at, false);
  }

  #stopped(at: number, ended: boolean): boolean {
    this.#at = at;
    return ended;
  }

  #push(byte: number): void {
    if (this.#depth < MAX_DEPTH) this.#open[this.#depth] = byte;
    else this.#lost ??= 'too_deep';
    this.#depth++;
  }

  // A bracket closes the last of its kind: one that was left open within costs its element and no other.
  #pop(opened: number, at: number): void {
    if (this.#depth > MAX_DEPTH) {
      this.#depth--;
      return;
    }
    let matching = this.#depth - 1;
    while (matching >= 0 && this.#open[matching] !== opened) matching--;
    if (matching >= 0) this.#depth = matching;
    else if (opened === OPEN) this.#fail('A bracket is closed that was not opened', at);
  }

  #end(from: number, at: number): void {
    const line = this.#began;
    const next = this.#line;
    const end = this.#window.base + at;
    const lost = this.#lost ?? (at - from > this.#limits.maxLine ? 'line_too_long' : undefined);
    this.#lost = undefined;
    this.#depth = 0;
    if (lost === undefined) {
      this.rows.push(objectRow(this.#window, { from, to: at, line, end, next }, this.#limits));
      return;
    }
    const message =
      lost === 'too_deep'
        ? `More than ${MAX_DEPTH} levels of objects and arrays`
        : `Longer than ${this.#limits.maxLine} bytes`;
    this.rows.push(badRow({ code: lost, message }, line, end, next));
  }
}
