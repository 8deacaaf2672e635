import { inflateSync } from 'node:zlib';
import { png } from './png.ts';

/** The data of a PNG's chunks by their type. */
function chunks(image: Buffer): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (let at = 8; at < image.length;) {
    const length = image.readUInt32BE(at);
    found.set(image.toString('latin1', at + 4, at + 8), image.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  return found;
}

describe('png', () => {
  // Among them numbers that are no filter of a row.
  it.each([0, 3, 5, 127, 250, 6000])('can be drawn: %i', (n) => {
    const of = chunks(png(n, { width: 7, height: 5 }));
    const entries = of.get('PLTE')!.length / 3;
    const rows = inflateSync(of.get('IDAT')!);
    expect(rows.length).toBe((7 + 1) * 5);
    for (let y = 0; y < 5; y++) {
      const [filter, ...pixels] = rows.subarray(y * 8, (y + 1) * 8);
      expect(filter).toBe(0);
      expect(Math.max(...pixels)).toBeLessThan(entries);
    }
  });

  it('is about as large as wanted, and unlike any other', () => {
    expect(Math.abs(png(1, { bytes: 20_000 }).length - 20_000)).toBeLessThan(100);
    expect(new Set(Array.from({ length: 2000 }, (_, n) => png(n).toString('latin1'))).size).toBe(2000);
  });

  it('claims a size that it does not have', () => {
    const image = png(78, { width: 30_000, height: 30_000 });
    expect([image.readUInt32BE(16), image.readUInt32BE(20)]).toEqual([30_000, 30_000]);
    expect(image.length).toBeLessThan(1000);
  });
});
