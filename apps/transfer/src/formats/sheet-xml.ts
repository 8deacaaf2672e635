/** Sheets of a workbook as XML: the part of SpreadsheetML (ECMA-376) that cells, a header and instants need. */
import { CELL, textOf, type CellType } from './typed-rows.ts';

/** What spreadsheets hold: rows of a sheet, the header among them, and UTF-16 units of a cell. */
export const SHEET_ROWS = 1_048_576;
export const CELL_CHARACTERS = 32_767;

const MAIN = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main';
const RELATIONS = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
const PACKAGE = 'http://schemas.openxmlformats.org/package/2006';
const DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';
/** Of the cell formats in `STYLES`, by their place. */
const INSTANT = 1;
const HEADER = 2;

/** The header stays in sight. */
export const SHEET_HEAD =
  `${DECLARATION}<worksheet xmlns="${MAIN}"><sheetViews><sheetView workbookViewId="0">` +
  '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetData>';
export const SHEET_TAIL = '</sheetData></worksheet>';

export const STYLES =
  `${DECLARATION}<styleSheet xmlns="${MAIN}">` +
  '<numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/></numFmts>' +
  '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>' +
  '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>' +
  '<fills count="2"><fill><patternFill patternType="none"/></fill>' +
  '<fill><patternFill patternType="gray125"/></fill></fills>' +
  '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>' +
  '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>' +
  '<cellXfs count="3"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>' +
  '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>' +
  '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/></cellXfs>' +
  '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>';

export const PACKAGE_RELATIONS =
  `${DECLARATION}<Relationships xmlns="${PACKAGE}/relationships">` +
  `<Relationship Id="rId1" Type="${RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>`;

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

export const workbook = (names: readonly string[]): string =>
  `${DECLARATION}<workbook xmlns="${MAIN}" xmlns:r="${RELATIONS}"><sheets>` +
  names
    .map((name, index) => `<sheet name="${xmlText(name)}" sheetId="${index + 1}" r:id="rId${index + 1}"/>`)
    .join('') +
  '</sheets></workbook>';

export const workbookRelations = (sheets: number): string =>
  `${DECLARATION}<Relationships xmlns="${PACKAGE}/relationships">` +
  numbers(sheets)
    .map(
      (sheet) =>
        `<Relationship Id="rId${sheet}" Type="${RELATIONS}/worksheet" Target="worksheets/sheet${sheet}.xml"/>`,
    )
    .join('') +
  `<Relationship Id="rId${sheets + 1}" Type="${RELATIONS}/styles" Target="styles.xml"/></Relationships>`;

export const contentTypes = (sheets: number): string =>
  `${DECLARATION}<Types xmlns="${PACKAGE}/content-types">` +
  '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>' +
  `<Override PartName="/xl/workbook.xml" ContentType="${typeOf('sheet.main')}"/>` +
  `<Override PartName="/xl/styles.xml" ContentType="${typeOf('styles')}"/>` +
  numbers(sheets)
    .map(
      (sheet) =>
        `<Override PartName="/xl/worksheets/sheet${sheet}.xml" ContentType="${typeOf('worksheet')}"/>`,
    )
    .join('') +
  '</Types>';

const typeOf = (part: string): string =>
  `application/vnd.openxmlformats-officedocument.spreadsheetml.${part}+xml`;

/** A name that a sheet may have: 31 characters, none of []:*?/\, no apostrophe at either end, the second numbered. */
export function sheetName(title: string, sheet: number): string {
  const ending = sheet === 1 ? '' : ` (${sheet})`;
  const name = title
    .toWellFormed()
    .replace(/[[\]:*?/\\\p{Cc}\ufffe\uffff]/gu, ' ')
    .slice(0, 31 - ending.length)
    .toWellFormed()
    .replace(/^['\s]+|['\s]+$/g, '');
  // Excel keeps "History" for itself.
  return (/^(history)?$/i.test(name) ? 'items' : name) + ending;
}

/** A, B … Z, AA … */
export function columnName(column: number): string {
  let name = '';
  for (let left = column + 1; left > 0; left = Math.floor((left - 1) / 26))
    name = String.fromCharCode(65 + ((left - 1) % 26)) + name;
  return name;
}

/** A row of text in bold. */
export const headerRow = (headers: readonly string[], names: readonly string[]): string =>
  `<row r="1">${headers.map((header, index) => textCell(`${names[index]}1`, header, HEADER)).join('')}</row>`;

/**
 * A cell; '' of none. Never a formula: text is text whatever it begins with. Numbers that a spreadsheet would round or
 * refuse, and instants outside of its calendar (1900-03-01 to 9999-12-31), are text.
 */
export function cell(at: string, type: CellType, value: unknown): string {
  switch (type) {
    case CELL.none:
      return '';
    case CELL.boolean:
      return `<c r="${at}" t="b"><v>${value === true ? 1 : 0}</v></c>`;
    case CELL.integer:
    case CELL.double:
      return isHeld(value) ? `<c r="${at}"><v>${value}</v></c>` : textCell(at, String(value));
    case CELL.time: {
      const time = value as number;
      if (time < FIRST_DAY || time > LAST_DAY) return textCell(at, textOf(type, value));
      return `<c r="${at}" s="${INSTANT}"><v>${time / DAY + EPOCH}</v></c>`;
    }
    default:
      return textCell(at, value as string);
  }
}

const DAY = 86_400_000;
/** 1970-01-01 in days as spreadsheets count them, from which the day 1900-02-29 that never was is away. */
const EPOCH = 25_569;
const FIRST_DAY = Date.UTC(1900, 2, 1);
const LAST_DAY = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
/** Numbers have 15 digits there. Fractions are rounded to as many; whole numbers are often names, and stay whole. */
const isHeld = (value: unknown): value is number =>
  typeof value === 'number' &&
  (Number.isInteger(value)
    ? Math.abs(value) < 1e15
    : Math.abs(value) < 9.99e307 && Math.abs(value) > 2.23e-308);

function textCell(at: string, text: string, style = 0): string {
  const kept = /^\s|\s$/.test(text) ? ' xml:space="preserve"' : '';
  const styled = style === 0 ? '' : ` s="${style}"`;
  return `<c r="${at}"${styled} t="inlineStr"><is><t${kept}>${xmlText(text)}</t></is></c>`;
}

/** Text that fits a cell: too long, it ends by a note that says so, and how long it was. */
export function fitting(text: string): string {
  if (text.length <= CELL_CHARACTERS) return text;
  const note = ` … [cut: ${text.length} characters]`;
  const kept = text.slice(0, CELL_CHARACTERS - note.length);
  // Not through the middle of a pair.
  return (/[\ud800-\udbff]$/.test(kept) && text.isWellFormed() ? kept.slice(0, -1) : kept) + note;
}

const SPECIAL = /[&<>"\p{Cs}\ufffe\uffff]|[^\P{Cc}\t\n\u007f-\u009f]|_(?=x[0-9A-Fa-f]{4}_)/gu;
const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Text for XML 1.0; what it has no room for as `_xHHHH_` (ECMA-376, ST_Xstring), as what looks like that already. */
const xmlText = (text: string): string =>
  text.replace(
    SPECIAL,
    (character) =>
      ENTITIES[character] ?? `_x${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}_`,
  );
