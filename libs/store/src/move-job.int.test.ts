import { randomBytes } from 'node:crypto';
import { openStore, type Store } from './connect.ts';
import type { JobDocument } from './documents.ts';
import { controlJob } from './jobs.ts';
import { moveJob } from './move-job.ts';
import { createTransfer } from './transfers.ts';

let store: Store;
beforeAll(async () => {
  store = openStore({
    url: process.env['MAGPIE_TEST_MONGODB_URL'] ?? '',
    database: `move-${randomBytes(6).toString('hex')}`,
  });
  await store.prepare();
});
afterAll(async () => {
  await store.connection.dropDatabase();
  await store.close();
});

const newJob = async (): Promise<string> =>
  (await createTransfer(store, { kind: 'upload', options: {}, correlationId: 'x' })).job._id;
const run = (id: string) =>
  moveJob(store, id, { from: ['queued', 'waiting'], to: 'running', at: new Date(), set: { waiting: null } });
const wait = (id: string, reason: 'disk_full' | 'rate_limited') =>
  moveJob(store, id, {
    from: ['running', 'waiting'],
    to: 'waiting',
    at: new Date(),
    set: { waiting: { reason, until: new Date() } },
    reason,
  });
const words = (job: JobDocument | null | undefined): string[] =>
  (job?.history ?? []).map(({ to, reason }) => (reason === undefined ? to : `${to} ${reason}`));

it('of a job that waits again and again, the history keeps the first wait, the last, and all that was before', async () => {
  const id = await newJob();
  await controlJob(store, id, 'pause');
  await moveJob(store, id, { from: ['pausing'], to: 'paused', at: new Date() });
  await controlJob(store, id, 'resume');
  const before = ['queued', 'pausing pause', 'paused', 'running resume'];
  const first = await wait(id, 'disk_full');
  for (let i = 0; i < 150; i++) {
    await run(id);
    await wait(id, 'disk_full');
  }
  const job = await run(id);
  expect(words(job)).toEqual([...before, 'waiting disk_full', 'running', 'waiting disk_full', 'running']);
  expect(job?.history[4]).toEqual(first?.history[4]);
  // Each follows the one before it, by its revision too.
  for (const [i, step] of (job?.history ?? []).entries()) {
    const last = job?.history[i - 1];
    if (last === undefined) continue;
    expect(step.from).toBe(last.to);
    expect(step.rev).toBeGreaterThan(last.rev);
  }
  expect(job?.history.at(-1)?.rev).toBe(job?.rev);
});

it('a wait that goes on is not in the history; one for another reason, and what somebody asked for, is', async () => {
  const id = await newJob();
  await run(id);
  await wait(id, 'disk_full');
  const rev = (await wait(id, 'disk_full'))?.rev ?? 0;
  const again = await wait(id, 'disk_full');
  expect(words(again)).toEqual(['queued', 'running', 'waiting disk_full']);
  expect(again?.rev).toBe(rev + 1);
  await run(id);
  await wait(id, 'rate_limited');
  await controlJob(store, id, 'pause');
  await moveJob(store, id, { from: ['pausing'], to: 'paused', at: new Date() });
  await controlJob(store, id, 'resume');
  expect(words(await wait(id, 'rate_limited'))).toEqual([
    'queued',
    'running',
    'waiting disk_full',
    'running',
    'waiting rate_limited',
    'pausing pause',
    'paused',
    'running resume',
    'waiting rate_limited',
  ]);
});
