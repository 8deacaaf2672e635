import type { ExportFormat } from '@magpie/contracts';
import { EXPORT_FORMATS } from '@magpie/contracts';
import { parse } from 'csv-parse/sync';
import ExcelJS from 'exceljs';
import { unzipSync } from 'fflate';
import { parquetReadObjects } from 'hyparquet';
import { ask, fileOf, itemOf, store } from '../testing/exports.ts';
import { World, type TransferJob } from '../testing/world.ts';

/** 4 MiB as UTF-8. */
const TEXT = 'ä\n"'.repeat(1024 * 1024);
const ODD = {
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
const NAMES = ['nan', 'infinite', 'large', 'tiny', 'first', 'last', 'beyond', 'before', 'control'];
/** Of these the item as such can be asked for. */
const WHOLE: readonly ExportFormat[] = ['ndjson', 'json'];
const FIELDS = ['url', ...NAMES.map((name) => `data.${name}`), 'data.none.at.all', 'data.__proto__.x'];

describe('an export of odd items', () => {
  let world: World;
  /** Asked for together, so that they are made side by side. */
  const asked: Record<string, string> = {};
  const ids: Record<string, string[]> = {};

  beforeAll(async () => {
    world = await World.make();
    for (const format of EXPORT_FORMATS) {
      const large = `large-${format}`;
      const items = await store(world.store, 3, (n) =>
        itemOf(n, {
          kind: large,
          url: `https://${large}.example/${n}`,
          data: n === 1 ? { text: TEXT } : { n },
        }),
      );
      ids[large] = items.map(({ _id }) => _id);
      asked[large] = await ask(world, { kind: large, format });
      const kind = `odd-${format}`;
      await store(world.store, 1, () => itemOf(0, { kind, url: `https://${kind}.example/`, data: ODD }));
      asked[kind] = await ask(world, { kind, format, ...(format === 'zip' ? {} : { fields: FIELDS }) });
      if (WHOLE.includes(format)) asked[`whole-${format}`] = await ask(world, { kind, format });
    }
  });
  afterAll(() => world.close());

  const made = async (name: string): Promise<{ job: TransferJob; bytes: Buffer }> => {
    const job = await world.until(asked[name] ?? '', 'completed');
    return { job, bytes: await fileOf(world, job) };
  };

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
    const { bytes, job } = await made(`large-${format}`);
    const rows = await readers[format](bytes);
    expect(rows.map(({ id }) => id)).toEqual(ids[`large-${format}`]);
    if (format === 'xlsx') expect(job.transfer.report).toMatchObject({ cutCells: 1 });
    else if (format !== 'zip') {
      const data = rows[1]?.['data'];
      const { text } = (typeof data === 'string' ? JSON.parse(data) : data) as { text: string };
      expect(text.length).toBe(TEXT.length);
      expect(text === TEXT).toBe(true);
    }
  });

  it.each(EXPORT_FORMATS)('has what neither JSON nor a spreadsheet has a word for: %s', async (format) => {
    const { bytes } = await made(`odd-${format}`);
    const [row] = await readers[format](bytes);
    expect(row?.['url']).toBe(`https://odd-${format}.example/`);
    if (!WHOLE.includes(format)) return;
    const whole = await made(`whole-${format}`);
    expect((await readers[format](whole.bytes))[0]?.['data']).toEqual(JSON.parse(JSON.stringify(ODD)));
  });
});
