import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { beginsAt, lookAgainAt, phaseOf, SPREAD, targetKey } from './spread.ts';

const DAY = 86_400_000;

describe('phase', () => {
  it('is in [0, 1) and the same for the same key', () => {
    fc.assert(
      fc.property(fc.string(), (key) => {
        const phase = phaseOf(key);
        expect(phase).toBeGreaterThanOrEqual(0);
        expect(phase).toBeLessThan(1);
        expect(phaseOf(key)).toBe(phase);
      }),
    );
  });

  // Chi-square over 100 bins: 148 is exceeded by an even spread once in a thousand.
  it.each([
    ['numbers', (i: number) => String(i)],
    ['names with a common beginning', (i: number) => `company-page-${i}`],
    ['random names', () => randomUUID()],
    ['near-equal names', (i: number) => 'a'.repeat(i % 50) + i.toString(2)],
  ])('spreads %s evenly', (_what, name) => {
    const keys = new Set(Array.from({ length: 20_000 }, (_, i) => name(i)));
    const bins = new Array<number>(100).fill(0);
    for (const key of keys) bins[Math.floor(phaseOf(key) * 100)]!++;
    const expected = keys.size / 100;
    const chi = bins.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    expect(chi).toBeLessThan(190);
    expect(Math.min(...bins)).toBeGreaterThan(0);
  });
});

it('begins at one place in every interval, and leaves room for the round to end', () => {
  const args = fc.tuple(
    fc.maxSafeNat().map((n) => (n % 2 ** 48) / 2 ** 48),
    fc.integer({ min: 1000, max: 7 * DAY }),
    fc.integer({ min: 0, max: 10_000 }),
  );
  fc.assert(
    fc.property(args, ([phase, interval, round]) => {
      const anchor = Date.parse('2026-01-01T00:00:00Z');
      const at = beginsAt(new Date(anchor + round * interval), phase, interval).getTime();
      const first = beginsAt(new Date(anchor), phase, interval).getTime();
      expect(at - first).toBe(round * interval);
      expect(at).toBeLessThan(anchor + round * interval + SPREAD * interval);
    }),
  );
});

it('looks at what could not be measured ever less often, every 7 days at least, in step with the rounds', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1000, max: 30 * DAY }),
      fc.integer({ min: 1, max: 100 }),
      (interval, misses) => {
        const due = new Date('2026-01-01T00:00:00Z');
        const after = (n: number) => lookAgainAt(due, n, interval).getTime() - due.getTime();
        expect(after(misses) % interval).toBe(0);
        expect(after(misses)).toBeGreaterThanOrEqual(interval);
        expect(after(misses)).toBeLessThanOrEqual(Math.max(interval, 7 * DAY));
        expect(after(misses + 1)).toBeGreaterThanOrEqual(after(misses));
        if (after(misses) * 2 < 7 * DAY - interval) expect(after(misses + 1)).toBe(2 * after(misses));
      },
    ),
  );
});

describe('key', () => {
  it.each([
    ['NASA', 'nasa'],
    [' @Nasa ', 'nasa'],
    ['https://www.facebook.com/NASA/?ref=x#y', 'nasa'],
    ['facebook.com/NASA', 'nasa'],
    ['https://m.facebook.com/profile.php?id=100064', '100064'],
    ['https://www.facebook.com/pages/Some-Name/12345', '12345'],
    ['https://www.facebook.com/%C3%9Cber', 'über'],
    ['19292868552', '19292868552'],
    ['coca.cola', 'coca.cola'],
  ])('%s is %s', (name, key) => expect(targetKey(name)).toBe(key));

  it.each([
    '',
    '  ',
    '@',
    'two words',
    'https://www.facebook.com/',
    'a/b',
    'x\u0000',
    'x'.repeat(201),
    'a?b',
    'https://x.org/%zz',
  ])('%j is none', (name) => expect(targetKey(name)).toBeUndefined());

  it('is its own key', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (name) => {
        const key = targetKey(name);
        if (key !== undefined && !key.startsWith('@')) expect(targetKey(key)).toBe(key);
      }),
    );
  });
});
