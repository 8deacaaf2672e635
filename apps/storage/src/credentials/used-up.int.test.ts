import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Provider } from '@magpie/contracts';
import { nextDayIn } from '@magpie/domain';
import { createCredential } from '@magpie/store';
import { done, World } from '../testing/world.ts';

const ZONE = 'America/Los_Angeles';
const PROVIDER: Provider = {
  id: 'youtube',
  title: 'YouTube Data API v3',
  howTo: 'Make one in the console.',
  operations: { search: 10 },
  steps: { search: { search: 1 } },
  perRun: { search: { usual: 1 } },
  unitsPerDay: 100,
  resetTimeZone: ZONE,
};

let world: World;
beforeEach(async () => {
  world = await World.make();
  await world.announce({ provider: PROVIDER });
});
afterEach(() => world.close());

test('keys whose quota is gone by our count are stamped, once a day; one with quota left is not', async () => {
  for (const [name, project, unitsPerDay] of [
    ['a', 'one', 20],
    ['b', 'one', 20],
    ['c', 'two', 50],
  ] as const)
    await createCredential(world.store, {
      seal: () => 'sealed',
      provider: 'youtube',
      name,
      project,
      usual: { unitsPerDay, callsPerHour: null, resetTimeZone: ZONE },
    });
  const stamps = async (): Promise<(Date | null)[]> => {
    const keys = await world.store.credentials.find().sort({ name: 1 }).lean();
    return keys.map(({ lastExhaustedAt }) => lastExhaustedAt);
  };
  const noon = nextDayIn(Date.now(), ZONE) + 12 * 3_600_000;
  const search = (step: { kind: string }) =>
    step.kind === 'start'
      ? done(
          [],
          [0, 1, 2].map((n) => ({ kind: 'search', key: `${n} ${Math.random()}`, input: { n } })),
        )
      : { ...done(), spent: { search: 1 } };
  world.script = search;
  world.clock.set(noon);
  await world.until(await world.submit(), 'completed');
  const first = await stamps();
  expect(first).toEqual([expect.any(Date), first[0], null]);
  expect(Number(first[0])).toBeGreaterThanOrEqual(noon);

  world.clock.set(noon + 3_600_000);
  await world.until(await world.submit(), 'completed');
  expect(await stamps()).toEqual(first);
  const next = nextDayIn(noon, ZONE) + 3_600_000;
  world.clock.set(next);
  await world.until(await world.submit(), 'completed');
  const later = await stamps();
  expect(later).toEqual([expect.any(Date), later[0], null]);
  expect(Number(later[0])).toBeGreaterThanOrEqual(next);
});
