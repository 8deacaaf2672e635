import { crc32, deflateSync } from 'node:zlib';

/** A small PNG, a gradient between two colours that the seed picks: a picture for the bundled site, made when asked for. */
export function picture(seed: number, width = 320, height = 200): Buffer {
  const row = 1 + width * 3;
  const raw = Buffer.alloc(row * height);
  const from = colour(seed);
  const to = colour(seed + 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const t = (x / width + y / height) / 2;
      const ring = Math.sin(Math.hypot(x - width / 2, y - height / 2) / (6 + (seed % 7))) * 18;
      for (let c = 0; c < 3; c++)
        raw[y * row + 1 + x * 3 + c] = Math.max(0, Math.min(255, from[c]! + (to[c]! - from[c]!) * t + ring));
    }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(raw)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

const colour = (seed: number): [number, number, number] => {
  const hue = (seed * 47) % 360;
  const part = (offset: number): number => {
    const k = (offset + hue / 30) % 12;
    return Math.round(255 * (0.55 - 0.35 * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [part(0), part(8), part(4)];
};

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}
