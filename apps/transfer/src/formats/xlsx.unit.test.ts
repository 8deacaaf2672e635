import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ExcelJS from 'exceljs';
import fc from 'fast-check';
import { formatOptions } from './index.ts';
import { columnName, sheetName } from './sheet-xml.ts';
import { exportRoom, type Room } from '../testing/export-room.ts';
import * as any from '../testing/any-value.ts';
import { xlsxOf } from './xlsx.ts';

let room: Room;
beforeAll(async () => void (room = await exportRoom()));
afterAll(() => room.remove());

const format = 'xlsx' as const;

async function sheetsOf(path: string): Promise<{ name: string; rows: unknown[][]; formats: unknown[][] }[]> {
  const workbook = new ExcelJS.Workbook();
  await workbook.xlsx.readFile(path);
  return workbook.worksheets.map((sheet) => {
    const cells = Array.from({ length: sheet.rowCount }, (_, row) =>
      Array.from({ length: sheet.columnCount }, (_, column) => sheet.getCell(row + 1, column + 1)),
    );
    return {
      name: sheet.name,
      rows: cells.map((row) => row.map((cell) => unescaped(cell.value))),
      formats: cells.map((row) => row.map((cell) => cell.numFmt as unknown)),
    };
  });
}

/** As ECMA-376 says of ST_Xstring, which exceljs leaves as it is in text that stands in the cell. */
const unescaped = (value: unknown): unknown =>
  typeof value === 'string'
    ? value.replace(/_x([0-9A-F]{4})_/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)))
    : value;

const FIRST = Date.UTC(1900, 2, 1);
const LAST = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

function asCell(value: unknown): unknown {
  if (value === null || value === undefined || value === '') return null;
  if (value instanceof Date) return +value >= FIRST && +value <= LAST ? value : value.toISOString();
  if (typeof value === 'object') return JSON.stringify(value);
  if (typeof value !== 'number') return value;
  const whole = Number.isInteger(value);
  const held = whole ? Math.abs(value) < 1e15 : Math.abs(value) < 9.99e307 && Math.abs(value) > 2.23e-308;
  return held ? value + 0 : String(value);
}

it('is read back as what went in, whatever that is', async () => {
  await fc.assert(
    fc.asyncProperty(any.rows, async (rows) => {
      const { path } = await room.exported(rows, { format, fields: ['a', 'b', 'c'] });
      const [sheet] = await sheetsOf(path);
      const found = sheet?.rows ?? [];
      expect(found[0]).toEqual(['a', 'b', 'c']);
      const expected = rows.map(({ a, b, c }) => [a, b, c].map(asCell));
      // Rows without a cell at the end are none to exceljs.
      const nothing = [null, null, null];
      expect(rows.map((_, index) => found[index + 1] ?? nothing)).toEqual(expected);
    }),
    { numRuns: 100 },
  );
});

it('has text that looks like a formula as text, numbers as numbers and instants as instants', async () => {
  const at = new Date('2026-05-01T12:30:15.250Z');
  const row = { a: '=1+1', b: '-5', c: -5, d: at, e: true };
  const { path } = await room.exported([row], { format, fields: ['a', 'b', 'c', 'd', 'e'], formulas: true });
  const [sheet] = await sheetsOf(path);
  expect(sheet?.rows[1]).toEqual(['=1+1', '-5', -5, at, true]);
  expect(sheet?.formats[1]?.[3]).toMatch(/^yyyy/);
});

it('keeps whole numbers digit by digit where a spreadsheet would round them', async () => {
  const row = { a: 999_999_999_999_999, b: 1_000_000_000_000_000, c: 17841405822304914n, d: -(2n ** 80n) };
  const { path } = await room.exported([row], { format, fields: ['a', 'b', 'c', 'd'] });
  const [sheet] = await sheetsOf(path);
  expect(sheet?.rows[1]).toEqual([
    999_999_999_999_999,
    '1000000000000000',
    '17841405822304914',
    '-1208925819614629174706176',
  ]);
});

it('cuts a cell that is too long, says so in it, and counts it', async () => {
  const fits = 'x'.repeat(32_767);
  const rows = [{ a: fits }, { a: `${fits}x` }, { a: '😀'.repeat(20_000) }, { a: ['y'.repeat(40_000)] }];
  const { path, report } = await room.exported(rows, { format, fields: ['a'] });
  const [sheet] = await sheetsOf(path);
  const [, whole, ...cut] = (sheet?.rows ?? []).map(([cell]) => cell as string);
  expect(whole).toBe(fits);
  expect(report).toEqual({ sheets: 1, cutCells: 3 });
  expect(cut[0]).toMatch(/^x+ … \[cut: 32768 characters\]$/);
  expect(cut[1]).toMatch(/^(😀)+ … \[cut: 40000 characters\]$/u);
  expect(cut[2]).toMatch(/^\["y+ … \[cut: 40004 characters\]$/);
  for (const cell of cut) {
    expect(cell.length).toBeLessThanOrEqual(32_767);
    expect(cell.length).toBeGreaterThan(32_760);
  }
});

it('goes on in further sheets when one is full, each with the header', async () => {
  const options = formatOptions({ format, fields: ['n'] }, "Pictures: of [the] year's end and beyond it");
  const small = xlsxOf(4);
  for (const [count, sizes] of [
    [0, [1]],
    [3, [4]],
    [4, [4, 2]],
    [7, [4, 4, 2]],
  ] as const) {
    const part = join(room.directory, 'part');
    const rows = Array.from({ length: count }, (_, n) => ({ n }));
    await writeFile(part, small.encode(rows, options));
    const path = join(room.directory, 'small.xlsx');
    const signal = new AbortController().signal;
    const { report } = await small.assemble([part], path, options, { signal });
    const sheets = await sheetsOf(path);
    expect(sheets.map(({ rows }) => rows.length)).toEqual(sizes);
    expect(sheets.flatMap(({ rows }) => rows.slice(1)).flat()).toEqual(rows.map(({ n }) => n));
    expect(sheets.every(({ rows }) => rows[0]?.[0] === 'n')).toBe(true);
    expect(new Set(sheets.map(({ name }) => name)).size).toBe(sheets.length);
    expect(report['sheets']).toBe(sheets.length);
  }
});

it('gives sheets names that they may have', () => {
  expect(sheetName('items', 1)).toBe('items');
  expect(sheetName('items', 2)).toBe('items (2)');
  expect(sheetName("'a/b'", 1)).toBe('a b');
  expect(sheetName('History', 1)).toBe('items');
  expect(sheetName('[]', 3)).toBe('items (3)');
  fc.assert(
    fc.property(any.text, fc.integer({ min: 1, max: 20_000 }), (title, sheet) => {
      const name = sheetName(title, sheet);
      expect(name).toMatch(/^[^[\]:*?/\\']([^[\]:*?/\\]{0,29}[^[\]:*?/\\'])?$/u);
      expect(name.length).toBeLessThanOrEqual(31);
    }),
  );
});

it('names columns as spreadsheets do', () => {
  expect([0, 25, 26, 51, 52, 701, 702, 16_383].map(columnName)).toEqual([
    'A',
    'Z',
    'AA',
    'AZ',
    'BA',
    'ZZ',
    'AAA',
    'XFD',
  ]);
});
