import { tableFromIPC } from 'apache-arrow';
import fc from 'fast-check';
import { parquetMetadata } from 'hyparquet';
import { readParquet } from 'parquet-wasm';
import { exportRoom, type Room } from '../testing/export-room.ts';
import * as any from '../testing/any-value.ts';
import { parquetOf } from './parquet.ts';

let room: Room;
beforeAll(async () => void (room = await exportRoom()));
afterAll(() => room.remove());

const format = 'parquet' as const;

/** As the Rust implementation of Parquet and Arrow read it. */
function tableOf(content: Buffer): { types: string[]; rows: unknown[][] } {
  const table = tableFromIPC(readParquet(new Uint8Array(content)).intoIPCStream());
  const columns = table.schema.fields.map((_, column) => table.getChildAt(column));
  return {
    types: table.schema.fields.map(({ type }) => String(type)),
    rows: Array.from({ length: table.numRows }, (_, row) =>
      columns.map((column) => (column?.get(row) ?? null) as unknown),
    ),
  };
}

const TEXT = 'Utf8';

async function columnOf(values: unknown[]): Promise<{ type: string; values: unknown[] }> {
  const { content } = await room.exported(
    values.map((a) => ({ a })),
    { format, fields: ['a'] },
  );
  const { types, rows } = tableOf(content);
  return { type: types[0] ?? '', values: rows.map(([value]) => value) };
}

const isNothing = (value: unknown) => value === null || value === undefined;

/** What the reader makes of text: it takes a byte order mark at the beginning for no part of it. */
const asText = (value: unknown): string => {
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object'
    ? JSON.stringify(value)
    : String(value as string)
        .toWellFormed()
        .replace(/^\ufeff/, '');
};

/** A column each: what may be in it, its type, and what is read of a value. */
const COLUMNS: Record<string, [fc.Arbitrary<unknown>, string, (value: never) => unknown]> = {
  text: [any.text, TEXT, asText],
  'whole numbers': [fc.maxSafeInteger(), 'Int64', (value: number) => BigInt(value)],
  'integers of 64 bits': [fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), 'Int64', (value: bigint) => value],
  'larger integers': [fc.bigInt(2n ** 63n, 2n ** 90n), TEXT, asText],
  decimals: [fc.double().filter((n) => !Number.isSafeInteger(n)), 'Float64', (value: number) => value],
  booleans: [fc.boolean(), 'Bool', (value: boolean) => value],
  instants: [any.instant, 'Timestamp<MILLISECOND, UTC>', (value: Date) => value.getTime()],
  'nested values': [any.nested, TEXT, asText],
};

it('has values of each type as such, any of them null', async () => {
  const fields = Object.keys(COLUMNS);
  const row = Object.fromEntries(fields.map((name) => [name, fc.oneof(COLUMNS[name]![0], any.nothing)]));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.record(row), { maxLength: 20 }), async (rows) => {
      const { content } = await room.exported(rows, { format, fields });
      const { types, rows: found } = tableOf(content);
      for (const [index, name] of fields.entries()) {
        const [, type, expected] = COLUMNS[name]!;
        const column = rows.map((row) => row[name]);
        expect([name, types[index]]).toEqual([name, column.every(isNothing) ? TEXT : type]);
        expect([name, ...found.map((row) => row[index])]).toEqual([
          name,
          ...column.map((value) => (isNothing(value) ? null : expected(value as never))),
        ]);
      }
    }),
  );
});

it('has integers among decimals as decimals, and any other mixture as text', async () => {
  expect(await columnOf([1, 2.5, null])).toEqual({ type: 'Float64', values: [1, 2.5, null] });
  expect(await columnOf([1, 2n ** 60n])).toEqual({ type: 'Int64', values: [1n, 2n ** 60n] });
  expect(await columnOf([1.5, 2n ** 60n])).toEqual({ type: TEXT, values: ['1.5', '1152921504606846976'] });
  expect(await columnOf([1, 'a', true, [1], new Date(0)])).toEqual({
    type: TEXT,
    values: ['1', 'a', 'true', '[1]', '1970-01-01T00:00:00.000Z'],
  });
});

it('says of nested values that they are JSON, by both words for it', async () => {
  const rows = [{ a: { __proto__x: 1, b: [1] }, b: 'x' }];
  const { content } = await room.exported(rows, { format, fields: ['a', 'b'] });
  const bytes = content.buffer.slice(content.byteOffset, content.byteOffset + content.length);
  const [, nested, text] = parquetMetadata(bytes as ArrayBuffer).schema;
  expect(nested).toMatchObject({ name: 'a', converted_type: 'JSON', logical_type: { type: 'JSON' } });
  expect(text).toMatchObject({ name: 'b', converted_type: 'UTF8', logical_type: { type: 'STRING' } });
});

it('is read back as what went in, whatever that is', async () => {
  await fc.assert(
    fc.asyncProperty(any.rows, async (rows) => {
      const { content } = await room.exported(rows, { format, fields: ['a', 'b', 'c', 'd.e'] });
      const { types, rows: found } = tableOf(content);
      expect(found).toEqual(
        rows.map(({ a, b, c }) => [
          ...[a, b, c].map((value, column) => {
            if (isNothing(value)) return null;
            if (types[column] === 'Int64') return BigInt(value as number);
            if (types[column]?.startsWith('Timestamp') === true) return (value as Date).getTime();
            return types[column] === TEXT ? asText(value) : value === 0 ? 0 : value;
          }),
          null,
        ]),
      );
    }),
    { numRuns: 100 },
  );
});

it('says the least and the greatest of short texts alone: the writer holds them to the end', async () => {
  const rows = [{ data: { short: 'a', long: 'x'.repeat(1000) } }, { data: { short: 'b', long: 'y' } }];
  const { content } = await room.exported(rows, { format, fields: ['data.short', 'data.long'] });
  const bytes = content.buffer.slice(content.byteOffset, content.byteOffset + content.length);
  const [group] = parquetMetadata(bytes as ArrayBuffer).row_groups;
  const [short, long] = group?.columns ?? [];
  expect(short?.meta_data?.statistics).toMatchObject({ min_value: 'a', max_value: 'b' });
  expect(long?.meta_data?.statistics?.max_value).toBeUndefined();
});

/** Short ones, that many are soon there. */
const small = parquetOf({ rows: 1000, characters: 10_000 });

it.each([1, 14, 15, 200])('says of %i groups what each holds', async (groups) => {
  const text = 'x'.repeat(10_000);
  const rows = Array.from({ length: groups }, (_, n) => ({ n, text, data: { n } }));
  const fields = ['n', 'text', 'data'];
  const { content, report } = await room.exported(rows, { format, fields }, { by: small });
  expect(report).toEqual({ rowGroups: groups });
  const bytes = content.buffer.slice(content.byteOffset, content.byteOffset + content.length);
  const { num_rows, row_groups, created_by } = parquetMetadata(bytes as ArrayBuffer);
  expect([num_rows, row_groups.length, created_by]).toEqual([BigInt(groups), groups, 'magpie']);
  expect(row_groups.map(({ columns }) => columns[0]?.meta_data?.statistics?.max_value)).toEqual(
    rows.map(({ n }) => BigInt(n)),
  );
  const { rows: found } = tableOf(content);
  expect(found.map(([n, , data]) => [n, data])).toEqual(rows.map(({ n }) => [BigInt(n), `{"n":${n}}`]));
});

it('has its rows in groups', async () => {
  const rows = Array.from({ length: 2401 }, (_, n) => ({ n }));
  const asked = { format, fields: ['n'] };
  const { content, report } = await room.exported(rows, asked, { by: small, partRows: 140 });
  expect(report).toEqual({ rowGroups: 3 });
  const { rows: found } = tableOf(content);
  expect(found.length).toBe(rows.length);
  expect(found.every(([n], index) => n === BigInt(index))).toBe(true);
});
