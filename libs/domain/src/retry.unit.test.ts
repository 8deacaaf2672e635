import fc from 'fast-check';
import { retryDelay } from './retry.ts';

const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test('the delay doubles with each attempt, and half of it is chance', () => {
  expect(retryDelay(1, { random: 0 })).toBe(500);
  expect(retryDelay(1, { random: 0.5 })).toBe(750);
  expect(retryDelay(4, { random: 0 })).toBe(4000);
});

test('it stays within half the bound and the bound, for any attempt', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1e6 }),
      fc.integer({ min: 1, max: 1e7 }),
      random,
      (attempt, maxMs, chance) => {
        const delay = retryDelay(attempt, { maxMs, random: chance });
        expect(delay).toBeLessThanOrEqual(maxMs);
        expect(delay).toBeGreaterThanOrEqual(Math.floor(Math.min(maxMs, 1000) / 2));
      },
    ),
  );
});
