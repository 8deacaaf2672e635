import fc from 'fast-check';
import { pacificDay, Quota } from './quota.ts';

test('the day changes at midnight Pacific Time, in winter and in summer', () => {
  expect(pacificDay(Date.parse('2026-11-21T07:59:59Z'))).toBe('2026-11-20');
  expect(pacificDay(Date.parse('2026-11-21T08:00:00Z'))).toBe('2026-11-21');
  expect(pacificDay(Date.parse('2026-07-01T06:59:59Z'))).toBe('2026-06-30');
  expect(pacificDay(Date.parse('2026-07-01T07:00:00Z'))).toBe('2026-07-01');
});

test('no sequence of requests spends more than the quota, and what is refused is not counted', () => {
  const request = fc.record({
    method: fc.constantFrom('search.list' as const, 'videos.list' as const),
    project: fc.constantFrom('a', 'b'),
    hours: fc.integer({ min: 0, max: 6 }),
    settle: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(request, { maxLength: 60 }), fc.integer({ min: 0, max: 700 }), (requests, limit) => {
      const quota = new Quota(limit, undefined);
      let now = Date.parse('2026-11-21T00:00:00Z');
      const expected = new Map<string, number>();
      for (const { method, project, hours, settle } of requests) {
        now += hours * 3_600_000;
        const charge = quota.charge('key', project, method, now);
        if (charge !== undefined && settle) quota.settle(charge, 1);
        const name = `${project} ${pacificDay(now)}`;
        expected.set(name, (expected.get(name) ?? 0) + (charge?.units ?? 0));
        expect(quota.spent(project, now)).toBe(expected.get(name));
        expect(quota.spent(project, now)).toBeLessThanOrEqual(limit);
      }
    }),
  );
});

test('searches may have a bucket of their own', () => {
  const quota = new Quota(5, 2);
  const at = Date.parse('2026-11-21T12:00:00Z');
  expect(quota.charge('k', 'p', 'search.list', at)?.units).toBe(1);
  expect(quota.charge('k', 'p', 'search.list', at)?.units).toBe(1);
  expect(quota.charge('k', 'p', 'search.list', at)).toBeUndefined();
  expect(quota.charge('k', 'p', 'videos.list', at)?.units).toBe(1);
  expect([quota.searchCalls('p', at), quota.spent('p', at)]).toEqual([2, 1]);
});
