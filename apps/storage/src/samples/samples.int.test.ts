import { jest } from '@jest/globals';
import type { Sample, TargetReport } from '@magpie/contracts';
import { newId } from '@magpie/domain';
import {
  createJob,
  type JobDocument,
  type SampleDocument,
  type StepDocument,
  type TargetDocument,
} from '@magpie/store';
import { pause, SOURCE, World, type Answer } from '../testing/world.ts';
import { moveLeftBehind } from './move-samples.ts';
import { targetSteps } from './target-steps.ts';

jest.setTimeout(60_000);

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const INTERVAL = 10 * MINUTE;
const TERMS = { param: 'pages', step: 'measure', perStep: 3, jumpParam: 'jump' };

let world: World;
afterEach(() => world.close());

/** A job of these targets. Its start step is answered by a step that keeps it alive. */
async function measuringJob(keys: string[], params: Record<string, unknown> = {}): Promise<JobDocument> {
  await world.announce({ targets: TERMS });
  const { job } = await createJob(world.store, {
    source: SOURCE,
    params,
    priority: 'normal',
    correlationId: newId(),
    targets: keys,
  });
  return job;
}

/** Opens a round that was due then: its steps are all ready. */
async function openRound(job: JobDocument, number: number, dueAt: number): Promise<StepDocument[]> {
  return world.store.transaction(async (session) => {
    const run = { number, dueAt: new Date(dueAt), intervalMs: INTERVAL };
    const steps = await targetSteps(world.store, session, job, { targets: TERMS }, run);
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
  // Died before the move; died in the middle of it; died after it.
  await world.store.pendingSamples.collection.insertMany([
    { _id: 's1:l', at: new Date(t), samples: [document('a', t), document('b', t)] },
    {
      _id: 's2:l',
      at: new Date(t),
      samples: [document('a', t + 1), document('b', t + 1), document('c', t + 1)],
    },
    { _id: 's3:l', at: new Date(t), samples: [document('c', t + 2)] },
  ] as never);
  await world.store.samples.collection.insertMany([document('b', t + 1), document('c', t + 2)] as never);
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
