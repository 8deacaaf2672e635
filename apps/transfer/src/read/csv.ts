/**
 * CSV and TSV as in RFC 4180, with any delimiter and any line break, read strictly: a quote within a bare cell,
 * text after a closing quote and a quote that is never closed are faults of their row, not guesses.
 *
 * Why not a parser from the registry: those end at the first fault, or relax the rules for the whole file. Here a
 * bad row is listed and reading goes on at the next line, every row has its exact offset, and nothing longer than
 * `maxLine` is held. What csv-parse reads strictly is read equal (csv.unit.test.ts compares them).
 *
 * Each byte is looked at twice at most: a row that fails within its first line is left at the line's end; one that
 * fails later had an odd number of quotes in its first line, was ended by the next such line, and the lines
 * between are even and so end, or fail, each by itself.
 */
import type { RowFault } from '@magpie/contracts';
import { ReadFault, type BadRow, type Place, type ReadLimits, type Row } from './row.ts';
import { badRow, Window, type RowReader } from './window.ts';

const LF = 0x0a;
const CR = 0x0d;
const QUOTE = 0x22;

// Where in a row the reader is: before a cell's first character, in a bare cell, within quotes, after a quote
// that was within quotes (closing, or the first of two), or in a row that is lost, looking for its end.
const CELL = 0;
const BARE = 1;
const QUOTED = 2;
const CLOSED = 3;
const LOST = 4;

/** What is held of a broken row may be millions of short ones: they are read as they are wanted. */
const AT_ONCE = 1000;

type Flaw = Pick<RowFault, 'code' | 'message'> & { column?: string | null };

const tableOf = (...bytes: number[]) => {
  const table = new Uint8Array(256);
  for (const byte of bytes) table[byte] = 1;
  return table;
};
const BREAKS = tableOf(LF, CR);
const IN_QUOTES = tableOf(QUOTE, LF, CR);

export interface CsvOptions {
  delimiter: string;
  /** Null: `heads` is filled in place of `rows`. */
  columns: readonly string[] | null;
  /** Whether the first row there is names the columns, and is none itself. */
  header: boolean;
  /** Whether the first line says what the delimiter is, and is no row. */
  sep?: boolean;
  limits: Pick<ReadLimits, 'maxColumns' | 'maxCell' | 'maxLine'>;
}

export class CsvReader implements RowReader {
  rows: (Row | BadRow)[] = [];
  /** Of rows without columns: their cells, or why there are none. */
  heads: (string[] | BadRow)[] = [];
  more = false;
  readonly #window: Window;
  readonly #columns: readonly string[] | null;
  readonly #limits: CsvOptions['limits'];
  readonly #text: string;
  readonly #delimiter: Buffer;
  readonly #special: Uint8Array;
  /** Rows at the beginning that are none. */
  #ahead: number;
  #line: number;

  // The row that is being read begins at byte 0 of the window between two calls.
  #at = 0;
  #state = CELL;
  /** Line breaks within quotes so far, and where the row's second line begins. */
  #breaks = 0;
  #second = 0;
  #quoted = false;
  #flaw: Flaw | undefined;

  /** @throws ReadFault bad_delimiter */
  constructor({ delimiter, columns, header, sep = false, limits }: CsvOptions, from: Place) {
    if (['"', '\n', '\r', '\0', '\ufeff', ''].includes(delimiter) || !delimiter.isWellFormed())
      throw new ReadFault('bad_delimiter', `${JSON.stringify(delimiter)} cannot stand between cells`);
    this.#text = delimiter;
    this.#delimiter = Buffer.from(delimiter);
    this.#special = tableOf(this.#delimiter[0]!, QUOTE, LF, CR);
    this.#columns = columns;
    this.#limits = limits;
    this.#ahead = from.end === 0 ? Number(header) + Number(sep) : 0;
    this.#line = from.line;
    this.#window = new Window(from.end);
  }

  take(text: Buffer): void {
    this.#window.append(text);
    this.#scan(false);
  }

  finish(): void {
    this.#window.finish();
    this.#scan(true);
  }

  #scan(last: boolean): void {
    const { bytes, length } = this.#window;
    const special = this.#special;
    const delimiter = this.#delimiter;
    let begin = 0;
    let at = this.#at;
    let state = this.#state;
    this.more = false;
    for (;;) {
      if (at === begin && this.rows.length + this.heads.length >= AT_ONCE) {
        this.more = true;
        break;
      }
      if (state === QUOTED) while (at < length && IN_QUOTES[bytes[at]!] === 0) at++;
      else if (state === LOST) while (at < length && BREAKS[bytes[at]!] === 0) at++;
      else {
        const from = at;
        while (at < length && special[bytes[at]!] === 0) at++;
        if (at > from) {
          if (state === CLOSED) {
            at = from;
            state = this.#broken('A cell goes on after its closing quote', begin, at);
            if (state === CELL) begin = at = this.#restart(begin);
            continue;
          }
          state = BARE;
        }
      }

      if (at >= length) {
        if (begin < length && length - begin > this.#limits.maxLine && state !== LOST) {
          if (this.#breaks > 0) {
            state = this.#broken(this.#endless(), begin, at);
            begin = at = this.#restart(begin);
            continue;
          }
          state = this.#lose(this.#tooLong());
        }
        if (!last) break;
        if (state === QUOTED) state = this.#broken('A quote is never closed', begin, at);
        if (state === CELL && this.#flaw !== undefined) {
          begin = at = this.#restart(begin);
          continue;
        }
        this.#end(begin, length, length, 0);
        begin = at = length;
        break;
      }

      const byte = bytes[at]!;
      if (state === QUOTED) {
        // The line that it ends may end one byte later.
        if (byte === CR && at + 1 === length && !last) break;
        if (byte === QUOTE) state = CLOSED;
        else if (byte === LF && bytes[at - 1] === CR) {
          if (this.#second === at) this.#second = at + 1;
        } else {
          if (this.#breaks === 0) {
            if (at - begin > this.#limits.maxLine) {
              state = this.#lose(this.#tooLong());
              continue;
            }
            this.#second = at + 1;
          }
          this.#breaks++;
        }
        at++;
      } else if (byte === QUOTE) {
        if (state === BARE) {
          state = this.#broken('A quote within a cell that does not begin with one', begin, at);
          if (state === CELL) begin = at = this.#restart(begin);
          continue;
        }
        this.#quoted = true;
        state = QUOTED;
        at++;
      } else if (byte === LF || byte === CR) {
        let next = at + 1;
        if (byte === CR) {
          if (next === length && !last) break;
          if (next < length && bytes[next] === LF) next++;
        }
        if (this.#breaks > 0 && at - begin > this.#limits.maxLine) {
          state = this.#broken(this.#endless(), begin, at);
          begin = at = this.#restart(begin);
          continue;
        }
        this.#end(begin, at, next, 1);
        begin = at = next;
        state = CELL;
      } else if (delimiter.length === 1) {
        state = CELL;
        at++;
      } else {
        if (length - at < delimiter.length && !last) break;
        const met =
          bytes.compare(delimiter, 0, delimiter.length, at, Math.min(length, at + delimiter.length)) === 0;
        if (met) {
          state = CELL;
          at += delimiter.length;
        } else if (state === CLOSED) {
          state = this.#broken('A cell goes on after its closing quote', begin, at);
          if (state === CELL) begin = at = this.#restart(begin);
        } else {
          state = BARE;
          at++;
        }
      }
    }
    // Of a row that is lost nothing is needed but its end.
    if (state === LOST) begin = at;
    this.#window.drop(begin);
    this.#at = at - begin;
    this.#second -= begin;
    this.#state = state;
  }

  #tooLong(): Flaw {
    return { code: 'line_too_long', message: `Longer than ${this.#limits.maxLine} bytes` };
  }

  #endless(): string {
    return `A row of several lines, longer than ${this.#limits.maxLine} bytes: a quote may not be closed`;
  }

  #lose(flaw: Flaw): number {
    this.#flaw = flaw;
    return LOST;
  }

  // A row whose quotes are wrong ends with its first line. LOST when that is not over yet, otherwise CELL: the
  // next row begins with the second line, which was read already, as if within quotes.
  #broken(message: string, begin: number, at: number): number {
    if (this.#breaks === 0 && at - begin > this.#limits.maxLine) return this.#lose(this.#tooLong());
    // Of several lines the cell is told that the first one leaves open; however the text comes in pieces.
    const over = this.#breaks > 0;
    this.#flaw = {
      code: 'bad_quote',
      message: over && at - begin > this.#limits.maxLine ? this.#endless() : message,
      column: this.#columnAt(begin, over ? this.#second : at),
    };
    return this.#breaks === 0 ? LOST : CELL;
  }

  #restart(begin: number): number {
    const second = this.#second;
    this.#breaks = 0;
    this.#end(begin, second, second, 1);
    return second;
  }

  #columnAt(begin: number, at: number): string {
    const { bytes } = this.#window;
    const delimiter = this.#delimiter;
    let cell = 0;
    let quoted = false;
    for (let i = begin; i < at; i++) {
      if (this.#special[bytes[i]!] === 0) continue;
      if (bytes[i] === QUOTE) quoted = !quoted;
      else if (
        !quoted &&
        bytes.compare(delimiter, 0, delimiter.length, i, Math.min(at, i + delimiter.length)) === 0
      )
        cell++;
    }
    return this.#columns?.[cell] ?? String(cell + 1);
  }

  #end(begin: number, end: number, next: number, terminated: number): void {
    const line = this.#line;
    this.#line += terminated + this.#breaks;
    const flaw = this.#flaw;
    const quoted = this.#quoted;
    this.#flaw = undefined;
    this.#quoted = false;
    this.#breaks = 0;
    if (begin === end && flaw === undefined) return;
    if (this.#ahead > 0) {
      this.#ahead--;
      return;
    }
    const row = this.#row(begin, end, quoted, flaw, line, this.#window.base + next);
    if (this.#columns !== null) this.rows.push(row as Row | BadRow);
    else this.heads.push(row as string[] | BadRow);
  }

  #row(
    begin: number,
    end: number,
    quoted: boolean,
    flaw: Flaw | undefined,
    line: number,
    after: number,
  ): Row | BadRow | string[] {
    const { maxColumns, maxCell, maxLine } = this.#limits;
    const next = this.#line;
    if (flaw !== undefined) return badRow(flaw, line, after, next);
    const length = end - begin;
    if (length > maxLine) return badRow(this.#tooLong(), line, after, next);
    const wrong = this.#window.flaw(begin, end);
    if (wrong !== undefined)
      return badRow({ ...wrong, column: this.#columnAt(begin, wrong.at) }, line, after, next);

    const text = this.#window.bytes.toString('utf8', begin, end);
    const cells = quoted ? split(text, this.#text, maxColumns + 1) : text.split(this.#text, maxColumns + 1);
    if (cells.length > maxColumns)
      return badRow(
        { code: 'too_many_columns', message: `More than ${maxColumns} cells` },
        line,
        after,
        next,
      );
    const columns = this.#columns;
    if (columns !== null && cells.length !== columns.length) {
      const message = `${cells.length} ${cells.length === 1 ? 'cell' : 'cells'} where there are ${columns.length} columns`;
      return badRow({ code: 'row_length', message }, line, after, next);
    }
    if (length > maxCell) {
      const long = cells.findIndex((cell) => cell.length > maxCell);
      if (long >= 0) {
        const message = `${cells[long]!.length} characters, of ${maxCell} that a cell may have`;
        return badRow(
          { code: 'cell_too_long', message, column: columns?.[long] ?? String(long + 1) },
          line,
          after,
          next,
        );
      }
    }
    if (columns === null) return cells;
    const values: Record<string, unknown> = {};
    for (let i = 0; i < cells.length; i++) values[columns[i]!] = cells[i];
    return { line, end: after, next, values };
  }
}

/** The cells of a row whose quotes are known to be right. */
function split(row: string, delimiter: string, most: number): string[] {
  const cells: string[] = [];
  let at = 0;
  while (cells.length < most) {
    let end: number;
    if (row.charCodeAt(at) === QUOTE) {
      let doubled = false;
      end = row.indexOf('"', at + 1);
      while (row.charCodeAt(end + 1) === QUOTE) {
        doubled = true;
        end = row.indexOf('"', end + 2);
      }
      const cell = row.slice(at + 1, end);
      cells.push(doubled ? cell.replaceAll('""', '"') : cell);
      end++;
    } else {
      end = row.indexOf(delimiter, at);
      if (end < 0) end = row.length;
      cells.push(row.slice(at, end));
    }
    if (end >= row.length) break;
    at = end + delimiter.length;
  }
  return cells;
}
