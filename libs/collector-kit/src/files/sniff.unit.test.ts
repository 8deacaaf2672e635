import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { sniffImage } from './sniff.ts';

const fixtures = new URL('./fixtures/', import.meta.url);
const TYPES: Record<string, string> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  avif: 'image/avif',
  heic: 'image/heic',
  bmp: 'image/bmp',
  ico: 'image/x-icon',
  tiff: 'image/tiff',
  jxl: 'image/jxl',
};

test.each(readdirSync(fixtures))('the type of %s', (name) => {
  const ext = name.split('.').at(-1) as string;
  const type = name.startsWith('apng') ? 'image/apng' : TYPES[ext];
  const bytes = readFileSync(new URL(name, fixtures));
  expect(sniffImage(bytes)).toEqual({ type, ext });
  expect(sniffImage(bytes.subarray(0, 8_000))).toEqual({ type, ext });
});

const svgs = [
  '<svg xmlns="http://www.w3.org/2000/svg"/>',
  '<svg>',
  '\ufeff \n<svg/>',
  '<?xml version="1.0"?>\n<!-- a > b --><svg ',
  '<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/x.dtd"><svg ',
  '<!DOCTYPE svg [ <!ENTITY a "b"> <!ENTITY c "d"> ]>\n<!-- --><?a b?><svg ',
  '<svg:svg xmlns:svg="http://www.w3.org/2000/svg">',
  '<ns0:svg xmlns:ns0="http://www.w3.org/2000/svg">',
];

test.each(svgs)('SVG: %s', (text) => {
  const svg = { type: 'image/svg+xml', ext: 'svg' };
  expect(sniffImage(Buffer.from(text))).toEqual(svg);
  expect(sniffImage(Buffer.from(`\ufeff${text}`, 'utf16le'))).toEqual(svg);
});

const others: [title: string, bytes: string][] = [
  ['nothing', ''],
  ['HTML', '<!doctype html><html><body><svg></svg>'],
  ['HTML that begins with an svg-like name', '<svgfoo>'],
  ['HTML after a comment', '<!-- <svg> --><html>'],
  ['a doctype of another name', '<!DOCTYPE html SYSTEM "svg"><svg>'],
  ['XML', '<?xml version="1.0"?><rss/>'],
  ['text about SVG', 'The <svg> element'],
  ['an open comment', '<!-- <svg>'],
  ['half a PNG signature', '\x89PNG\r\n'],
  ['text that begins like a bitmap', 'BMW builds cars and motor cycles'],
  ['an MPEG stream', '\0\0\x01\xba and thirty more bytes of film'],
  ['an icon without pictures', '\0\0\x01\0\0\0 and thirty more bytes of it'],
  ['a film in ISO boxes', '\0\0\0\x18ftypisom\0\0\0\0isommp42'],
  ['a RIFF file that is a sound', 'RIFF\x10\0\0\0WAVEfmt '],
  ['PDF', '%PDF-1.7'],
  ['gzip', '\x1f\x8b\x08'],
  ['JSON', '{"a":"<svg>"}'],
];

test.each(others)('no image: %s', (_title, bytes) => {
  expect(sniffImage(Buffer.from(bytes, 'latin1'))).toBeUndefined();
});

test.each([
  ['avif', ['mif1', 'avif'], 'image/avif'],
  ['avif sequence', ['avis'], 'image/avif'],
  ['heic', ['mif1', 'heic'], 'image/heic'],
  ['heif without a known coding', ['mif1', 'j2ki'], 'image/heif'],
])('the brands of %s', (_title, [major, ...compatible], type) => {
  const brands = `${major}\0\0\0\0${compatible.join('')}`;
  const box = Buffer.from(
    `\0\0\0${String.fromCharCode(8 + brands.length)}ftyp${brands}mdatavifheic`,
    'latin1',
  );
  expect(sniffImage(box)?.type).toBe(type);
});

test('no bytes make it throw', () => {
  const starts = [
    '',
    '\x89PNG\r\n\x1a\n',
    '\0\0\x01\0',
    'BM',
    '\0\0\0\x20ftypmif1',
    '<!DOCTYPE svg [',
    '<!--',
    '<?',
    '\xff\xfe<',
  ];
  fc.assert(
    fc.property(fc.constantFrom(...starts), fc.uint8Array({ maxLength: 60 }), (start, rest) => {
      sniffImage(Buffer.concat([Buffer.from(start, 'latin1'), rest]));
    }),
    { numRuns: 1_000 },
  );
});
