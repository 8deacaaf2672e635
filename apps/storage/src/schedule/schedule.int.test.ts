/** Runs of scheduled jobs, by a clock that the tests move. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { newId, planSchedule, type AskedSchedule } from '@magpie/domain';
import { changeJob, createJob, listRuns, runId, type JobDocument, type RunDocument } from '@magpie/store';
import { addsUp, done, found, image, page, pause, SOURCE, World } from '../testing/world.ts';
import { LIVE_BY, liveBy } from '../dispatch/live-jobs.ts';
import { pruneFailures } from './prune.ts';
import { dueBy, Scheduler } from './scheduler.ts';

const MINUTE = 60_000;

let world: World;
afterEach(() => world.close());

const submit = (asked: AskedSchedule, params = {}): Promise<string> =>
  world.submit(params, 'normal', { schedule: planSchedule(asked, world.clock.now()) });

/** Oldest first. */
const runsOf = async (id: string): Promise<RunDocument[]> =>
  (await listRuns(world.store, id, {}, { limit: 500 })).rows.reverse();

/** Once so many runs are over; the job then waits for the next, or has ended. */
const over = async (id: string, count: number): Promise<RunDocument[]> => {
  await world.eventually(
    () => world.job(id),
    ({ state, runs, run }) => runs >= count && run === null && state !== 'running' && state !== 'queued',
  );
  return runsOf(id);
};

/** Goes to the next firing and lets it run. */
async function next(id: string): Promise<RunDocument> {
  const { nextRunAt, runs } = await world.job(id);
  world.clock.set((nextRunAt as Date).getTime());
  return (await over(id, runs + 1)).at(-1) as RunDocument;
}

const minutesBetween = (a: Date | undefined, b: Date | null | undefined): number =>
  ((b?.getTime() ?? NaN) - (a?.getTime() ?? NaN)) / MINUTE;

const starts = () => world.seen.filter(({ kind }) => kind === 'start');

describe('with one storage', () => {
  beforeEach(async () => {
    world = await World.make();
    world.script = () => done();
  });

  test('an interval: a run at once, then one each time, each with its own numbers', async () => {
    let n = 0;
    world.script = () => done([found(`https://a.example/${n++}.png`), found('https://a.example/same.png')]);
    const id = await submit({ every: '10m' });
    const [first] = await over(id, 1);
    expect(first).toMatchObject({
      number: 1,
      state: 'completed',
      reason: null,
      missed: 0,
      counts: { discovered: 2, stored: 2, shared: 0, failed: 0 },
    });
    const waiting = await world.job(id);
    expect(waiting.state).toBe('waiting');
    expect(waiting.waiting).toEqual({ reason: 'schedule', until: waiting.nextRunAt });
    const second = await next(id);
    expect(second).toMatchObject({ number: 2, state: 'completed', counts: { discovered: 1, stored: 1 } });
    expect(minutesBetween(first?.dueAt, second.dueAt)).toBe(10);
    expect(world.seen.map(({ input }) => input['run'])).toEqual([
      { number: 1, at: first?.dueAt.getTime() },
      { number: 2, at: second.dueAt.getTime(), previousAt: first?.dueAt.getTime() },
    ]);
    const job = await world.job(id);
    expect(addsUp(job)).toBe(true);
    expect(job.history.map(({ to }) => to)).toEqual(['queued', 'running', 'waiting', 'running', 'waiting']);
    expect(await world.store.steps.countDocuments({ jobs: id })).toBe(0);
  });

  test('each run reads the pages again, tries what failed and rechecks what it has; the ledger does not grow', async () => {
    const [kept, broken] = ['https://a.example/kept.png', 'https://a.example/broken.png'];
    let works = false;
    let fetched = 0;
    world.script = ({ kind, url = '' }) => {
      if (kind === 'start') return done([], [page('https://a.example/')]);
      if (kind === 'page') return done([], [image(kept, { recheck: 'always' }), image(broken)]);
      return url === broken && !works
        ? { outcome: 'failed', code: 'http_status', message: 'gone', status: 404 }
        : done([found(url, { data: { fetched: fetched++ } })]);
    };
    const id = await submit({ every: '10m' });
    await over(id, 1);
    expect((await world.job(id)).counts).toMatchObject({ discovered: 2, stored: 1, failed: 1 });
    const lines = await world.store.links.countDocuments({ jobId: id });
    world.seen.length = 0;
    works = true;
    await next(id);
    expect(world.seen.map(({ kind, url }) => url ?? kind).sort()).toEqual([
      'https://a.example/',
      broken,
      kept,
      'start',
    ]);
    const job = await world.job(id);
    expect(job.counts).toMatchObject({ discovered: 2, stored: 2, failed: 0, pending: 0 });
    expect(job.pages).toMatchObject({ discovered: 2, done: 2 });
    const item = await world.store.items.collection.findOne({ url: kept } as never);
    expect(item).toMatchObject({ revision: 2, refs: 1 });
    await next(id);
    expect(await world.store.links.countDocuments({ jobId: id })).toBeLessThanOrEqual(lines);
  });

  test('a week with a change of the clocks: every run at its instant, no drift', async () => {
    // Summer time begins in Berlin on 28 March 2027, at 01:00 UTC.
    world.clock.set(Date.parse('2027-03-25T08:00:00Z'));
    const plan = (asked: AskedSchedule) =>
      world.submit({}, 'normal', {
        schedule: planSchedule({ timeZone: 'Europe/Berlin', ...asked }, Date.parse('2027-03-25T08:00:00Z')),
      });
    const daily = await plan({ every: '1d' });
    const often = await plan({ every: '7h' });
    const nightly = await plan({ cron: '30 2 * * *' });
    const end = Date.parse('2027-04-01T08:00:00Z');
    for (;;) {
      await world.eventually(
        async () => Promise.all([daily, often, nightly].map((id) => world.job(id))),
        (all) =>
          all.every(({ state, nextRunAt }) => state === 'waiting' && Number(nextRunAt) > world.clock.now()),
      );
      const jobs = await Promise.all([daily, often, nightly].map((id) => world.job(id)));
      const due = Math.min(...jobs.map(({ nextRunAt }) => Number(nextRunAt)));
      if (due > end) break;
      // Never punctual: the director looks when it looks.
      world.clock.set(due + 1 + Math.floor(Math.random() * 20_000));
    }
    const at = async (id: string) => (await runsOf(id)).map(({ dueAt }) => dueAt.toISOString().slice(5, 16));
    expect(await at(daily)).toEqual([
      '03-25T08:00',
      '03-26T08:00',
      '03-27T08:00',
      '03-28T07:00',
      '03-29T07:00',
      '03-30T07:00',
      '03-31T07:00',
      '04-01T07:00',
    ]);
    expect(await at(often)).toEqual(
      Array.from({ length: 25 }, (_, k) =>
        new Date(Date.parse('2027-03-25T08:00:00Z') + k * 7 * 60 * MINUTE).toISOString().slice(5, 16),
      ),
    );
    expect(await at(nightly)).toEqual([
      '03-26T01:30',
      '03-27T01:30',
      '03-28T01:00', // 02:30 does not exist
      '03-29T00:30',
      '03-30T00:30',
      '03-31T00:30',
      '04-01T00:30',
    ]);
    for (const id of [daily, often, nightly])
      for (const run of await runsOf(id)) expect(run).toMatchObject({ state: 'completed', missed: 0 });
  });

  test('a firing while a run is open is skipped, and the phase stays', async () => {
    let answer = false;
    world.script = () => (answer ? done() : undefined);
    const id = await submit({ every: '10m' });
    await world.eventually(
      () => world.seen.length,
      (n) => n === 1,
    );
    world.clock.advance(10 * MINUTE);
    await world.eventually(
      () => runsOf(id),
      (runs) => runs.length === 2,
    );
    world.clock.advance(25 * MINUTE);
    const [first, second, third] = await world.eventually(
      () => runsOf(id),
      (runs) => runs.length === 3,
    );
    expect(first).toMatchObject({ state: 'running' });
    expect(second).toMatchObject({ state: 'skipped', reason: 'overlap', missed: 0, startedAt: null });
    expect(minutesBetween(first?.dueAt, second?.dueAt)).toBe(10);
    // Two firings while nobody looked: one line for both, as of the later.
    expect(third).toMatchObject({ state: 'skipped', reason: 'overlap', missed: 1 });
    expect(minutesBetween(first?.dueAt, third?.dueAt)).toBe(30);
    answer = true;
    await world.answer(world.seen[0] as never, done());
    expect((await over(id, 3))[0]).toMatchObject({ state: 'completed' });
    expect(minutesBetween(first?.dueAt, (await world.job(id)).nextRunAt)).toBe(40);
    expect(await next(id)).toMatchObject({ number: 4, state: 'completed' });
    expect(starts()).toHaveLength(2);
    expect(starts()[1]?.input['run']).toMatchObject({ previousAt: first?.dueAt.getTime() });
  });

  test('a pause keeps the phase: what fell into it is not made up for', async () => {
    const id = await submit({ every: '10m' });
    const [first] = await over(id, 1);
    world.clock.advance(4 * MINUTE);
    await world.control(id, 'pause');
    await world.until(id, 'paused');
    world.clock.advance(31 * MINUTE);
    await pause(500);
    expect(await runsOf(id)).toHaveLength(1);
    await world.control(id, 'resume');
    const job = await world.until(id, 'waiting');
    const [, skipped] = await over(id, 2);
    expect(skipped).toMatchObject({
      number: 2,
      state: 'skipped',
      reason: 'paused',
      missed: 2,
      startedAt: null,
    });
    expect(minutesBetween(first?.dueAt, skipped?.dueAt)).toBe(30);
    expect(job.waiting?.reason).toBe('schedule');
    const later = await world.eventually(
      () => world.job(id),
      ({ waiting, nextRunAt }) => Number(waiting?.until) === Number(nextRunAt),
    );
    expect(minutesBetween(first?.dueAt, later.nextRunAt)).toBe(40);
    expect(starts()).toHaveLength(1);
    expect(await next(id)).toMatchObject({ number: 3, state: 'completed', missed: 0 });

    // A pause between two firings leaves no trace.
    await world.control(id, 'pause');
    await world.until(id, 'paused');
    world.clock.advance(MINUTE);
    await world.control(id, 'resume');
    await world.until(id, 'waiting');
    expect(await next(id)).toMatchObject({ number: 4, state: 'completed' });
    expect(minutesBetween(first?.dueAt, (await runsOf(id)).at(-1)?.dueAt)).toBe(50);
  });

  test('a run that is open when the job is paused goes on afterwards', async () => {
    let answer = true;
    world.script = ({ kind }) =>
      kind === 'start'
        ? done([], [page('https://a.example/1'), page('https://b.example/2')])
        : answer
          ? done()
          : undefined;
    answer = false;
    const id = await submit({ every: '10m' });
    await world.eventually(
      () => world.seen.length,
      (n) => n === 3,
    );
    await world.control(id, 'pause');
    for (const step of world.seen.slice(1, 2)) await world.answer(step, done());
    for (const step of world.seen.slice(2)) await world.answer(step, { outcome: 'released', reason: 'held' });
    await world.until(id, 'paused');
    world.clock.advance(15 * MINUTE);
    answer = true;
    await world.control(id, 'resume');
    const runs = await over(id, 2);
    expect(runs.map(({ state, reason }) => [state, reason])).toEqual([
      ['completed', null],
      ['skipped', 'paused'],
    ]);
    expect((await world.job(id)).pages).toMatchObject({ discovered: 2, done: 2 });
  });

  test('another schedule takes effect at once; without one the job ends', async () => {
    const id = await submit({ every: '1d' });
    const [first] = await over(id, 1);
    world.clock.advance(MINUTE);
    const now = world.clock.now();
    const changed = (await changeJob(
      world.store,
      id,
      { schedule: planSchedule({ every: '2m' }, now) },
      now,
    )) as JobDocument;
    expect(Number(changed.nextRunAt)).toBe(now + 2 * MINUTE);
    expect(changed.waiting?.until).toEqual(changed.nextRunAt);
    expect(minutesBetween(first?.dueAt, (await next(id)).dueAt)).toBeGreaterThanOrEqual(3);
    // The same interval with an end keeps the phase.
    const at = world.clock.now() + 30_000;
    const phase = Number((await world.job(id)).nextRunAt);
    const until = new Date(at + 10 * MINUTE).toISOString();
    const same = await changeJob(
      world.store,
      id,
      { schedule: planSchedule({ every: 'PT2M', until }, at) },
      at,
    );
    expect(Number(same?.nextRunAt)).toBe(phase);
    await changeJob(world.store, id, { params: { n: 2 } }, world.clock.now());
    await next(id);
    expect(starts().at(-1)?.input['params']).toEqual({ n: 2 });
    await changeJob(world.store, id, { schedule: null }, world.clock.now());
    expect(await world.until(id, 'completed')).toMatchObject({ nextRunAt: null, waiting: null, runs: 3 });
    await expect(changeJob(world.store, id, { schedule: null })).rejects.toThrow('completed');
  });

  test('until: the last run is told so, then the job is over', async () => {
    const until = new Date(world.clock.now() + 25 * MINUTE).toISOString();
    const id = await submit({ every: '10m', until });
    await over(id, 1);
    await next(id);
    await next(id);
    const job = await world.until(id, 'completed');
    expect(job).toMatchObject({ runs: 3, nextRunAt: null, run: null });
    expect(job.endedAt).not.toBeNull();
    expect(starts().map(({ input }) => (input['run'] as { last?: boolean }).last)).toEqual([
      undefined,
      undefined,
      true,
    ]);
    // Over, but not for good: what follows is nothing, for the end has come.
    await world.control(id, 'retry');
    await world.until(id, 'completed');
    expect(await runsOf(id)).toHaveLength(3);
  });

  test('jitter: each run a little later than its firing, never further', async () => {
    const anchor = world.clock.now();
    const id = await submit({ every: '10m', jitter: '4m' });
    const offsets: number[] = [];
    for (let k = 0; k < 6; k++) {
      await world.eventually(
        () => world.job(id),
        ({ nextRunAt, state }) => nextRunAt !== null && (k === 0 || state === 'waiting'),
      );
      const { dueAt, number } = await next(id);
      offsets.push(dueAt.getTime() - anchor - (number - 1) * 10 * MINUTE);
    }
    for (const offset of offsets) {
      expect(offset).toBeGreaterThanOrEqual(0);
      // Some time passed between the reading of the clock and the anchor.
      expect(offset).toBeLessThan(4 * MINUTE + 5000);
    }
    expect(new Set(offsets.map((offset) => Math.floor(offset / 1000))).size).toBeGreaterThan(2);
  });

  test('a run that failed is taken up where it failed, then runs begin at the beginning again', async () => {
    let works = false;
    world.script = ({ kind, input }) => {
      if (kind === 'start') return done([], [{ kind: 'list', key: 'c1', input: { cursor: 'c1' } }]);
      if (input['cursor'] === 'c1')
        return done(
          [found('https://a.example/1.png')],
          [{ kind: 'list', key: 'c2', input: { cursor: 'c2' } }],
        );
      if (works) return done([found('https://a.example/2.png')]);
      return { outcome: 'retry', code: 'provider_error', message: 'Try again' };
    };
    const id = await submit({ every: '1h' });
    const kinds = () => world.seen.map(({ kind, input }) => `${kind}:${String(input['cursor'] ?? '')}`);
    const [first] = await over(id, 1);
    expect(first).toMatchObject({
      state: 'failed',
      reason: 'provider_error',
      counts: { stored: 1, failed: 1 },
    });
    expect(await world.job(id)).toMatchObject({ state: 'waiting', error: null });
    expect(kinds()).toEqual(['start:', 'list:c1', 'list:c2', 'list:c2']);

    // An outage that lasts: taken up again and again, and never from the beginning.
    world.seen.length = 0;
    expect(await next(id)).toMatchObject({
      state: 'failed',
      reason: 'provider_error',
      counts: { failed: 1 },
    });
    expect(await next(id)).toMatchObject({ state: 'failed' });
    expect(new Set(kinds())).toEqual(new Set(['list:c2']));

    world.seen.length = 0;
    works = true;
    expect(await next(id)).toMatchObject({
      state: 'completed',
      reason: null,
      counts: { stored: 1, failed: 0 },
    });
    expect(kinds()).toEqual(['list:c2']);
    world.seen.length = 0;
    await next(id);
    expect(kinds()).toEqual(['start:', 'list:c1', 'list:c2']);
    expect(addsUp(await world.job(id))).toBe(true);
  });

  test('what a provider refuses for good is taken up once; then runs begin at the beginning', async () => {
    world.script = ({ kind }) =>
      kind === 'start'
        ? done([], [{ kind: 'list', key: 'c', input: {} }])
        : { outcome: 'failed', code: 'bad_cursor', message: 'No such page' };
    const id = await submit({ every: '1h' });
    await over(id, 1);
    world.seen.length = 0;
    const kinds: string[][] = [];
    for (let i = 0; i < 4; i++) {
      expect(await next(id)).toMatchObject({ state: 'failed', reason: 'bad_cursor', counts: { failed: 1 } });
      kinds.push(world.seen.splice(0).map(({ kind }) => kind));
    }
    expect(kinds).toEqual([['list'], ['start', 'list'], ['list'], ['start', 'list']]);
  });

  test('a start that fails fails its run; the next run starts anew', async () => {
    let works = false;
    world.script = () => (works ? done() : { outcome: 'failed', code: 'bad_request', message: 'No' });
    const id = await submit({ every: '1h', until: new Date(world.clock.now() + 150 * MINUTE).toISOString() });
    expect((await over(id, 1))[0]).toMatchObject({ state: 'failed', reason: 'bad_request' });
    works = true;
    expect(await next(id)).toMatchObject({ state: 'completed', counts: { failed: 0 } });
    works = false;
    expect(await next(id)).toMatchObject({ state: 'failed' });
    // Something worked.
    expect((await world.until(id, 'completed')).error).toBeNull();
  });

  test('a job of which no run ever worked has failed', async () => {
    world.script = () => ({ outcome: 'failed', code: 'bad_request', message: 'No' });
    const id = await submit({ every: '1h', until: new Date(world.clock.now() + 90 * MINUTE).toISOString() });
    await over(id, 1);
    await next(id);
    expect((await world.until(id, 'failed')).error).toMatchObject({ code: 'bad_request' });
  });

  test('stop ends the open run, and a retry goes on with the schedule', async () => {
    world.script = () => undefined;
    const id = await submit({ every: '1h' });
    await world.eventually(
      () => world.seen.length,
      (n) => n === 1,
    );
    await world.control(id, 'stop');
    await world.answer(world.seen[0] as never, { outcome: 'released', reason: 'held' });
    expect(await world.until(id, 'stopped')).toMatchObject({ run: null, nextRunAt: null });
    expect(await runsOf(id)).toMatchObject([{ number: 1, state: 'stopped' }]);
    world.clock.advance(90 * MINUTE);
    await pause(400);
    expect(await runsOf(id)).toHaveLength(1);

    world.script = () => done();
    const { createdAt } = await world.job(id);
    await world.control(id, 'retry');
    const job = await world.eventually(
      () => world.job(id),
      ({ state, nextRunAt }) => state === 'waiting' && nextRunAt !== null,
    );
    expect(Math.round(minutesBetween(createdAt, job.nextRunAt))).toBe(120);
    expect(await next(id)).toMatchObject({ state: 'completed', missed: 0 });
  });

  test('a retry of what failed is a run of its own', async () => {
    let works = false;
    world.script = ({ kind }) => {
      if (kind === 'start') return done([], [page('https://a.example/1')]);
      return works
        ? done([found('https://a.example/1.png')])
        : { outcome: 'failed', code: 'gone', message: 'No' };
    };
    const id = await submit({ every: '1h', until: new Date(world.clock.now() + MINUTE).toISOString() });
    await world.until(id, 'failed');
    works = true;
    await world.control(id, 'retry');
    await world.until(id, 'completed');
    expect(await runsOf(id)).toMatchObject([
      { number: 1, state: 'failed', reason: 'gone', counts: { failed: 1 } },
      { number: 2, state: 'completed', counts: { stored: 1, failed: 0 } },
    ]);
  });

  test('terminate takes the runs with it', async () => {
    const id = await submit({ every: '1h' });
    await over(id, 1);
    await world.control(id, 'terminate');
    expect(await world.until(id, 'terminated')).toMatchObject({ run: null, nextRunAt: null });
    expect(await runsOf(id)).toEqual([]);
    world.clock.advance(120 * MINUTE);
    await pause(400);
    expect(starts()).toHaveLength(1);
  });

  test('the list of runs and the failures of a job are bounded', async () => {
    const id = await submit({ every: '1h' });
    await over(id, 1);
    const old = Array.from({ length: 10_098 }, (_, i) => ({
      _id: runId(id, i + 2),
      jobId: id,
      number: i + 2,
      state: 'skipped',
    }));
    await world.store.runs.collection.insertMany(old as never[]);
    await world.store.jobs.collection.updateOne({ _id: id } as never, { $set: { runs: 10_099 } });
    expect(await next(id)).toMatchObject({ number: 10_100 });
    expect(await world.store.runs.countDocuments({ jobId: id })).toBe(10_000);
    expect(await world.store.runs.countDocuments({ _id: runId(id, 100) })).toBe(0);

    const failed = Array.from({ length: 1200 }, (_, i) => ({
      _id: `${id}:f${i}`,
      jobId: id,
      target: `f${i}`,
      of: i % 2 ? 'step' : 'page',
      kind: 'list',
      url: '',
      state: 'failed',
      order: i,
    }));
    await world.store.links.collection.insertMany(failed as never[]);
    await world.store.steps.collection.insertMany(
      failed.map(({ target }) => ({ _id: target, state: 'failed', jobs: [] })) as never[],
    );
    await pruneFailures(world.store, id, 1000);
    expect(await world.store.links.countDocuments({ jobId: id, state: 'failed' })).toBe(1000);
    expect(await world.store.links.countDocuments({ _id: { $in: [`${id}:f199`, `${id}:f200`] } })).toBe(1);
    expect(await world.store.steps.countDocuments({ state: 'failed' })).toBe(1000);
  });
});

describe('with storages that come and go', () => {
  beforeEach(async () => {
    world = await World.make();
    world.script = () => done();
  });

  test('what was missed while nothing ran is made up for by one run', async () => {
    const id = await submit({ every: '10m' });
    const [first] = await over(id, 1);
    await world.closeStorages();
    world.clock.advance(95 * MINUTE);
    await world.addStorage();
    const [, second] = await over(id, 2);
    expect(second).toMatchObject({ number: 2, state: 'completed', missed: 8 });
    expect(minutesBetween(first?.dueAt, second?.dueAt)).toBe(90);
    await pause(500);
    expect(await runsOf(id)).toHaveLength(2);
    expect(minutesBetween(first?.dueAt, (await world.job(id)).nextRunAt)).toBe(100);
  });

  test('a director that ends between two runs, or in one, is followed by another', async () => {
    world.script = () => undefined;
    const id = await submit({ every: '10m' });
    await world.eventually(
      () => world.seen.length,
      (n) => n === 1,
    );
    await world.closeStorages();
    await world.addStorage();
    await world.answer(world.seen[0] as never, done());
    expect(await over(id, 1)).toMatchObject([{ number: 1, state: 'completed' }]);
    world.script = () => done();
    await world.closeStorages();
    await world.addStorage();
    expect(await next(id)).toMatchObject({ number: 2, state: 'completed' });
    expect(await runsOf(id)).toHaveLength(2);
  });

  test('due jobs are found by their index', async () => {
    const jobs = Array.from({ length: 500 }, (_, i) => ({
      _id: `job${i}`,
      state: 'waiting',
      rank: 1,
      retrying: false,
      nextRunAt: i % 2 ? new Date(Date.now() + i * MINUTE) : null,
    }));
    await world.closeStorages();
    await world.store.jobs.collection.insertMany(jobs as never[]);
    const plan = await world.store.jobs.collection
      .find(dueBy(Date.now()) as never)
      .sort({ nextRunAt: 1 })
      .limit(50)
      .explain('executionStats');
    expect(plan).toMatchObject({ executionStats: { totalDocsExamined: 0, totalKeysExamined: 0 } });
    expect(JSON.stringify(plan)).toContain('nextRunAt_1');
  });

  test('jobs that wait for their schedule are not read before their time', async () => {
    await world.closeStorages();
    const later = new Date(Date.now() + 60 * MINUTE);
    const waiting = (i: number, rest: object) => ({ _id: `job${i}`, state: 'waiting', rank: 1, ...rest });
    const jobs = Array.from({ length: 500 }, (_, i) =>
      waiting(i, { waiting: { reason: 'schedule', until: later } }),
    );
    const others = [
      waiting(1000, { waiting: { reason: 'schedule', until: new Date(0) } }),
      waiting(1001, { waiting: { reason: 'host_backoff', until: later } }),
      waiting(1002, { waiting: { reason: 'keys_exhausted', until: later, needs: [{ kind: 'x' }] } }),
      waiting(1003, { waiting: { reason: 'rate_limited', until: later } }),
      waiting(1004, { waiting: { reason: 'rate_limited', until: new Date(0) } }),
      { ...waiting(1005, { waiting: null }), state: 'running' },
    ];
    await world.store.jobs.collection.insertMany([...jobs, ...others] as never[]);
    const query = world.store.jobs.collection.find(liveBy(Date.now()) as never, { hint: LIVE_BY });
    expect((await query.clone().toArray()).map(({ _id }) => String(_id)).sort()).toEqual([
      'job1000',
      'job1001',
      'job1002',
      'job1004',
      'job1005',
    ]);
    const { executionStats } = await query.explain('executionStats');
    expect(executionStats.totalDocsExamined).toBeLessThan(10);
  });

  test('jobs that cannot run keep no other from running', async () => {
    await world.closeStorages();
    const make = async (source: string): Promise<string> => {
      const schedule = planSchedule({ every: '10m' }, world.clock.now());
      const wanted = { source, params: {}, priority: 'normal', correlationId: newId(), schedule } as const;
      return (await createJob(world.store, wanted)).job._id;
    };
    for (let i = 0; i < 60; i++) await make('unheard-of');
    const id = await make(SOURCE);
    const errors: unknown[] = [];
    const scheduler = new Scheduler({
      store: world.store,
      clock: world.clock.now,
      describe: (source) => (source === SOURCE ? {} : undefined),
      changed: () => undefined,
      onError: (error) => void errors.push(error),
    });
    await pause(20);
    // How long a job is passed over goes by it.
    const stands = jest.spyOn(performance, 'now').mockReturnValue(performance.now());
    expect(await scheduler.fire()).toEqual([]);
    expect(await scheduler.fire()).toEqual([id]);
    expect(await scheduler.fire()).toEqual([]);
    stands.mockRestore();
    expect(errors).toHaveLength(60);
  });

  test('two directors at once open each run once', async () => {
    await world.closeStorages();
    const ids: string[] = [];
    for (let i = 0; i < 8; i++) {
      const schedule = planSchedule({ every: '10m' }, world.clock.now());
      const { job } = await createJob(world.store, {
        source: SOURCE,
        params: {},
        priority: 'normal',
        correlationId: newId(),
        schedule,
      });
      ids.push(job._id);
    }
    const errors: unknown[] = [];
    const changed: string[] = [];
    const director = () =>
      new Scheduler({
        store: world.store,
        clock: world.clock.now,
        describe: () => ({}),
        changed: ({ _id }) => void changed.push(_id),
        onError: (error) => void errors.push(error),
      });
    const all = [director(), director(), director()];
    await pause(20);
    await Promise.all(all.map((one) => one.fire()));
    expect([errors, changed.sort()]).toEqual([[], [...ids].sort()]);
    world.clock.advance(10 * MINUTE);
    await Promise.all(all.map((one) => one.fire()));
    expect(errors).toEqual([]);
    for (const id of ids) {
      expect((await runsOf(id)).map(({ number, state }) => [number, state])).toEqual([
        [1, 'running'],
        [2, 'skipped'],
      ]);
      expect(await world.store.steps.countDocuments({ jobs: id })).toBe(1);
    }
  });
});
