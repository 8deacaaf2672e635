import type { Sample, TargetReport } from '@magpie/contracts';
import { newId } from '@magpie/domain';
import {
  adoptTargets,
  createJob,
  discardTargets,
  dropStaleTargets,
  loadTargets,
  removeJob,
  type JobDocument,
  type SampleDocument,
  type StepDocument,
  type TargetDocument,
} from '@magpie/store';
import { done, found, image, pause, SOURCE, World, type Answer } from '../testing/world.ts';
import { moveLeftBehind } from './move-samples.ts';
import { targetSteps } from './target-steps.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const INTERVAL = 10 * MINUTE;
const TERMS = { param: 'pages', step: 'measure', perStep: 3, jumpParam: 'jump' };

let world: World;
afterEach(() => world.close());

/** A job of these targets that runs tomorrow for the first time; until then the tests open its rounds. */
async function measuringJob(keys: string[], params: Record<string, unknown> = {}): Promise<JobDocument> {
  await world.announce({ targets: TERMS });
  const schedule = {
    every: 'PT10M',
    cron: null,
    timeZone: 'UTC',
    until: null,
    jitterMs: 0,
    anchor: new Date(Date.now() + 24 * HOUR),
    asked: null,
  };
  const { job } = await createJob(world.store, {
    source: SOURCE,
    params,
    priority: 'normal',
    correlationId: newId(),
    targets: keys,
    schedule,
  });
  return job;
}

/** Opens a round that was due then: its steps are all ready. */
async function openRound(job: JobDocument, number: number, dueAt: number): Promise<StepDocument[]> {
  return world.store.transaction(async (session) => {
    const run = { number, dueAt: new Date(dueAt), intervalMs: INTERVAL };
    const steps = await targetSteps(world.store, session, job, { targets: TERMS }, run);
    await world.store.jobs.collection.updateOne(
      { _id: job._id } as never,
      { $set: { state: 'running', waiting: null }, $inc: { rev: 1 } },
      { session },
    );
    if (steps.length > 0)
      await world.store.steps.collection.insertMany(
        steps.map((step) => ({ ...step, state: 'ready' })) as never,
        { session },
      );
    return steps;
  });
}

const sample = (target: string, at: number, fans: number): Sample => ({ target, at, values: { fans } });
const measured = (samples: Sample[], targets: TargetReport[] = []): Answer => ({
  outcome: 'done',
  items: [],
  next: [],
  samples,
  targets,
});

/** Answers a round's steps with what `measure` says of each target, and waits until all is in. */
async function playRound(
  job: JobDocument,
  number: number,
  dueAt: number,
  measure: (target: string) => Sample | TargetReport | undefined,
  times = 1,
): Promise<void> {
  world.script = async (step) => {
    const targets = step.input['targets'] as string[] | undefined;
    if (targets === undefined) return undefined;
    const told = targets.flatMap((target) => measure(target) ?? []);
    const samples = told.filter((one): one is Sample => 'values' in one);
    const reports = told.filter((one): one is TargetReport => 'state' in one);
    await world.answer(step, measured(samples, reports), times);
    return undefined;
  };
  await openRound(job, number, dueAt);
  await world.eventually(
    () => world.store.steps.countDocuments({ kind: TERMS.step }),
    (left) => left === 0,
  );
  await world.eventually(
    () => world.store.pendingSamples.countDocuments({}),
    (left) => left === 0,
  );
}

const samplesOf = async (target: string): Promise<SampleDocument[]> =>
  (await world.store.samples.collection
    .find({ 'of.target': target } as never)
    .sort({ at: 1 })
    .toArray()) as unknown as SampleDocument[];

const targetOf = async (job: JobDocument, key: string): Promise<TargetDocument> =>
  (await world.store.targets.collection.findOne({
    _id: `${job._id}:${key}`,
  } as never)) as unknown as TargetDocument;

const start = (): number => Math.floor(Date.now() / HOUR) * HOUR - 30 * 24 * HOUR;

test.each([
  ['one storage', { storages: 1, duplicate: false }],
  ['two storages, every message twice', { storages: 2, duplicate: true }],
])('samples are kept once, however often they come: %s', async (_name, options) => {
  world = await World.make({}, options);
  const keys = Array.from({ length: 20 }, (_, i) => `page${i}`);
  const job = await measuringJob(keys);
  const t = start();
  for (let round = 1; round <= 3; round++)
    await playRound(
      job,
      round,
      t + round * INTERVAL,
      (target) => sample(target, t + round * INTERVAL, 100 + round),
      2,
    );
  await pause(300);
  expect(await world.store.samples.collection.countDocuments({})).toBe(60);
  const of = await samplesOf('page7');
  expect(of.map(({ values }) => values)).toEqual([{ fans: 101 }, { fans: 102 }, { fans: 103 }]);
  expect(of.map(({ round }) => round.getTime())).toEqual([1, 2, 3].map((n) => t + n * INTERVAL));
  expect((await world.job(job._id)).tally.samples).toBe(60);
  expect((await world.job(job._id)).coverage).toEqual({
    from: new Date(t + INTERVAL),
    to: new Date(t + 3 * INTERVAL),
  });
});

test('samples of what the job does not measure are left out', async () => {
  world = await World.make();
  const job = await measuringJob(['a', 'b']);
  const t = start();
  await playRound(job, 1, t, (target) => sample(target === 'a' ? 'other' : target, t, 5));
  expect(await world.store.samples.collection.countDocuments({})).toBe(1);
  expect((await samplesOf('b')).length).toBe(1);
});

test('what was left between commit and move is moved once', async () => {
  world = await World.make();
  const job = await measuringJob(['a', 'b', 'c']);
  const t = start();
  const document = (target: string, at: number) => ({
    at: new Date(at),
    of: { source: SOURCE, target },
    round: new Date(t),
    values: { fans: 1 },
  });
  // Died before the move; died in the middle of it; died after it. Nobody moves anything before all is there.
  await world.store.samples.collection.insertMany([document('b', t + 1), document('c', t + 2)] as never);
  await world.store.pendingSamples.collection.insertMany([
    { _id: 's1:l', at: new Date(t), samples: [document('a', t), document('b', t)] },
    {
      _id: 's2:l',
      at: new Date(t),
      samples: [document('a', t + 1), document('b', t + 1), document('c', t + 1)],
    },
    { _id: 's3:l', at: new Date(t), samples: [document('c', t + 2)] },
  ] as never);
  await world.eventually(
    () => world.store.pendingSamples.countDocuments({}),
    (left) => left === 0,
  );
  expect(await moveLeftBehind(world.store)).toBe(false);
  expect((await samplesOf('a')).map(({ at }) => at.getTime())).toEqual([t, t + 1]);
  expect((await samplesOf('b')).map(({ at }) => at.getTime())).toEqual([t, t + 1]);
  expect((await samplesOf('c')).map(({ at }) => at.getTime())).toEqual([t + 1, t + 2]);
  expect(job.targets).toBe(3);
});

test('a jump is suspect, and the next sample confirms or clears it', async () => {
  world = await World.make();
  const job = await measuringJob(['spike', 'step'], { jump: 3 });
  const t = start();
  const course: Record<string, number[]> = { spike: [100, 290, 1000, 310], step: [100, 100, 900, 905] };
  for (let round = 0; round < 4; round++)
    await playRound(job, round + 1, t + round * INTERVAL, (target) =>
      sample(target, t + round * INTERVAL, course[target]![round]!),
    );
  const verdicts = (of: SampleDocument[]) => of.map(({ suspect, verdict }) => [suspect ?? false, verdict]);
  expect(verdicts(await samplesOf('spike'))).toEqual([
    [false, undefined],
    [false, undefined],
    [true, undefined],
    [false, 'confirmed'],
  ]);
  expect(verdicts(await samplesOf('step'))).toEqual([
    [false, undefined],
    [false, undefined],
    [true, undefined],
    [false, 'cleared'],
  ]);
  const { hour: spike } = await targetOf(job, 'spike');
  const { hour: step } = await targetOf(job, 'step');
  expect([spike?.values['fans'], spike?.count, spike?.suspect]).toEqual([
    { first: 100, last: 310, min: 100, max: 310 },
    3,
    1,
  ]);
  expect([step?.values['fans'], step?.count, step?.suspect]).toEqual([
    { first: 100, last: 905, min: 100, max: 905 },
    4,
    0,
  ]);
});

test('hours are summed up once, and put away by the first sample of the next', async () => {
  world = await World.make();
  const job = await measuringJob(['a']);
  const t = start();
  for (let round = 0; round < 8; round++)
    await playRound(job, round + 1, t + round * INTERVAL, (target) =>
      sample(target, t + round * INTERVAL, 100 + ((round * 7) % 10)),
    );
  const rollups = await world.store.rollups.find({}).lean();
  const first = rollups[0]!.hours[String(new Date(t).getUTCHours())];
  expect([rollups.length, Object.keys(rollups[0]!.hours).length, first]).toEqual([
    1,
    1,
    {
      count: 6,
      suspect: 0,
      to: new Date(t + 5 * INTERVAL),
      values: { fans: { first: 100, last: 105, min: 100, max: 108 } },
    },
  ]);
  expect((await targetOf(job, 'a')).hour).toMatchObject({ from: new Date(t + HOUR), count: 2 });

  // A sample that was overtaken goes where it belongs.
  await playRound(job, 9, t + 8 * INTERVAL, (target) => sample(target, t + 1000, 100));
  const late = (await world.store.rollups.findOne({}).lean())!.hours[String(new Date(t).getUTCHours())];
  expect([late?.count, (await targetOf(job, 'a')).last?.at]).toEqual([7, new Date(t + 7 * INTERVAL)]);
});

test('a stretch without samples is a gap, with its reason', async () => {
  world = await World.make();
  const job = await measuringJob(['a', 'b']);
  const t = start();
  const at = (round: number): number => t + round * INTERVAL;
  const play = (round: number, without: string[] = []): Promise<void> =>
    playRound(job, round, at(round), (target) =>
      without.includes(target) ? undefined : sample(target, at(round), 5),
    );
  await play(1);
  await play(2, ['b']);
  await play(3);
  await world.store.jobs.collection.updateOne({ _id: job._id } as never, {
    $inc: { rev: 1 },
    $push: { history: { rev: 1, at: new Date(at(4)), from: 'running', to: 'paused' } } as never,
  });
  await play(13);
  const gaps = await world.store.gaps.find({}).sort({ target: 1, from: 1 }).lean();
  expect(gaps.map(({ target, from, to, missed, reason }) => [target, +from, +to, missed, reason])).toEqual([
    ['a', at(3), at(13), 9, 'paused'],
    ['b', at(1), at(3), 1, 'missed'],
    ['b', at(3), at(13), 9, 'paused'],
  ]);
});

test('gaps go when samples of their time would be gone', async () => {
  world = await World.make({ MAGPIE_SAMPLES_RETENTION: 30 * 24 * HOUR });
  const gap = (target: string, to: number) => ({
    _id: target,
    jobId: 'job',
    target,
    from: new Date(to - HOUR),
    to: new Date(to),
    missed: 5,
    reason: 'missed',
  });
  await world.store.gaps.insertMany([
    gap('old', Date.now() - 31 * 24 * HOUR),
    gap('young', Date.now() - 29 * 24 * HOUR),
  ] as never);
  await world.eventually(
    () => world.store.gaps.countDocuments({}),
    (left) => left === 1,
  );
  expect(await world.store.gaps.countDocuments({ _id: 'young' })).toBe(1);
});

test('a shorter interval makes no gap of the time before it', async () => {
  world = await World.make();
  const job = await measuringJob(['nasa']);
  const t = start();
  await playRound(job, 1, t, (target) => sample(target, t + MINUTE, 1));
  await world.store.targets.collection.updateMany({}, { $set: { intervalMs: 6 * INTERVAL } });
  await playRound(job, 2, t + 6 * INTERVAL, (target) => sample(target, t + 6 * INTERVAL + MINUTE, 1));
  expect(await world.store.gaps.countDocuments({})).toBe(0);
  expect(await targetOf(job, 'nasa')).toMatchObject({ intervalMs: INTERVAL });
  await playRound(job, 3, t + 12 * INTERVAL, (target) => sample(target, t + 12 * INTERVAL, 1));
  expect(await world.store.gaps.countDocuments({})).toBe(1);
});

test('a step that two jobs share measures for both', async () => {
  world = await World.make();
  const url = 'https://a.example/1.png';
  world.script = ({ kind }) => (kind === 'start' ? done([], [image(url)]) : undefined);
  const [one, other] = await Promise.all(
    [1, 2].map(async () => {
      const { job } = await createJob(world.store, {
        source: SOURCE,
        params: {},
        priority: 'normal',
        correlationId: newId(),
        targets: ['a'],
      });
      return job._id;
    }),
  );
  await world.eventually(
    () => world.store.steps.countDocuments({ kind: 'image', jobs: { $all: [one, other] }, state: 'leased' }),
    (count) => count === 1,
  );
  const step = await world.eventually(
    () => world.seen.find(({ kind }) => kind === 'image'),
    (seen) => seen !== undefined,
  );
  await world.answer(step as never, {
    ...done([found(url)]),
    samples: [sample('a', Date.now(), 1)],
  });
  for (const id of [one, other])
    expect((await world.until(id as string, 'completed')).tally).toMatchObject({ samples: 1 });
});

test('what can not be measured is a state, looked at ever less often, until it is back', async () => {
  world = await World.make();
  const job = await measuringJob(['gone', 'moved', 'well']);
  const t = start();
  const asked: string[][] = [];
  const play = async (round: number, back = false): Promise<void> => {
    const before = world.seen.length;
    await playRound(job, round, t + round * INTERVAL, (target) =>
      target === 'well' || back
        ? sample(target, t + round * INTERVAL, 5)
        : target === 'gone'
          ? { target, state: 'unknown', message: 'no such page' }
          : { target, state: 'merged', movedTo: 'other' },
    );
    asked[round] = world.seen.slice(before).flatMap((step) => step.input['targets'] as string[]);
  };
  for (let round = 0; round <= 15; round++) await play(round);
  const rounds = (target: string) =>
    asked.flatMap((targets, round) => (targets.includes(target) ? round : []));
  expect(rounds('well').length).toBe(16);
  expect([rounds('gone'), rounds('moved')]).toEqual([
    [0, 2, 6, 14],
    [0, 2, 6, 14],
  ]);
  expect(await targetOf(job, 'gone')).toMatchObject({
    state: 'unknown',
    message: 'no such page',
    misses: 4,
    nextAt: new Date(t + 30 * INTERVAL),
  });
  expect(await targetOf(job, 'moved')).toMatchObject({ state: 'merged', movedTo: 'other' });
  await play(30, true);
  const back = await targetOf(job, 'gone');
  expect([back.state, back.misses, back.nextAt, back.message]).toEqual(['active', 0, undefined, undefined]);
  await play(31, true);
  expect(rounds('gone')).toEqual([0, 2, 6, 14, 30, 31]);
});

test('one that was renamed is asked for by its id, and measured in every round', async () => {
  world = await World.make();
  const job = await measuringJob(['old']);
  const t = start();
  const round = (number: number, report: Partial<TargetReport>, measure = true): Promise<void> => {
    world.script = async (step) => {
      const samples = measure ? [sample('old', t + number * INTERVAL, 5)] : [];
      if (step.input['targets'] === undefined) return undefined;
      return measured(samples, [{ target: 'old', state: 'active', ...report }]);
    };
    return openRound(job, number, t + number * INTERVAL).then(async () => {
      await world.eventually(
        () => world.store.steps.countDocuments({}),
        (left) => left === 0,
      );
    });
  };
  await round(1, { providerId: '77' });
  await round(2, { state: 'unknown' }, false);
  await round(4, { state: 'renamed', movedTo: 'new' });
  await round(5, { state: 'renamed', movedTo: 'new' });
  expect(world.seen.map(({ input }) => input['ids'])).toEqual([
    undefined,
    undefined,
    { old: '77' },
    { old: '77' },
  ]);
  await world.eventually(
    async () => (await samplesOf('old')).length,
    (kept) => kept === 3,
  );
  expect(await targetOf(job, 'old')).toMatchObject({ state: 'renamed', movedTo: 'new', misses: 0 });
});

test('a round has as few steps as there can be, spread over the interval, always at the same places', async () => {
  world = await World.make();
  const keys = Array.from({ length: 100 }, (_, i) => `page${i}`);
  const job = await measuringJob(keys);
  const t = start();
  const places = async (number: number): Promise<[number, string[]][]> => {
    const dueAt = t + number * INTERVAL;
    const steps = await openRound(job, number, dueAt);
    await world.store.steps.collection.deleteMany({ kind: TERMS.step } as never);
    return steps.map((step) => [step.notBefore!.getTime() - dueAt, step.input['targets'] as string[]]);
  };
  const first = await places(1);
  expect(first.length).toBe(34);
  expect(first.flatMap(([, targets]) => targets).sort()).toEqual(keys.sort());
  const times = first.map(([at]) => at);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(Math.max(...times)).toBeLessThan(0.9 * INTERVAL);
  expect(Math.max(...times.map((at, i) => at - (times[i - 1] ?? 0)))).toBeLessThan(INTERVAL / 5);
  expect(await places(1009)).toEqual(first);

  const [, [at, [, left, other]]] = first as [unknown, [number, string[]]];
  await world.store.targets.collection.updateOne({ _id: `${job._id}:${left}` } as never, {
    $set: { state: 'unknown', nextAt: new Date(t + 1e9) },
  });
  const without = await places(2);
  expect(without[1]).toEqual([at, [first[1]![1][0], other]]);
  expect(without.toSpliced(1, 1)).toEqual(first.toSpliced(1, 1));
});

test('terminating a job removes what only it measured', async () => {
  world = await World.make();
  const job = await measuringJob(['mine', 'ours']);
  const other = await measuringJob(['ours', 'theirs']);
  const t = start();
  for (let round = 1; round <= 8; round++) {
    const at = t + round * INTERVAL;
    await playRound(job, round, at, (target) => (round === 3 ? undefined : sample(target, at, 5)));
    await playRound(other, round, at, (target) => (target === 'theirs' ? sample(target, at, 5) : undefined));
  }
  expect(await world.store.rollups.countDocuments({})).toBe(3);
  expect(await world.store.gaps.countDocuments({})).toBe(2);
  await world.control(job._id, 'terminate');
  await world.until(job._id, 'terminated');
  expect([(await samplesOf('mine')).length, (await samplesOf('ours')).length]).toEqual([0, 7]);
  expect((await samplesOf('theirs')).length).toBe(8);
  expect((await world.store.rollups.find({}).lean()).map(({ target }) => target).sort()).toEqual([
    'ours',
    'theirs',
  ]);
  expect(await world.store.targets.countDocuments({ jobId: job._id })).toBe(0);
  expect(await world.store.targets.countDocuments({ jobId: other._id })).toBe(2);
  expect(await world.store.gaps.countDocuments({})).toBe(0);
});

test('removing an ended job keeps its samples, and the hour that was being summed up', async () => {
  world = await World.make();
  const job = await measuringJob(['a']);
  const t = start();
  await playRound(job, 1, t, (target) => sample(target, t, 5));
  await world.control(job._id, 'stop');
  await world.until(job._id, 'stopped');
  expect(await removeJob(world.store, job._id)).toBe(true);
  expect((await samplesOf('a')).length).toBe(1);
  expect(await world.store.targets.countDocuments({})).toBe(0);
  const [rollup] = await world.store.rollups.find({}).lean();
  expect(Object.values(rollup!.hours).map(({ count }) => count)).toEqual([1]);
});

test('of targets whose job did not come nothing is left, and no job comes for them any more', async () => {
  world = await World.make();
  const { store } = world;
  await loadTargets(store, { id: 'lost', source: SOURCE }, ['a', 'b']);
  await loadTargets(store, { id: 'fresh', source: SOURCE }, ['a']);
  const long = new Date(Date.now() + 16 * MINUTE);
  await store.targetLoads.collection.updateOne({ _id: 'fresh' } as never, { $set: { at: long } });
  await dropStaleTargets(store, long);
  expect((await store.targets.find({}).lean()).map(({ jobId }) => jobId)).toEqual(['fresh']);
  await expect(store.transaction((session) => adoptTargets(store, session, 'lost'))).rejects.toThrow(
    'so long',
  );
  await store.transaction((session) => adoptTargets(store, session, 'fresh'));
  await discardTargets(store, 'fresh');
  expect(await store.targets.countDocuments({})).toBe(1);
});

test.each([
  [3_600_000, 3600],
  [0, undefined],
])('samples are kept for %s ms', async (ms, seconds) => {
  world = await World.make({ MAGPIE_SAMPLES_RETENTION: ms });
  const [samples] = await world.store.connection.db!.listCollections({ name: 'samples' }).toArray();
  expect((samples as { options?: { expireAfterSeconds?: number } }).options?.expireAfterSeconds).toBe(
    seconds,
  );
});

test('a schedule measures round after round by itself', async () => {
  world = await World.make();
  await world.announce({ targets: TERMS });
  world.script = (step) => {
    const targets = step.input['targets'] as string[];
    return measured(targets.map((target) => sample(target, Date.now(), 5)));
  };
  const { job } = await createJob(world.store, {
    source: SOURCE,
    params: {},
    priority: 'normal',
    correlationId: newId(),
    targets: ['a', 'b', 'c', 'd'],
    schedule: {
      every: 'PT2S',
      cron: null,
      timeZone: 'UTC',
      until: null,
      jitterMs: 0,
      anchor: new Date(),
      asked: null,
    },
  });
  await world.eventually(
    () => world.store.runs.countDocuments({ jobId: job._id, state: 'completed' }),
    (runs) => runs >= 3,
  );
  await world.control(job._id, 'stop');
  await world.until(job._id, 'stopped');
  await world.eventually(
    () => world.store.pendingSamples.countDocuments({}),
    (left) => left === 0,
  );
  const rounds = new Map<number, Set<string>>();
  for (const { of, round } of (await world.store.samples.find({}).lean()) as unknown as SampleDocument[])
    rounds.set(+round, (rounds.get(+round) ?? new Set()).add(of.target));
  const complete = [...rounds].filter(([, targets]) => targets.size === 4).map(([at]) => at);
  expect(complete.length).toBeGreaterThanOrEqual(3);
  expect(complete.every((at) => (at - complete[0]!) % 2000 === 0)).toBe(true);
});
