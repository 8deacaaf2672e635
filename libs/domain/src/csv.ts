/**
 * Comma-separated values as RFC 4180 has them: CRLF, UTF-8 without a byte order mark. One rule of quoting, and one of cells
 * that a spreadsheet would run, for all that the platform writes.
 */
export type CsvCell = string | number | bigint | boolean | null;

/** As OWASP lists them for CSV injection, with the full-width forms that some programs take for the same. */
const RUN_BY_SPREADSHEETS = /^'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;

/**
 * A record with its line break. Text that a spreadsheet would run gets a leading apostrophe, and so does text that looks as
 * if it had got one: `originalText` gives back what it was. Numbers are what they are. A record of a single empty cell is
 * `""`, since an empty line is no record to many readers.
 * @param formulas leaves text alone
 */
export function csvRecord(cells: readonly CsvCell[], formulas = false): string {
  let record = '';
  for (let i = 0; i < cells.length; i++) {
    const cell = cells[i] ?? '';
    const text = typeof cell === 'string' ? (formulas ? cell : harmlessText(cell)) : String(cell);
    if (i > 0) record += ',';
    record += text === '' && cells.length === 1 ? '""' : quoted(text);
  }
  return `${record}\r\n`;
}

export const harmlessText = (text: string): string => (RUN_BY_SPREADSHEETS.test(text) ? `'${text}` : text);

/** What the text of a cell was before it was made harmless. */
export const originalText = (cell: string): string =>
  cell.startsWith("'") && RUN_BY_SPREADSHEETS.test(cell) ? cell.slice(1) : cell;

/** Quoted is also what other separators would cut in two: the second half could begin with what is run. */
const quoted = (text: string): string =>
  /[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
