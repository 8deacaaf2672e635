import fc from 'fast-check';
import type { NextStep } from '@magpie/contracts';
import { withinLimits } from './limits.ts';

test('the portions together are all steps, in order, and each is within its limits', () => {
  const steps = fc.array(fc.string({ maxLength: 50 }), { maxLength: 200 });
  fc.assert(
    fc.property(
      steps,
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 60, max: 2_000 }),
      (keys, count, bytes) => {
        const all: NextStep[] = keys.map((key) => ({ kind: 'page', key, input: {} }));
        const seen: NextStep[] = [];
        for (let from: number | undefined = 0; from !== undefined;) {
          const { next, rest } = withinLimits(all, from, { count, bytes });
          expect(next.length).toBeLessThanOrEqual(count);
          if (next.length > 1)
            expect(Buffer.byteLength(next.map((one) => JSON.stringify(one)).join())).toBeLessThanOrEqual(
              bytes,
            );
          seen.push(...next);
          from = rest;
        }
        expect(seen).toEqual(all);
      },
    ),
  );
});
