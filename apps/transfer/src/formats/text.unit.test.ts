import { gunzipSync } from 'node:zlib';
import { originalText } from '@magpie/domain';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { exportRoom, type Room } from '../testing/export-room.ts';
import * as any from '../testing/any-value.ts';

let room: Room;
beforeAll(async () => void (room = await exportRoom()));
afterAll(() => room.remove());

const asText = (value: unknown): string => {
  if (value === null || value === undefined) return '';
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object' ? JSON.stringify(value) : String(value as string | number | boolean);
};
const records = (content: Buffer) =>
  parse(content.toString(), { record_delimiter: '\r\n', bom: false }) as unknown as string[][];

describe('csv', () => {
  const cells = async (values: unknown[], formulas?: boolean) => {
    const rows = values.map((a) => ({ a, b: 1 }));
    const request = { fields: ['a', 'b'], ...(formulas === undefined ? {} : { formulas }) };
    return records((await room.exported(rows, request)).content)
      .slice(1)
      .map(([cell]) => cell);
  };

  it('is read back as what went in, whatever that is', async () => {
    await fc.assert(
      fc.asyncProperty(any.rows, async (rows) => {
        const { content } = await room.exported(rows, { fields: ['a', 'b', 'c'], formulas: true });
        expect(records(content)).toEqual([
          ['a', 'b', 'c'],
          ...rows.map(({ a, b, c }) => [a, b, c].map((value) => asText(value).toWellFormed())),
        ]);
      }),
      { numRuns: 100 },
    );
  });

  it('quotes cells with a separator, a quote or either half of a line break, and no other', async () => {
    const rows = ['a,b', 'a"b', 'a\rb', 'a\nb', 'a;b', ' b '].map((a) => ({ a, b: 1 }));
    expect((await room.exported(rows, { fields: ['a', 'b'] })).content.toString()).toBe(
      'a,b\r\n"a,b",1\r\n"a""b",1\r\n"a\rb",1\r\n"a\nb",1\r\n"a;b",1\r\n b ,1\r\n',
    );
  });

  it('makes harmless what a spreadsheet would run, and leaves numbers alone', async () => {
    const given = ['=1+1', '+49 30 1', '-2', '@SUM(A1)', '\t=1', '\r=1', '\n=1', '＝1', 'a=1', -5, 5, "'=1"];
    const harmless = ["'=1+1", "'+49 30 1", "'-2", "'@SUM(A1)", "'\t=1", "'\r=1", "'\n=1", "'＝1"];
    expect(await cells(given)).toEqual([...harmless, 'a=1', '-5', '5', "''=1"]);
    expect(await cells(given, true)).toEqual(given.map(String));
  });

  it('never begins a cell with what a spreadsheet would run', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(any.text, { minLength: 1, maxLength: 5 }), async (texts) => {
        for (const cell of await cells(texts)) expect(cell).not.toMatch(/^[=+\-@\t\r\n]/);
      }),
    );
  });

  it('gives text back as it was before it was made harmless', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(any.text, fc.stringMatching(/^'{0,3}[=a\t-]?$/)), { minLength: 1, maxLength: 5 }),
        async (texts) =>
          expect((await cells(texts)).map((cell) => originalText(cell ?? ''))).toEqual(
            texts.map((text) => text.toWellFormed()),
          ),
      ),
    );
  });

  it('has a header, CRLF and no byte order mark; a row of one empty cell is a row', async () => {
    expect((await room.exported([], { fields: ['url', 'data.a'] })).content.toString()).toBe(
      'url,data.a\r\n',
    );
    const { content } = await room.exported([{ a: null }, { a: 'x' }, {}], { fields: ['a'] });
    expect(content.toString()).toBe('a\r\n""\r\nx\r\n""\r\n');
  });

  it('has all there is of an item as columns when none are named', async () => {
    const item = {
      id: 'i1',
      url: 'http://a/',
      data: { title: 'T' },
      file: { bytes: 7 },
      storedAt: new Date(0),
    };
    const [header, row] = records((await room.exported([item], { format: 'csv' })).content);
    expect(Object.fromEntries((header ?? []).map((name, index) => [name, row?.[index]]))).toMatchObject({
      id: 'i1',
      url: 'http://a/',
      data: '{"title":"T"}',
      'file.bytes': '7',
      'file.sha256': '',
      storedAt: '1970-01-01T00:00:00.000Z',
    });
  });
});

describe.each(['ndjson', 'json'] as const)('%s', (format) => {
  const itemsOf = (content: Buffer): unknown =>
    format === 'json'
      ? JSON.parse(content.toString())
      : content
          .toString()
          .split('\n')
          .slice(0, -1)
          .map((line) => JSON.parse(line) as unknown);

  it('is read back as what went in, whatever that is', async () => {
    await fc.assert(
      fc.asyncProperty(any.rows, async (rows) => {
        const { content } = await room.exported(rows, { format });
        expect(itemsOf(content)).toEqual(JSON.parse(JSON.stringify(rows)));
      }),
      { numRuns: 100 },
    );
  });

  it('has the fields that were named, in their places', async () => {
    const item = { url: 'u', data: { title: 't', more: [1], deep: { x: 1, y: 2 } }, page: 'p' };
    const fields = [
      'data.title',
      'data.deep.y',
      'url',
      'data.none',
      'data.title.length',
      '__proto__.x',
      'toString',
    ];
    const [found] = itemsOf((await room.exported([item], { format, fields })).content) as object[];
    // What lies below another field that was named is in it.
    expect(JSON.stringify(found)).toBe(
      '{"data":{"title":"t","deep":{"y":2},"none":null},"url":"u","__proto__":{"x":null},"toString":null}',
    );
    const both = await room.exported([item], { format, fields: ['data.title', 'data'] });
    expect(itemsOf(both.content)).toEqual([{ data: item.data }]);
  });

  it('finds what the data has under any name', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(any.text, fc.stringMatching(/^[a.$]{1,5}$/)), async (name) => {
        fc.pre(name !== '');
        const item = { url: 'u', data: { [name]: 7, [`${name}-`]: 8 } };
        const { content } = await room.exported([item], { format, fields: ['url', `data.${name}`] });
        expect(itemsOf(content)).toEqual([{ url: 'u', data: { [name]: 7 } }]);
      }),
      { numRuns: 200 },
    );
  });

  it('knows a name with dots from names within names', async () => {
    const items = [
      { data: { a: { 'b.c': 1 } } },
      { data: { a: 2, 'a.b.c': 3 } },
      { data: { a: { b: { c: 4 } } } },
    ];
    const fields = ['data.a.b.c', 'data.a'];
    const { content } = await room.exported(items, { format, fields });
    expect(itemsOf(content)).toEqual([
      { data: { a: { 'b.c': 1 } } },
      { data: { 'a.b.c': 3, a: 2 } },
      { data: { a: { b: { c: 4 } } } },
    ]);
    const csv = await room.exported(items, { fields: ['data.a.b.c'] });
    expect(csv.content.toString()).toBe('data.a.b.c\r\n1\r\n3\r\n4\r\n');
  });

  it('keeps integers of any size', async () => {
    const { content } = await room.exported([{ a: { b: 123456789012345678901234567890n } }], { format });
    expect(content.toString()).toContain('{"a":{"b":123456789012345678901234567890}}');
  });

  it('is valid without an item', async () => {
    expect(itemsOf((await room.exported([], { format })).content)).toEqual([]);
  });
});

it.each(['csv', 'ndjson', 'json'] as const)('%s compressed is the same', async (format) => {
  const rows = Array.from({ length: 2000 }, (_, index) => ({ id: `item ${index}`, data: { n: index } }));
  const plain = await room.exported(rows, { format }, { partRows: 300 });
  const compressed = await room.exported(rows, { format, gzip: true }, { partRows: 300 });
  expect(gunzipSync(compressed.content).equals(plain.content)).toBe(true);
  expect(compressed.bytes).toBeLessThan(plain.bytes / 2);
});
