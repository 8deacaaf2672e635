import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import iconv from 'iconv-lite';
import { columnNames, detect } from './detect.ts';
import { ReadFault, type Detected, type ReadOptions } from './row.ts';

const LIMITS = { maxBytes: 1e9, maxRows: 1e6, maxColumns: 100, maxCell: 1000, maxLine: 1e6 };

let room: string;
beforeAll(() => void (room = mkdtempSync(join(tmpdir(), 'magpie-detect-'))));
afterAll(() => rmSync(room, { recursive: true }));

async function detected(
  bytes: string | Buffer,
  options: Partial<ReadOptions> = {},
): Promise<Detected | string> {
  const path = join(room, 'file');
  writeFileSync(path, bytes);
  try {
    return await detect(path, { limits: LIMITS, ...options });
  } catch (error) {
    if (!(error instanceof ReadFault)) throw error;
    return `${error.code}: ${error.message}`;
  }
}

describe('the format', () => {
  it.each([
    ['a,b\n1,2\n', 'csv', ','],
    ['a;b\n1,5;2,5\n1,7;3,1\n', 'csv', ';'],
    ['a\tb\n1,2\t3\n', 'tsv', '\t'],
    ['a|b\n1|2\n', 'csv', '|'],
    ['a,b;c\n1,2;3\n', 'csv', ';'],
    ['name,text\nx,"a;b;c"\ny,"d;e"\n', 'csv', ','],
    ['"a;b",c\n"d;e",f\n', 'csv', ','],
    ['url\nhttps://example.org/a\nhttps://example.org/b,c\n', 'csv', ','],
    ['title,text\nx,"over\nlines, with commas"\ny,z\n', 'csv', ','],
    ['a,b', 'csv', ','],
    ['a,b\r1,2\r', 'csv', ','],
    ['[id],[name]\n1,2\n', 'csv', ','],
    ['x,"never closed\n1,2\n3,4\n', 'csv', ','],
  ])('%j is %s by %j', async (text, format, delimiter) => {
    // The last one's first row cannot be read, whatever is between its cells.
    const header = !text.startsWith('x,');
    expect(await detected(text, { header })).toMatchObject({ format, delimiter });
  });

  it.each([
    ['{"a":1}\n{"a":2}\n', 'ndjson'],
    ['{"a":1}', 'ndjson'],
    ['\n\n{"a":1}\n{"a":\n', 'ndjson'],
    ['what is this\n{"a":1}\n{"a":2}\n', 'ndjson'],
    ['[{"a":1}]', 'json'],
    ['[]', 'json'],
    [' [\n\n  {"a":1}\n]', 'json'],
    ['[1,2]', 'json'],
    ['["a"', 'json'],
    [`{"a":"${'x'.repeat(100_000)}"}\n`, 'ndjson'],
  ])('%j is %s', async (text, format) => {
    const found = { format, gzip: false, encoding: 'utf-8', header: false, columns: null };
    expect(await detected(text)).toEqual(found);
    expect(await detected(gzipSync(text))).toEqual({ ...found, gzip: true });
    expect(await detected(iconv.encode(text, 'utf-16le'))).toEqual({ ...found, encoding: 'utf-16le' });
  });

  it('what is given counts, and the name where the content leaves it open', async () => {
    expect(await detected('{a},1\n', { format: 'csv' })).toMatchObject({
      format: 'csv',
      columns: ['{a}', '1'],
    });
    expect(await detected('a\tb,c\n', { format: 'csv', delimiter: ',' })).toMatchObject({
      columns: ['a\tb', 'c'],
    });
    expect(await detected('a,b\n', { format: 'tsv' })).toMatchObject({ delimiter: '\t', columns: ['a,b'] });
    expect(await detected('["a"],["b"]\n1,2\n', { name: 'x.json' })).toMatchObject({ format: 'json' });
    expect(await detected('broken\n', { name: 'x.ndjson' })).toMatchObject({ format: 'ndjson' });
    expect(await detected('a,b\n1,2\n', { header: false })).toMatchObject({
      header: false,
      columns: ['1', '2'],
    });
  });

  it.each([
    ['https://example.org/a\nhttps://example.org/b\n', ['1']],
    ['\ufeff HTTPS://example.org/a \r\n', ['1']],
    ['https://example.org/a;A\nhttps://example.org/b;B\n', ['1', '2']],
    ['#sunset\n#beach\n', ['1']],
    ['#закат\n', ['1']],
    ['#,name\n1,x\n', null],
    ['#id,name\n1,x\n', null],
    ['#\n1\n', null],
    ['# comment\n1\n', null],
    ['http://\nx\n', null],
    ['https:\nx\n', null],
    ['url\nhttps://example.org/a\n', null],
    ['A,https://example.org/a\nB,https://example.org/b\n', null],
  ])('%j names its columns, unless it begins with an address or a hashtag', async (text, without) => {
    expect(await detected(text)).toMatchObject(
      without === null ? { header: true } : { header: false, columns: without },
    );
    expect(await detected(text, { header: true })).toMatchObject({ header: true });
  });

  it('may be told by a first line as Excel has it', async () => {
    const found = { delimiter: ';', sep: true, header: true, columns: ['url', 'title'] };
    expect(await detected('sep=;\nurl;title\nx;a,b\n')).toMatchObject(found);
    expect(await detected('\ufeffSEP=;\r\nurl;title\r\nx;a,b\r\n')).toMatchObject(found);
    expect(await detected('sep=,\nhttps://example.org/;a,b\n')).toMatchObject({ header: false, sep: true });
    expect(await detected('sep=;\nurl,title\n', { delimiter: ',' })).not.toHaveProperty('sep');
    expect(await detected('sep=;')).toBe('empty_file: The file has no rows');
    expect(await detected('sep\n1\n')).not.toHaveProperty('sep');
  });

  it('one object over several lines is no list', async () => {
    const text = JSON.stringify({ data: [{ a: 1 }] }, null, 2);
    const fault = 'not_a_table: The file is one JSON object, not a list of rows: take the array out of it';
    expect(await detected(text)).toBe(fault);
    expect(await detected('{"items":[{"url":"https://example.org/"}],"count":1}\n')).toBe(fault);
    for (const row of [
      '{"url":"https://example.org/","images":[{"a":1}]}',
      '{"a":[1]}',
      '{"a":[{}]}\n{"a":[{}]}',
    ])
      expect(await detected(row)).toMatchObject({ format: 'ndjson' });
    expect(await detected('{"a":[{}]}', { format: 'ndjson' })).toMatchObject({ format: 'ndjson' });
  });
});

describe('the encoding', () => {
  const german = 'Straße,Größe\nÄpfel für Österreich,schön\nÜbung macht den Meister,natürlich\n';
  const russian = 'имя,город\nАлександр,Москва и окрестности\nЕкатерина,Санкт-Петербург на Неве\n';
  const japanese =
    '名前,住所\n山田太郎,東京都千代田区\nすずき,おおさかのまち\nこれは日本語のテキストです,はい\n';
  it.each([
    ['utf-8', german, {}],
    ['utf-8', german, { addBOM: true }],
    ['utf-16le', german, { addBOM: true }],
    ['utf-16be', german, { addBOM: true }],
    ['utf-16le', german, { addBOM: false }],
    ['utf-16be', german, { addBOM: false }],
    ['windows-1252', german.repeat(3), {}],
    ['windows-1251', russian.repeat(3), {}],
    ['koi8-r', russian.repeat(3), {}],
    ['shift_jis', japanese, {}],
    ['euc-jp', japanese, {}],
    [
      'gb18030',
      '姓名,城市\n王小明,北京市海淀区中关村\n李四,上海市浦东新区\n这是一个测试文件,是的\n'.repeat(3),
      {},
    ],
  ])('%s', async (encoding, text, options) => {
    expect(await detected(iconv.encode(text, encoding, options))).toMatchObject({
      encoding,
      columns: text.split('\n')[0]!.split(','),
    });
  });

  it.each([
    [
      'latin1',
      'x,y\nhttps://example.org/1,Größe\nhttps://example.org/2,Übung\nhttps://example.org/3,año\nhttps://example.org/4,garçon\n',
    ],
    ['latin1', `name,place\n${'Smith,London\n'.repeat(20_000)}Smith,café\n`],
    ['gb18030', 'name\n北京\n'],
    ['latin1', 'name\nélève\n'],
    ['latin1', 'name\nCitroën\n'],
    ['latin1', 'name\nchâteau\n'],
  ])('with too few letters to tell it is the west, and a guess: %s, %#', async (encoding, text) => {
    expect(await detected(iconv.encode(text, encoding))).toMatchObject({
      encoding: 'windows-1252',
      guessed: true,
    });
  });

  it('only statistics are a guess', async () => {
    expect(await detected(iconv.encode(russian.repeat(3), 'koi8-r'))).toMatchObject({ guessed: true });
    for (const sure of [german, Buffer.from('\ufeffa,b\n', 'utf16le'), 'a,b\n'])
      expect(await detected(sure)).not.toHaveProperty('guessed');
    const latin = iconv.encode(german, 'latin1');
    expect(await detected(latin, { encoding: 'latin1' })).not.toHaveProperty('guessed');
  });

  it('addresses in ASCII do not outweigh the letters', async () => {
    const polish =
      'Łódź Żółw Kraków Gęś Łukasz Wiśniewski chciałby pójść świeci słońce książka mężczyzna dziękuję';
    const rows = polish
      .split(' ')
      .map((word, i) => `https://example.org/pages/${String(i)}/index.html,${word}\n`);
    const bytes = iconv.encode(`url,title\n${rows.join('')}`, 'windows-1250');
    expect(await detected(bytes)).toMatchObject({ encoding: 'windows-1250' });
  });

  it('letters that come late in a file count', async () => {
    const late = `name,place\n${'Smith,London\n'.repeat(20_000)}${german.repeat(20)}`;
    expect(await detected(iconv.encode(late, 'windows-1252'))).toMatchObject({ encoding: 'windows-1252' });
    expect(await detected(late)).toMatchObject({ encoding: 'utf-8' });
    expect(await detected('Smith,London\n'.repeat(20_000))).toMatchObject({ encoding: 'utf-8' });
  });

  it('UTF-8 with a few bad bytes is UTF-8', async () => {
    const bytes = Buffer.concat([Buffer.from(german), Buffer.from([0xe9, 0x2c, 0x31, 0x0a])]);
    expect(await detected(bytes)).toMatchObject({ encoding: 'utf-8' });
  });

  it('a character that the sample cuts in two is no fault', async () => {
    const only = await detected(`a\n${'x'.repeat(64 * 1024 - 3)}é\n`, {
      limits: { ...LIMITS, maxCell: 1e6 },
    });
    expect(only).toMatchObject({ encoding: 'utf-8' });
    for (const pad of ['', 'x', 'xx', 'xxx'])
      expect(await detected(`a${pad}\n${'漢𝒳é\n'.repeat(10_000)}`)).toMatchObject({ encoding: 'utf-8' });
  });

  it('labels of the standard are known, others are a fault', async () => {
    expect(await detected('a,b\n', { encoding: ' Latin1 ' })).toMatchObject({ encoding: 'windows-1252' });
    expect(await detected('a,b\n', { encoding: 'klingon' })).toBe(
      'unknown_encoding: "klingon" is not an encoding that is known',
    );
    expect(await detected('a,b\n', { encoding: 'utf-32' })).toMatch('unknown_encoding');
  });
});

describe('no table', () => {
  const latin = (text: string) => Buffer.from(text, 'latin1');
  it.each([
    ['a PNG image', latin('\x89PNG\r\n\x1a\n\0\0\0\rIHDR')],
    ['a JPEG image', latin('\xff\xd8\xff\xe0\0\x10JFIF')],
    ['a PDF document', latin('%PDF-1.7\n%\xe2\xe3')],
    ['an Excel workbook (xlsx)', latin('PK\x03\x04\x14\0\x06\0[Content_Types].xml\0xl/workbook.xml')],
    ['a ZIP archive', latin('PK\x03\x04\x14\0\0\0\0\0file.csv')],
    ['an old Excel or Word document', latin('\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1')],
    ['a Parquet file', latin('PAR1\x15\x04')],
    ['a program (ELF)', latin('\x7fELF\x02\x01')],
    ['a program (Windows)', latin('MZ\x90\0\x03\0')],
    ['an SQLite database', latin('SQLite format 3\0')],
    ['a bzip2 file', latin('BZh91AY&SY\x8e\xd0')],
    ['a WebP image', latin('RIFF\x24\0\0\0WEBPVP8 ')],
    ['an HTML page', latin('\n<!DOCTYPE html>\n<html>')],
    ['an XML document', latin('\xef\xbb\xbf<?xml version="1.0"?>')],
    ['text in UTF-32: save it as UTF-8', iconv.encode('a,b\n', 'utf-32le', { addBOM: true })],
    ['text in UTF-32: save it as UTF-8', iconv.encode('a,b\n', 'utf-32be', { addBOM: true })],
    ['a tar archive', Buffer.concat([latin('file.csv'), Buffer.alloc(249), latin('ustar\x0000')])],
  ])('%s', async (what, bytes) => {
    expect(await detected(bytes)).toBe(`not_a_table: The file is ${what}`);
    expect(await detected(gzipSync(bytes))).toBe(`not_a_table: The file is ${what}`);
  });

  it('something binary that nobody knows', async () => {
    const bytes = Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * i * 31 + (i >> 3)) & 0x9f));
    expect(await detected(bytes)).toMatch('not_a_table: The file is binary');
  });

  it('text that only begins like one is read', async () => {
    expect(await detected('BZhang,1\nMZ,2\n')).toMatchObject({ format: 'csv' });
    expect(await detected('MZ,name\n1,2\n')).toMatchObject({ columns: ['MZ', 'name'] });
    expect(await detected('<?xml,b\n1,2\n', { format: 'csv' })).toMatchObject({ columns: ['<?xml', 'b'] });
  });

  it.each([
    ['', 'The file is empty'],
    ['\ufeff', 'The file is blank'],
    [' \r\n\t\n', 'The file is blank'],
    ['\n'.repeat(100_000), 'The first 64 KiB are blank'],
  ])('an empty one: %j', async (text, message) => {
    expect(await detected(text)).toBe(`empty_file: ${message}`);
  });

  it('an empty one in gzip', async () => {
    expect(await detected(gzipSync(''))).toBe('empty_file: The file is empty when decompressed');
  });
});

describe('columns', () => {
  it.each([
    [
      ['a', ' b ', 'c'],
      ['a', 'b', 'c'],
    ],
    [
      ['a', '', 'a', 'a', ''],
      ['a', '2', 'a_2', 'a_3', '5'],
    ],
    [
      ['a', 'a', 'a_2', '2', ''],
      ['a', 'a_3', 'a_2', '2', '5'],
    ],
    [
      ['', '1'],
      ['1_2', '1'],
    ],
    [
      ['__proto__', 'constructor'],
      ['1', 'constructor'],
    ],
  ])('%j become %j', (cells, names) => {
    expect(columnNames(cells)).toEqual(names);
  });

  it('are unique and not empty, and a name that stands once stays', () => {
    const cell = fc.constantFrom('', 'a', 'b', 'a_2', 'a_3', '1', '2', '3', '1_2', '__proto__', ' a');
    fc.assert(
      fc.property(fc.array(cell, { minLength: 1, maxLength: 8 }), (cells) => {
        fc.pre(cells.some((name) => name.trim() !== ''));
        const names = columnNames(cells);
        expect(new Set(names).size).toBe(cells.length);
        const trimmed = cells.map((name) => name.trim());
        names.forEach((name, i) => {
          expect(name).not.toBe('');
          const given = trimmed[i]!;
          if (given !== '' && given !== '__proto__' && trimmed.indexOf(given) === i) expect(name).toBe(given);
        });
      }),
    );
  });

  it('are as long as a mapping can name them', () => {
    const long = 'x'.repeat(100_000);
    expect(columnNames([long, `${long}y`]).map((name) => name.length)).toEqual([200, 202]);
  });

  it.each([
    [',,\n1,2,3\n', 'bad_header: The first row names no column'],
    [
      'a,"b\n',
      /^bad_header: The first row, in line 1, cannot be read \(bad_quote\): A quote is never closed$/,
    ],
    ['a,b\0\n1,2\n', /^bad_header: .* \(bad_character\)/],
  ])('%j cannot name them', async (text, message) => {
    expect(await detected(text)).toEqual(
      typeof message === 'string' ? message : expect.stringMatching(message),
    );
  });
});
