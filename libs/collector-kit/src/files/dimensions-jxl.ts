import type { ImageSize } from './dimensions.ts';
import { has } from './sniff.ts';

/** Width to height, by the 3-bit code of a JPEG XL size header; 0 means that the width follows. */
const RATIOS: readonly [number, number][] = [
  [0, 0],
  [1, 1],
  [12, 10],
  [4, 3],
  [3, 2],
  [16, 9],
  [5, 4],
  [2, 1],
];
const LENGTHS = [9, 13, 18, 30];
const MAX_BOXES = 1_000;

/** The size in a JPEG XL codestream's header (ISO/IEC 18181-1), turned by its orientation; bare or in a container. */
export function jxlSize(head: Uint8Array): ImageSize | undefined | 'more' {
  const start = codestream(head);
  if (start === undefined || start === 'more') return start;
  if (start + 2 > head.length) return 'more';
  if (!has(head, start, '\xff\x0a')) return undefined;
  const bits = new Bits(head, start + 2);

  const isSmall = bits.read(1) === 1;
  const side = (): number =>
    isSmall ? (bits.read(5) + 1) * 8 : bits.read(LENGTHS[bits.read(2)] as number) + 1;
  const height = side();
  const ratio = RATIOS[bits.read(3)] as [number, number];
  const width = ratio[0] === 0 ? side() : Math.floor((height * ratio[0]) / ratio[1]);
  // Image metadata: all default, or else extra fields that begin with the orientation.
  const orientation = bits.read(1) === 0 && bits.read(1) === 1 ? bits.read(3) + 1 : 1;
  if (bits.isOver) return 'more';
  return orientation >= 5 ? { width: height, height: width } : { width, height };
}

/** Where the codestream begins: at once, or in the first `jxlc` or `jxlp` box. */
function codestream(head: Uint8Array): number | undefined | 'more' {
  if (has(head, 0, '\xff\x0a')) return 0;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  let at = 0;
  for (let count = 0; count < MAX_BOXES; count += 1) {
    if (at + 16 > head.length) return 'more';
    const size = view.getUint32(at);
    const start = size === 1 ? at + 16 : at + 8;
    if (has(head, at + 4, 'jxlc')) return start;
    if (has(head, at + 4, 'jxlp')) return start + 4;
    const length = size === 1 ? Number(view.getBigUint64(at + 8)) : size;
    if (length < start - at || !Number.isSafeInteger(at + length)) return undefined;
    at += length;
  }
  return undefined;
}

/** Bits of a byte string, the least significant first; zeros, and `isOver`, beyond its end. */
class Bits {
  private readonly bytes: Uint8Array;
  private at: number;
  isOver = false;

  constructor(bytes: Uint8Array, start: number) {
    this.bytes = bytes;
    this.at = start * 8;
  }

  read(count: number): number {
    let value = 0;
    for (let bit = 0; bit < count; bit += 1, this.at += 1) {
      const byte = this.bytes[this.at >> 3];
      if (byte === undefined) this.isOver = true;
      else value += ((byte >> (this.at & 7)) & 1) * 2 ** bit;
    }
    return value;
  }
}
