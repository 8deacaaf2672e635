/** Which encoding a file is in, by its bytes. */
import { isAscii, isUtf8 } from 'node:buffer';
import { analyse } from 'chardet';
import { byteOrderMark, encodingName } from './text.ts';

// As many bytes as the statistics need; they cost some milliseconds.
const STATISTICS = 16 * 1024;

/** The WHATWG name: by the byte order mark, then strictly as UTF-8, then by statistics of the letters. */
export function guessEncoding(head: Buffer, complete: boolean): string {
  const mark = byteOrderMark(head);
  if (mark !== undefined) return mark.encoding;
  const wide = utf16(head);
  if (wide !== undefined) return wide;
  const whole = complete ? head : head.subarray(0, head.length - cutOff(head));
  if (isUtf8(whole) || mostlyUtf8(whole)) return 'utf-8';
  for (const { name, confidence } of analyse(unusual(whole))) {
    // Below this it is a guess among all; what Windows writes in the west is likelier.
    if (confidence < 10 || /^UTF-(8|16|32)/i.test(name)) continue;
    try {
      return encodingName(name);
    } catch {
      continue;
    }
  }
  return 'windows-1252';
}

/** Whether the first bytes leave the encoding open: then those further on may decide. */
export function leavesOpen(head: Buffer): boolean {
  return isAscii(head) && utf16(head) === undefined;
}

/** UTF-16 without a mark: the other byte of each ASCII character is zero. */
function utf16(head: Buffer): string | undefined {
  const zeros = [0, 0];
  for (let i = 0; i < head.length; i++) if (head[i] === 0) zeros[i & 1]!++;
  const [even, odd] = zeros as [number, number];
  const quarter = head.length / 8;
  if (head.length < 4 || Math.max(even, odd) < quarter || Math.min(even, odd) * 10 > Math.max(even, odd))
    return undefined;
  return odd > even ? 'utf-16le' : 'utf-16be';
}

/** Bytes at the end that begin a character of UTF-8 that goes on. */
function cutOff(head: Buffer): number {
  for (let back = 1; back <= 3 && back <= head.length; back++) {
    const byte = head[head.length - back]!;
    if (byte >= 0xc0) return back;
    if (byte < 0x80) return 0;
  }
  return 0;
}

/** Whether it is UTF-8 with a few bad bytes rather than something else. */
function mostlyUtf8(head: Buffer): boolean {
  let good = 0;
  let bad = 0;
  for (let at = 0; at < head.length;) {
    const byte = head[at]!;
    if (byte < 0x80) {
      at++;
      continue;
    }
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    if (isUtf8(head.subarray(at, at + length)) && at + length <= head.length) {
      good++;
      at += length;
    } else {
      bad++;
      at++;
    }
  }
  return good >= 4 * bad;
}

/** The lines that are not ASCII: in a large table they may be few. */
function unusual(head: Buffer): Buffer {
  const kept: Buffer[] = [];
  let length = 0;
  for (let at = 0; at < head.length && length < STATISTICS;) {
    let end = head.indexOf(0x0a, at) + 1;
    if (end === 0) end = head.length;
    const line = head.subarray(at, end);
    if (!isAscii(line)) {
      kept.push(line.subarray(0, STATISTICS));
      length += Math.min(line.length, STATISTICS);
    }
    at = end;
  }
  return Buffer.concat(kept);
}
