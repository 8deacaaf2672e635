import iconv from 'iconv-lite';
import { decodeHtml } from './decode.ts';

const page = (body: string, head = '', attributes = ''): string =>
  `<!doctype html><html${attributes}><head>${head}<title>t</title></head><body>${body}</body></html>`;

const JAPANESE =
  '<p>吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所で' +
  'ニャーニャー泣いていた事だけは記憶している。</p>';
const CHINESE =
  '<p>今天天气很好，我们去公园散步吧。花园里有很多红色和黄色的花，孩子们在草地上玩耍，老人在树下聊天。</p>';
const RUSSIAN =
  '<p>Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему. Всё смешалось ' +
  'в доме Облонских.</p>';
const POLISH = '<p>Zażółć gęślą jaźń. Święto w mieście, łąka pełna kwiatów, ścieżka prowadzi ku rzece.</p>';

describe('decodeHtml with a right declaration', () => {
  it.each([
    ['shift_jis', JAPANESE],
    ['euc-jp', JAPANESE],
    ['gb18030', CHINESE],
    ['gbk', CHINESE],
    ['big5', '<p>今天天氣很好，我們去公園散步。</p>'],
    ['windows-1251', RUSSIAN],
    ['koi8-r', RUSSIAN],
    ['iso-8859-2', POLISH],
  ])('reads %s from the header, and from the meta', (encoding, body) => {
    const html = page(body);
    expect(decodeHtml(iconv.encode(html, encoding), encoding.toUpperCase())).toEqual({
      text: html,
      encoding,
    });
    const own = page(body, `<meta http-equiv="Content-Type" content="text/html; charset=${encoding}">`);
    expect(decodeHtml(iconv.encode(own, encoding))).toEqual({ text: own, encoding });
  });

  it.each([
    ['utf-8', 'utf8', [0xef, 0xbb, 0xbf]],
    ['utf-16le', 'utf16-le', [0xff, 0xfe]],
    ['utf-16be', 'utf16-be', [0xfe, 0xff]],
  ] as const)('lets a %s byte order mark win over the header', (encoding, codec, mark) => {
    const html = page(JAPANESE, '<meta charset="koi8-r">');
    const bytes = Buffer.concat([Buffer.from(mark), iconv.encode(html, codec)]);
    expect(decodeHtml(bytes, 'windows-1252')).toEqual({ text: html, encoding });
  });

  it('takes labels by the standard: latin1 is windows-1252, quotes and blanks around are ignored', () => {
    const bytes = Buffer.from([0x93, 0x61, 0x94, 0x80]);
    expect(decodeHtml(bytes, ' "latin1" ')).toEqual({ text: '“a”€', encoding: 'windows-1252' });
  });

  it('reads the encoding of an XML declaration', () => {
    const xml = `<?xml version="1.0" encoding="windows-1251"?><html>${RUSSIAN}</html>`;
    expect(decodeHtml(iconv.encode(xml, 'windows-1251'))).toEqual({ text: xml, encoding: 'windows-1251' });
  });
});

describe('the prescan', () => {
  it.each([
    ['<meta charset=koi8-r>', 'koi8-r'],
    ["<META CHARSET = 'KOI8-R' />", 'koi8-r'],
    ['<meta content="text/html; charset=koi8-r" http-equiv=content-type>', 'koi8-r'],
    ['<!-- <meta charset="big5"> --><meta charset="koi8-r">', 'koi8-r'],
    ['<div data-a="<meta charset=big5>"></div><meta charset="koi8-r">', 'koi8-r'],
    ['<meta name=description content="charset=big5"><meta charset="koi8-r">', 'koi8-r'],
    ['<meta charset="no-such"><meta charset="koi8-r">', 'koi8-r'],
    ['<meta charset="x-user-defined">', 'windows-1252'],
  ])('of %s', (head, encoding) => {
    const bytes = iconv.encode(page(RUSSIAN, head), 'koi8-r');
    expect(decodeHtml(bytes).encoding).toBe(encoding);
  });

  it('looks beyond the first kilobyte', () => {
    const html = page(RUSSIAN, `<script>${'x'.repeat(3000)}</script><meta charset="koi8-r">`);
    expect(decodeHtml(iconv.encode(html, 'koi8-r')).encoding).toBe('koi8-r');
  });

  it('takes a meta that says UTF-16 for UTF-8', () => {
    const html = page(JAPANESE, '<meta charset="utf-16le">');
    expect(decodeHtml(Buffer.from(html))).toEqual({ text: html, encoding: 'utf-8' });
  });
});

describe('a wrong declaration', () => {
  it('is overruled when UTF-8 is declared over legacy bytes', () => {
    const html = page(RUSSIAN, '<meta charset="windows-1251">');
    expect(decodeHtml(iconv.encode(html, 'windows-1251'), 'utf-8')).toEqual({
      text: html,
      encoding: 'windows-1251',
    });
    const wrongMeta = page(JAPANESE, '<meta charset="utf-8">');
    const decoded = decodeHtml(iconv.encode(wrongMeta, 'shift_jis'));
    expect(decoded).toEqual({ text: wrongMeta, encoding: 'shift_jis' });
  });

  it('is overruled when a legacy encoding is declared over UTF-8 bytes', () => {
    const html = page('<p>Café “crème”</p>', '<meta charset="iso-8859-1">');
    expect(decodeHtml(Buffer.from(html), 'iso-8859-1')).toEqual({ text: html, encoding: 'utf-8' });
    const chinese = page(CHINESE, '<meta charset="gbk">');
    expect(decodeHtml(Buffer.from(chinese), 'gb2312')).toEqual({ text: chinese, encoding: 'utf-8' });
  });

  it('is overruled when UTF-16 is declared over bytes without a NUL', () => {
    const html = page('<p>plain</p>');
    expect(decodeHtml(Buffer.from(html), 'utf-16')).toEqual({ text: html, encoding: 'utf-8' });
  });

  it('stands when a few bytes are broken', () => {
    const bytes = Buffer.concat([Buffer.from(page(JAPANESE)), Buffer.from([0x80, 0xe3])]);
    const decoded = decodeHtml(bytes, 'utf-8');
    expect(decoded.encoding).toBe('utf-8');
    expect(decoded.text).toContain('吾輩は猫である');
  });

  it('does not mistake two double-byte characters for UTF-8', () => {
    const html = page('<p>联通</p>');
    expect(decodeHtml(iconv.encode(html, 'gbk'), 'gbk')).toEqual({ text: html, encoding: 'gbk' });
  });
});

describe('no declaration at all', () => {
  it.each([
    ['utf-8', JAPANESE, 'utf-8'],
    ['shift_jis', JAPANESE, 'shift_jis'],
    ['euc-jp', JAPANESE, 'euc-jp'],
    ['iso-2022-jp', JAPANESE, 'iso-2022-jp'],
    ['gb18030', CHINESE.repeat(3), 'gb18030'],
    ['windows-1251', RUSSIAN, 'windows-1251'],
    ['koi8-r', RUSSIAN, 'koi8-r'],
    ['utf-16le', RUSSIAN, 'utf-16le'],
    ['windows-1252', '<p>Café crème déjà vu, à la carte</p>', 'windows-1252'],
  ])('sniffs %s', (codec, body, encoding) => {
    const html = page(body);
    const bytes = codec === 'iso-2022-jp' ? toIso2022(html) : iconv.encode(html, codec);
    expect(decodeHtml(bytes)).toEqual({ text: html, encoding });
  });

  it("uses the page's language where the detector is unsure", () => {
    const html = page('<p>Żółć</p>', '', ' lang="pl"');
    expect(decodeHtml(iconv.encode(html, 'iso-8859-2'))).toEqual({ text: html, encoding: 'iso-8859-2' });
  });

  it('of nothing is nothing', () => {
    expect(decodeHtml(new Uint8Array())).toEqual({ text: '', encoding: 'utf-8' });
  });
});

/** iconv-lite has no encoder for it: EUC-JP without the high bits, between escapes. */
function toIso2022(text: string): Buffer {
  return Buffer.concat(
    text.split(/([^\x00-\x7f]+)/).map((part) => {
      if (/^[\x00-\x7f]*$/.test(part)) return Buffer.from(part);
      const euc = iconv.encode(part, 'euc-jp').map((byte) => byte & 0x7f);
      return Buffer.concat([Buffer.from('\x1b$B'), euc, Buffer.from('\x1b(B')]);
    }),
  );
}
