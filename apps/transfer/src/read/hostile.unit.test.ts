/** Files that are made to hurt: memory stays flat and time linear. */
import { gzipSync } from 'node:zlib';
import { codesOf, MIB, ReadFile, valuesOf, type Outcome } from '../testing/read-file.ts';
import type { ReadOptions } from './index.ts';
import { ReadFault } from './row.ts';

let file: ReadFile;
beforeAll(() => {
  file = new ReadFile();
});
afterAll(() => file.remove());

const hostile: [string, () => Buffer, Partial<ReadOptions>, (outcome: Outcome) => void][] = [
  [
    'a line of 10 MB',
    () => Buffer.concat([Buffer.from('a,b\n1,2\n'), Buffer.alloc(10e6, 'x'), Buffer.from('\n3,4\n')]),
    {},
    ({ rows }) => {
      expect(codesOf(rows)).toEqual(['line_too_long']);
      expect(valuesOf(rows).at(-1)).toEqual(['3', '4']);
    },
  ],
  [
    'a quoted line of 10 MB',
    () => Buffer.concat([Buffer.from('a,b\n1,"'), Buffer.alloc(10e6, 'x'), Buffer.from('"\n3,4\n')]),
    {},
    ({ rows }) => {
      expect(codesOf(rows)).toEqual(['line_too_long']);
      expect(rows.length).toBe(2);
    },
  ],
  [
    '200 MB without a line break',
    () => Buffer.concat([Buffer.from('a,b\n1,2\n'), Buffer.alloc(200e6, 'x,')]),
    {},
    ({ rows }) => expect(codesOf(rows)).toEqual(['line_too_long']),
  ],
  [
    'one quote that is never closed before 10 MB of rows',
    () => Buffer.concat([Buffer.from('a,b\n1,"2\n'), Buffer.alloc(10e6, 'aaaa,bbbb\n')]),
    {},
    ({ rows }) => {
      expect(codesOf(rows)).toEqual(['bad_quote']);
      expect(rows.length).toBe(1_000_001);
    },
  ],
  [
    'a quote that is not closed in each of a million rows',
    () => Buffer.concat([Buffer.from('a,b\n'), Buffer.alloc(7e6, 'xx,"yy\n')]),
    {},
    ({ rows }) => expect(codesOf(rows).length).toBe(1_000_000),
  ],
  [
    'ten million quotes',
    () => Buffer.concat([Buffer.from('a,b\n'), Buffer.alloc(10e6, '"')]),
    {},
    ({ rows }) => expect(codesOf(rows)).toEqual(['line_too_long']),
  ],
  [
    'quotes and line breaks',
    () => Buffer.concat([Buffer.from('a,b\n'), Buffer.alloc(9e6, '"""\n"\n')]),
    {},
    ({ rows }) => expect(rows.length).toBeGreaterThan(1000),
  ],
  [
    'five million commas a line',
    () => Buffer.concat([Buffer.from('a,b\n'), Buffer.alloc(5e6, ','), Buffer.from('\n1,2\n')]),
    {},
    ({ rows }) => expect(codesOf(rows)).toEqual(['too_many_columns']),
  ],
  [
    'a line of NULs',
    () => Buffer.concat([Buffer.from(`a,b\n${'1,2\n'.repeat(20_000)}`), Buffer.alloc(20e6)]),
    {},
    ({ rows }) => expect(codesOf(rows)).toEqual(['line_too_long']),
  ],
  [
    'JSON of four million levels',
    () =>
      Buffer.concat([
        Buffer.from('{"a":'),
        Buffer.alloc(4e6, '['),
        Buffer.alloc(4e6, ']'),
        Buffer.from('}\n{"b":1}'),
      ]),
    { format: 'ndjson' },
    ({ rows }) => {
      expect(codesOf(rows)).toEqual(['too_deep']);
      expect(rows.length).toBe(2);
    },
  ],
  [
    'an array of four million levels',
    () =>
      Buffer.concat([
        Buffer.from('[{"a":'),
        Buffer.alloc(4e6, '['),
        Buffer.alloc(4e6, ']'),
        Buffer.from('},{"b":1}]'),
      ]),
    {},
    ({ rows }) => {
      expect(codesOf(rows)).toEqual(['too_deep']);
      expect(rows.length).toBe(2);
    },
  ],
  [
    'rows of very many empty lists, which take fifty times their text',
    () =>
      Buffer.from(
        `{"a":1}\n${`{"a":[${'[],'.repeat(300_000)}[]]}\n`.repeat(30)}{"a":"${',['.repeat(60_000)}"}\n`,
      ),
    { name: 'x.ndjson' },
    ({ rows }) => {
      expect(codesOf(rows)).toEqual(Array(30).fill('row_too_large'));
      expect(rows.length).toBe(32);
    },
  ],
  [
    'rows of a thousand cells: batches are by their size',
    () => Buffer.from(`${'a,'.repeat(999)}a\n`.repeat(3000)),
    {},
    ({ rows }) => expect(rows.length).toBe(2999),
  ],
  [
    'brackets that are never closed',
    () => Buffer.concat([Buffer.from('[{"a":'), Buffer.alloc(30e6, '[{"')]),
    {},
    ({ fault }) => expect(fault).toBe('bad_json'),
  ],
];

it.each(hostile)('%s', async (_, make, options, check) => {
  file.write(make());
  const detected = await file.detect(options);
  const begin = process.memoryUsage().rss;
  let most = 0;
  const outcome: Outcome = { rows: [] };
  try {
    for await (const { rows } of file.batches(detected)) {
      for (const row of rows) {
        // The rows themselves are the test's.
        if (outcome.rows.length < 2e6 + 1)
          outcome.rows.push('fault' in row ? row : { ...row, values: row.values });
      }
      most = Math.max(most, process.memoryUsage.rss() - begin);
    }
  } catch (error) {
    if (!(error instanceof ReadFault)) throw error;
    outcome.fault = error.code;
  }
  check(outcome);
  const kept = outcome.rows.length * 600;
  expect(most).toBeLessThan(150 * MIB + kept);
});

it('a bomb: ten gigabytes of zeros in ten megabytes of gzip', async () => {
  const row = `0,${'0'.repeat(61)}\n`;
  const member = gzipSync(Buffer.alloc(16 * MIB, row));
  const bomb = Buffer.concat([gzipSync('a,b\n'), ...Array<Buffer>(640).fill(member)]);
  file.write(bomb);
  const detected = await file.detect();
  const begin = process.memoryUsage().rss;
  let most = 0;
  let count = 0;
  const all = async () => {
    for await (const { rows } of file.batches(detected)) {
      count += rows.length;
      most = Math.max(most, process.memoryUsage.rss() - begin);
    }
  };
  await expect(all()).rejects.toMatchObject({ code: 'too_large' });
  expect(count).toBeLessThanOrEqual((64 * MIB + 4 * MIB) / row.length);
  expect(most).toBeLessThan(250 * MIB);
});
