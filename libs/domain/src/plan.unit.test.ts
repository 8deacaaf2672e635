import fc from 'fast-check';
import { amountOf, planOf, type PlannedProject, type PlannedProvider } from './plan.ts';

const YOUTUBE: PlannedProvider = {
  operations: { 'search.list': 100, 'videos.list': 1 },
  perRun: { 'search.list': { usual: 1, most: { param: 'maxPages' } }, 'videos.list': { usual: 1 } },
};
const key = (unitsPerDay: number | null, callsPerHour: number | null = null): PlannedProject => ({
  unitsPerDay,
  callsPerHour,
  costs: {},
});

test('a search every 30 seconds costs 288,000 units a day, against 10,000', () => {
  const plan = planOf(YOUTUBE, { maxPages: 5 }, 2880, [key(10_000)]);
  expect(plan.operations).toEqual([
    {
      operation: 'search.list',
      perRun: 1,
      mostPerRun: 5,
      perDay: 2880,
      unitsEach: 100,
      unitsPerDay: 288_000,
    },
    { operation: 'videos.list', perRun: 1, mostPerRun: 1, perDay: 2880, unitsEach: 1, unitsPerDay: 2880 },
  ]);
  expect(plan).toMatchObject({
    unitsPerDay: 290_880,
    quotaPerDay: 10_000,
    requestsPerDay: 5760,
    carried: false,
  });
  // 99 runs a day: 872.7 s.
  expect(plan.shortestIntervalMs).toBe(873_000);
  expect(plan.quotaLasts).toBe(2970);
});

test('a list goes in as many requests as it takes, and an hour’s calls bound the interval', () => {
  const pages: PlannedProvider = {
    operations: { page: 1 },
    perRun: { page: { usual: { param: 'pages' } } },
    perRequest: { page: 50 },
  };
  const params = { pages: Array.from({ length: 120 }, (_, n) => `p${n}`) };
  const plan = planOf(pages, params, 144, [key(null, 600)]);
  expect(plan).toMatchObject({ requestsPerRun: 3, requestsPerDay: 432, quotaPerDay: null, quotaLasts: null });
  // 120 calls a run at 600 an hour: a run in 12 minutes; ten minutes are not carried.
  expect(plan).toMatchObject({ shortestIntervalMs: 720_000, carried: false });
  expect(planOf(pages, params, 120, [key(null, 600)]).carried).toBe(true);
});

test('without a key nothing is carried; without a bound anything is', () => {
  expect(planOf(YOUTUBE, {}, 1, [])).toMatchObject({
    carried: false,
    shortestIntervalMs: null,
    quotaPerDay: 0,
  });
  expect(planOf(YOUTUBE, {}, 86_400, [key(null)])).toMatchObject({ carried: true, shortestIntervalMs: 0 });
});

test('an amount is a number, a parameter’s, or the length of its list', () => {
  expect([
    amountOf(3, {}),
    amountOf({ param: 'n' }, { n: 7 }),
    amountOf({ param: 'n' }, { n: ['a', 'b'] }),
  ]).toEqual([3, 7, 2]);
  expect(amountOf({ param: 'n' }, {})).toBe(1);
});

test('the shortest interval is carried, and costs no more than the quotas of a day', () => {
  const projects = fc.array(
    fc.record({
      unitsPerDay: fc.option(fc.integer({ min: 1, max: 50_000 }), { nil: null }),
      callsPerHour: fc.option(fc.integer({ min: 1, max: 5000 }), { nil: null }),
      costs: fc.constantFrom({}, { 'search.list': 50 }),
    }),
    { minLength: 1, maxLength: 4 },
  );
  fc.assert(
    fc.property(projects, fc.integer({ min: 1, max: 86_400 }), (all, runsPerDay) => {
      const { shortestIntervalMs, carried } = planOf(YOUTUBE, {}, runsPerDay, all);
      expect(shortestIntervalMs).not.toBeNull();
      if (shortestIntervalMs === null || shortestIntervalMs === 0) return expect(carried).toBe(true);
      const runs = 86_400_000 / shortestIntervalMs;
      const slower = planOf(YOUTUBE, {}, runs, all);
      expect(slower.carried).toBe(true);
      expect(carried).toBe(runsPerDay <= runs || carried);
      // A second less, and it is carried no more (but for the rounding to whole seconds).
      if (runs > 1 && shortestIntervalMs > 2000)
        expect(planOf(YOUTUBE, {}, 86_400_000 / (shortestIntervalMs - 1001), all).carried).toBe(false);
    }),
  );
});
