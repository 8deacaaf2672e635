import type { ImageSize } from './dimensions.ts';

const WIDTH = 0x0100;
const HEIGHT = 0x0101;
const ORIENTATION = 0x0112;

type Directory = { entry(tag: number): number | undefined };

/** The size of the first picture of a TIFF file (TIFF 6.0), turned by its orientation. */
export function tiffSize(view: DataView): ImageSize | undefined | 'more' {
  const directory = firstDirectory(view);
  if (directory === undefined || directory === 'more') return directory;
  const width = directory.entry(WIDTH);
  const height = directory.entry(HEIGHT);
  if (width === undefined || height === undefined) return undefined;
  const isTurned = (directory.entry(ORIENTATION) ?? 1) >= 5;
  return isTurned ? { width: height, height: width } : { width, height };
}

/** The Exif orientation, 1 to 8, of a TIFF structure such as a JPEG's Exif segment; 1 when it has none. */
export function tiffOrientation(view: DataView): number {
  const directory = firstDirectory(view);
  if (directory === undefined || directory === 'more') return 1;
  const value = directory.entry(ORIENTATION) ?? 1;
  return value >= 1 && value <= 8 ? value : 1;
}

function firstDirectory(view: DataView): Directory | undefined | 'more' {
  if (view.byteLength < 8) return 'more';
  const order = view.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return undefined;
  const little = order === 0x4949;
  const start = view.getUint32(4, little);
  if (start < 8) return undefined;
  if (start + 2 > view.byteLength) return 'more';
  const count = view.getUint16(start, little);
  if (start + 2 + count * 12 > view.byteLength) return 'more';
  return {
    entry(tag) {
      for (let at = start + 2, left = count; left > 0; at += 12, left -= 1) {
        if (view.getUint16(at, little) !== tag) continue;
        const type = view.getUint16(at + 2, little);
        if (type === 1) return view.getUint8(at + 8);
        if (type === 3) return view.getUint16(at + 8, little);
        return type === 4 ? view.getUint32(at + 8, little) : undefined;
      }
      return undefined;
    },
  };
}
