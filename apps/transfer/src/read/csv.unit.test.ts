import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { CsvReader, type CsvOptions } from './csv.ts';
import { START, type BadRow, type Row } from './row.ts';

const LIMITS = { maxColumns: 100, maxCell: 1000, maxLine: 10_000 };

function read(
  text: string | Buffer,
  options: Partial<CsvOptions> = {},
  sizes: number[] = [Infinity],
  from = START,
) {
  const reader = new CsvReader(
    { delimiter: ',', columns: ['a', 'b'], header: false, limits: LIMITS, ...options },
    from,
  );
  const bytes = Buffer.from(text);
  const all: (Row | BadRow)[] = [];
  const taken = (goOn: () => void) => {
    do {
      goOn();
      const rows = options.columns === null ? (reader.heads as unknown as Row[]) : reader.rows;
      expect(rows.length).toBeLessThanOrEqual(1000);
      for (const row of rows) all.push(row);
      reader.rows = [];
      reader.heads = [];
    } while (reader.more);
  };
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    let piece = bytes.subarray(at, at + size);
    taken(() => {
      reader.take(piece);
      piece = Buffer.alloc(0);
    });
    at += size;
  }
  taken(() => reader.finish());
  return all;
}

/** `line: a|b` of rows, `line: code column` of bad ones. */
const told = (rows: (Row | BadRow)[]) =>
  rows.map((row) =>
    'fault' in row
      ? `${row.line}: ${row.fault.code}${row.fault.column === null ? '' : ` ${row.fault.column}`}`
      : `${row.line}: ${Object.values(row.values).join('|')}`,
  );

describe('rows', () => {
  it('are handed out by the thousand, also those that a quote that is never closed has held back', () => {
    const limits = { ...LIMITS, maxLine: 100_000 };
    for (const end of ['', `"\n1,2\n`, 'x'.repeat(200_000)]) {
      const rows = read(`1,"2\n${'x\n'.repeat(45_000)}${end}`, { limits });
      expect(rows.length).toBeGreaterThanOrEqual(end === `"\n1,2\n` ? 2 : 45_001);
    }
    const rows = read(`1,"2\n${'x\n'.repeat(200_000)}`, { limits }, [65_536]);
    expect(rows.length).toBe(200_001);
    expect(rows.at(-1)).toMatchObject({ line: 200_001, end: 400_005, fault: { code: 'row_length' } });
  });

  it.each([
    ['LF', '1,2\n3,4\n', ['1: 1|2', '2: 3|4']],
    ['CRLF', '1,2\r\n3,4\r\n', ['1: 1|2', '2: 3|4']],
    ['CR', '1,2\r3,4\r', ['1: 1|2', '2: 3|4']],
    ['no line break at the end', '1,2\n3,4', ['1: 1|2', '2: 3|4']],
    ['blank lines', '\n1,2\n\r\n\n3,4\n\n', ['2: 1|2', '5: 3|4']],
    ['quotes', '"1","2"\n"a ""b""",""\n', ['1: 1|2', '2: a "b"|']],
    ['a quoted delimiter and line breaks', '"x,y","1\n2\r\n3\r4"\n5,6\n', ['1: x,y|1\n2\r\n3\r4', '5: 5|6']],
    ['empty cells', ',\n"",\n,""\n', ['1: |', '2: |', '3: |']],
    ['only quotes', '"""","""a"""\n', ['1: "|"a"']],
    ['fewer cells', '1\n3,4\n', ['1: row_length', '2: 3|4']],
    ['more cells', '1,2,3\n3,4\n', ['1: row_length', '2: 3|4']],
    ['a NUL', '1,\0\n3,4\n', ['1: bad_character b', '2: 3|4']],
    ['U+FFFD itself', '1,\ufffd\n', ['1: 1|\ufffd']],
  ])('%s', (_, text, expected) => {
    expect(told(read(text))).toEqual(expected);
    expect(told(read(text, {}, [1]))).toEqual(expected);
  });

  it.each([
    ['a quote within a bare cell', '1,5" x\n3,4\n', ['1: bad_quote b', '2: 3|4']],
    ['text after a quote', '"1"x,2\n3,4\n', ['1: bad_quote a', '2: 3|4']],
    ['a quote that is never closed', '1,"2\n3,4\n5,6\n', ['1: bad_quote b', '2: 3|4', '3: 5|6']],
    ['… in CRLF', '1,"2\r\n3,4\r\n', ['1: bad_quote b', '2: 3|4']],
    ['… in the last line', '1,2\n3,"4', ['1: 1|2', '2: bad_quote b']],
    ['… of each row', '1,"2\n3,"4\n5,6\n', ['1: bad_quote b', '2: bad_quote b', '3: 5|6']],
    ['… closed by the next one', '1,"2\n3,4\n"5",6\n7,8\n', ['1: bad_quote b', '2: 3|4', '3: 5|6', '4: 7|8']],
  ])('%s costs its row only', (_, text, expected) => {
    expect(told(read(text))).toEqual(expected);
    expect(told(read(text, {}, [1]))).toEqual(expected);
  });

  it('what the encoding does not allow is bad, in its column, and the rows beside it are not', () => {
    const text = Buffer.concat([
      Buffer.from('é,2\n'),
      Buffer.from([0x33, 0x2c, 0xe9, 0x0a]),
      Buffer.from('5,ü\n'),
    ]);
    expect(told(read(text))).toEqual(['1: é|2', '2: bad_encoding b', '3: 5|ü']);
    const [, bad] = read(text) as [Row, BadRow];
    expect(bad.fault.message).toContain('byte 3 of the row');
  });

  it('limits of columns, cells and lines', () => {
    const limits = { maxColumns: 3, maxCell: 5, maxLine: 30 };
    const long = 'x'.repeat(31);
    const text = `1,2\n1,2,3,4\n1,123456\n${long}\n"1\n${'2\n'.repeat(20)}",3\n3,"é€𝒳x"\n`;
    const expected = [
      '1: 1|2',
      '2: too_many_columns',
      '3: cell_too_long b',
      '4: line_too_long',
      '5: bad_quote a',
      ...Array.from({ length: 20 }, (_, i) => `${6 + i}: row_length`),
      '26: bad_quote a',
      '27: 3|é€𝒳x',
    ];
    expect(told(read(text, { limits }))).toEqual(expected);
    for (const size of [1, 2, 7, 29, 64]) expect(told(read(text, { limits }, [size]))).toEqual(expected);
  });

  it('the row that names the columns is passed over at the beginning only', () => {
    expect(told(read('a,b\n1,2\n', { header: true }))).toEqual(['2: 1|2']);
    expect(told(read('\n\na,b\n1,2\n', { header: true }))).toEqual(['4: 1|2']);
    expect(told(read('1,2\n', { header: true }, [Infinity], { end: 4, line: 2 }))).toEqual(['2: 1|2']);
    expect(told(read('sep=,\na,b\n1,2\n', { header: true, sep: true }))).toEqual(['3: 1|2']);
    expect(told(read('sep=,\n1,2\n', { sep: true }, [1]))).toEqual(['2: 1|2']);
    expect(told(read('1,2\n', { sep: true }, [1], { end: 6, line: 2 }))).toEqual(['2: 1|2']);
  });

  it.each(['"', '\n', '\r', '\0', ''])('%j is no delimiter', (delimiter) => {
    expect(() => read('', { delimiter })).toThrow('cannot stand between cells');
  });

  it('delimiters of several bytes', () => {
    // Its first byte is that of é too.
    for (const size of [1, 2, 3, Infinity])
      expect(told(read('1§é\n"a§b"§"c"\n"x"é§1\n3§4\n', { delimiter: '§' }, [size]))).toEqual([
        '1: 1|é',
        '2: a§b|c',
        '3: bad_quote a',
        '4: 3|4',
      ]);
  });
});

const piece = fc.constantFrom(
  'a',
  'é',
  '𝒳',
  ' ',
  '"',
  '""',
  '","',
  ',',
  ';',
  '\n',
  '\r\n',
  '\r',
  '\0',
  'x"\n',
);
const soup = fc.array(piece, { maxLength: 60 }).map((parts) => parts.join(''));
const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });
const tight = { maxColumns: 4, maxCell: 6, maxLine: 12 };

describe('properties', () => {
  it('what csv-parse reads strictly is read equal', () => {
    // Blank lines, NULs and a table of which a row is longer are where the two mean to differ.
    const likely = fc.array(
      fc.array(fc.constantFrom('a', '"b"', '"c""d"', '"e\nf"', '"g,h"', '', '""', 'é', '"', 'i"'), {
        minLength: 2,
        maxLength: 2,
      }),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(likely, fc.constantFrom('\n', '\r\n', '\r'), (table, end) => {
        const text = table.map((row) => row.join(',') + end).join('');
        let expected: string[][] | undefined;
        try {
          expected = parse(text, { delimiter: ',', record_delimiter: end });
        } catch {
          expect(read(text).some((row) => 'fault' in row)).toBe(true);
          return;
        }
        expect(read(text, { columns: null })).toEqual(expected);
      }),
      { numRuns: 1000 },
    );
  });

  it('how the text is cut changes nothing', () => {
    fc.assert(
      fc.property(soup, sizes, fc.constantFrom(LIMITS, tight), (text, cut, limits) => {
        expect(read(text, { limits }, cut)).toEqual(read(text, { limits }));
      }),
      // Between the two characters that end the first line of a row that gets too long by them.
      { numRuns: 1000, examples: [[',"aaaa""𝒳\r\n', [1], tight]] },
    );
  });

  it('from the end of each row on, the rest is read as it was', () => {
    fc.assert(
      fc.property(soup, fc.constantFrom(LIMITS, tight), fc.boolean(), (text, limits, header) => {
        const all = read(text, { limits, header });
        const bytes = Buffer.from(text);
        all.forEach((row, i) => {
          const rest = read(bytes.subarray(row.end), { limits, header }, [Infinity], {
            end: row.end,
            line: row.next,
          });
          expect(rest).toEqual(all.slice(i + 1));
        });
      }),
      { numRuns: 500 },
    );
  });

  it('each line is accounted for: rows follow each other, and their lines count up', () => {
    fc.assert(
      fc.property(soup, (text) => {
        let end = 0;
        let line = 1;
        for (const row of read(text)) {
          expect(row.end).toBeGreaterThan(end);
          expect(row.line).toBeGreaterThanOrEqual(line);
          ({ end, next: line } = row);
        }
        const after = Buffer.from(text).subarray(end).toString();
        expect(after.replace(/[\r\n]/g, '')).toBe('');
      }),
      { numRuns: 1000 },
    );
  });
});
