import { Holds } from './holds.ts';

test('a hold covers its epoch and older ones', () => {
  const holds = new Holds();
  holds.add('a', 2);
  expect([1, 2, 3].map((epoch) => holds.covers({ jobId: 'a', epoch }))).toEqual([true, true, false]);
  expect(holds.covers({ jobId: 'b', epoch: 1 })).toBe(false);
});

test('an older hold that comes late does not weaken a newer one', () => {
  const holds = new Holds();
  holds.add('a', 3);
  holds.add('a', 1);
  expect(holds.covers({ jobId: 'a', epoch: 3 })).toBe(true);
});

test('holds are forgotten after ten minutes, and the oldest when there are too many', () => {
  let now = 0;
  const holds = new Holds({ now: () => now, count: 3 });
  for (const jobId of ['a', 'b', 'c', 'd']) holds.add(jobId, 1);
  expect(holds.size).toBe(3);
  expect(holds.covers({ jobId: 'a', epoch: 1 })).toBe(false);
  expect(holds.covers({ jobId: 'b', epoch: 1 })).toBe(true);
  now = 600_000;
  expect(holds.covers({ jobId: 'b', epoch: 1 })).toBe(false);
  holds.add('e', 1);
  expect(holds.size).toBe(1);
});
