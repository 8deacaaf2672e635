import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { imageSize } from './dimensions.ts';

const fixtures = new URL('./fixtures/', import.meta.url);
const names = readdirSync(fixtures);
const bytesOf = (name: string): Buffer => readFileSync(new URL(name, fixtures));

/** The size of a fixture as a viewer shows it is in its name. */
function sizeInName(name: string): { width: number; height: number } {
  const [, width, height] = /-(\d+)x(\d+)\./.exec(name) as RegExpExecArray;
  return { width: Number(width), height: Number(height) };
}

test.each(names)('the size of %s', (name) => {
  expect(imageSize(bytesOf(name))).toEqual(sizeInName(name));
});

test.each(names)('any beginning of %s gives its size, or asks for more', (name) => {
  const bytes = bytesOf(name);
  // A turned JPEG whose Exif segment is cut is not answered before the frame header, which comes after it.
  for (let length = 32; length < bytes.length; length += 1) {
    const size = imageSize(bytes.subarray(0, length));
    if (size !== 'more') expect(size).toEqual(sizeInName(name));
  }
});

test.each(names)('%s, damaged anywhere: some answer, never a throw', (name) => {
  const bytes = bytesOf(name);
  const damage = fc.array(
    fc.tuple(fc.nat({ max: Math.min(bytes.length, 400) - 1 }), fc.integer({ min: 0, max: 255 })),
    {
      maxLength: 6,
    },
  );
  fc.assert(
    fc.property(damage, fc.nat({ max: bytes.length }), (changes, length) => {
      const copy = Buffer.from(bytes.subarray(0, length));
      for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
      const size = imageSize(copy);
      if (size === undefined || size === 'more') return;
      expect(Number.isSafeInteger(size.width) && size.width > 0).toBe(true);
      expect(Number.isSafeInteger(size.height) && size.height > 0).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test('rubbish after any signature never makes it throw', () => {
  const starts = [
    ...[
      '\x89PNG\r\n\x1a\n',
      '\xff\xd8\xff',
      'GIF89a',
      'RIFF\0\0\0\0WEBPVP8X',
      'RIFF\0\0\0\0WEBPVP8 ',
      'II*\0',
      'MM\0*',
    ],
    ...[
      '\xff\x0a',
      '\0\0\0\x0cJXL \r\n\x87\n',
      'BM',
      '\0\0\x01\0',
      '\0\0\0\x0cftypavif\0\0\0\x40meta',
      '<svg ',
      '<svg width="',
    ],
  ];
  fc.assert(
    fc.property(fc.constantFrom(...starts), fc.uint8Array({ maxLength: 200 }), (start, rest) => {
      imageSize(Buffer.concat([Buffer.from(start, 'latin1'), rest]));
    }),
    { numRuns: 3_000 },
  );
});

test('bytes that are a part of a larger buffer', () => {
  const bytes = bytesOf('turned-17x31.jpg');
  const larger = Buffer.concat([Buffer.alloc(13), bytes, Buffer.alloc(5)]);
  expect(imageSize(larger.subarray(13, 13 + bytes.length))).toEqual({ width: 17, height: 31 });
});

test('a tiny PNG that claims to be huge is reported as it claims', () => {
  const png = Buffer.from(bytesOf('png-31x17.png'));
  png.writeUInt32BE(30_000, 16);
  png.writeUInt32BE(30_000, 20);
  expect(imageSize(png)).toEqual({ width: 30_000, height: 30_000 });
});

test('a size of zero is none', () => {
  const png = Buffer.from(bytesOf('png-31x17.png'));
  png.writeUInt32BE(0, 16);
  expect(imageSize(png)).toBeUndefined();
});

test('a JPEG whose frame header comes late', () => {
  const jpeg = bytesOf('jpeg-31x17.jpg');
  const filler = Buffer.alloc(60_002);
  filler.writeUInt16BE(0xffe2, 0);
  filler.writeUInt16BE(60_000, 2);
  const late = Buffer.concat([jpeg.subarray(0, 2), filler, filler, jpeg.subarray(2)]);
  expect(imageSize(late.subarray(0, 65_536))).toBe('more');
  expect(imageSize(late)).toEqual({ width: 31, height: 17 });
});

test.each([
  [6, { width: 2, height: 3 }],
  [1, { width: 3, height: 2 }],
])('a big-endian TIFF of orientation %i', (orientation, expected) => {
  const entries = [
    [0x100, 4, 3],
    [0x101, 3, 2],
    [0x112, 3, orientation],
  ] as const;
  const tiff = Buffer.alloc(8 + 2 + entries.length * 12 + 4);
  tiff.write('MM\0*', 0, 'latin1');
  tiff.writeUInt32BE(8, 4);
  tiff.writeUInt16BE(entries.length, 8);
  entries.forEach(([tag, type, value], index) => {
    const at = 10 + index * 12;
    tiff.writeUInt16BE(tag, at);
    tiff.writeUInt16BE(type, at + 2);
    tiff.writeUInt32BE(1, at + 4);
    if (type === 4) tiff.writeUInt32BE(value, at + 8);
    else tiff.writeUInt16BE(value, at + 8);
  });
  expect(imageSize(tiff)).toEqual(expected);
});

test('of several pictures in a HEIF file, the primary one', () => {
  const box = (type: string, ...content: (number[] | Buffer)[]): Buffer => {
    const body = Buffer.concat(content.map((part) => Buffer.from(part)));
    const head = Buffer.alloc(8);
    head.writeUInt32BE(8 + body.length, 0);
    head.write(type, 4, 'latin1');
    return Buffer.concat([head, body]);
  };
  const version = [0, 0, 0, 0];
  const extent = (width: number, height: number): Buffer =>
    box('ispe', version, [0, 0, 0, width], [0, 0, 0, height]);
  const properties = box('ipco', extent(200, 100), extent(30, 20), box('irot', [3]));
  const associations = box('ipma', version, [0, 0, 0, 2], [0, 1, 1, 1], [0, 2, 2, 2, 3 | 0x80]);
  const file = (pitm: Buffer): Buffer =>
    Buffer.concat([
      box('ftyp', Buffer.from('heic\0\0\0\0mif1heic', 'latin1')),
      box('free', Buffer.alloc(40)),
      box('meta', version, pitm, box('iprp', properties, associations)),
    ]);
  expect(imageSize(file(box('pitm', version, [0, 2])))).toEqual({ width: 20, height: 30 });
  expect(imageSize(file(box('pitm', version, [0, 1])))).toEqual({ width: 200, height: 100 });
  expect(imageSize(file(box('free')))).toEqual({ width: 200, height: 100 });
});

test('a JPEG XL codestream that is turned', () => {
  // Small: 1; height 2 × 8; ratio 7 (2:1); not all default; extra fields; orientation 6.
  const fields: [value: number, bits: number][] = [
    [1, 1],
    [1, 5],
    [7, 3],
    [0, 1],
    [1, 1],
    [5, 3],
  ];
  let bits = 0;
  let at = 0;
  for (const [value, length] of fields) {
    bits |= value << at;
    at += length;
  }
  expect(imageSize(Buffer.from([0xff, 0x0a, bits & 0xff, bits >> 8]))).toEqual({ width: 16, height: 32 });
});

test('a bitmap stored from the top', () => {
  const bitmap = Buffer.from(bytesOf('bmp-31x17.bmp'));
  bitmap.writeInt32LE(-17, 22);
  expect(imageSize(bitmap)).toEqual({ width: 31, height: 17 });
});

const svgs: [tag: string, size: ReturnType<typeof imageSize>][] = [
  ['<svg width="30" height="20">', { width: 30, height: 20 }],
  [`<svg\n\twidth = '30px'\n height=20>`, { width: 30, height: 20 }],
  ['<svg width="1in" height="2.54cm"/>', { width: 96, height: 96 }],
  ['<svg width="72pt" height="10mm"/>', { width: 96, height: 38 }],
  ['<svg width="100%" height="100%" viewBox="0 0 300 150">', { width: 300, height: 150 }],
  ['<svg viewBox="-1,-1,10.6,20">', { width: 11, height: 20 }],
  ['<svg width="50" viewBox="0 0 300 150">', { width: 50, height: 25 }],
  ['<svg height="50" viewBox="0 0 300 150">', { width: 100, height: 50 }],
  ['<svg data-width="5" title="a > b" width="6" height="7">', { width: 6, height: 7 }],
  ['<svg:svg width="6" height="7">', { width: 6, height: 7 }],
  ['<svg width="auto" height="7">', undefined],
  ['<svg width="0" height="7">', undefined],
  ['<svg width="2em" height="7">', undefined],
  ['<svg viewBox="0 0 0 9">', undefined],
  ['<svg viewBox="nonsense">', undefined],
  ['<svg width="1e300" height="1e300">', undefined],
  ['<svg width="0.2" height="1e2">', { width: 1, height: 100 }],
  ['<svg>', undefined],
  ['<svg width="30" height="20"', 'more'],
  ['<svg width="30', 'more'],
  [`<svg ${'a="b" '.repeat(20_000)}`, undefined],
  [`<svg ${'='.repeat(60_000)}`, 'more'],
  [`<svg ${'a'.repeat(60_000)} width=1 height=2>`, { width: 1, height: 2 }],
];

test.each(svgs.map(([tag, size]) => [tag.slice(0, 60), tag, size] as const))(
  'the size of %s',
  (_title, tag, size) => {
    expect(imageSize(Buffer.from(tag))).toEqual(size);
  },
);
