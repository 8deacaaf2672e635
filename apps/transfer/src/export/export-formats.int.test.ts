import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { CreateExport } from '@magpie/contracts';
import type { ItemDocument } from '@magpie/store';
import { parse } from 'csv-parse/sync';
import ExcelJS from 'exceljs';
import { unzipSync } from 'fflate';
import { parquetReadObjects } from 'hyparquet';
import { BASE, exported, ids, itemOf, shown, store } from '../testing/exports.ts';
import { World } from '../testing/world.ts';

describe('formats of exports, read by others', () => {
  let world: World;
  let few: ItemDocument[];
  const kind = 'odd';
  const asked = { kind };
  const DEFAULT = [
    'id',
    'kind',
    'url',
    'finalUrl',
    'page',
    'source',
    'data',
    'file.url',
    'file.type',
    'file.bytes',
    'file.sha256',
    'file.width',
    'file.height',
    'revision',
    'storedAt',
    'checkedAt',
  ];

  beforeAll(async () => {
    world = await World.make();
    few = await store(world.store, 1500, (n) => {
      const item = itemOf(n, { kind, url: `https://odd.example/${n}`, data: { title: `=SUM(${n})`, n } });
      if (n % 3 === 0) delete item.file;
      return item;
    });
  });

  it('ndjson, json and both compressed: the items as the API shows them', async () => {
    for (const gzip of [false, true]) {
      const ndjson = await exported(world, { ...asked, format: 'ndjson', gzip });
      const json = await exported(world, { ...asked, format: 'json', gzip });
      const text = ({ bytes }: { bytes: Buffer }): string =>
        (gzip ? execFileSync('gzip', ['-dc'], { input: bytes, maxBuffer: 1 << 30 }) : bytes).toString();
      const rows = text(ndjson)
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown);
      expect(rows).toEqual(shown(few));
      expect(JSON.parse(text(json))).toEqual(shown(few));
      const day = ndjson.job.createdAt.toISOString().slice(0, 10);
      expect(ndjson.job.transfer.file).toMatchObject({
        name: `magpie-odd-${day}.ndjson${gzip ? '.gz' : ''}`,
        type: gzip ? 'application/gzip' : 'application/x-ndjson',
      });
    }
  });

  afterAll(() => world.close());

  const cell = (item: ItemDocument, field: string): unknown =>
    field
      .split('.')
      .reduce<unknown>(
        (value, name) => (value as Record<string, unknown> | null)?.[name],
        shown([item])[0],
      ) ?? null;

  it('csv', async () => {
    const { bytes } = await exported(world, { ...asked, format: 'csv', gzip: true });
    const rows = parse<Record<string, string>>(gunzipSync(bytes), { columns: true });
    expect(Object.keys(rows[0] ?? {})).toEqual(DEFAULT);
    expect(rows).toEqual(
      few.map((item) =>
        Object.fromEntries(
          DEFAULT.map((field) => {
            const value = cell(item, field);
            const text =
              value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value);
            return [field, text];
          }),
        ),
      ),
    );
  });

  it('csv with named columns, harmless to spreadsheets unless they are wanted', async () => {
    const fields = ['data.title', 'url', 'data.none'];
    for (const formulas of [false, true]) {
      const { bytes } = await exported(world, { ...asked, format: 'csv', fields, formulas });
      const [head, ...rows] = parse(bytes);
      expect(head).toEqual(fields);
      expect(rows).toEqual(few.map((item, n) => [`${formulas ? '' : "'"}=SUM(${n})`, item.url, '']));
    }
  });

  /** The file's bytes, decompressed if its name says so. */
  const opened = async (asked: CreateExport): Promise<{ bytes: Buffer }> => {
    const { job, bytes } = await exported(world, asked);
    const { format = 'csv', gzip = false } = asked;
    expect(job.transfer.file?.name.endsWith(gzip ? `.${format}.gz` : `.${format}`)).toBe(true);
    return { bytes: gzip ? gunzipSync(bytes) : bytes };
  };

  it.each([false, true])('parquet, gzip %s', async (gzip) => {
    const { bytes } = await opened({ ...asked, format: 'parquet', gzip });
    const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
    const rows = (await parquetReadObjects({ file })) as Record<string, unknown>[];
    expect(rows).toHaveLength(few.length);
    expect(rows.map((row) => [row['id'], row['url'], row['file.sha256'] ?? null])).toEqual(
      few.map((item) => [item._id, item.url, item.file?.sha256 ?? null]),
    );
    expect(rows.map((row) => new Date(row['storedAt'] as string).getTime())).toEqual(
      few.map(({ storedAt }) => storedAt.getTime()),
    );
    expect(rows.map((row) => Number(row['file.bytes'] ?? 0))).toEqual(
      few.map(({ file }) => file?.bytes ?? 0),
    );
  });

  it.each([false, true])('xlsx, gzip %s', async (gzip) => {
    const fields = ['id', 'url', 'data.title', 'data.n', 'storedAt'];
    const { bytes } = await opened({ ...asked, format: 'xlsx', gzip, fields });
    const book = new ExcelJS.Workbook();
    await book.xlsx.load(bytes as never);
    const rows: unknown[][] = [];
    book.worksheets[0]?.eachRow((row) => rows.push((row.values as unknown[]).slice(1)));
    expect(rows.shift()).toEqual(fields);
    expect(rows.map(([id, url, , n]) => [id, url, n])).toEqual(few.map((item, i) => [item._id, item.url, i]));
    // Text, never a formula.
    for (const row of rows) expect(typeof row[2]).toBe('string');
  });

  it.each(['csv', 'ndjson', 'xlsx', 'parquet'] as const)('%s of columns under any name', async (format) => {
    const names = ['Título', '名 前', 'first name', '$price', 'price.eur', 'a<b>&"c"', "it's"];
    const kind = `named-${format}`;
    await store(world.store, 1, (n) =>
      itemOf(n, { kind, data: Object.fromEntries(names.map((name) => [name, `of ${name}`])) }),
    );
    const fields = names.map((name) => `data.${name}`);
    const { bytes } = await exported(world, { kind, format, fields });
    const row = await firstRow(format, bytes);
    const expected = names.map((name) => [format === 'ndjson' ? name : `data.${name}`, `of ${name}`]);
    expect(row).toEqual(Object.fromEntries(expected));
  });

  const firstRow = async (format: string, bytes: Buffer): Promise<unknown> => {
    if (format === 'csv') return parse(bytes, { columns: true })[0];
    if (format === 'ndjson') return (JSON.parse(bytes.toString()) as { data: unknown }).data;
    if (format === 'parquet') {
      const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
      return ((await parquetReadObjects({ file })) as unknown[])[0];
    }
    const book = new ExcelJS.Workbook();
    await book.xlsx.load(bytes as never);
    const [head, row] = [1, 2].map((n) => (book.worksheets[0]?.getRow(n).values as string[]).slice(1));
    return Object.fromEntries((head ?? []).map((name, i) => [name, row?.[i]]));
  };

  it('zip, with the files and a manifest', async () => {
    const withFiles = await store(world.store, 30, (n) =>
      itemOf(n, { kind: 'zipped', url: `https://z.example/${n}` }),
    );
    const bodies = new Map<string, string>();
    for (const [n, { file }] of withFiles.entries()) {
      const path = join(world.data, 'files', file?.path ?? '');
      await mkdir(dirname(path), { recursive: true });
      // One of them is gone.
      if (n === 7) continue;
      await writeFile(path, `bytes of ${n}`);
      bodies.set(file?.sha256 ?? '', `bytes of ${n}`);
    }
    const { bytes, job } = await exported(world, { kind: 'zipped', format: 'zip' });
    const entries = unzipSync(bytes);
    const manifest = Buffer.from(entries['manifest.ndjson'] ?? [])
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(manifest.map(({ id }) => id)).toEqual(ids(withFiles));
    for (const [n, { file, sha256, missing }] of manifest.entries()) {
      expect(missing).toBe(n === 7);
      if (n !== 7)
        expect(Buffer.from(entries[file as string] ?? []).toString()).toBe(bodies.get(sha256 as string));
    }
    expect(job.transfer.report).toMatchObject({ items: 30, files: 29, missingFiles: 1 });
    expect(bytes.includes('"path"')).toBe(false);
  });

  it('of nothing at all', async () => {
    const { bytes, job } = await exported(world, { kind: 'none', format: 'json', filename: 'my file' });
    expect(JSON.parse(bytes.toString())).toEqual([]);
    expect(job.transfer).toMatchObject({ rows: 0, totalRows: 0, file: { name: 'my file.json' } });
  });

  it('names addresses of files by the public URL', async () => {
    const { bytes } = await exported(world, { kind: 'zipped', format: 'csv', fields: ['file.url'] });
    expect(bytes.toString().split('\r\n')[1]).toMatch(
      new RegExp(`^${BASE}/files/images/..\\/..\\/[0-9a-f]{64}\\.png$`),
    );
  });
});
