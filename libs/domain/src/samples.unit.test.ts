import fc from 'fast-check';
import {
  distance,
  emptySummary,
  joinSummaries,
  judgeSample,
  summaryOf,
  validValues,
  type Values,
} from './samples.ts';

const count = fc.integer({ min: 0, max: 1_000_000_000 });
const values = fc.record({ fans: count, followers: count });
const factor = fc.double({ min: 1.01, max: 100, noNaN: true });

it('keeps whole numbers from 0 on, and nothing else', () => {
  expect(validValues({ a: 0, b: 7, c: -1, d: 1.5, e: NaN, f: Infinity, g: 2 ** 60 })).toEqual({ a: 0, b: 7 });
});

describe('distance', () => {
  it('is symmetric, 1 for equals, and of the worst value', () => {
    fc.assert(
      fc.property(values, values, (a, b) => {
        expect(distance(a, b)).toBe(distance(b, a));
        expect(distance(a, a)).toBe(1);
        expect(distance(a, b)).toBeGreaterThanOrEqual(1);
      }),
    );
    expect(distance({ a: 100, b: 100 }, { a: 110, b: 300 })).toBe(3);
    expect([
      distance({ a: 0 }, { a: 1 }),
      distance({ a: 0 }, { a: 9 }),
      distance({ a: 1 }, { b: 9 }),
    ]).toEqual([1, 9, 1]);
  });
});

describe('a sample', () => {
  it('is suspect exactly when it is further than the factor from the last trusted one', () => {
    fc.assert(
      fc.property(values, values, factor, (trusted, next, most) => {
        expect(judgeSample({ trusted }, next, most)).toEqual({ suspect: distance(trusted, next) > most });
      }),
    );
  });

  it('is never suspect when there was none before', () => {
    fc.assert(fc.property(values, factor, (next, most) => !judgeSample({}, next, most).suspect));
  });

  it('settles the suspect one before it, always', () => {
    fc.assert(
      fc.property(values, values, values, factor, (trusted, suspect, next, most) => {
        const { verdict } = judgeSample({ trusted, suspect }, next, most);
        expect(['confirmed', 'cleared']).toContain(verdict);
      }),
    );
  });

  it('clears a new level that stays, and confirms one that does not', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.integer({ min: 3, max: 50 }),
        fc.boolean(),
        (level, times, up) => {
          const [from, to] = up ? [level, level * times] : [level * times, level];
          const known = { trusted: { fans: from }, suspect: { fans: to } };
          expect(judgeSample(known, { fans: to }, 2)).toEqual({ suspect: false, verdict: 'cleared' });
          expect(judgeSample(known, { fans: from }, 2)).toEqual({ suspect: false, verdict: 'confirmed' });
        },
      ),
    );
  });

  it('on a third level is suspect itself', () => {
    const known = { trusted: { fans: 100 }, suspect: { fans: 1000 } };
    expect(judgeSample(known, { fans: 10_000 }, 2)).toEqual({ suspect: true, verdict: 'confirmed' });
  });

  it.each([NaN, 0, 1, -3])('a factor of %s means 2', (most) => {
    expect(judgeSample({ trusted: { fans: 10 } }, { fans: 20 }, most).suspect).toBe(false);
    expect(judgeSample({ trusted: { fans: 10 } }, { fans: 21 }, most).suspect).toBe(true);
  });
});

it('summaries join in any grouping, and leave out what is suspect', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(values, fc.boolean()), { minLength: 1 }),
      fc.nat(),
      (samples: [Values, boolean][], at) => {
        const one = samples.map(([value, suspect]) => summaryOf(value, suspect));
        const all = one.reduce(joinSummaries, emptySummary());
        const cut = at % (one.length + 1);
        const left = one.slice(0, cut).reduce(joinSummaries, emptySummary());
        const right = one.slice(cut).reduce(joinSummaries, emptySummary());
        expect(joinSummaries(left, right)).toEqual(all);
        const fans = samples.flatMap(([value, suspect]) => (suspect ? [] : value['fans']!));
        expect([all.count, all.suspect]).toEqual([fans.length, samples.length - fans.length]);
        expect(all.values['fans']).toEqual(
          fans.length === 0
            ? undefined
            : { first: fans[0], last: fans.at(-1), min: Math.min(...fans), max: Math.max(...fans) },
        );
      },
    ),
  );
});
