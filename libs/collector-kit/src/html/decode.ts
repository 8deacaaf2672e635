/** From the bytes of a page to its text. */
import { analyse } from 'chardet';
import { encodingName, prescanEncoding } from './encoding-prescan.ts';

export interface DecodedHtml {
  text: string;
  /** WHATWG name, lower case: `utf-8`, `shift_jis`, `windows-1251`, … */
  encoding: string;
}

/** A detector needs no more than this much text. */
const SAMPLE_BYTES = 65_536;

/** The others have one byte a character: a well-formed UTF-8 sequence would read as a pair of odd letters. */
const MULTI_BYTE = new Set(['gbk', 'gb18030', 'big5', 'euc-kr', 'euc-jp', 'shift_jis', 'iso-2022-jp']);

/** What a detector may answer: encodings found on the web, by their WHATWG names. */
const DETECTABLE = new Set([
  ...MULTI_BYTE,
  'windows-1250',
  'windows-1251',
  'windows-1252',
  'windows-1253',
  'windows-1254',
  'windows-1255',
  'windows-1256',
  'iso-8859-2',
  'iso-8859-5',
  'iso-8859-6',
  'iso-8859-7',
  'iso-8859-8',
  'koi8-r',
]);

/** Encodings of Latin letters, which differ in a handful of accents. */
const LATIN = new Set(['windows-1250', 'windows-1252', 'windows-1254', 'iso-8859-2']);

/** The legacy encoding that the standard suggests for a document's language when nothing else is known. */
const LEGACY_BY_LANGUAGE: Readonly<Record<string, string>> = {
  ar: 'windows-1256', az: 'windows-1254', ba: 'windows-1251', be: 'windows-1251', bg: 'windows-1251',
  cs: 'windows-1250', el: 'iso-8859-7', et: 'windows-1257', fa: 'windows-1256', he: 'windows-1255',
  hr: 'windows-1250', hu: 'iso-8859-2', ja: 'shift_jis', kk: 'windows-1251', ko: 'euc-kr',
  ku: 'windows-1254', ky: 'windows-1251', lt: 'windows-1257', lv: 'windows-1257', mk: 'windows-1251',
  pl: 'iso-8859-2', ru: 'windows-1251', sk: 'windows-1250', sl: 'iso-8859-2', sr: 'windows-1251',
  tg: 'windows-1251', th: 'windows-874', tr: 'windows-1254', tt: 'windows-1251', uk: 'windows-1251',
  vi: 'windows-1258', zh: 'gb18030', 'zh-tw': 'big5', 'zh-hk': 'big5', 'zh-hant': 'big5',
}; // prettier-ignore

/**
 * Decodes a page. The encoding is, in this order: its byte order mark; the Content-Type's charset; the page's
 * own declaration; what the bytes show (valid UTF-8, else a detector, else the legacy encoding of its
 * declared language, else windows-1252).
 *
 * A declaration is believed unless the bytes plainly contradict it: UTF-8 declared where most non-ASCII
 * sequences are malformed, a legacy encoding declared where all of them are well-formed UTF-8, UTF-16 declared
 * on bytes without a NUL. Never throws; malformed bytes become U+FFFD. The byte order mark is not in the text.
 *
 * @param contentTypeCharset the `charset` parameter of the Content-Type header, any case, quotes allowed
 */
export function decodeHtml(bytes: Uint8Array, contentTypeCharset?: string): DecodedHtml {
  const marked = byteOrderMark(bytes);
  if (marked !== undefined) return decodeAs(bytes, marked);
  const evidence = new Utf8Evidence(bytes);
  const header = contentTypeCharset?.trim().replace(/^(["'])(.*)\1$/s, '$2');
  const declared = header === undefined || header === '' ? undefined : encodingName(header);
  if (declared !== undefined && isPlausible(declared, bytes, evidence)) return decodeAs(bytes, declared);
  const own = prescanEncoding(bytes);
  if (own !== undefined && isPlausible(own, bytes, evidence)) return decodeAs(bytes, own);
  return decodeAs(bytes, sniff(bytes, evidence));
}

function decodeAs(bytes: Uint8Array, encoding: string): DecodedHtml {
  return { text: new TextDecoder(encoding).decode(bytes), encoding };
}

function byteOrderMark(bytes: Uint8Array): string | undefined {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return 'utf-8';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  return undefined;
}

/** How the bytes look when read as UTF-8, counted once and only if somebody asks. */
class Utf8Evidence {
  #bytes: Uint8Array;
  #counts: { wellFormed: number; malformed: number } | undefined;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Sequences of two bytes and more that are well-formed. */
  get wellFormed(): number {
    return this.#count().wellFormed;
  }

  /** Bytes that no well-formed sequence explains; one that the end of the input cuts is not counted. */
  get malformed(): number {
    return this.#count().malformed;
  }

  #count(): { wellFormed: number; malformed: number } {
    return (this.#counts ??= countUtf8(this.#bytes));
  }
}

function countUtf8(bytes: Uint8Array): { wellFormed: number; malformed: number } {
  let wellFormed = 0;
  let malformed = 0;
  let at = 0;
  while (at < bytes.length) {
    const lead = bytes[at] ?? 0;
    if (lead < 0x80) {
      at += 1;
      continue;
    }
    const more =
      lead >= 0xc2 && lead < 0xe0 ? 1 : lead >= 0xe0 && lead < 0xf0 ? 2 : lead >= 0xf0 && lead < 0xf5 ? 3 : 0;
    let taken = 0;
    while (taken < more && ((bytes[at + 1 + taken] ?? 0) & 0xc0) === 0x80) taken += 1;
    if (more > 0 && taken === more) wellFormed += 1;
    else if (more === 0 || at + 1 + taken < bytes.length) malformed += 1;
    at += 1 + taken;
  }
  return { wellFormed, malformed };
}

function isPlausible(encoding: string, bytes: Uint8Array, utf8: Utf8Evidence): boolean {
  if (encoding === 'utf-8') return utf8.malformed === 0 || utf8.malformed < utf8.wellFormed;
  if (encoding === 'utf-16le' || encoding === 'utf-16be') return utf16Order(bytes) === encoding;
  // A few double-byte characters may by chance be well-formed UTF-8; eight in a row without one fault are not.
  const enough = MULTI_BYTE.has(encoding) ? 8 : 1;
  return utf8.malformed > 0 || utf8.wellFormed < enough;
}

/** UTF-16 without a mark: markup has a NUL in nearly every other byte. */
function utf16Order(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | undefined {
  const sample = bytes.subarray(0, 1024);
  let even = 0;
  let odd = 0;
  for (let at = 0; at < sample.length; at += 1) {
    if (sample[at] !== 0) continue;
    if (at % 2 === 0) even += 1;
    else odd += 1;
  }
  const enough = sample.length / 8;
  if (sample.length < 4) return undefined;
  if (odd > enough && even < odd / 4) return 'utf-16le';
  if (even > enough && odd < even / 4) return 'utf-16be';
  return undefined;
}

function sniff(bytes: Uint8Array, utf8: Utf8Evidence): string {
  const wide = utf16Order(bytes);
  if (wide !== undefined) return wide;
  if (utf8.malformed === 0 && isEscaped(bytes)) return 'iso-2022-jp';
  if (utf8.malformed === 0 || utf8.malformed * 10 < utf8.wellFormed) return 'utf-8';
  const text = proseBytes(bytes);
  const expected = legacyOfLanguage(bytes);
  const matches = analyse(text)
    .map((match) => ({ encoding: encodingName(match.name) ?? '', confidence: match.confidence }))
    .filter((match) => DETECTABLE.has(match.encoding) && decodesCleanly(text, match.encoding));
  const best = matches[0];
  if (best === undefined) return expected ?? 'windows-1252';
  // Statistics need letters to count: with few of them the page's language, or else the most usual
  // encoding of Latin letters, says more than the detector.
  const scarce = text.filter((byte) => byte >= 0x80).length < 48;
  if (expected !== undefined && decodesCleanly(text, expected)) {
    const confidence = matches.find((match) => match.encoding === expected)?.confidence ?? 0;
    if (scarce || confidence >= best.confidence - 20) return expected;
  }
  return scarce && LATIN.has(best.encoding) ? 'windows-1252' : best.encoding;
}

/** Seven-bit Japanese: an escape sequence that selects JIS X 0208. */
function isEscaped(bytes: Uint8Array): boolean {
  const at = bytes.indexOf(0x1b);
  return at >= 0 && bytes[at + 1] === 0x24 && (bytes[at + 2] === 0x42 || bytes[at + 2] === 0x40);
}

/** The bytes outside of tags, scripts and styles: what a statistical detector can learn from. */
function proseBytes(bytes: Uint8Array): Uint8Array {
  const page = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 8 * SAMPLE_BYTES));
  const text = page.toString('latin1');
  const lower = text.toLowerCase();
  const parts: string[] = [];
  let at = 0;
  let open = lower.indexOf('<');
  while (open >= 0) {
    parts.push(text.slice(at, open));
    const raw = lower.startsWith('<script', open)
      ? '</script'
      : lower.startsWith('<style', open)
        ? '</style'
        : '>';
    const close = lower.indexOf(raw, open);
    at = close < 0 ? text.length : close + 1;
    open = lower.indexOf('<', at);
  }
  parts.push(text.slice(at));
  return Buffer.from(parts.join(' ').slice(0, SAMPLE_BYTES), 'latin1');
}

function decodesCleanly(bytes: Uint8Array, encoding: string): boolean {
  const text = new TextDecoder(encoding).decode(bytes);
  let faults = 0;
  for (let at = text.indexOf('\ufffd'); at >= 0; at = text.indexOf('\ufffd', at + 1)) faults += 1;
  return faults * 200 <= text.length;
}

function legacyOfLanguage(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 4096)).toString(
    'latin1',
  );
  const language = /<html\b[^>]*?\s(?:xml:)?lang\s*=\s*["']?([a-z-]+)/i.exec(head)?.[1]?.toLowerCase();
  if (language === undefined) return undefined;
  return LEGACY_BY_LANGUAGE[language] ?? LEGACY_BY_LANGUAGE[language.split('-')[0] ?? ''];
}
