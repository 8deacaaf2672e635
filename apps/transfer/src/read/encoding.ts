/** Which encoding a file is in, by its bytes. */
import { isAscii, isUtf8 } from 'node:buffer';
import { analyse } from 'chardet';
import { byteOrderMark, encodingName } from './text.ts';

// As many bytes as the statistics need; they cost some milliseconds.
const STATISTICS = 16 * 1024;

export interface Encoding {
  /** The WHATWG name. */
  encoding: string;
  /** Whether it is likely only: the bytes would be text in others too. */
  guessed?: true;
}

/** By the byte order mark, then strictly as UTF-8, then by statistics of the letters, which is a guess. */
export function guessEncoding(head: Buffer, complete: boolean): Encoding {
  const mark = byteOrderMark(head);
  if (mark !== undefined) return { encoding: mark.encoding };
  const wide = utf16(head);
  if (wide !== undefined) return { encoding: wide };
  const whole = complete ? head : head.subarray(0, head.length - cutOff(head));
  if (isUtf8(whole) || mostlyUtf8(whole)) return { encoding: 'utf-8' };
  return { encoding: byStatistics(whole), guessed: true };
}

const WEST = 'windows-1252';
/** With fewer letters beyond ASCII, in different words, nothing speaks against the west. */
const FEW = 12;
/** With fewer, something else must be likelier by half. */
const MANY = 100;
/** What the statistics give where they have seen hardly anything. */
const NO_CONFIDENCE = 10;

function byStatistics(text: Buffer): string {
  const words = unusual(text);
  const letters = words.filter((byte) => byte >= 0x80).length;
  const likely = analyse(words).flatMap(({ name, confidence }) => {
    const encoding = nameOf(name);
    return encoding !== undefined && fits(words, encoding) ? [{ encoding, confidence }] : [];
  });
  const best = likely[0];
  if (best === undefined || best.confidence <= NO_CONFIDENCE || letters < FEW) return WEST;
  const west = likely.find(({ encoding }) => encoding === WEST)?.confidence ?? 0;
  return letters >= MANY || best.confidence >= west * 1.5 ? best.encoding : WEST;
}

function nameOf(name: string): string | undefined {
  if (/^(ASCII|UTF-(8|16|32))/i.test(name)) return undefined;
  try {
    return encodingName(name);
  } catch {
    return undefined;
  }
}

/** Whether nearly all of it are characters there. */
function fits(words: Buffer, encoding: string): boolean {
  const holes = new TextDecoder(encoding).decode(words).split('\ufffd').length - 1;
  return holes * 50 <= words.length;
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

// Two bytes of one character may have an ASCII byte from @ on as their second; no table is cut there.
const WORD = /[@-~\x80-\xff]*[\x80-\xff][@-~\x80-\xff]*/g;

/** The words that are not ASCII, each once: of a large table they are few, and of addresses none. */
function unusual(head: Buffer): Buffer {
  const words = new Set<string>();
  let length = 0;
  for (const [word] of head.toString('latin1').matchAll(WORD)) {
    if (length >= STATISTICS) break;
    if (words.has(word)) continue;
    words.add(word.slice(0, STATISTICS));
    length += word.length;
  }
  return Buffer.from([...words].join(' '), 'latin1');
}
