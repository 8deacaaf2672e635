/** Runs of scheduled jobs, by a clock that the tests move. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { planSchedule, type AskedSchedule } from '@magpie/domain';
import { changeJob, listRuns, type RunDocument } from '@magpie/store';
import { addsUp, done, found, page, pause, World, type Answer } from '../testing/world.ts';

jest.setTimeout(90_000);

let world: World;
beforeEach(async () => {
  world = await World.make();
});
afterEach(() => world.close());

const submit = (asked: AskedSchedule, params = {}): Promise<string> =>
  world.submit(params, 'normal', { schedule: planSchedule(asked, world.clock.now()) });

const runsOf = async (id: string): Promise<RunDocument[]> =>
  (await listRuns(world.store, id, {}, { limit: 500 })).rows.reverse();

/** Once so many runs are over, and the job waits for the next. */
const over = async (id: string, count: number): Promise<RunDocument[]> => {
  await world.eventually(
    () => world.job(id),
    ({ state, runs, run }) => runs >= count && run === null && state !== 'running' && state !== 'queued',
  );
  return runsOf(id);
};
const iso = (date: Date | null | undefined): string | undefined => date?.toISOString();

/** Goes to the next firing and lets it run. */
async function next(id: string): Promise<RunDocument> {
  const { nextRunAt, runs } = await world.job(id);
  world.clock.set((nextRunAt as Date).getTime());
  return (await over(id, runs + 1)).at(-1) as RunDocument;
}

test('a job with an interval runs at once, then waits and runs again, each run with its own numbers', async () => {
  let n = 0;
  world.script = () => done([found(`https://a.example/${n++}.png`), found('https://a.example/same.png')]);
  const id = await submit({ every: '10m' });
  const [first] = await over(id, 1);
  expect(first).toMatchObject({
    number: 1,
    state: 'completed',
    missed: 0,
    counts: { discovered: 2, stored: 2, failed: 0 },
  });
  const waiting = await world.job(id);
  expect(waiting).toMatchObject({ state: 'waiting', waiting: { reason: 'schedule' } });
  expect(waiting.nextRunAt?.getTime()).toBe(waiting.createdAt.getTime() - (waiting.createdAt.getTime() - (first as RunDocument).dueAt.getTime()) + 600_000);
  const second = await next(id);
  expect(second).toMatchObject({ number: 2, state: 'completed', counts: { discovered: 1, stored: 1 } });
  expect(second.dueAt.getTime() - (first as RunDocument).dueAt.getTime()).toBe(600_000);
  expect(world.seen.map(({ input }) => input['run'])).toEqual([
    { number: 1, at: first?.dueAt.getTime() },
    { number: 2, at: second.dueAt.getTime(), previousAt: first?.dueAt.getTime() },
  ]);
  expect(addsUp(await world.job(id))).toBe(true);
});
