import { gzipSync } from 'node:zlib';
import { stringify } from 'csv-stringify/sync';
import fc from 'fast-check';
import iconv from 'iconv-lite';
import { MIB, ReadFile, valuesOf } from '../testing/read-file.ts';

let file: ReadFile;
beforeAll(() => {
  file = new ReadFile();
});
afterAll(() => file.remove());

const ALPHABETS: Record<string, string[]> = {
  'utf-8': ['é', '𝒳', '漢', '\ufffd', '\ufeff'],
  'utf-16le': ['é', '𝒳', '漢', '\ufffd', '\ufeff'],
  'utf-16be': ['é', '𝒳', '漢', '\ufffd'],
  'windows-1252': ['é', '€', 'ß', '’'],
  'windows-1251': ['Ж', 'я', '№'],
  shift_jis: ['漢', 'ア', 'ｱ'],
  gb18030: ['漢', '𝒳', 'é'],
  'euc-kr': ['한', '글'],
};
const COMMON = ['a', 'B', '1', ' ', '"', '""', ',', ';', '\t', '|', '\n', '\r\n', '\r', "'", '\\', '=1+1'];

const written = fc.constantFrom(...Object.keys(ALPHABETS)).chain((encoding) =>
  fc.record({
    encoding: fc.constant(encoding),
    delimiter: fc.constantFrom(',', ';', '\t', '|'),
    end: fc.constantFrom('\n', '\r\n', '\r'),
    quoted: fc.boolean(),
    gzip: fc.boolean(),
    mark: fc.boolean(),
    table: fc.integer({ min: 1, max: 5 }).chain((columns) =>
      fc.array(
        fc.array(
          fc
            .array(fc.constantFrom(...COMMON, ...ALPHABETS[encoding]!), { maxLength: 8 })
            .map((characters) => characters.join('')),
          { minLength: columns, maxLength: columns },
        ),
        { maxLength: 12 },
      ),
    ),
  }),
);

function write({
  encoding,
  delimiter,
  end,
  quoted,
  gzip,
  mark,
  table,
}: typeof written extends fc.Arbitrary<infer T> ? T : never) {
  const columns = (table[0] ?? ['x']).map((_, i) => `column ${i + 1}`);
  const text = stringify([columns, ...table], {
    delimiter,
    record_delimiter: end,
    quoted,
    quoted_empty: true,
    quoted_match: /[\r\n\ufeff]/,
  });
  const addBOM = mark && encoding.startsWith('utf-');
  const bytes = iconv.encode(text, encoding, { addBOM });
  return { columns, bytes: gzip ? gzipSync(bytes) : bytes };
}

describe('tables', () => {
  it('whatever csv-stringify writes is read back equal', async () => {
    await fc.assert(
      fc.asyncProperty(written, async (made) => {
        const { columns, bytes } = write(made);
        const { rows, fault, detected } = await file.read(bytes, {
          encoding: made.encoding,
          delimiter: made.delimiter,
        });
        expect(fault).toBeUndefined();
        expect(detected).toMatchObject({ columns, encoding: made.encoding, gzip: made.gzip });
        expect(valuesOf(rows)).toEqual(made.table);
      }),
      { numRuns: 150 },
    );
  });

  it('from the end of each row on exactly the rest is read', async () => {
    await fc.assert(
      fc.asyncProperty(written, async (made) => {
        const { bytes } = write(made);
        // A row that is none, and one whose quotes are wrong, have ends too.
        const bad = iconv.encode(`x${made.end}"x"x${made.end}`, made.encoding);
        const all = Buffer.concat([bytes, made.gzip ? gzipSync(bad) : bad]);
        const { rows, detected } = await file.read(all, {
          encoding: made.encoding,
          delimiter: made.delimiter,
        });
        expect(rows.length).toBe(made.table.length + 2);
        for (let i = 0; i < rows.length; i++) {
          const from = { end: rows[i]!.end, line: rows[i]!.next };
          expect((await file.rows(detected!, { from })).rows).toEqual(rows.slice(i + 1));
        }
      }),
      { numRuns: 40 },
    );
  });

  it('a large file is read on from where it was left, however it is kept', async () => {
    const text = `a,b\n${Array.from({ length: 20_000 }, (_, i) => `${i},é𝒳 ${i * 7}\n`).join('')}`;
    const ways: Record<string, Buffer> = {
      plain: Buffer.from(text),
      marked: Buffer.from(`\ufeff${text}`),
      gzip: gzipSync(text),
      'utf-16le': iconv.encode(text, 'utf-16le', { addBOM: true }),
      gb18030: iconv.encode(text, 'gb18030'),
    };
    for (const [way, bytes] of Object.entries(ways)) {
      const { rows, detected } = await file.read(bytes, way === 'gb18030' ? { encoding: way } : {});
      expect([way, rows.length]).toEqual([way, 20_000]);
      for (const at of [0, 999, 10_000, 19_998, 19_999]) {
        const from = { end: rows[at]!.end, line: rows[at]!.next };
        const rest = (await file.rows(detected!, { from })).rows;
        expect([way, rest.length, rest[0], rest.at(-1)]).toEqual([
          way,
          19_999 - at,
          rows[at + 1],
          at < 19_999 ? rows.at(-1) : undefined,
        ]);
      }
    }
  });

  it('rubbish ends in rows, bad rows or a fault', async () => {
    const heads = ['', 'a,b\n1,2\n', '[', '[{"a":1},', '{"a":1}\n', '\ufeffa\tb\n'];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...heads),
        fc.uint8Array({ maxLength: 300 }),
        fc.constantFrom('plain', 'gzip', 'cut gzip', 'damaged gzip'),
        async (head, tail, wrapped) => {
          let bytes = Buffer.concat([Buffer.from(head), tail]);
          if (wrapped !== 'plain') bytes = gzipSync(bytes);
          if (wrapped === 'cut gzip') bytes = bytes.subarray(0, -3);
          if (wrapped === 'damaged gzip') bytes[bytes.length >> 1]! ^= 0x55;
          const { rows, fault, detected } = await file.read(bytes);
          if (detected === undefined) expect(fault).toBeDefined();
          for (const row of rows) expect(row.end).toBeGreaterThan(0);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('200,000 rows: exact counts, lines and ends, and about a thousand a batch', async () => {
    const lines = ['url,n\n'];
    for (let i = 0; i < 200_000; i++) lines.push(i % 100 === 99 ? `bad,${i},x\n` : `u${i},${i}\n`);
    file.write(lines.join(''));
    const detected = await file.detect();
    let good = 0;
    let bad = 0;
    let line = 1;
    let bytesRead = 0;
    for await (const batch of file.batches(detected)) {
      expect(batch.rows.length).toBeLessThanOrEqual(1000);
      expect(batch.bytesRead).toBeGreaterThanOrEqual(bytesRead);
      ({ bytesRead } = batch);
      for (const row of batch.rows) {
        if (row.line !== line + 1) throw new Error(`line ${row.line} after ${line}`);
        ({ line } = row);
        if ('fault' in row) bad++;
        else if (row.values.n === String(line - 2)) good++;
      }
    }
    expect({ good, bad, bytesRead }).toEqual({
      good: 198_000,
      bad: 2000,
      bytesRead: lines.join('').length,
    });
  });

  it('of many columns: fewer a batch, and all of them', async () => {
    for (const [columns, most] of [
      [100, 200],
      [1000, 20],
    ] as const) {
      const line = (i: number): string => `u${i}${',ab'.repeat(columns - 1)}\n`;
      const names = Array.from({ length: columns }, (_, i) => `c${i}`);
      file.write(`${names.join(',')}\n${Array.from({ length: 1010 }, (_, i) => line(i)).join('')}`);
      const detected = await file.detect();
      const sizes: number[] = [];
      let at = 0;
      for await (const { rows } of file.batches(detected)) {
        sizes.push(rows.length);
        for (const row of rows) expect('values' in row && row.values.c0).toBe(`u${at++}`);
      }
      expect(at).toBe(1010);
      expect(Math.max(...sizes)).toBe(most);
    }
  });
});

describe('limits', () => {
  it('more rows than allowed: as many are given, then the fault', async () => {
    const { rows, fault } = await file.read('a\n1\n2\n3\n', { limits: { maxRows: 2 } });
    expect([valuesOf(rows), fault]).toEqual([[['1'], ['2']], 'too_many_rows']);
    expect((await file.read('a\n1\n2\n3\n', { limits: { maxRows: 3 } })).fault).toBeUndefined();
  });

  it('more bytes than allowed, decompressed', async () => {
    const text = `a,b\n${'1,2\n'.repeat(100_000)}`;
    expect((await file.read(text, { limits: { maxBytes: 1000 } })).fault).toBe('too_large');
    const zipped = await file.read(gzipSync(text), { limits: { maxBytes: 300_000 } });
    expect(zipped.fault).toBe('too_large');
    expect(zipped.rows.length).toBeLessThanOrEqual(75_000);
    expect((await file.read(gzipSync(text), { limits: { maxBytes: text.length } })).fault).toBeUndefined();
  });

  it('more columns than allowed', async () => {
    const header = Array.from({ length: 5000 }, (_, i) => `column ${i}`).join(',');
    const { fault, message } = await file.read(`${header}\n${'1,'.repeat(4999)}1\n`);
    expect([fault, message]).toEqual(['too_many_columns', 'The first row has more than 1000 cells']);
    const allowed = await file.read(`${header}\n${'1,'.repeat(4999)}1\n`, { limits: { maxColumns: 5000 } });
    expect(allowed.detected?.columns?.length).toBe(5000);
    expect(allowed.rows.length).toBe(1);
  });

  it('where rows are long or lost, a batch has fewer, or none, so that it can be left', async () => {
    const row = `${'x'.repeat(99_999)}\n`;
    file.write(`a\n${row.repeat(100)}${'y'.repeat(20 * MIB)}\nz\n`);
    const detected = await file.detect();
    const batches: number[] = [];
    for await (const { rows } of file.batches(detected)) batches.push(rows.length);
    expect(batches.reduce((a, b) => a + b)).toBe(102);
    expect(Math.max(...batches)).toBeLessThan(50);
    expect(batches.filter((count) => count === 0).length).toBeGreaterThanOrEqual(3);
  });

  it('an aborted read ends with the signal’s reason', async () => {
    file.write(`a\n${'1\n'.repeat(500_000)}`);
    const detected = await file.detect();
    const controller = new AbortController();
    const reason = new Error('enough');
    let batches = 0;
    const all = async () => {
      for await (const { rows } of file.batches(detected, { signal: controller.signal })) {
        expect(rows.length).toBeGreaterThan(0);
        if (++batches === 2) controller.abort(reason);
      }
    };
    await expect(all()).rejects.toBe(reason);
    expect(batches).toBeLessThan(500);
  });
});
