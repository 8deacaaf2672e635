import { createHash } from 'node:crypto';
import type { CreateExport } from '@magpie/contracts';
import { canonicalUrl, idOf } from '@magpie/domain';
import { exported, itemOf, store } from '../testing/exports.ts';
import { World } from '../testing/world.ts';

/** What may be lost, or run, or misread on the way. */
const AWKWARD: Record<string, unknown>[] = [
  {},
  { title: '=SUM(A1:A9)', text: '+49 30 1', note: "'=already", twice: "''-x", tab: '\tx', at: '@home' },
  {
    title: "it's",
    text: "'quoted'",
    line: 'a\r\nb\nc\rd',
    quote: '"',
    comma: 'a,b;c',
    blank: ' ',
    empty: '',
  },
  {
    title: 'Größe 東京 😀 \u0007\u2028',
    nul: '\u0000',
    n: 5,
    half: 0.5,
    yes: true,
    none: null,
    text: '007',
    e: '1e9',
  },
  { tags: ['a', '=b', null, 3], nested: { 'dotted.name': { $set: 1, deeper: [[{ x: 'y' }]] } }, list: [] },
  {
    id: 'its own',
    url: 'its own',
    kind: 'its own',
    data: { data: 'its own' },
    storedAt: 'its own',
    $or: [1],
  },
  { text: 'long '.repeat(20_000) },
  { constructor: 'x', toString: 1, length: 2, 'a\tb': 1, '=x': 2 },
];
/** As much of it as a table of columns has: text in named places. */
const COLUMNS = [
  'url',
  'data.title',
  'data.text',
  'data.note',
  'data.twice',
  'data.tab',
  'data.at',
  'data.line',
];

describe('an export that is imported', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.make();
  });
  afterAll(() => world.close());

  type Shown = Record<string, unknown>;
  const shown = async (): Promise<Shown[]> => {
    const { bytes } = await exported(world, { format: 'ndjson' });
    return bytes
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Shown);
  };
  /** What is always filled in, as it is shown. */
  let filled: Promise<Shown[]> | undefined;
  const wipe = async (): Promise<void> => {
    await world.store.items.collection.deleteMany({});
    await world.store.links.collection.deleteMany({});
  };
  const fill = async (): Promise<void> => {
    await wipe();
    await store(world.store, AWKWARD.length * 3, (n) => {
      const kind = n % 2 ? 'page' : 'image';
      const url = canonicalUrl(`https://example.org/${n}?q=%2C"'&a=1,2;`);
      return { ...itemOf(n, { kind, url, data: AWKWARD[n % AWKWARD.length] ?? {} }), _id: idOf(kind, url) };
    });
  };
  const imported = async (content: Buffer, name: string) => {
    const upload = await world.upload(content, name);
    return world.until(await world.transfer('import', { upload, as: 'items' }), 'completed');
  };
  const same = ({ id, kind, url, page, data }: Shown): Shown => ({ id, kind, url, page, data });

  it.each<CreateExport & { filename: string }>([
    { format: 'csv', filename: 'items.csv' },
    { format: 'csv', gzip: true, filename: 'items.csv.gz' },
    { format: 'csv', fields: ['data', 'page', 'url', 'kind'], filename: 'items.csv' },
    { format: 'ndjson', filename: 'items.ndjson' },
    { format: 'json', filename: 'items.json' },
    { format: 'json', gzip: true, filename: 'items.json.gz' },
  ])('has the same items: %j', async ({ filename, ...asked }) => {
    await fill();
    const before = await (filled ??= shown());
    const first = await exported(world, asked);
    await wipe();
    const { transfer } = await imported(first.bytes, filename);
    expect(transfer.report).toMatchObject({ stored: before.length, rejected: 0 });
    const after = await shown();
    expect(after.map(same)).toEqual(before.map(same));
    expect(after.map(({ file }) => file)).toEqual(before.map(() => null));
    // What they are is kept, and who brought them is this import.
    expect(new Set(after.map(({ source }) => source))).toEqual(new Set(['import']));
    const again = await exported(world, { ...asked, fields: ['kind', 'url', 'page', 'data'] });
    await wipe();
    await imported(again.bytes, filename);
    const third = await exported(world, { ...asked, fields: ['kind', 'url', 'page', 'data'] });
    expect(digest(third.bytes)).toBe(digest(again.bytes));
  });

  it('brings columns of its data back to where they were, as text, also what a spreadsheet would run', async () => {
    await fill();
    const asked: CreateExport = {
      format: 'csv',
      fields: [...COLUMNS, 'data.nested.deeper', 'data.data.data'],
    };
    const first = await exported(world, asked);
    await wipe();
    await imported(first.bytes, 'some.csv');
    const second = await exported(world, asked);
    expect(second.bytes.toString()).toBe(first.bytes.toString());
    const rows = await shown();
    expect(rows[1]?.['data']).toEqual({
      title: '=SUM(A1:A9)',
      text: '+49 30 1',
      note: "'=already",
      twice: "''-x",
      tab: '\tx',
      at: '@home',
    });
    expect(rows[5]?.['data']).toEqual({ data: { data: 'its own' } });
  });
});

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
