import { partAfter } from './spool.ts';

test('parts get longer, so that there are never more than some hundred', () => {
  let ms = 0;
  let rows = 0;
  for (let part = 0; part < 100; part += 1) expect(partAfter(part)).toEqual(partAfter(0));
  for (let part = 0; part < 700; part += 1) {
    const most = partAfter(part);
    ms += most.ms;
    rows += most.rows;
    // What a crash costs beyond the first parts is little of what was read.
    if (part >= 100) expect(most.ms).toBeLessThanOrEqual(ms / 50);
  }
  expect(ms).toBeGreaterThan(6 * 3_600_000);
  expect(rows).toBeGreaterThan(500_000_000);
});
