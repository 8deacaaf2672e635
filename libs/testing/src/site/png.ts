import { crc32, deflateSync } from 'node:zlib';

/** Stripes of an image: entries of its palette. */
const STRIPES = 24;

/**
 * A valid PNG that a browser draws, from one colour at its top to another at its foot; unlike that of any other `n`,
 * padded to about `bytes`. Its header may claim any size: above a million pixels it has next to none of them.
 * @param n makes the bytes unique, and the colours
 */
export function png(n: number, { width = 64, height = 48, bytes = 0 } = {}): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // 8 bits a pixel, which name an entry of the palette.
  header.set([8, 3, 0, 0, 0], 8);
  const pixels = deflateSync(width * height <= 1_000_000 ? rows(width, height) : Buffer.alloc(10));
  const note = Buffer.alloc(Math.max(16, bytes - pixels.length - STRIPES * 3 - 112), `n=${n};`);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('PLTE', palette(n)),
    chunk('tEXt', Buffer.concat([Buffer.from('Comment\0'), note])),
    chunk('IDAT', pixels),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** Each row begins with its filter, 0 for none: another number than 0 to 4 would make the image unreadable. */
function rows(width: number, height: number): Buffer {
  const out = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y++)
    out.fill(Math.floor((y * STRIPES) / height), y * (width + 1) + 1, (y + 1) * (width + 1));
  return out;
}

function palette(n: number): Buffer {
  const [top, foot] = [colour(n * 0.618), colour(n * 0.618 + 0.3)];
  const out = Buffer.alloc(STRIPES * 3);
  for (let i = 0; i < out.length; i++) {
    const part = Math.floor(i / 3) / (STRIPES - 1);
    out[i] = Math.round(top[i % 3]! * (1 - part) + foot[i % 3]! * part);
  }
  return out;
}

/** Red, green and blue of a hue, whose fraction is its place in the circle. */
const colour = (hue: number): [number, number, number] => {
  const of = (shift: number): number => Math.round(128 + 90 * Math.sin(2 * Math.PI * (hue + shift)));
  return [of(0), of(1 / 3), of(2 / 3)];
};

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}
