import fc from 'fast-check';
import {
  carries,
  carriesFrom,
  DAY_MS,
  dayIn,
  distinctFrom,
  HOUR_MS,
  inWindow,
  nextDayIn,
  restMs,
  restUntil,
  tokensAt,
  usedAt,
  type QuotaState,
} from './quota.ts';

const PACIFIC = 'America/Los_Angeles';
const at = (text: string): number => Date.parse(text);
const instants = fc.integer({ min: at('2024-01-01T00:00:00Z'), max: at('2030-01-01T00:00:00Z') });
const zones = fc.constantFrom(
  'UTC',
  PACIFIC,
  'Europe/Berlin',
  'Asia/Kathmandu',
  'Pacific/Apia',
  'Africa/Cairo',
);

describe('days of a time zone', () => {
  it.each([
    ['2026-11-21T07:59:59Z', '2026-11-20', '2026-11-21T08:00:00Z', 'standard time'],
    ['2026-11-21T08:00:00Z', '2026-11-21', '2026-11-22T08:00:00Z', 'midnight itself begins a day'],
    ['2026-07-01T06:59:59Z', '2026-06-30', '2026-07-01T07:00:00Z', 'daylight saving'],
    ['2026-03-08T12:00:00Z', '2026-03-08', '2026-03-09T07:00:00Z', 'a day of 23 hours'],
    ['2026-11-01T12:00:00Z', '2026-11-01', '2026-11-02T08:00:00Z', 'a day of 25 hours'],
  ])('%s in Pacific time is of %s, the next day begins at %s: %s', (instant, day, next) => {
    expect(dayIn(at(instant), PACIFIC)).toBe(day);
    expect(new Date(nextDayIn(at(instant), PACIFIC))).toEqual(new Date(next));
  });

  it('the next day begins later than now, within 25 hours, and is another day from that very instant on', () => {
    fc.assert(
      fc.property(instants, zones, (now, zone) => {
        const next = nextDayIn(now, zone);
        expect(next).toBeGreaterThan(now);
        expect(next - now).toBeLessThanOrEqual(25 * HOUR_MS);
        expect(dayIn(next, zone) > dayIn(now, zone)).toBe(true);
        expect(dayIn(next - 1, zone)).toBe(dayIn(now, zone));
      }),
    );
  });

  it('a time zone that does not exist is refused', () => {
    expect(() => dayIn(0, 'America/Atlantis')).toThrow(RangeError);
  });
});

const bound = (max: number) => fc.option(fc.integer({ min: 1, max }), { nil: null });
const quotas: fc.Arbitrary<QuotaState> = fc
  .record({
    unitsPerDay: bound(20_000),
    resetTimeZone: zones,
    callsPerHour: bound(5000),
    daysAgo: fc.integer({ min: 0, max: 2 }),
    used: fc.integer({ min: 0, max: 20_000 }),
    exhaustedFor: fc.option(fc.integer({ min: -DAY_MS, max: DAY_MS }), { nil: null }),
    tokens: fc.integer({ min: -100, max: 5000 }),
    tokensAgo: fc.integer({ min: -5000, max: 3 * HOUR_MS }),
    now: instants,
  })
  .map(({ daysAgo, exhaustedFor, tokensAgo, now, ...rest }) => ({
    ...rest,
    now,
    day: dayIn(now - daysAgo * DAY_MS, rest.resetTimeZone),
    exhaustedUntil: exhaustedFor === null ? null : now + exhaustedFor,
    tokensAt: now - tokensAgo,
  })) as fc.Arbitrary<QuotaState>;
const needs = fc.record({ units: fc.integer({ min: 0, max: 500 }), calls: fc.integer({ min: 0, max: 100 }) });
const nowOf = (quota: QuotaState): number => (quota as QuotaState & { now: number }).now;

describe('what a quota carries', () => {
  it('never more than the day has left, and never more tokens than there are but for one step', () => {
    fc.assert(
      fc.property(quotas, needs, fc.integer({ min: 0, max: 300 }), (quota, need, wanted) => {
        const now = nowOf(quota);
        const count = carries(quota, need, wanted, now);
        expect(count).toBeGreaterThanOrEqual(0);
        expect(count).toBeLessThanOrEqual(wanted);
        if (count === 0) return;
        if (quota.unitsPerDay !== null && need.units > 0)
          expect(usedAt(quota, now) + count * need.units).toBeLessThanOrEqual(quota.unitsPerDay);
        if (count > 1 && need.calls > 0) expect(count * need.calls).toBeLessThanOrEqual(tokensAt(quota, now));
      }),
    );
  });

  it('carries a step at the instant that it names, and not a second earlier', () => {
    fc.assert(
      fc.property(quotas, needs, (quota, need) => {
        const now = nowOf(quota);
        const { at: from, lacks } = carriesFrom(quota, need, now);
        expect(from).toBeGreaterThanOrEqual(now);
        if (lacks === 'too_dear') return expect(carries(quota, need, 1, from)).toBe(0);
        expect(carries(quota, need, 1, from)).toBe(1);
        expect(lacks === null).toBe(from === now);
        if (lacks !== null && from - 1000 >= now) expect(carries(quota, need, 1, from - 1000)).toBe(0);
      }),
      { numRuns: 1000 },
    );
  });

  it('a bucket is full after an hour, and gives in any stretch no more than it held and what came in', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), instants, (callsPerHour, now) => {
        const quota: QuotaState = {
          unitsPerDay: null,
          resetTimeZone: 'UTC',
          callsPerHour,
          day: '2024-01-01',
          used: 0,
          exhaustedUntil: null,
          tokens: 0,
          tokensAt: now,
        };
        expect(tokensAt(quota, now)).toBe(0);
        expect(tokensAt(quota, now + HOUR_MS)).toBeCloseTo(callsPerHour);
        expect(tokensAt(quota, now + 5 * HOUR_MS)).toBe(callsPerHour);
        expect(tokensAt(quota, now - HOUR_MS)).toBe(0);
      }),
    );
  });
});

describe('rests', () => {
  it('are none below 75 %, only grow, are real before 100 %, and the provider’s own time wins', () => {
    const now = 1_000_000;
    expect(restUntil(74.9, undefined, now)).toBeNull();
    expect(restUntil(20, now + 5, now)).toBeNull();
    expect((restUntil(90, undefined, now) ?? 0) - now).toBeGreaterThan(10 * 60_000);
    expect(restUntil(100, undefined, now)).toBe(now + HOUR_MS);
    expect(restUntil(100, now + 5, now)).toBe(now + 5);
    expect(restUntil(100, now - 5, now)).toBe(now + HOUR_MS);
    const percents = fc.double({ min: 0, max: 200, noNaN: true });
    fc.assert(
      fc.property(percents, percents, (a, b) => {
        const [less, more] = a < b ? [a, b] : [b, a];
        expect(restUntil(less, undefined, now) ?? now).toBeLessThanOrEqual(
          restUntil(more, undefined, now) ?? now,
        );
      }),
    );
  });

  it('told without a time, they grow from a minute to an hour', () => {
    expect([0, 1, 2, 30].map(restMs)).toEqual([60_000, 120_000, 240_000, HOUR_MS]);
  });
});

describe('different things within some days', () => {
  const rule = { limit: 30, days: 7 };
  it('the 31st waits until the first no longer counts; a known one goes at once', () => {
    const asked = Array.from({ length: 30 }, (_, n) => ({ what: `tag${n}`, at: 1000 + n }));
    expect(distinctFrom(asked, 'tag7', rule, 5000)).toBe(5000);
    expect(distinctFrom(asked, 'another', rule, 5000)).toBe(1000 + 7 * DAY_MS);
    expect(distinctFrom(asked.slice(1), 'another', rule, 5000)).toBe(5000);
  });

  it('asked when it says, no more than the limit ever count', () => {
    const wanted = fc.array(fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: DAY_MS })), {
      maxLength: 80,
    });
    fc.assert(
      fc.property(
        wanted,
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 3 }),
        (wishes, limit, days) => {
          let now = 1_000_000;
          let asked: { what: string; at: number }[] = [];
          for (const [tag, after] of wishes) {
            const what = `t${tag}`;
            now = distinctFrom(asked, what, { limit, days }, now + after);
            asked = inWindow(asked, days, now);
            if (!asked.some((one) => one.what === what)) asked.push({ what, at: now });
            expect(asked.length).toBeLessThanOrEqual(limit);
          }
        },
      ),
    );
  });
});
