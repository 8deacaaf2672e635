import { gzipSync } from 'node:zlib';
import iconv from 'iconv-lite';
import { codesOf, ReadFile, valuesOf } from '../testing/read-file.ts';

let file: ReadFile;
beforeAll(() => {
  file = new ReadFile();
});
afterAll(() => file.remove());

describe('encodings', () => {
  it.each([
    ['utf-8', Buffer.from('a,b\né,'), Buffer.from([0xe9])],
    ['utf-16le', iconv.encode('a,b\né,', 'utf-16le'), Buffer.from([0x00, 0xd8, 0x41, 0x00])],
    ['utf-16be', iconv.encode('a,b\né,', 'utf-16be'), Buffer.from([0xdc, 0x00])],
    ['shift_jis', iconv.encode('a,b\n漢,', 'shift_jis'), Buffer.from([0xff])],
    ['euc-kr', iconv.encode('a,b\n한,', 'euc-kr'), Buffer.from([0xff])],
  ])('what %s does not allow makes its row bad, and no other', async (encoding, before, invalid) => {
    const bytes = Buffer.concat([before, invalid, iconv.encode('\n3,4\n', encoding)]);
    const { rows } = await file.read(bytes, { encoding });
    expect(codesOf(rows)).toEqual(['bad_encoding']);
    expect(valuesOf(rows.slice(1))).toEqual([['3', '4']]);
  });

  it('UTF-16 that ends within a character', async () => {
    const bytes = Buffer.concat([iconv.encode('a,b\n1,2\n3,4', 'utf-16le'), Buffer.from([0x41])]);
    expect(codesOf((await file.read(bytes, { encoding: 'utf-16le' })).rows)).toEqual(['bad_encoding']);
  });

  it('characters that a read cuts in two are whole', async () => {
    for (const encoding of ['utf-8', 'utf-16le', 'gb18030', 'shift_jis']) {
      const cell = encoding === 'shift_jis' ? '漢字' : '漢é𝒳';
      for (const pad of ['', 'x', 'xx', 'xxx']) {
        const text = `a\n${pad}\n${`${cell}\n`.repeat(30_000)}`;
        const { rows } = await file.read(iconv.encode(text, encoding), { encoding, delimiter: ',' });
        expect(rows.every((row) => 'values' in row && (row.values.a === cell || row.values.a === pad))).toBe(
          true,
        );
      }
    }
  });

  it('a byte order mark is right even where another encoding was given', async () => {
    const bytes = iconv.encode('a,b\né,2\n', 'utf-16be', { addBOM: true });
    const { detected, rows } = await file.read(bytes, { encoding: 'utf-8' });
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
      const { rows, fault, detected } = await file.read(Buffer.concat([first, rest, Buffer.alloc(100)]));
      expect(fault).toBeUndefined();
      file.write(text);
      expect(rows).toEqual((await file.rows({ ...detected!, gzip: false })).rows);
    }
  });

  it('every length of a small first member', async () => {
    for (let size = 0; size < 40; size++) {
      const text = Buffer.from('a,b\n1,2\n3,4\n5,6\n7,8\n9,10\n11,12\n13,14\n');
      const { rows, fault } = await file.read(
        Buffer.concat([gzipSync(text.subarray(0, size)), gzipSync(text.subarray(size))]),
      );
      expect(fault).toBeUndefined();
      expect(rows.length).toBe(7);
    }
  });

  it('cut off, damaged, or followed by something else: what comes before is given, then the fault', async () => {
    const whole = gzipSync(table);
    const cut = await file.read(whole.subarray(0, whole.length >> 1));
    expect(cut.fault).toBe('bad_gzip');
    expect(cut.rows.length).toBeGreaterThan(12_000);
    expect(codesOf(cut.rows)).toEqual([]);

    const damaged = Buffer.from(whole);
    damaged.fill(0xff, whole.length >> 1, (whole.length >> 1) + 200);
    const { rows, fault } = await file.read(damaged);
    expect(fault).toBe('bad_gzip');
    expect(rows.length).toBeGreaterThan(1000);

    const checksum = Buffer.from(whole);
    checksum[whole.length - 6]! ^= 1;
    expect((await file.read(checksum)).fault).toBe('bad_gzip');

    for (const tail of ['x', 'something else', '\0\0\0x', `${'\0'.repeat(100_000)}x`]) {
      const outcome = await file.read(Buffer.concat([whole, Buffer.from(tail)]));
      expect([tail.slice(-1), outcome.fault]).toEqual([tail.slice(-1), 'bad_gzip']);
      // What zlib had not handed on when it met the damage: 64 KiB at most.
      expect(outcome.rows.at(-1)!.end).toBeGreaterThanOrEqual(table.length - 64 * 1024 - 20);
    }
  });

  it('a damaged beginning is told at once', async () => {
    const whole = gzipSync(table);
    whole.fill(0xff, 12, 40);
    const { fault, detected } = await file.read(whole);
    expect([fault, detected]).toEqual(['bad_gzip', undefined]);
    expect((await file.read(Buffer.from([0x1f, 0x8b]))).fault).toBe('bad_gzip');
  });
});
