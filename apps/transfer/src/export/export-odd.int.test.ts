import type { ExportFormat } from '@magpie/contracts';
import { EXPORT_FORMATS } from '@magpie/contracts';
import { parse } from 'csv-parse/sync';
import ExcelJS from 'exceljs';
import { unzipSync } from 'fflate';
import { parquetReadObjects } from 'hyparquet';
import { exported, itemOf, store } from '../testing/exports.ts';
import { World } from '../testing/world.ts';

const MIB = 1024 * 1024;

describe('an export of odd items', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.make();
  });
  afterAll(() => world.close());

  const lines = (bytes: Buffer): Record<string, unknown>[] =>
    bytes
      .toString()
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const bufferOf = (bytes: Buffer): ArrayBuffer =>
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
  const readers: Record<ExportFormat, (bytes: Buffer) => Promise<Record<string, unknown>[]>> = {
    csv: async (bytes) => parse<Record<string, string>>(bytes, { columns: true }),
    ndjson: async (bytes) => lines(bytes),
    json: async (bytes) => JSON.parse(bytes.toString()) as Record<string, unknown>[],
    xlsx: async (bytes) => {
      const book = new ExcelJS.Workbook();
      await book.xlsx.load(bytes as never);
      const rows: unknown[][] = [];
      book.worksheets[0]?.eachRow((row) => rows.push((row.values as unknown[]).slice(1)));
      const [heads = [], ...rest] = rows;
      return rest.map((row) => Object.fromEntries(heads.map((head, i) => [String(head), row[i]])));
    },
    parquet: async (bytes) => parquetReadObjects({ file: bufferOf(bytes) }),
    zip: async (bytes) => lines(Buffer.from(unzipSync(bytes)['manifest.ndjson'] ?? [])),
  };

  it.each(EXPORT_FORMATS)('has one of 4 MiB, and those around it: %s', async (format) => {
    const kind = `large-${format}`;
    const text = 'ä\n"'.repeat(MIB);
    const items = await store(world.store, 3, (n) =>
      itemOf(n, { kind, url: `https://${kind}.example/${n}`, data: n === 1 ? { text } : { n } }),
    );
    const { bytes, job } = await exported(world, { kind, format });
    const rows = await readers[format](bytes);
    expect(rows.map(({ id }) => id)).toEqual(items.map(({ _id }) => _id));
    if (format === 'xlsx') expect(job.transfer.report).toMatchObject({ cutCells: 1 });
    else if (format !== 'zip') {
      const data = rows[1]?.['data'];
      expect((typeof data === 'string' ? (JSON.parse(data) as object) : data) as object).toEqual({ text });
    }
  });

  it.each(EXPORT_FORMATS)('has what neither JSON nor a spreadsheet has a word for: %s', async (format) => {
    const kind = `odd-${format}`;
    const data = {
      nan: NaN,
      infinite: -Infinity,
      large: 2 ** 63,
      tiny: 5e-324,
      first: new Date('0000-01-01T00:00:00Z'),
      last: new Date('9999-12-31T23:59:59.999Z'),
      beyond: new Date(8.64e15),
      before: new Date(-8.64e15),
      control: '\u0000\u0001\u001f\u007f\ufffe\uffff',
      $where: 'x',
      'a.b': 'dotted',
    };
    await store(world.store, 1, () => itemOf(0, { kind, url: `https://${kind}.example/`, data }));
    const names = ['nan', 'infinite', 'large', 'tiny', 'first', 'last', 'beyond', 'before', 'control'];
    const fields = ['url', ...names.map((name) => `data.${name}`), 'data.none.at.all', 'data.__proto__.x'];
    const { bytes } = await exported(world, { kind, format, ...(format === 'zip' ? {} : { fields }) });
    const [row] = await readers[format](bytes);
    expect(row?.['url']).toBe(`https://${kind}.example/`);
    if (format !== 'ndjson' && format !== 'json') return;
    const whole = await exported(world, { kind, format });
    expect((await readers[format](whole.bytes))[0]?.['data']).toEqual(JSON.parse(JSON.stringify(data)));
  });
});
