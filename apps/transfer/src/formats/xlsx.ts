/**
 * Workbooks (Office Open XML). Rows beyond what a sheet holds go to further ones, each with the header.
 *
 * Not exceljs: it had no release since 2023, and of the format a table needs a few elements only.
 */
import type { Format } from './format.ts';
import { writeFileBy } from './output.ts';
import { linesOf } from './parts.ts';
import * as xml from './sheet-xml.ts';
import { typeAt, typedLines, valuesOf } from './typed-rows.ts';
import { ZipFile } from './zip-file.ts';

/** A sheet ends here too: no spreadsheet would open a larger one, and an entry of a plain ZIP holds 4 GiB. */
const SHEET_BYTES = 3 * 1024 ** 3;
const PIECE_CHARACTERS = 64 * 1024;
/** Sheets shrink to a tenth at any level. */
const LEVEL = 1;

export const xlsxOf = (sheetRows: number): Format => ({
  type: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  extension: 'xlsx',
  encode: (rows, { columns }) => typedLines(rows, columns ?? []),
  assemble: (parts, path, options, context) =>
    writeFileBy(path, { ...context, gzip: options.gzip }, async (output) => {
      const archive = new ZipFile(output);
      const at = new Date();
      const add = (name: string, content: string) =>
        archive.addDeflated(name, at, { level: LEVEL }, [Buffer.from(content)]);
      const headers = (options.columns ?? []).map(({ header }) => header);
      const batches = linesOf(parts, context.signal);
      const rows = new SheetRows(batches, headers, sheetRows);
      await add('_rels/.rels', xml.PACKAGE_RELATIONS);
      await add('xl/styles.xml', xml.STYLES);
      const names: string[] = [];
      try {
        do {
          names.push(xml.sheetName(options.title, names.length + 1));
          const name = `xl/worksheets/sheet${names.length}.xml`;
          await archive.addDeflated(name, at, { level: LEVEL }, rows.sheet());
        } while (!rows.done);
      } finally {
        await batches.return(undefined);
      }
      await add('xl/workbook.xml', xml.workbook(names));
      await add('xl/_rels/workbook.xml.rels', xml.workbookRelations(names.length));
      await add('[Content_Types].xml', xml.contentTypes(names.length));
      await archive.end();
      return { report: { sheets: names.length, cutCells: rows.cutCells } };
    }),
});

export const xlsx = xlsxOf(xml.SHEET_ROWS);

/** The rows of a spool, a sheet after another. */
class SheetRows {
  readonly #batches: AsyncIterator<string[]>;
  readonly #headers: readonly string[];
  readonly #names: string[];
  readonly #sheetRows: number;
  #lines: string[] = [];
  #next = 0;
  cutCells = 0;
  /** Whether there is no row left. */
  done = false;

  constructor(batches: AsyncGenerator<string[]>, headers: readonly string[], sheetRows: number) {
    this.#batches = batches;
    this.#headers = headers;
    this.#names = headers.map((_, index) => xml.columnName(index));
    this.#sheetRows = sheetRows;
  }

  async *sheet(): AsyncGenerator<Buffer> {
    let written = 0;
    let piece = xml.SHEET_HEAD + xml.headerRow(this.#headers, this.#names);
    for (let row = 2; (await this.#more()) && row <= this.#sheetRows && written < SHEET_BYTES; row += 1) {
      piece += this.#row(this.#lines[this.#next] as string, row);
      this.#next += 1;
      if (piece.length < PIECE_CHARACTERS) continue;
      const bytes = Buffer.from(piece);
      written += bytes.length;
      piece = '';
      yield bytes;
    }
    yield Buffer.from(piece + xml.SHEET_TAIL);
  }

  async #more(): Promise<boolean> {
    while (this.#next === this.#lines.length && !this.done) {
      const { done, value } = await this.#batches.next();
      this.done = done === true;
      this.#lines = done === true ? [] : value;
      this.#next = 0;
    }
    return !this.done;
  }

  #row(line: string, row: number): string {
    const values = valuesOf(line, this.#names.length);
    let cells = '';
    for (const [index, name] of this.#names.entries()) {
      const type = typeAt(line, index);
      let value = values[index];
      if (typeof value === 'string' && value.length > xml.CELL_CHARACTERS) {
        value = xml.fitting(value);
        this.cutCells += 1;
      }
      cells += xml.cell(`${name}${row}`, type, value);
    }
    return `<row r="${row}">${cells}</row>`;
  }
}
