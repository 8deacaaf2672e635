import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { SeenFiles } from './seen-files.ts';

const nameOf = (of: string): string => `files/${createHash('sha256').update(of).digest('hex')}.jpg`;

test('knows what was noted, and nothing else, whatever it grows to', () => {
  const seen = new SeenFiles();
  for (let n = 0; n < 5000; n += 1) {
    expect(seen.knows(nameOf(`${n}`))).toBe(false);
    seen.note(nameOf(`${n}`), n % 3 === 0);
  }
  for (let n = 0; n < 10_000; n += 1) {
    const name = nameOf(`${n}`);
    expect([n, seen.knows(name), seen.has(name)]).toEqual([n, n < 5000, n < 5000 && n % 3 === 0]);
  }
  expect([seen.there, seen.gone, seen.size]).toEqual([1667, 3333, 5000]);
});

test('tells digests apart that begin alike', () => {
  const digit = fc.constantFrom('0', '1', 'f');
  const digest = fc
    .array(digit, { minLength: 32, maxLength: 32 })
    // The last bit is what says whether it is there; the first word is never nothing.
    .map((digits) => `1${digits.slice(1, 31).join('')}0`);
  fc.assert(
    fc.property(fc.uniqueArray(digest, { maxLength: 50 }), (digests) => {
      const seen = new SeenFiles();
      const names = digests.map((some) => `files/${some}`);
      names.forEach((name, n) => seen.note(name, n % 2 === 0));
      names.forEach((name, n) => expect([seen.knows(name), seen.has(name)]).toEqual([true, n % 2 === 0]));
    }),
  );
});
