/** Schedules that are changed while something is under way, and what a run leaves behind for the next. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { NextStep } from '@magpie/contracts';
import { newId, planSchedule, type AskedSchedule } from '@magpie/domain';
import { changeJob, createJob, listRuns, type RunDocument, type StepDocument } from '@magpie/store';
import { addsUp, done, found, page, SOURCE, World } from '../testing/world.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const TARGETS = { param: 'pages', step: 'measure', perStep: 1 };

let world: World;
beforeEach(async () => {
  world = await World.make();
});
afterEach(() => world.close());

const submit = (asked: AskedSchedule): Promise<string> =>
  world.submit({}, 'normal', { schedule: planSchedule(asked, world.clock.now()) });

const measuring = async (asked: AskedSchedule, targets: string[]): Promise<string> => {
  await world.announce({ targets: TARGETS });
  const { job } = await createJob(world.store, {
    source: SOURCE,
    params: {},
    priority: 'normal',
    correlationId: newId(),
    targets,
    schedule: planSchedule(asked, world.clock.now()),
  });
  return job._id;
};

const change = (id: string, schedule: AskedSchedule | null) =>
  changeJob(
    world.store,
    id,
    { schedule: schedule && planSchedule(schedule, world.clock.now()) },
    world.clock.now(),
  );

/** Oldest first. */
const runsOf = async (id: string): Promise<RunDocument[]> =>
  (await listRuns(world.store, id, {}, { limit: 500 })).rows.reverse();

const over = async (id: string, count: number): Promise<RunDocument[]> => {
  await world.eventually(
    () => world.job(id),
    ({ state, runs, run }) => runs >= count && run === null && state !== 'running' && state !== 'queued',
  );
  return runsOf(id);
};

async function next(id: string): Promise<RunDocument> {
  const { nextRunAt, runs } = await world.job(id);
  world.clock.set((nextRunAt as Date).getTime());
  return (await over(id, runs + 1)).at(-1) as RunDocument;
}

test('a job that runs once gets a schedule while it runs: no run begins before it is done', async () => {
  let answers = false;
  world.script = ({ kind, url = '' }) => {
    if (kind === 'start') return done([], [page('https://a.example/1'), page('https://a.example/2')]);
    return answers || url.endsWith('1') ? done() : undefined;
  };
  const id = await world.submit();
  await world.eventually(
    () => world.job(id),
    ({ pages }) => pages.done === 1,
  );
  await change(id, { every: '10m' });
  world.clock.advance(10 * MINUTE);
  const [first] = await world.eventually(
    () => runsOf(id),
    (runs) => runs.length === 1,
  );
  expect(first).toMatchObject({ number: 1, state: 'skipped', reason: 'overlap' });
  // What it has done stays known while it goes on.
  expect(await world.store.links.countDocuments({ jobId: id, of: 'page', state: 'done' })).toBe(1);
  answers = true;
  const open = await world.eventually(
    () => world.seen.findLast(({ url }) => url?.endsWith('2')),
    (step) => step !== undefined,
  );
  await world.answer(open as never, done());
  expect((await world.until(id, 'waiting')).waiting).toMatchObject({ reason: 'schedule' });
  expect(await next(id)).toMatchObject({ number: 2, state: 'completed' });
});

test('a schedule is taken away between two runs: what only measured, and once failed, is completed', async () => {
  let works = true;
  world.script = (step) => {
    const [target = ''] = step.input['targets'] as string[];
    return works
      ? { ...done(), samples: [{ target, at: world.clock.now(), values: { fans: 1 } }] }
      : { outcome: 'failed', code: 'api_error', message: 'no' };
  };
  const id = await measuring({ every: '2s' }, ['a']);
  await world.eventually(
    () => world.job(id),
    ({ tally }) => tally.samples > 0,
  );
  works = false;
  await world.eventually(
    () => runsOf(id),
    (runs) => runs.some(({ state }) => state === 'failed'),
  );
  await change(id, { every: '1h' });
  await world.until(id, 'waiting');
  await change(id, null);
  expect(await world.until(id, 'completed')).toMatchObject({ error: null });
});

test('a shorter interval takes effect in the middle of a round: the rest of it is drawn together', async () => {
  const id = await measuring(
    { every: '24h' },
    Array.from({ length: 40 }, (_, i) => `page${i}`),
  );
  const later = async (): Promise<StepDocument[]> =>
    (await world.store.steps.collection
      .find({ jobs: id, state: 'later' } as never)
      .sort({ notBefore: 1 })
      .toArray()) as unknown as StepDocument[];
  await world.eventually(later, (steps) => steps.length > 30);
  // None becomes due between two looks.
  await world.closeStorages();
  const before = await later();
  expect(Number(before.at(-1)?.notBefore)).toBeGreaterThan(world.clock.now() + 12 * HOUR);
  await change(id, { every: '10m' });
  const after = await later();
  const left = after.map(({ notBefore }) => Number(notBefore) - world.clock.now());
  expect(Math.max(...left)).toBeLessThan(10 * MINUTE);
  expect(Math.max(...left)).toBeGreaterThan(4 * MINUTE);
  expect(after.map(({ _id }) => _id)).toEqual(before.map(({ _id }) => _id));
  // A longer one leaves the round as it is.
  await change(id, { every: '12h' });
  expect((await later()).map(({ notBefore }) => notBefore)).toEqual(after.map(({ notBefore }) => notBefore));
});

test('items that were to be fetched together and failed are taken up by the next run, which also looks for news', async () => {
  const urlOf = (n: number): string => `https://video.example/${n}`;
  const video = (url: string) => found(url, { kind: 'video' });
  let works = false;
  let all = [1, 2, 3];
  world.script = ({ kind, input }) => {
    if (kind === 'start') {
      const fetches = { kind: 'video', urls: all.map(urlOf) };
      return done([], [{ kind: 'details', key: 'd', input: { x: 1 }, fetches } satisfies NextStep]);
    }
    // The provider never shows the third.
    const urls = (input['urls'] as string[]).filter((url) => url !== urlOf(3));
    return works ? done(urls.map(video)) : { outcome: 'retry', code: 'api_error', message: 'no' };
  };
  const id = await submit({ every: '1h' });
  const [first] = await over(id, 1);
  expect(first).toMatchObject({ state: 'failed', reason: 'api_error' });
  expect(addsUp(await world.job(id))).toBe(true);
  expect((await world.job(id)).counts).toMatchObject({ discovered: 3, failed: 3, pending: 0 });

  world.seen.length = 0;
  expect(await next(id)).toMatchObject({ state: 'failed', reason: 'api_error' });
  works = true;
  all = [1, 2, 3, 4];
  world.seen.length = 0;
  expect(await next(id)).toMatchObject({ state: 'completed', counts: { stored: 3, discovered: 1 } });
  const asked = world.seen.filter(({ kind }) => kind === 'details').map(({ input }) => input);
  expect(asked).toHaveLength(2);
  expect(asked).toEqual(
    expect.arrayContaining([
      { x: 1, urls: [1, 2, 3].map(urlOf) },
      { x: 1, urls: [urlOf(4)] },
    ]),
  );
  const job = await world.job(id);
  expect(job.counts).toMatchObject({ discovered: 4, stored: 3, failed: 1, pending: 0 });

  // What the provider does not show is not asked for again by itself.
  world.seen.length = 0;
  expect(await next(id)).toMatchObject({ state: 'completed' });
  expect(world.seen.map(({ kind }) => kind)).toEqual(['start']);
  expect(await world.store.steps.countDocuments({})).toBe(0);
});

test('what is retried in vain by itself can be retried again', async () => {
  const urls = ['https://video.example/1', 'https://video.example/2'];
  let shown = 1;
  world.script = ({ kind, input }) => {
    if (kind === 'start')
      return done([], [{ kind: 'details', key: 'd', input: { x: 1 }, fetches: { kind: 'video', urls } }]);
    return done((input['urls'] as string[]).slice(0, shown).map((url) => found(url, { kind: 'video' })));
  };
  const id = await world.submit();
  await world.until(id, 'completed');
  shown = 0;
  for (let i = 0; i < 3; i++) {
    world.seen.length = 0;
    await world.control(id, 'retry');
    const { counts } = await world.until(id, 'completed');
    expect(counts).toMatchObject({ stored: 1, failed: 1 });
    expect(world.seen.map(({ kind, input }) => ({ kind, input }))).toEqual([
      { kind: 'details', input: { x: 1, urls: urls.slice(1) } },
    ]);
  }
});

test('a retry asks once for what was to be fetched together in a run', async () => {
  const urls = ['https://video.example/1', 'https://video.example/2'];
  let works = false;
  world.script = ({ kind, input }) => {
    if (kind === 'start')
      return done([], [{ kind: 'details', key: 'd', input: {}, fetches: { kind: 'video', urls } }]);
    return works
      ? done((input['urls'] as string[]).map((url) => found(url, { kind: 'video' })))
      : { outcome: 'failed', code: 'api_error', message: 'no' };
  };
  const id = await submit({ every: '1h', until: new Date(world.clock.now() + MINUTE).toISOString() });
  await world.until(id, 'failed');
  works = true;
  world.seen.length = 0;
  await world.control(id, 'retry');
  const job = await world.until(id, 'completed');
  expect(job.counts).toMatchObject({ discovered: 2, stored: 2, failed: 0, pending: 0 });
  expect(world.seen.flatMap(({ input }) => input['urls'] as string[]).sort()).toEqual(urls);
});
