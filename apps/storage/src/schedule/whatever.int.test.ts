/** Jobs with schedules and keys, with people, faults and a clock that moves at them all the time. */
import { afterEach, expect, test } from '@jest/globals';
import type { NextStep, Provider, StepWork } from '@magpie/contracts';
import { nextDayIn, planSchedule } from '@magpie/domain';
import { changeJob, createCredential, updateCredential, type QuotaDocument } from '@magpie/store';
import { addsUp, done, found, pause, World, type Answer } from '../testing/world.ts';

const ZONE = 'America/Los_Angeles';
const COSTS: Record<string, number> = { search: 10, videos: 1 };
const PROVIDER: Provider = {
  id: 'youtube',
  title: 'YouTube Data API v3',
  howTo: 'Make one in the console.',
  operations: COSTS,
  steps: { search: { search: 1 }, details: { videos: 1 } },
  perRun: { search: { usual: 1 } },
  unitsPerDay: 1000,
  resetTimeZone: ZONE,
};
const KEYS = { a: 'one', b: 'one', c: 'two' } as const;
const UNITS = 600;

let world: World;
afterEach(() => world.close());

const chance = (of: number): boolean => Math.random() < of;
const one = <T>(of: readonly T[]): T => of[Math.floor(Math.random() * of.length)] as T;
const urlOf = (n: number): string => `https://video.example/${n}`;
const search = (page: number): NextStep => ({
  kind: 'search',
  key: `page ${page}`,
  input: { page },
  ...(page > 1 ? { onlyIfNew: true } : {}),
});

test('whatever happens, no unit is spent twice, no two runs are open, and every job ends', async () => {
  world = await World.make({ MAGPIE_JOB_WINDOW: 20 }, { storages: 2 });
  await world.announce({ provider: PROVIDER, retries: { times: 2, delayMs: 200 } });
  // Either replica may direct: by then both know.
  await pause(1500);
  world.clock.set(nextDayIn(Date.now(), ZONE) + 6 * 3_600_000);
  const names = new Map<string, string>();
  const ids: string[] = [];
  for (const [name, project] of Object.entries(KEYS)) {
    const { credential } = await createCredential(
      world.store,
      {
        seal: () => name,
        provider: 'youtube',
        name,
        project,
        usual: { unitsPerDay: UNITS, callsPerHour: null, resetTimeZone: ZONE },
      },
      new Date(world.clock.now()),
    );
    names.set(credential._id, project);
    ids.push(credential._id);
  }
  let calm = false;
  let newest = 60;
  const spent: Record<string, number> = { one: 0, two: 0 };
  const answerOf = async (step: StepWork): Promise<Answer> => {
    const { kind, input, credential } = step;
    if (kind === 'start') {
      newest += chance(0.5) ? 5 : 0;
      return chance(0.05) && !calm ? { outcome: 'failed', code: 'x', message: 'x' } : done([], [search(1)]);
    }
    const operation = kind === 'search' ? 'search' : 'videos';
    const project = names.get(credential?.id ?? '') ?? 'nobody';
    if (chance(0.3)) await pause(Math.random() * 30);
    if (!calm) {
      if (chance(0.03)) return { outcome: 'released', reason: 'x' };
      const about = { code: 'x', message: 'x' };
      if (chance(0.02))
        return { outcome: 'credential', state: 'resting', until: world.clock.now() + 500, ...about };
      if (chance(0.01))
        return { outcome: 'credential', state: 'exhausted', until: world.clock.now() + 900, ...about };
    }
    spent[project] = (spent[project] ?? 0) + (COSTS[operation] ?? 0);
    const cost = { spent: { [operation]: 1 } };
    if (!calm) {
      if (chance(0.02)) return { outcome: 'interrupted' };
      if (chance(0.12)) return { outcome: 'retry', code: 'x', message: 'x', ...cost };
      if (chance(0.06)) return { outcome: 'failed', code: 'x', message: 'x', ...cost };
    }
    if (kind === 'details') {
      const urls = (input['urls'] as string[]).filter((url) => !url.endsWith('7'));
      return { ...done(urls.map((url) => found(url, { kind: 'video' }))), ...cost };
    }
    const at = Number(input['page']);
    const urls = Array.from({ length: 10 }, (_, n) => urlOf(newest - (at - 1) * 10 - n));
    const details: NextStep = {
      kind: 'details',
      key: `page ${at}`,
      input: {},
      fetches: { kind: 'video', urls },
    };
    return { ...done([], [details, ...(at < 5 ? [search(at + 1)] : [])]), ...cost };
  };
  // Every result comes twice.
  world.script = async (step) => {
    await world.answer(step, await answerOf(step), 2);
    return undefined;
  };
  const schedule = () =>
    planSchedule({ every: one(['1s', '2s', '5s', '1m']), jitter: one(['0s', '1s']) }, world.clock.now());
  const jobs: string[] = [];
  for (let i = 0; i < 6; i++) jobs.push(await world.submit({}, 'normal', { schedule: schedule() }));
  const actions = ['pause', 'resume', 'stop', 'retry', 'resume', 'retry', 'pause', 'resume'] as const;
  const openRuns = async (): Promise<number> =>
    Math.max(
      0,
      ...(
        await world.store.runs.collection
          .aggregate([{ $match: { state: 'running' } }, { $group: { _id: '$jobId', n: { $sum: 1 } } }])
          .toArray()
      ).map((row) => Number(row['n'])),
    );
  await world.eventually(openRuns, (most) => most === 1);
  const overlaps: number[] = [];
  const ends = performance.now() + 15_000;
  while (performance.now() < ends) {
    const id = one(jobs);
    if (chance(0.15)) world.clock.advance(Math.floor(Math.random() * 10_000));
    if (chance(0.01)) world.clock.advance(-2000);
    if (chance(0.1))
      await changeJob(world.store, id, { schedule: schedule() }, world.clock.now()).catch(() => undefined);
    else await world.control(id, one(actions)).catch(() => undefined);
    if (chance(0.1)) overlaps.push(await openRuns());
    await pause(Math.random() * 120);
  }
  // What was spent had been taken before: what is taken is read afterwards.
  const before = { ...spent };
  const quotas = (await world.store.quotas.collection.find({}).toArray()) as unknown as QuotaDocument[];
  for (const { project, used, unitsPerDay } of quotas) {
    expect(used).toBeLessThanOrEqual(unitsPerDay as number);
    expect(before[project]).toBeLessThanOrEqual(used);
  }
  calm = true;
  for (const id of ids) await updateCredential(world.store, id, { unitsPerDay: null, state: 'active' });
  const over = ['completed', 'failed', 'stopped'];
  for (const id of jobs) {
    await world.eventually(
      async () => {
        const job = await world.job(id);
        if (job.state === 'paused') await world.control(id, 'resume').catch(() => undefined);
        if (job.schedule !== null)
          await changeJob(world.store, id, { schedule: null }, world.clock.now()).catch(() => undefined);
        return job;
      },
      ({ state }) => over.includes(state),
    );
  }
  const wrong: unknown[] = [];
  for (const id of jobs) {
    const job = await world.job(id);
    const links = await world.store.links.find({ jobId: id, of: 'item' }).lean();
    const n = (state: string): number => links.filter((link) => link.state === state).length;
    const { counts } = job;
    if (!addsUp(job) || counts.pending > 0 || job.run !== null || job.nextRunAt !== null) wrong.push(job);
    for (const state of ['stored', 'shared', 'failed', 'pending'] as const)
      if (counts[state] !== n(state)) wrong.push({ id, state, counts, is: n(state) });
    const runs = await world.store.runs.find({ jobId: id }).sort({ _id: 1 }).lean();
    if (
      runs.length !== job.runs ||
      runs.some(({ number, state }, i) => number !== i + 1 || state === 'running')
    )
      wrong.push({ id, runs: runs.map(({ number, state }) => [number, state]) });
    if (await world.store.links.countDocuments({ jobId: id, state: 'pending' }))
      wrong.push({ id, pending: true });
  }
  for (const item of await world.store.items.find({}).lean()) {
    const refs = await world.store.links.countDocuments({
      target: item._id,
      state: { $in: ['stored', 'shared'] },
    });
    if (refs !== item.refs) wrong.push({ item: item.url, refs: item.refs, is: refs });
  }
  const left = await world.store.steps.find({ state: { $ne: 'failed' } }).lean();
  expect({ wrong, left, dead: await world.store.deadLetters.countDocuments({}) }).toEqual({
    wrong: [],
    left: [],
    dead: 0,
  });
  expect(overlaps.filter((most) => most > 1)).toEqual([]);
  expect(Object.keys(spent).sort()).toEqual(['one', 'two']);
});
