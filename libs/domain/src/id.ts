import { createHash, randomBytes } from 'node:crypto';

const ALPHABET = '0123456789abcdefghijklmnopqrstuv';

function base32(bytes: Uint8Array, length: number): string {
  let out = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5 && out.length < length) {
      bits -= 5;
      out += ALPHABET[(value >>> bits) & 31];
      value &= (1 << bits) - 1;
    }
  }
  return out;
}

/** A new identifier: 22 characters of base 32, sorted by the time it was made (ms), 60 random bits. */
export function newId(now = Date.now()): string {
  let time = '';
  for (let rest = now, i = 0; i < 10; i++, rest = Math.floor(rest / 32)) time = ALPHABET[rest % 32] + time;
  return time + base32(randomBytes(8), 12);
}

/**
 * The identifier of what is unique by these parts: 32 characters of base 32 of their SHA-256 (160 bits).
 * Equal parts give equal identifiers, everywhere.
 */
export const idOf = (...parts: string[]): string =>
  base32(createHash('sha256').update(parts.join('\n')).digest(), 32);

let last = 0;

/** A number that only grows within a process, and across processes as their clocks do: for lists in order of arrival. */
export function nextOrder(): number {
  last = Math.max(last + 1, Date.now() * 4096);
  return last;
}
