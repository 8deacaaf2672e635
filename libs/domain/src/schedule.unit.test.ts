import fc from 'fast-check';
import {
  formatDuration,
  lastRunAt,
  InvalidDuration,
  MAX_COUNTED,
  missedFirings,
  missedRuns,
  nextFiring,
  nextRunAt,
  parseDuration,
  roughly,
  type PlannedSchedule,
} from './index.ts';

const plan = (rest: Partial<PlannedSchedule>): PlannedSchedule => ({
  every: null,
  cron: null,
  timeZone: 'UTC',
  until: null,
  jitterMs: 0,
  anchor: new Date('2026-03-01T00:00:00Z'),
  asked: null,
  ...rest,
});
const at = (text: string): number => Date.parse(text);
const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

function take(schedule: PlannedSchedule, after: number, count: number): (string | null)[] {
  const out: (string | null)[] = [];
  for (let i = 0, from: number | null = after; i < count && from !== null; i++) {
    from = nextFiring(schedule, from);
    out.push(iso(from));
  }
  return out;
}

describe('durations', () => {
  it.each([
    ['30s', 'PT30S', 30_000],
    ['1500ms', 'PT1.5S', 1500],
    ['10m', 'PT10M', 600_000],
    ['90m', 'PT1H30M', 5_400_000],
    ['2h', 'PT2H', 7_200_000],
    ['1d', 'P1D', 86_400_000],
    ['P1W', 'P7D', 7 * 86_400_000],
    ['PT1.5H', 'PT1H30M', 5_400_000],
    ['P1M', 'P1M', 30.436875 * 86_400_000],
    ['366d', 'P366D', 366 * 86_400_000],
  ])('%s is %s', (text, canonical, ms) => {
    expect(formatDuration(parseDuration(text))).toBe(canonical);
    expect(roughly(parseDuration(text))).toBe(ms);
  });

  it.each([
    '',
    '10',
    'm',
    '-5m',
    '-PT5M',
    '1 h',
    '0s',
    '999ms',
    'PT0.9S',
    'P400D',
    '367d',
    'P2Y',
    '1e3s',
    'PT',
    'now',
  ])('refuses %j', (text) => expect(() => parseDuration(text)).toThrow(InvalidDuration));

  it('are read again as they are written', () => {
    const interval = fc.record({
      months: fc.integer({ min: 0, max: 11 }),
      days: fc.integer({ min: 0, max: 30 }),
      ms: fc.integer({ min: 1000, max: 86_400_000 }),
    });
    fc.assert(fc.property(interval, (one) => expect(parseDuration(formatDuration(one))).toEqual(one)));
  });
});

const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Asia/Kolkata',
  'Australia/Lord_Howe',
  'America/Sao_Paulo',
];
const zone = fc.constantFrom(...ZONES);
const instant = fc.integer({ min: at('2024-01-01T00:00:00Z'), max: at('2032-01-01T00:00:00Z') });
const every = fc.constantFrom(
  'PT1S',
  'PT30S',
  'PT10M',
  'PT7M',
  'PT1H30M',
  'P1D',
  'P1W',
  'P1M',
  'P3M',
  'P1DT6H',
);
const cron = fc.constantFrom(
  '0 9 * * 1-5',
  '30 2 * * *',
  '*/10 * * * *',
  '15 30 * * * *',
  '0 0 29 2 *',
  '0 12 L * *',
);
const schedule: fc.Arbitrary<PlannedSchedule> = fc
  .record({
    every,
    cron,
    useCron: fc.boolean(),
    timeZone: zone,
    anchor: instant,
    jitterMs: fc.constantFrom(0, 500, 90_000, 1e8),
  })
  .map(({ every, cron, useCron, timeZone, anchor, jitterMs }) =>
    plan({ ...(useCron ? { cron } : { every }), timeZone, jitterMs, anchor: new Date(anchor) }),
  );

describe('firings', () => {
  it('come after what they follow, and there is none between', () => {
    fc.assert(
      fc.property(schedule, instant, (one, after) => {
        const next = nextFiring(one, after) as number;
        expect(next).toBeGreaterThan(after);
        // From any place before it, it is the next one.
        expect(nextFiring(one, next - 1)).toBe(next);
        expect(missedFirings(one, after, next)).toBe(1);
        expect(missedFirings(one, after, next - 1)).toBe(0);
      }),
    );
  });

  it('of hours and below are exact multiples from the anchor, however late one asks', () => {
    const exact = fc.constantFrom<[string, number]>(
      ['PT1S', 1e3],
      ['PT30S', 3e4],
      ['PT7M', 42e4],
      ['PT1H30M', 54e5],
    );
    fc.assert(
      fc.property(exact, zone, instant, instant, ([every, ms], timeZone, anchor, after) => {
        const next = nextFiring(plan({ every, timeZone, anchor: new Date(anchor) }), after) as number;
        expect((next - anchor) % ms).toBe(0);
        expect(next - Math.max(after, anchor)).toBeLessThanOrEqual(ms);
      }),
    );
  });

  it('of days keep the time of day over changes of the clocks', () => {
    const daily = plan({ every: 'P1D', timeZone: 'Europe/Berlin', anchor: new Date('2026-03-27T08:00:00Z') });
    expect(take(daily, at('2026-03-27T07:00:00Z'), 4)).toEqual([
      '2026-03-27T08:00:00.000Z',
      '2026-03-28T08:00:00.000Z',
      '2026-03-29T07:00:00.000Z',
      '2026-03-30T07:00:00.000Z',
    ]);
    const inTheGap = plan({
      every: 'P1D',
      timeZone: 'Europe/Berlin',
      anchor: new Date('2026-03-28T01:30:00Z'),
    });
    expect(take(inTheGap, at('2026-03-28T02:00:00Z'), 2)).toEqual([
      '2026-03-29T01:30:00.000Z', // 02:30 does not exist: 03:30
      '2026-03-30T00:30:00.000Z', // and 02:30 again
    ]);
  });

  it('of months are counted from the anchor, not from the last one', () => {
    const monthly = plan({ every: 'P1M', anchor: new Date('2026-01-31T12:00:00Z') });
    expect(take(monthly, at('2026-01-31T12:00:00Z'), 3)).toEqual([
      '2026-02-28T12:00:00.000Z',
      '2026-03-31T12:00:00.000Z',
      '2026-04-30T12:00:00.000Z',
    ]);
  });

  it('of cron: gap, overlap, seconds', () => {
    const nightly = plan({ cron: '30 2 * * *', timeZone: 'Europe/Berlin' });
    expect(take(nightly, at('2026-03-28T12:00:00Z'), 2)).toEqual([
      '2026-03-29T01:00:00.000Z', // 02:30 does not exist: when the clocks have gone on
      '2026-03-30T00:30:00.000Z',
    ]);
    expect(take(nightly, at('2026-10-24T12:00:00Z'), 2)).toEqual([
      '2026-10-25T00:30:00.000Z', // the first of two 02:30
      '2026-10-26T01:30:00.000Z',
    ]);
    const hourly = plan({ cron: '30 * * * *', timeZone: 'Europe/Berlin' });
    expect(take(hourly, at('2026-10-25T00:00:00Z'), 3)).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-25T01:30:00.000Z',
      '2026-10-25T02:30:00.000Z',
    ]);
    expect(take(plan({ cron: '*/20 * * * * *' }), at('2026-01-01T00:00:00.001Z'), 2)).toEqual([
      '2026-01-01T00:00:20.000Z',
      '2026-01-01T00:00:40.000Z',
    ]);
  });

  it('end with until, which is within', () => {
    const until = new Date('2026-03-01T00:20:00Z');
    const one = plan({ every: 'PT10M', until });
    expect(nextFiring(one, at('2026-03-01T00:10:00Z'))).toBe(until.getTime());
    expect(nextFiring(one, until.getTime())).toBeNull();
    expect(missedFirings(one, at('2026-03-01T00:00:00Z'), at('2027-01-01T00:00:00Z'))).toBe(2);
    fc.assert(
      fc.property(schedule, instant, instant, (any, end, after) => {
        const run = nextRunAt({ ...any, until: new Date(end) }, 'job', after);
        expect(run === null || (run > after && run <= end)).toBe(true);
      }),
    );
  });

  it('are counted, for years of seconds as for minutes', () => {
    const seconds = plan({ every: 'PT1S' });
    expect(missedFirings(seconds, at('2026-03-01T00:00:00Z'), at('2036-03-01T00:00:00Z'))).toBe(315_619_200);
    expect(missedFirings(plan({ cron: '* * * * * *' }), 0, at('2036-03-01T00:00:00Z'))).toBe(MAX_COUNTED);
    expect(missedFirings(seconds, 10, 5)).toBe(0);
    fc.assert(
      fc.property(schedule, instant, fc.integer({ min: 1, max: 30 }), (one, from, count) => {
        let last = from;
        for (let i = 0; i < count; i++) last = nextFiring(one, last) as number;
        expect(missedFirings(one, from, last)).toBe(count);
      }),
      { numRuns: 40 },
    );
  });
});

describe('jitter', () => {
  it('moves each run past its firing, by less than it says and never past the next; the same each time', () => {
    fc.assert(
      fc.property(schedule, instant, fc.string(), (one, after, jobId) => {
        const seen: number[] = [];
        let run = nextRunAt(one, jobId, after) as number;
        for (let i = 0; i < 4; i++) {
          seen.push(run);
          const firing = lastFiring(one, run);
          expect(run - firing).toBeGreaterThanOrEqual(0);
          expect(run - firing).toBeLessThan(Math.max(1, one.jitterMs));
          expect(nextRunAt(one, jobId, run - 1)).toBe(run);
          expect(lastRunAt(one, jobId, run)).toBe(run);
          expect(lastRunAt(one, jobId, (nextRunAt(one, jobId, run) as number) - 1)).toBe(run);
          run = nextRunAt(one, jobId, run) as number;
        }
        expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b));
        expect(seen.map((at) => missedRuns(one, jobId, seen[0] as number, at))).toEqual([0, 1, 2, 3]);
        expect(missedRuns(one, jobId, after, (seen[0] as number) - 1)).toBe(0);
        // One run a firing: none is left out, none comes twice.
        expect(seen.map((at) => missedFirings(one, lastFiring(one, seen[0] as number) - 1, at))).toEqual([
          1, 2, 3, 4,
        ]);
      }),
      { numRuns: 60 },
    );
  });

  it('differs by job and by firing', () => {
    const one = plan({ every: 'PT1H', jitterMs: 600_000 });
    const runs = ['a', 'b', 'c'].flatMap((job) => {
      const first = nextRunAt(one, job, at('2026-04-01T00:00:00Z')) as number;
      return [first % 3_600_000, (nextRunAt(one, job, first) as number) % 3_600_000];
    });
    expect(new Set(runs).size).toBe(runs.length);
  });
});

/** By counting, so that the test does not rest on what it tests. */
function lastFiring(one: PlannedSchedule, upTo: number): number {
  let low = upTo - 366 * 5 * 86_400_000;
  let high = upTo;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const next = nextFiring(one, middle) as number;
    if (next <= upTo) low = Math.max(middle, next - 1);
    else high = middle;
    if (next <= upTo && (nextFiring(one, next) as number) > upTo) return next;
  }
  return high;
}
