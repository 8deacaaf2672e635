import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hostKey } from '@magpie/domain';
import { terminateImported } from '@magpie/store';
import { addsUp, done, found, image, page, pause, World } from './testing/world.ts';

const HOST = 'http://site.test';
const img = (n: number): string => `${HOST}/img/${n}.png`;

/** Job params name the images of its one page. */
const collectAll = (world: World, onImage?: (url: string) => void) => {
  world.script = (step) => {
    if (step.kind === 'start') {
      const { params } = step.input as { params: { images: number[]; page: string } };
      return done([], [page(`${HOST}/${params.page}`, { images: params.images })]);
    }
    if (step.kind === 'page')
      return done(
        [],
        (step.input['images'] as number[]).map((n) => image(img(n))),
      );
    onImage?.(step.url!);
    return done([found(step.url!)]);
  };
};

let world: World;
afterEach(() => world.close());

test('a job runs to its end, and its counts add up', async () => {
  world = await World.make();
  collectAll(world);
  const id = await world.submit({ page: 'a', images: [1, 2, 3, 2] });
  const job = await world.until(id, 'completed');
  expect(job.counts).toEqual({ discovered: 3, stored: 3, shared: 0, skipped: 0, failed: 0, pending: 0 });
  expect(job.pages).toEqual({ discovered: 1, done: 1, failed: 0, pending: 0 });
  expect(await world.store.steps.countDocuments({})).toBe(0);
  expect(job.history.map(({ to }) => to)).toEqual(['queued', 'running', 'completed']);
});

test.each([
  ['one storage', { storages: 1, duplicate: false }],
  ['two storages', { storages: 2, duplicate: false }],
  ['every message twice', { storages: 1, duplicate: true }],
  ['two storages, every message twice', { storages: 2, duplicate: true }],
])('ten overlapping jobs at once fetch each image once: %s', async (_name, options) => {
  world = await World.make({}, options);
  const fetched = new Map<string, Set<string>>();
  world.script = async (step) => {
    if (step.kind === 'start') {
      const { params } = step.input as { params: { images: number[]; page: string } };
      return done([], [page(`${HOST}/${params.page}`, { images: params.images })]);
    }
    if (step.kind === 'page')
      return done(
        [],
        (step.input['images'] as number[]).map((n) => image(img(n))),
      );
    const leases = fetched.get(step.url!) ?? new Set();
    fetched.set(step.url!, leases.add(step.lease));
    await pause(Math.random() * 3);
    return done([found(step.url!)]);
  };
  const jobs = await Promise.all(
    Array.from({ length: 10 }, (_, k) =>
      world.submit({ page: `p${k}`, images: Array.from({ length: 40 }, (_, n) => k * 10 + n) }),
    ),
  );
  const ended = await Promise.all(jobs.map((id) => world.until(id, 'completed')));
  expect([...fetched.values()].filter((leases) => leases.size !== 1)).toEqual([]);
  expect(fetched.size).toBe(130);
  expect(await world.store.items.countDocuments({})).toBe(130);
  for (const job of ended) {
    expect(addsUp(job)).toBe(true);
    expect(job.counts.discovered).toBe(40);
    expect(job.counts.stored + job.counts.shared).toBe(40);
    expect(
      await world.store.links.countDocuments({
        jobId: job._id,
        of: 'item',
        state: { $in: ['stored', 'shared'] },
      }),
    ).toBe(40);
  }
  expect(ended.reduce((sum, { counts }) => sum + counts.stored, 0)).toBe(130);
});

test('stored items are linked, items under way are waited for, failed ones are tried again', async () => {
  world = await World.make();
  let failing = true;
  let release: (() => void) | undefined;
  const fetches: string[] = [];
  collectAll(world);
  const basic = world.script;
  world.script = async (step) => {
    if (step.kind !== 'image') return basic(step);
    fetches.push(step.url!);
    if (step.url === img(2) && failing)
      return { outcome: 'failed', code: 'http_status', message: 'gone', status: 410 };
    if (step.url === img(3)) {
      void new Promise<void>((resolve) => (release = resolve)).then(() =>
        world.answer(step, done([found(step.url!)])),
      );
      return undefined;
    }
    return done([found(step.url!)]);
  };
  const a = await world.submit({ page: 'a', images: [1, 2, 3] });
  await world.eventually(
    () => world.job(a),
    (job) => job.counts.stored === 1 && job.counts.failed === 1 && release !== undefined,
  );
  failing = false;
  const b = await world.submit({ page: 'b', images: [1, 2, 3, 4] });
  await world.eventually(
    () => world.job(b),
    (job) => job.counts.pending === 1,
  );
  release!();
  const [jobA, jobB] = [await world.until(a, 'completed'), await world.until(b, 'completed')];
  expect(jobA.counts).toEqual({ discovered: 3, stored: 2, shared: 0, skipped: 0, failed: 1, pending: 0 });
  expect(jobB.counts).toEqual({ discovered: 4, stored: 2, shared: 2, skipped: 0, failed: 0, pending: 0 });
  expect(fetches.sort()).toEqual([img(1), img(2), img(2), img(3), img(4)].sort());
  const link = await world.store.links.collection.findOne({ jobId: a, state: 'failed' });
  expect(link).toMatchObject({ url: img(2), error: { code: 'http_status', status: 410, attempt: 1 } });

  await world.control(a, 'retry');
  const again = await world.until(a, 'completed');
  expect(again.counts).toEqual({ discovered: 3, stored: 2, shared: 1, skipped: 0, failed: 0, pending: 0 });
  expect(again.epoch).toBe(2);
});

test('pause: what is under way is kept, nothing else begins; resume goes on where it was', async () => {
  world = await World.make({ MAGPIE_JOB_WINDOW: 10 });
  collectAll(world);
  const basic = world.script;
  const held: (() => Promise<void>)[] = [];
  let holding = true;
  world.script = async (step) => {
    if (step.kind === 'image' && holding) {
      held.push(() => world.answer(step, done([found(step.url!)])));
      return undefined;
    }
    return basic(step);
  };
  const id = await world.submit({ page: 'a', images: Array.from({ length: 50 }, (_, n) => n) });
  await world.eventually(
    () => held.length,
    (n) => n === 10,
  );
  await world.control(id, 'pause');
  await world.told('hold');
  expect((await world.job(id)).state).toBe('pausing');
  expect(world.controls).toContainEqual({ action: 'hold', jobId: id, epoch: 1 });
  for (const answer of held.slice(0, 6)) await answer();
  for (const step of world.seen.filter(({ kind }) => kind === 'image').slice(6))
    await world.answer(step, { outcome: 'released', reason: 'held' });
  const paused = await world.until(id, 'paused');
  expect(paused.counts).toMatchObject({ discovered: 50, stored: 6, pending: 44 });
  const seen = world.seen.length;
  await pause(400);
  expect(world.seen.length).toBe(seen);
  holding = false;
  await world.control(id, 'resume');
  const ended = await world.until(id, 'completed');
  expect(ended.counts.stored).toBe(50);
  expect(world.seen.filter(({ kind }) => kind === 'page').length).toBe(1);
});

test('terminate: work is aborted, what only this job brought is gone, what is shared stays, late results change nothing', async () => {
  world = await World.make();
  collectAll(world);
  const basic = world.script;
  const late: (() => Promise<void>)[] = [];
  world.script = (step) => {
    if (step.url === img(9)) {
      late.push(() => world.answer(step, done([found(step.url!)])));
      return undefined;
    }
    return basic(step);
  };
  const a = await world.submit({ page: 'a', images: [1, 2, 3, 9] });
  await world.eventually(
    () => world.job(a),
    (job) => job.counts.stored === 3 && late.length === 1,
  );
  const b = await world.submit({ page: 'b', images: [3] });
  await world.until(b, 'completed');
  await world.control(a, 'terminate');
  const gone = await world.until(a, 'terminated');
  expect(addsUp(gone)).toBe(true);
  const step = world.seen.find(({ url }) => url === img(9))!;
  await world.told('abort');
  expect(world.controls).toContainEqual({ action: 'abort', steps: [step.id] });
  const urls = async (): Promise<string[]> =>
    (await world.store.items.find({}).lean()).map(({ url }) => url).sort();
  expect(await urls()).toEqual([img(3)]);
  await late[0]!();
  await pause(300);
  expect(await urls()).toEqual([img(3)]);
  expect(await world.store.links.countDocuments({ jobId: a })).toBe(0);
  expect(await world.store.steps.countDocuments({})).toBe(0);
  expect((await world.job(b)).counts).toMatchObject({ discovered: 1, shared: 1 });
});

test('jobs that an import made and that have ended are taken back with it: what others have stays', async () => {
  world = await World.make();
  collectAll(world);
  const made: string[] = [];
  // The last image is in all of them: the first brought it, and is taken back first.
  for (const images of [
    [1, 2, 3],
    [4, 3],
    [5, 3],
  ]) {
    const id = await world.submit({ page: `of-${images.join('-')}`, images });
    await world.until(id, 'completed');
    made.push(id);
  }
  const b = await world.submit({ page: 'b', images: [2] });
  await world.until(b, 'completed');
  await world.store.jobs.collection.updateMany({ _id: { $in: made } } as never, {
    $set: { importedBy: 'import' },
  });
  expect(await terminateImported(world.store, 'import', 10)).toBe(3);
  for (const id of made) {
    const gone = await world.eventually(
      () => world.job(id),
      ({ state }) => state === 'terminated',
    );
    expect(gone.counts).toMatchObject({ discovered: 0, stored: 0 });
    expect(await world.store.links.countDocuments({ jobId: id })).toBe(0);
  }
  const items = (await world.store.items.find({}).lean()).map(({ url, refs }) => [url, refs]);
  expect(items).toEqual([[img(2), 1]]);
  expect((await world.job(b)).state).toBe('completed');
  expect(await terminateImported(world.store, 'import', 10)).toBe(0);
});

test('stop keeps what there is; retry takes up the rest', async () => {
  world = await World.make({ MAGPIE_JOB_WINDOW: 5 });
  collectAll(world);
  const basic = world.script;
  let open = false;
  world.script = (step) => {
    if (step.kind !== 'image' || open || Number(/(\d+)\.png/.exec(step.url!)![1]) < 3) return basic(step);
    return { outcome: 'released', reason: 'slow' };
  };
  const id = await world.submit({ page: 'a', images: Array.from({ length: 20 }, (_, n) => n) });
  await world.eventually(
    () => world.job(id),
    (job) => job.counts.stored === 3,
  );
  await world.control(id, 'stop');
  const stopped = await world.until(id, 'stopped');
  expect(stopped.counts).toEqual({
    discovered: 20,
    stored: 3,
    shared: 0,
    skipped: 0,
    failed: 17,
    pending: 0,
  });
  open = true;
  await world.control(id, 'retry');
  const ended = await world.until(id, 'completed');
  expect(ended.counts).toMatchObject({ stored: 20, failed: 0 });
  expect(world.seen.filter(({ kind }) => kind === 'page').length).toBe(1);
});

test('attempts, crashes and nothing but failures', async () => {
  world = await World.make();
  collectAll(world);
  const basic = world.script;
  const tries = new Map<string, number>();
  world.script = (step) => {
    if (step.kind !== 'image') return basic(step);
    const n = (tries.get(step.url!) ?? 0) + 1;
    tries.set(step.url!, n);
    if (step.url === img(1)) return { outcome: 'retry', code: 'connect_refused', message: 'no' };
    if (step.url === img(2)) return { outcome: 'interrupted' };
    if (step.url === img(3) && n === 1) return { outcome: 'interrupted' };
    if (step.url === img(4) && n === 1) return { outcome: 'retry', code: 'truncated_body', message: 'no' };
    return basic(step);
  };
  const id = await world.submit({ page: 'a', images: [1, 2, 3, 4, 5] });
  const job = await world.until(id, 'completed');
  expect(job.counts).toMatchObject({ stored: 3, failed: 2 });
  expect(Object.fromEntries(tries)).toEqual({
    [img(1)]: 2,
    [img(2)]: 3,
    [img(3)]: 2,
    [img(4)]: 2,
    [img(5)]: 1,
  });
  const errors = await world.store.links.find({ jobId: id, state: 'failed' }).sort({ url: 1 }).lean();
  expect(errors.map(({ error }) => error!.code)).toEqual(['connect_refused', 'step_quarantined']);

  world.script = (step) =>
    step.kind === 'start'
      ? done([], [page(`${HOST}/none`)])
      : { outcome: 'failed', code: 'dns_error', message: 'no such host' };
  const bad = await world.until(await world.submit({}), 'failed');
  expect(bad.error).toEqual({ code: 'dns_error', message: 'no such host' });
  expect(bad.pages).toMatchObject({ discovered: 1, failed: 1 });
});

test('a host that asks for a pause is left alone, and the job says that it waits', async () => {
  world = await World.make();
  collectAll(world);
  const basic = world.script;
  const until = Date.now() + 3_600_000;
  let asked = 0;
  world.script = (step) => {
    if (step.kind === 'image' && asked++ === 0)
      return {
        outcome: 'backoff',
        code: 'http_status',
        message: 'slow down',
        status: 429,
        host: hostKey(HOST),
        until,
      };
    return basic(step);
  };
  const id = await world.submit({ page: 'a', images: [1] });
  const waiting = await world.until(id, 'waiting');
  expect(waiting.waiting).toMatchObject({ reason: 'host_backoff', until: new Date(until) });
  expect(asked).toBe(1);
  await world.store.hosts.collection.updateOne({ _id: hostKey(HOST) } as never, {
    $set: { backoffUntil: new Date() },
  });
  const ended = await world.until(id, 'completed');
  expect(ended.counts.stored).toBe(1);
  expect(world.seen.filter(({ kind }) => kind === 'image').map(({ attempt }) => attempt)).toEqual([1, 1]);
});

test('a job that can not go on now waits, says why, and goes on by itself', async () => {
  world = await World.make();
  collectAll(world);
  const basic = world.script;
  let full = true;
  const until = Date.now() + 3_600_000;
  world.script = (step) =>
    step.kind === 'image' && full
      ? { outcome: 'wait', code: 'disk_full', message: 'no space left', reason: 'disk_full', until }
      : basic(step);
  const id = await world.submit({ page: 'a', images: [1, 2, 3] });
  const waiting = await world.until(id, 'waiting');
  expect(waiting.waiting).toMatchObject({ reason: 'disk_full', until: new Date(until) });
  await pause(500);
  full = false;
  expect((await world.job(id)).state).toBe('waiting');
  world.clock.set(until);
  const ended = await world.until(id, 'completed');
  expect(ended.counts).toMatchObject({ stored: 3, failed: 0 });
  expect(world.seen.filter(({ kind }) => kind === 'image').every(({ attempt }) => attempt === 1)).toBe(true);
});

test('a small job is not kept waiting by a huge one', async () => {
  world = await World.make({ MAGPIE_JOB_WINDOW: 20 });
  collectAll(world);
  const basic = world.script;
  world.script = async (step) => {
    if (step.kind === 'image') await pause(2);
    return basic(step);
  };
  const big = await world.submit({ page: 'a', images: Array.from({ length: 3000 }, (_, n) => n) });
  await world.eventually(
    () => world.job(big),
    (job) => job.counts.stored > 20,
  );
  const small = await world.submit({ page: 'b', images: [9001, 9002, 9003, 9004, 9005] });
  const before = world.seen.length;
  await world.until(small, 'completed');
  expect(world.seen.findLastIndex(({ jobId }) => jobId === small) - before).toBeLessThan(1000);
  await world.control(big, 'terminate');
  await world.until(big, 'terminated');
});

test('limits, filters and rechecks', async () => {
  world = await World.make();
  const file = (bytes: number, sha: string) => ({
    sha256: sha.repeat(64),
    path: `images/aa/aa/${sha.repeat(64)}.png`,
    type: 'image/png',
    bytes,
    width: bytes,
    height: bytes,
    fresh: true,
  });
  await mkdir(join(world.files, 'files/images/aa/aa'), { recursive: true });
  for (const sha of ['a', 'b'])
    await writeFile(join(world.files, `files/images/aa/aa/${sha.repeat(64)}.png`), sha);
  let content = 'a';
  world.script = (step) => {
    const params = (step.input['params'] ?? {}) as { recheck?: 'ifChanged'; minWidth?: number };
    if (step.kind === 'start')
      return done(
        [],
        [1, 2, 3, 4].map((n) =>
          image(img(n), {
            ...(params.recheck ? { recheck: params.recheck } : {}),
            ...(params.minWidth ? { accept: { minWidth: params.minWidth } } : {}),
          }),
        ),
      );
    const n = Number(/(\d+)\.png/.exec(step.url!)![1]);
    if (step.etag === content) return { ...done(), unchanged: true };
    return done([found(step.url!, { file: file(n * 10, content), etag: content })]);
  };
  const filtered = await world.until(await world.submit({ minWidth: 25 }), 'completed');
  expect(filtered.counts).toEqual({ discovered: 4, stored: 2, shared: 0, skipped: 2, failed: 0, pending: 0 });
  const limited = await world.until(await world.submit({ maxItems: 2 }), 'completed');
  expect(limited.counts).toEqual({ discovered: 2, stored: 0, shared: 2, skipped: 0, failed: 0, pending: 0 });
  const fetches = world.seen.length;
  const same = await world.until(await world.submit({ recheck: 'ifChanged' }), 'completed');
  expect(same.counts).toMatchObject({ shared: 4, stored: 0 });
  expect(world.seen.length).toBe(fetches + 5);
  const imported = { importedBy: 'an import', importedRow: 7 };
  await world.store.items.collection.updateMany({}, { $set: imported });
  content = 'b';
  const changed = await world.until(await world.submit({ recheck: 'ifChanged' }), 'completed');
  expect(changed.counts).toMatchObject({ stored: 4 });
  const items = await world.store.items.find({}).lean();
  expect(items).toEqual(items.map(() => expect.objectContaining({ revision: 2, ...imported }) as unknown));
  expect(items.length).toBe(4);
});
