import { crc32, deflateSync } from 'node:zlib';

/**
 * A valid PNG, unlike that of any other `n`, padded to about `bytes`; its header may claim any size.
 * @param n makes the bytes unique
 */
export function png(n: number, { width = 64, height = 48, bytes = 0 } = {}): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 0, 0, 0, 0], 8);
  const honest = width * height <= 1_000_000;
  const pixels = deflateSync(Buffer.alloc(honest ? (width + 1) * height : 10, n % 251));
  const note = Buffer.alloc(Math.max(16, bytes - pixels.length - 100), `n=${n};`);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('tEXt', Buffer.concat([Buffer.from('Comment\0'), note])),
    chunk('IDAT', pixels),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}
