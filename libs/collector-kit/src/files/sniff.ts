/** An image format, by its media type and the extension its file gets. */
export type SniffedImage = { type: string; ext: string };

const FORMATS = {
  png: { type: 'image/png', ext: 'png' },
  // An animated PNG is a PNG to everything that cannot animate it, so it keeps the extension.
  apng: { type: 'image/apng', ext: 'png' },
  jpeg: { type: 'image/jpeg', ext: 'jpg' },
  gif: { type: 'image/gif', ext: 'gif' },
  webp: { type: 'image/webp', ext: 'webp' },
  avif: { type: 'image/avif', ext: 'avif' },
  heic: { type: 'image/heic', ext: 'heic' },
  heif: { type: 'image/heif', ext: 'heif' },
  bmp: { type: 'image/bmp', ext: 'bmp' },
  ico: { type: 'image/x-icon', ext: 'ico' },
  tiff: { type: 'image/tiff', ext: 'tiff' },
  jxl: { type: 'image/jxl', ext: 'jxl' },
  svg: { type: 'image/svg+xml', ext: 'svg' },
} as const;

/** The short names of the formats. */
export type ImageFormat = keyof typeof FORMATS;

/**
 * The image format of a file by its first bytes, or undefined when they are not an image's; what a server calls them
 * plays no part. Signatures as in https://mimesniff.spec.whatwg.org/#matching-an-image-type-pattern, stricter where
 * two bytes would say too little, and with AVIF, HEIF, TIFF, JPEG XL and SVG added.
 *
 * 64 KiB are plenty: binary formats need 32 bytes (APNG: what comes before the first IDAT; otherwise it is called
 * PNG), SVG its prolog. Never throws.
 */
export function sniffImage(head: Uint8Array): SniffedImage | undefined {
  const format = imageFormat(head);
  return format && FORMATS[format];
}

/** As `sniffImage`, by short name. */
export function imageFormat(head: Uint8Array): ImageFormat | undefined {
  if (has(head, 0, '\x89PNG\r\n\x1a\n')) return isAnimatedPng(head) ? 'apng' : 'png';
  if (has(head, 0, '\xff\xd8\xff')) return 'jpeg';
  if (has(head, 0, 'GIF87a') || has(head, 0, 'GIF89a')) return 'gif';
  if (has(head, 0, 'RIFF') && has(head, 8, 'WEBPVP8')) return 'webp';
  if (has(head, 4, 'ftyp')) return heifFormat(head);
  if (has(head, 0, 'II*\0') || has(head, 0, 'MM\0*')) return 'tiff';
  if (has(head, 0, '\xff\x0a') || has(head, 0, '\0\0\0\x0cJXL \r\n\x87\n')) return 'jxl';
  if (has(head, 0, 'BM') && isBitmapHeader(head)) return 'bmp';
  if ((has(head, 0, '\0\0\x01\0') || has(head, 0, '\0\0\x02\0')) && isIconDirectory(head)) return 'ico';
  return startsSvg(textOf(head)) ? 'svg' : undefined;
}

/** Whether the bytes at `at` are those of a string of Latin-1 characters. */
export function has(bytes: Uint8Array, at: number, signature: string): boolean {
  if (bytes.length < at + signature.length) return false;
  for (let index = 0; index < signature.length; index += 1) {
    if (bytes[at + index] !== signature.charCodeAt(index)) return false;
  }
  return true;
}

function u32(bytes: Uint8Array, at: number): number {
  return at + 4 <= bytes.length
    ? (((bytes[at] as number) << 24) |
        ((bytes[at + 1] as number) << 16) |
        ((bytes[at + 2] as number) << 8) |
        (bytes[at + 3] as number)) >>>
        0
    : 0;
}

/** An acTL chunk before the first IDAT: https://www.w3.org/TR/png-3/#acTL-chunk */
function isAnimatedPng(head: Uint8Array): boolean {
  for (let at = 8; at + 8 <= head.length; at += 12 + u32(head, at)) {
    if (has(head, at + 4, 'acTL')) return true;
    if (has(head, at + 4, 'IDAT')) return false;
  }
  return false;
}

const HEIC_BRANDS = ['heic', 'heix', 'heim', 'heis', 'hevc', 'hevx', 'hevm', 'hevs'];

/** By the brands of the ftyp box (ISO/IEC 14496-12); other brands are films and the like. */
function heifFormat(head: Uint8Array): ImageFormat | undefined {
  const end = Math.min(u32(head, 0), head.length, 512);
  const brands: string[] = [];
  for (let at = 8; at + 4 <= end; at += at === 8 ? 8 : 4) {
    brands.push(String.fromCharCode(...head.subarray(at, at + 4)));
  }
  const major = brands[0] ?? '';
  if (major === 'avif' || major === 'avis') return 'avif';
  if (HEIC_BRANDS.includes(major)) return 'heic';
  if (major !== 'mif1' && major !== 'msf1' && major !== 'miaf') return undefined;
  if (brands.includes('avif') || brands.includes('avis')) return 'avif';
  return brands.some((brand) => HEIC_BRANDS.includes(brand)) ? 'heic' : 'heif';
}

function isBitmapHeader(head: Uint8Array): boolean {
  return (
    head.length >= 18 && [12, 16, 40, 52, 56, 64, 108, 124].includes(head[14] as number) && head[15] === 0
  );
}

function isIconDirectory(head: Uint8Array): boolean {
  const count = (head[4] ?? 0) | ((head[5] ?? 0) << 8);
  if (head.length < 22 || count === 0) return false;
  const offset = ((head[18] as number) | ((head[19] as number) << 8) | ((head[20] as number) << 16)) >>> 0;
  return offset >= 6 + 16 * count;
}

/** The bytes as text, if they can be any: UTF-8, or UTF-16 with a byte order mark. */
export function textOf(head: Uint8Array): string {
  if (has(head, 0, '\xff\xfe')) return new TextDecoder('utf-16le').decode(head);
  if (has(head, 0, '\xfe\xff')) return new TextDecoder('utf-16be').decode(head);
  const first = head[0];
  const isText = first === 0x3c || first === 0xef || (first !== undefined && first <= 0x20 && first >= 0x09);
  return isText ? new TextDecoder('utf-8').decode(head) : '';
}

/**
 * Where the `<svg` of an SVG document stands: after white space, an XML declaration, processing instructions,
 * comments, and a doctype of that name. -1 when something else comes first.
 */
export function svgStart(text: string): number {
  let at = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  for (;;) {
    while (at < text.length && /\s/.test(text[at] as string)) at += 1;
    if (text.startsWith('<!--', at)) at = after(text, '-->', at + 4);
    else if (text.startsWith('<?', at)) at = after(text, '?>', at + 2);
    else if (/^<!doctype\s+(?:\w+:)?svg[\s>[]/i.test(text.slice(at, at + 60))) at = afterDoctype(text, at);
    else return /^<(?:[\w-]{1,30}:)?svg[\s/>]/.test(text.slice(at, at + 40)) ? at : -1;
    if (at < 0) return -1;
  }
}

function startsSvg(text: string): boolean {
  return text !== '' && svgStart(text) >= 0;
}

function after(text: string, what: string, from: number): number {
  const found = text.indexOf(what, from);
  return found < 0 ? -1 : found + what.length;
}

/** A doctype ends at `>`, or at `]>` if it has declarations of its own. */
function afterDoctype(text: string, at: number): number {
  const end = text.indexOf('>', at);
  const bracket = text.indexOf('[', at);
  if (bracket < 0 || (end >= 0 && end < bracket)) return end < 0 ? -1 : end + 1;
  const close = text.indexOf(']', bracket);
  return close < 0 ? -1 : after(text, '>', close);
}
