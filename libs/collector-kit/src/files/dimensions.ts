import { heifSize } from './dimensions-heif.ts';
import { jxlSize } from './dimensions-jxl.ts';
import { svgSize } from './dimensions-svg.ts';
import { tiffOrientation, tiffSize } from './dimensions-tiff.ts';
import { has, imageFormat } from './sniff.ts';

/** Whole pixels as a viewer shows them: turned by Exif orientation where the format has it. */
export type ImageSize = { width: number; height: number };

/**
 * The size of an image from the first bytes of its file, without decoding: what the header claims, however absurd.
 * Undefined when the bytes are no image's or the header is damaged or names no size; `'more'` when the answer lies
 * beyond the bytes given. Never throws; time is linear in the length of `head`.
 *
 * ICO: its largest picture. SVG: `width` and `height` in CSS pixels, else the `viewBox`. TIFF: the first picture.
 * AVIF and HEIC: the primary picture.
 */
export function imageSize(head: Uint8Array): ImageSize | undefined | 'more' {
  const size = sizeOf(head);
  if (size === undefined || size === 'more') return size;
  return size.width > 0 && size.height > 0 ? size : undefined;
}

function sizeOf(head: Uint8Array): ImageSize | undefined | 'more' {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  switch (imageFormat(head)) {
    case 'png':
    case 'apng':
      return pngSize(head, view);
    case 'jpeg':
      return jpegSize(head, view);
    case 'gif':
      return head.length < 10 ? 'more' : { width: view.getUint16(6, true), height: view.getUint16(8, true) };
    case 'webp':
      return webpSize(head, view);
    case 'avif':
    case 'heic':
    case 'heif':
      return heifSize(view);
    case 'bmp':
      return bmpSize(head, view);
    case 'ico':
      return icoSize(head, view);
    case 'tiff':
      return tiffSize(view);
    case 'jxl':
      return jxlSize(head);
    case 'svg':
      return svgSize(head);
    default:
      return undefined;
  }
}

/** IHDR comes first (https://www.w3.org/TR/png-3/#11IHDR), but for Apple's CgBI chunk before it. */
function pngSize(head: Uint8Array, view: DataView): ImageSize | undefined | 'more' {
  const at = has(head, 12, 'CgBI') ? 28 : 12;
  if (head.length < at + 12) return 'more';
  if (!has(head, at, 'IHDR')) return undefined;
  return { width: view.getUint32(at + 4), height: view.getUint32(at + 8) };
}

/** Walks the segments to the frame header; an Exif segment on the way may turn it (ITU T.81, annex B). */
function jpegSize(head: Uint8Array, view: DataView): ImageSize | undefined | 'more' {
  let isTurned = false;
  let at = 2;
  while (at + 4 <= head.length) {
    if (head[at] !== 0xff) return undefined;
    const marker = head[at + 1] as number;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7)) {
      at += 2;
      continue;
    }
    if (marker === 0xd8 || marker === 0xd9 || marker === 0xda) return undefined;
    const length = view.getUint16(at + 2);
    if (length < 2) return undefined;
    if (isFrameHeader(marker)) {
      if (head.length < at + 9) return 'more';
      const [height, width] = [view.getUint16(at + 5), view.getUint16(at + 7)];
      return isTurned ? { width: height, height: width } : { width, height };
    }
    if (marker === 0xe1 && has(head, at + 4, 'Exif\0\0') && length > 8) {
      const end = Math.min(at + 2 + length, head.length);
      isTurned =
        tiffOrientation(new DataView(head.buffer, head.byteOffset + at + 10, Math.max(0, end - at - 10))) >=
        5;
    }
    at += 2 + length;
  }
  return 'more';
}

/** SOF0 to SOF15, without DHT, JPG and DAC that stand between them. */
function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/** https://developers.google.com/speed/webp/docs/riff_container */
function webpSize(head: Uint8Array, view: DataView): ImageSize | undefined | 'more' {
  if (head.length < 30) return 'more';
  if (has(head, 12, 'VP8 ')) {
    if (!has(head, 23, '\x9d\x01\x2a')) return undefined;
    return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  }
  if (has(head, 12, 'VP8L')) {
    if (head[20] !== 0x2f) return undefined;
    const bits = view.getUint32(21, true);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  if (has(head, 12, 'VP8X')) {
    const uint24 = (at: number): number => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    return { width: uint24(24) + 1, height: uint24(27) + 1 };
  }
  return undefined;
}

/** A negative height is a picture stored from the top. */
function bmpSize(head: Uint8Array, view: DataView): ImageSize | undefined | 'more' {
  if (head.length < 26) return 'more';
  if (view.getUint32(14, true) === 12)
    return { width: view.getUint16(18, true), height: view.getUint16(20, true) };
  return { width: Math.abs(view.getInt32(18, true)), height: Math.abs(view.getInt32(22, true)) };
}

function icoSize(head: Uint8Array, view: DataView): ImageSize | 'more' {
  const count = view.getUint16(4, true);
  if (head.length < 6 + count * 16) return 'more';
  let best: ImageSize = { width: 0, height: 0 };
  for (let index = 0; index < count; index += 1) {
    const width = head[6 + index * 16] || 256;
    const height = head[7 + index * 16] || 256;
    if (width * height > best.width * best.height) best = { width, height };
  }
  return best;
}
