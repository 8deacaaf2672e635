import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { jest } from '@jest/globals';
import { stringify } from 'csv-stringify/sync';
import fc from 'fast-check';
import iconv from 'iconv-lite';
import {
  detect,
  readRows,
  START,
  type BadRow,
  type Detected,
  type Place,
  type Read,
  type ReadLimits,
  type ReadOptions,
  type Row,
} from './index.ts';
import { ReadFault } from './row.ts';

jest.setTimeout(180_000);

const MIB = 1024 * 1024;
const LIMITS: ReadLimits = { maxBytes: 1e12, maxRows: 1e9, maxColumns: 1000, maxCell: MIB, maxLine: 8 * MIB };

let room: string;
let path: string;
beforeAll(() => {
  room = mkdtempSync(join(tmpdir(), 'magpie-read-'));
  path = join(room, 'file');
});
afterAll(() => rmSync(room, { recursive: true }));

interface Outcome {
  rows: (Row | BadRow)[];
  fault?: string;
}

interface Asked {
  from?: Place;
  limits?: Partial<ReadLimits>;
  signal?: AbortSignal;
}

const batchesOf = (
  detected: Detected,
  { from = START, limits = {}, signal = new AbortController().signal }: Asked = {},
): AsyncGenerator<Read> => readRows(path, detected, { limits: { ...LIMITS, ...limits } }, from, signal);

async function rowsOf(detected: Detected, asked: Asked = {}): Promise<Outcome> {
  const rows: (Row | BadRow)[] = [];
  try {
    for await (const batch of batchesOf(detected, asked)) rows.push(...batch.rows);
  } catch (error) {
    if (!(error instanceof ReadFault)) throw error;
    return { rows, fault: error.code };
  }
  return { rows };
}

async function read(
  bytes: Buffer | string,
  { limits = {}, ...options }: Omit<ReadOptions, 'limits'> & { limits?: Partial<ReadLimits> } = {},
): Promise<Outcome & { detected?: Detected; message?: string }> {
  writeFileSync(path, bytes);
  let detected: Detected;
  try {
    detected = await detect(path, { ...options, limits: { ...LIMITS, ...limits } });
  } catch (error) {
    if (!(error instanceof ReadFault)) throw error;
    return { rows: [], fault: error.code, message: error.message };
  }
  return { ...(await rowsOf(detected, { limits })), detected };
}

const valuesOf = (rows: (Row | BadRow)[]) =>
  rows.map((row) => ('fault' in row ? row.fault : Object.values(row.values)));
const codesOf = (rows: (Row | BadRow)[]) => rows.flatMap((row) => ('fault' in row ? [row.fault.code] : []));

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
      fc.asyncProperty(written, async (file) => {
        const { columns, bytes } = write(file);
        const { rows, fault, detected } = await read(bytes, {
          encoding: file.encoding,
          delimiter: file.delimiter,
        });
        expect(fault).toBeUndefined();
        expect(detected).toMatchObject({ columns, encoding: file.encoding, gzip: file.gzip });
        expect(valuesOf(rows)).toEqual(file.table);
      }),
      { numRuns: 150 },
    );
  });

  it('from the end of each row on exactly the rest is read', async () => {
    await fc.assert(
      fc.asyncProperty(written, async (file) => {
        const { bytes } = write(file);
        // A row that is none, and one whose quotes are wrong, have ends too.
        const bad = iconv.encode(`x${file.end}"x"x${file.end}`, file.encoding);
        const all = Buffer.concat([bytes, file.gzip ? gzipSync(bad) : bad]);
        const { rows, detected } = await read(all, { encoding: file.encoding, delimiter: file.delimiter });
        expect(rows.length).toBe(file.table.length + 2);
        for (let i = 0; i < rows.length; i++) {
          const from = { end: rows[i]!.end, line: rows[i]!.next };
          expect((await rowsOf(detected!, { from })).rows).toEqual(rows.slice(i + 1));
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
      const { rows, detected } = await read(bytes, way === 'gb18030' ? { encoding: way } : {});
      expect([way, rows.length]).toEqual([way, 20_000]);
      for (const at of [0, 999, 10_000, 19_998, 19_999]) {
        const from = { end: rows[at]!.end, line: rows[at]!.next };
        const rest = (await rowsOf(detected!, { from })).rows;
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
          const { rows, fault, detected } = await read(bytes);
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
    writeFileSync(path, lines.join(''));
    const detected = await detect(path, { limits: LIMITS });
    let good = 0;
    let bad = 0;
    let line = 1;
    let bytesRead = 0;
    for await (const batch of batchesOf(detected)) {
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
      writeFileSync(path, `${names.join(',')}\n${Array.from({ length: 1010 }, (_, i) => line(i)).join('')}`);
      const detected = await detect(path, { limits: LIMITS });
      const sizes: number[] = [];
      let at = 0;
      for await (const { rows } of batchesOf(detected)) {
        sizes.push(rows.length);
        for (const row of rows) expect('values' in row && row.values.c0).toBe(`u${at++}`);
      }
      expect(at).toBe(1010);
      expect(Math.max(...sizes)).toBe(most);
    }
  });
});

describe('encodings', () => {
  it.each([
    ['utf-8', Buffer.from('a,b\né,'), Buffer.from([0xe9])],
    ['utf-16le', iconv.encode('a,b\né,', 'utf-16le'), Buffer.from([0x00, 0xd8, 0x41, 0x00])],
    ['utf-16be', iconv.encode('a,b\né,', 'utf-16be'), Buffer.from([0xdc, 0x00])],
    ['shift_jis', iconv.encode('a,b\n漢,', 'shift_jis'), Buffer.from([0xff])],
    ['euc-kr', iconv.encode('a,b\n한,', 'euc-kr'), Buffer.from([0xff])],
  ])('what %s does not allow makes its row bad, and no other', async (encoding, before, invalid) => {
    const bytes = Buffer.concat([before, invalid, iconv.encode('\n3,4\n', encoding)]);
    const { rows } = await read(bytes, { encoding });
    expect(codesOf(rows)).toEqual(['bad_encoding']);
    expect(valuesOf(rows.slice(1))).toEqual([['3', '4']]);
  });

  it('UTF-16 that ends within a character', async () => {
    const bytes = Buffer.concat([iconv.encode('a,b\n1,2\n3,4', 'utf-16le'), Buffer.from([0x41])]);
    expect(codesOf((await read(bytes, { encoding: 'utf-16le' })).rows)).toEqual(['bad_encoding']);
  });

  it('characters that a read cuts in two are whole', async () => {
    for (const encoding of ['utf-8', 'utf-16le', 'gb18030', 'shift_jis']) {
      const cell = encoding === 'shift_jis' ? '漢字' : '漢é𝒳';
      for (const pad of ['', 'x', 'xx', 'xxx']) {
        const text = `a\n${pad}\n${`${cell}\n`.repeat(30_000)}`;
        const { rows } = await read(iconv.encode(text, encoding), { encoding, delimiter: ',' });
        expect(rows.every((row) => 'values' in row && (row.values.a === cell || row.values.a === pad))).toBe(
          true,
        );
      }
    }
  });

  it('a byte order mark is right even where another encoding was given', async () => {
    const bytes = iconv.encode('a,b\né,2\n', 'utf-16be', { addBOM: true });
    const { detected, rows } = await read(bytes, { encoding: 'utf-8' });
    expect(detected?.encoding).toBe('utf-16be');
    expect(valuesOf(rows)).toEqual([['é', '2']]);
  });
});

describe('gzip', () => {
  const table = Buffer.from(
    `a,b\n${Array.from({ length: 50_000 }, (_, i) => `${i},${(i * 7919) % 1e6}\n`).join('')}`,
  );

  it('members that follow each other, wherever a read ends', async () => {
    // Reads are of 32 KiB. What is stored only has a header, a trailer and a block's beginning of 23 bytes together.
    const text = table.subarray(0, 50_000);
    for (const offset of [-11, -10, -9, -2, -1, 0, 1, 2]) {
      const first = gzipSync(text.subarray(0, 32 * 1024 + offset - 23), { level: 0 });
      expect(first.length).toBe(32 * 1024 + offset);
      const rest = gzipSync(text.subarray(32 * 1024 + offset - 23));
      const { rows, fault, detected } = await read(Buffer.concat([first, rest, Buffer.alloc(100)]));
      expect(fault).toBeUndefined();
      writeFileSync(path, text);
      expect(rows).toEqual((await rowsOf({ ...detected!, gzip: false })).rows);
    }
  });

  it('every length of a small first member', async () => {
    for (let size = 0; size < 40; size++) {
      const text = Buffer.from('a,b\n1,2\n3,4\n5,6\n7,8\n9,10\n11,12\n13,14\n');
      const { rows, fault } = await read(
        Buffer.concat([gzipSync(text.subarray(0, size)), gzipSync(text.subarray(size))]),
      );
      expect(fault).toBeUndefined();
      expect(rows.length).toBe(7);
    }
  });

  it('cut off, damaged, or followed by something else: what comes before is given, then the fault', async () => {
    const whole = gzipSync(table);
    const cut = await read(whole.subarray(0, whole.length >> 1));
    expect(cut.fault).toBe('bad_gzip');
    expect(cut.rows.length).toBeGreaterThan(12_000);
    expect(codesOf(cut.rows)).toEqual([]);

    const damaged = Buffer.from(whole);
    damaged.fill(0xff, whole.length >> 1, (whole.length >> 1) + 200);
    const { rows, fault } = await read(damaged);
    expect(fault).toBe('bad_gzip');
    expect(rows.length).toBeGreaterThan(1000);

    const checksum = Buffer.from(whole);
    checksum[whole.length - 6]! ^= 1;
    expect((await read(checksum)).fault).toBe('bad_gzip');

    for (const tail of ['x', 'something else', '\0\0\0x', `${'\0'.repeat(100_000)}x`]) {
      const outcome = await read(Buffer.concat([whole, Buffer.from(tail)]));
      expect([tail.slice(-1), outcome.fault]).toEqual([tail.slice(-1), 'bad_gzip']);
      // What zlib had not handed on when it met the damage: 64 KiB at most.
      expect(outcome.rows.at(-1)!.end).toBeGreaterThanOrEqual(table.length - 64 * 1024 - 20);
    }
  });

  it('a damaged beginning is told at once', async () => {
    const whole = gzipSync(table);
    whole.fill(0xff, 12, 40);
    const { fault, detected } = await read(whole);
    expect([fault, detected]).toEqual(['bad_gzip', undefined]);
    expect((await read(Buffer.from([0x1f, 0x8b]))).fault).toBe('bad_gzip');
  });
});

describe('limits', () => {
  it('more rows than allowed: as many are given, then the fault', async () => {
    const { rows, fault } = await read('a\n1\n2\n3\n', { limits: { maxRows: 2 } });
    expect([valuesOf(rows), fault]).toEqual([[['1'], ['2']], 'too_many_rows']);
    expect((await read('a\n1\n2\n3\n', { limits: { maxRows: 3 } })).fault).toBeUndefined();
  });

  it('more bytes than allowed, decompressed', async () => {
    const text = `a,b\n${'1,2\n'.repeat(100_000)}`;
    expect((await read(text, { limits: { maxBytes: 1000 } })).fault).toBe('too_large');
    const zipped = await read(gzipSync(text), { limits: { maxBytes: 300_000 } });
    expect(zipped.fault).toBe('too_large');
    expect(zipped.rows.length).toBeLessThanOrEqual(75_000);
    expect((await read(gzipSync(text), { limits: { maxBytes: text.length } })).fault).toBeUndefined();
  });

  it('more columns than allowed', async () => {
    const header = Array.from({ length: 5000 }, (_, i) => `column ${i}`).join(',');
    const { fault, message } = await read(`${header}\n${'1,'.repeat(4999)}1\n`);
    expect([fault, message]).toEqual(['too_many_columns', 'The first row has more than 1000 cells']);
    const allowed = await read(`${header}\n${'1,'.repeat(4999)}1\n`, { limits: { maxColumns: 5000 } });
    expect(allowed.detected?.columns?.length).toBe(5000);
    expect(allowed.rows.length).toBe(1);
  });

  it('where rows are long or lost, a batch has fewer, or none, so that it can be left', async () => {
    const row = `${'x'.repeat(99_999)}\n`;
    writeFileSync(path, `a\n${row.repeat(100)}${'y'.repeat(20 * MIB)}\nz\n`);
    const detected = await detect(path, { limits: LIMITS });
    const batches: number[] = [];
    for await (const { rows } of batchesOf(detected)) batches.push(rows.length);
    expect(batches.reduce((a, b) => a + b)).toBe(102);
    expect(Math.max(...batches)).toBeLessThan(50);
    expect(batches.filter((count) => count === 0).length).toBeGreaterThanOrEqual(3);
  });

  it('an aborted read ends with the signal’s reason', async () => {
    writeFileSync(path, `a\n${'1\n'.repeat(500_000)}`);
    const detected = await detect(path, { limits: LIMITS });
    const controller = new AbortController();
    const reason = new Error('enough');
    let batches = 0;
    const all = async () => {
      for await (const { rows } of batchesOf(detected, { signal: controller.signal })) {
        expect(rows.length).toBeGreaterThan(0);
        if (++batches === 2) controller.abort(reason);
      }
    };
    await expect(all()).rejects.toBe(reason);
    expect(batches).toBeLessThan(500);
  });
});

describe('hostile files: memory stays flat and time linear', () => {
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
    writeFileSync(path, make());
    const detected = await detect(path, { ...options, limits: LIMITS });
    const begin = process.memoryUsage().rss;
    let most = 0;
    const outcome: Outcome = { rows: [] };
    try {
      for await (const { rows } of batchesOf(detected)) {
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
    writeFileSync(path, bomb);
    const detected = await detect(path, { limits: LIMITS });
    const begin = process.memoryUsage().rss;
    let most = 0;
    let count = 0;
    const all = async () => {
      for await (const { rows } of batchesOf(detected)) {
        count += rows.length;
        most = Math.max(most, process.memoryUsage.rss() - begin);
      }
    };
    await expect(all()).rejects.toMatchObject({ code: 'too_large' });
    expect(count).toBeLessThanOrEqual((64 * MIB + 4 * MIB) / row.length);
    expect(most).toBeLessThan(250 * MIB);
  });
});
