/** What is hard about many jobs, hosts, replicas and clocks at once. */
import { access, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createBroker, type Broker } from '@magpie/broker';
import { hostKey, newId } from '@magpie/domain';
import { createLogger } from '@magpie/service-kit';
import { removeJob, type JobDocument, type Store } from '@magpie/store';
import { startStorage } from './app.ts';
import { HostPacer } from './dispatch/hosts.ts';
import { SourceCatalogue } from './dispatch/sources.ts';
import { addsUp, done, found, image, page, pause, SOURCE, World } from './testing/world.ts';

const HOST = 'http://site.test';
const img = (n: number): string => `${HOST}/img/${n}.png`;

let world: World;
const extra: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of extra.splice(0)) await one.close();
  await world.close();
});

/** A job whose start step brings these images. */
const images = (w: World, onImage: World['script'] = (step) => done([found(step.url!)])) => {
  w.script = (step) => {
    if (step.kind !== 'start') return onImage(step);
    const { params } = step.input as { params: { images: number[]; image?: object } };
    return done(
      [],
      params.images.map((n) => ({ ...image(img(n), params.image ?? {}), input: { via: 'x' } })),
    );
  };
};

const stateOf = async (id: string): Promise<string> => (await world.job(id)).state;
const now = () => new Date();

const jobDoc = (rest: Partial<JobDocument>): JobDocument => ({
  _id: newId(),
  source: 'web-images',
  params: {},
  priority: 'normal',
  rank: 1,
  state: 'running',
  epoch: 1,
  rev: 1,
  waiting: null,
  counts: { discovered: 0, stored: 0, shared: 0, skipped: 0, failed: 0, pending: 0 },
  pages: { discovered: 0, done: 0, failed: 0, pending: 0 },
  error: null,
  schedule: null,
  run: null,
  runs: 0,
  nextRunAt: null,
  targets: 0,
  tally: { samples: 0, requests: 0, units: 0 },
  coverage: null,
  stopWhenExhausted: false,
  warnings: [],
  history: [],
  retrying: false,
  correlationId: 'c',
  createdAt: now(),
  startedAt: now(),
  endedAt: null,
  updatedAt: now(),
  ...rest,
});

const stepDoc = (rest: object) => ({
  _id: newId(),
  source: 'web-images',
  kind: 'image',
  key: 'k',
  host: 'h',
  input: {},
  jobs: [] as string[],
  state: 'ready',
  order: 1,
  attempt: 1,
  crashes: 0,
  backoffs: 0,
  ...rest,
});

test('a hundred jobs that wait for a time do not starve another', async () => {
  world = await World.make();
  images(world);
  const later = new Date(Date.now() + 3_600_000);
  const jobs = Array.from({ length: 100 }, () =>
    jobDoc({ state: 'waiting', waiting: { reason: 'rate_limited', until: later } }),
  );
  await world.store.jobs.collection.insertMany(jobs as never);
  await world.store.steps.collection.insertMany(jobs.map(({ _id }) => stepDoc({ jobs: [_id] })) as never);
  const id = await world.submit({ images: [1] });
  expect(
    await world.eventually(
      () => stateOf(id),
      (s) => s === 'completed',
    ),
  ).toBe('completed');
});

test('a hundred high-priority jobs with nothing due do not starve another', async () => {
  world = await World.make();
  images(world);
  const later = new Date(Date.now() + 3_600_000);
  const jobs = Array.from({ length: 100 }, () => jobDoc({ priority: 'high', rank: 0 }));
  await world.store.jobs.collection.insertMany(jobs as never);
  await world.store.steps.collection.insertMany(
    jobs.map(({ _id }) => stepDoc({ jobs: [_id], state: 'later', notBefore: later })) as never,
  );
  const id = await world.submit({ images: [1] });
  expect(
    await world.eventually(
      () => stateOf(id),
      (s) => s === 'completed',
    ),
  ).toBe('completed');
});

test('48 hosts on a pause do not keep a job from its 49th', async () => {
  world = await World.make();
  const until = new Date(Date.now() + 3_600_000);
  const url = (n: number) => `http://h${String(n).padStart(3, '0')}.test/i.png`;
  const urls = Array.from({ length: 49 }, (_, n) => url(n));
  await world.store.hosts.collection.insertMany(
    urls
      .slice(0, 48)
      .map((u) => ({ _id: hostKey(u), delayMs: 0, backoffUntil: until, backoffs: 1 })) as never,
  );
  await pause(500);
  world.script = (step) =>
    step.kind === 'start'
      ? done(
          [],
          urls.map((u) => image(u)),
        )
      : done([found(step.url!)]);
  const id = await world.submit({});
  const job = await world.eventually(
    () => world.job(id),
    (j) => j.counts.stored === 1,
  );
  expect(job.counts.stored).toBe(1);
});

test('a file reported as fresh is not removed under its item', async () => {
  world = await World.make();
  const sha = 'a'.repeat(64);
  const path = `images/aa/aa/${sha}.png`;
  const full = join(world.files, 'files', path);
  const file = (fresh: boolean) => ({ sha256: sha, path, type: 'image/png', bytes: 3, fresh });
  images(world, () => undefined);
  const a = await world.submit({ images: [1] });
  const b = await world.submit({ images: [2] });
  await world.eventually(
    () => world.seen.filter((s) => s.kind === 'image').length,
    (n) => n === 2,
  );
  const stepOf = (n: number) => world.seen.find((s) => s.url === img(n))!;
  // A's collector wrote the file first; its result is still on its way
  await mkdir(dirname(full), { recursive: true });
  await writeFile(full, 'abc');
  // B's collector found equal bytes; B was terminated before its result came
  await world.control(b, 'terminate');
  await world.until(b, 'terminated');
  await world.answer(stepOf(2), done([found(img(2), { file: file(false) })]));
  await world.eventually(
    () =>
      access(full).then(
        () => true,
        () => false,
      ),
    (there) => !there,
  );
  // now A's result
  await world.answer(stepOf(1), done([found(img(1), { file: file(true) })]));
  await pause(1500);
  const item = await world.store.items.collection.findOne({ url: img(1) });
  const there = await access(full).then(
    () => true,
    () => false,
  );
  expect({ kept: item !== null, file: there, state: await stateOf(a) }).not.toMatchObject({
    kept: true,
    file: false,
  });
});

test('a file that can not be removed does not stop the platform', async () => {
  world = await World.make();
  images(world);
  const path = `images/aa/bb/${'b'.repeat(64)}.png`;
  await mkdir(join(world.files, 'files', path, 'x'), { recursive: true });
  await world.store.orphans.collection.insertOne({ _id: path } as never);
  await pause(300);
  const id = await world.submit({ images: [1] });
  expect(
    await world.eventually(
      () => stateOf(id),
      (s) => s === 'completed',
    ),
  ).toBe('completed');
});

test('not modified, but the item went with the job that brought it: it is fetched', async () => {
  world = await World.make();
  let hold = false;
  images(world, (step) => {
    if (hold) return undefined;
    if (step.etag) return { ...done(), unchanged: true };
    return done([found(step.url!, { etag: 'e' })]);
  });
  const a = await world.submit({ images: [1] });
  await world.until(a, 'completed');
  // a completed job can't be terminated; bring it back to a live one as a retry that has something left would
  hold = true;
  await world.store.jobs.collection.updateOne({ _id: a } as never, { $set: { state: 'paused' } });
  const b = await world.submit({ images: [1], image: { recheck: 'ifChanged' } });
  await world.eventually(
    () => world.seen.filter((s) => s.etag === 'e').length,
    (n) => n === 1,
  );
  await world.control(a, 'terminate');
  await world.until(a, 'terminated');
  hold = false;
  await world.answer(
    world.seen.find((s) => s.etag === 'e')!,
    { ...done(), unchanged: true },
  );
  const job = await world.eventually(
    () => world.job(b),
    (j) => j.state === 'completed' || j.state === 'failed',
  );
  expect({ state: job.state, error: job.error }).toEqual({ state: 'completed', error: null });
});

test('a retry that finds the item kept goes on from it', async () => {
  world = await World.make();
  let hold = true;
  images(world, (step) => {
    if (step.kind === 'expand') return done();
    if (hold) return { outcome: 'released', reason: 'slow' };
    return done([found(step.url!, { outlinks: ['http://x.test/'] })]);
  });
  const a = await world.submit({ images: [1], image: { expand: { a: 1 } } });
  await world.eventually(
    () => world.seen.length,
    (n) => n >= 2,
  );
  await world.control(a, 'stop');
  await world.until(a, 'stopped');
  hold = false;
  await world.until(await world.submit({ images: [1] }), 'completed');
  await world.control(a, 'retry');
  await world.until(a, 'completed');
  expect(world.seen.filter((s) => s.kind === 'expand' && s.jobId === a).length).toBe(1);
});

test('a retry does the step with its own input, though another job ended the step meanwhile', async () => {
  world = await World.make();
  let fail = true;
  images(world, (step) =>
    fail ? { outcome: 'failed', code: 'http_status', message: 'x' } : done([found(step.url!)]),
  );
  const a = await world.submit({ images: [1] });
  await world.until(a, 'failed');
  fail = false;
  const b = await world.submit({ images: [1, 2] });
  await world.until(b, 'completed');
  await world.store.jobs.collection.updateOne({ _id: b } as never, { $set: { state: 'paused' } });
  await world.control(b, 'terminate');
  await world.until(b, 'terminated');
  await world.control(a, 'retry');
  await world.until(a, 'completed');
  expect(world.seen.filter((s) => s.kind === 'image' && s.jobId === a).map((s) => s.input)).toEqual([
    { via: 'x' },
    { via: 'x' },
  ]);
});

test('finding a parked step does not forget who waits for it', async () => {
  world = await World.make();
  let hold = true;
  images(world, (step) => (hold ? undefined : done([found(step.url!)])));
  const a = await world.submit({ images: [1] });
  await world.eventually(
    () => world.seen.length,
    (n) => n === 2,
  );
  await world.store.steps.collection.updateMany(
    { state: 'leased' },
    { $set: { state: 'parked' }, $unset: { lease: 1, leasedFor: 1, leaseUntil: 1 } },
  );
  hold = false;
  await world.until(await world.submit({ images: [1] }), 'completed');
  const job = await world.eventually(
    () => world.job(a),
    (j) => j.state === 'completed',
  );
  expect({ state: job.state, pending: job.counts.pending }).toEqual({ state: 'completed', pending: 0 });
});

const storageOptions = (w: World) => ({
  MAGPIE_DATA: w.files,
  MAGPIE_HOST_CONCURRENCY: 500,
  MAGPIE_JOB_WINDOW: 500,
  MAGPIE_MAX_ATTEMPTS: 2,
  MAGPIE_SAMPLES_RETENTION: 0,
  MAGPIE_STEP_TIMEOUT: 60_000,
});

async function ownStorage(w: World, wrap: (broker: Broker) => Broker = (b) => b, store: Store = w.store) {
  const broker = createBroker({ url: process.env['MAGPIE_TEST_AMQP_URL']!, prefix: w.prefix });
  const storage = await startStorage({
    store,
    broker: wrap(broker),
    log: createLogger({ name: 'own', level: 'silent' as never }),
    options: storageOptions(w),
  });
  let open = true;
  const both = {
    async close() {
      if (!open) return;
      open = false;
      await storage.close();
      await broker.close();
    },
  };
  extra.push(both);
  return both;
}

test('a director that was slow to publish does not dispatch what its successor dispatched', async () => {
  world = await World.make({}, { storages: 0 });
  let slowed = false;
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  // First of what is closed: a director ends after its turn.
  extra.push({ close: async () => open() });
  await ownStorage(
    world,
    (broker) =>
      new Proxy(broker, {
        get(target, name) {
          const value = Reflect.get(target, name, target) as unknown;
          if (typeof value !== 'function') return value;
          if (name !== 'publishMany') return value.bind(target);
          return async (...args: unknown[]) => {
            slowed = true;
            await gate;
            return (value as (...a: unknown[]) => Promise<void>).apply(target, args);
          };
        },
      }),
    {
      ...world.store,
      get locks() {
        if (slowed) throw new Error('it cannot renew its lock');
        return world.store.locks;
      },
    },
  );
  await world.store.prepare();
  images(world, () => undefined);
  world.script = () => undefined;
  await world.submit({ images: [1] });
  await world.eventually(
    () => slowed,
    (s) => s,
  );
  await world.addStorage();
  // The successor has looked at what was left, and would have dispatched it in the same turn.
  await world.eventually(
    () => world.store.dispatches.countDocuments({}),
    (left) => left === 0,
  );
  open();
  await world.eventually(
    () => world.seen.length,
    (n) => n > 0,
  );
  await pause(1000);
  expect(world.seen.map(({ kind }) => kind)).toEqual(['start']);
});

test('after an outage of storage longer than a lease, what was done is not fetched again', async () => {
  world = await World.make({}, { storages: 0 });
  const first = await ownStorage(world);
  images(world, () => undefined);
  await pause(300);
  await world.submit({ images: Array.from({ length: 300 }, (_, n) => n) });
  await world.eventually(
    () => world.seen.filter((s) => s.kind === 'image').length,
    (n) => n === 300,
  );
  await first.close();
  for (const step of world.seen.filter((s) => s.kind === 'image'))
    await world.answer(step, done([found(step.url!)]));
  await world.store.steps.collection.updateMany(
    { state: 'leased' },
    { $set: { leaseUntil: new Date(1000) } },
  );
  await ownStorage(world);
  await pause(4000);
  expect(world.seen.filter((s) => s.kind === 'image').length).toBe(300);
});

test('who asks for the sources while they are read waits until they are known, however long it takes', async () => {
  world = await World.make();
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  let reads = 0;
  const sources = new SourceCatalogue({
    ...world.store,
    get sources() {
      reads++;
      const { collection } = world.store.sources;
      const find = () => ({ toArray: () => gate.then(() => collection.find({}).toArray()) });
      return { collection: { find } } as never;
    },
  });
  const first = sources.refresh();
  await pause(1500);
  const second = sources.refresh();
  open();
  await second;
  expect(reads).toBe(1);
  expect(sources.get(SOURCE)).toMatchObject({ batch: { image: 10, page: 2 } });
  await first;
});

test('after a pause that it asked for, a host gets one step first', async () => {
  world = await World.make({}, { storages: 0 });
  await world.store.prepare();
  await world.store.hosts.collection.insertOne({
    _id: 'h:80',
    delayMs: 0,
    backoffs: 5,
    backoffUntil: new Date(Date.now() - 10),
  } as never);
  const pacer = new HostPacer(world.store, 8);
  await pacer.refresh(new Map());
  expect(pacer.capacity('h:80')).toBe(1);
});

test('a gateway whose clock is ten seconds behind can have a job retried', async () => {
  world = await World.make();
  let fail = true;
  images(world, (step) =>
    fail ? { outcome: 'failed', code: 'http_status', message: 'x' } : done([found(step.url!)]),
  );
  const a = await world.submit({ images: [1] });
  await world.until(a, 'failed');
  fail = false;
  await world.store.links.collection.updateMany(
    { jobId: a, state: 'failed' },
    { $set: { 'error.at': new Date(Date.now() + 10_000) } },
  );
  await world.control(a, 'retry');
  const job = await world.eventually(
    () => world.job(a),
    (j) => j.state !== 'running' && j.epoch === 2,
  );
  expect(job.counts).toMatchObject({ stored: 1, failed: 0 });
});

test('what is beyond maxItems is not kept for nobody', async () => {
  world = await World.make();
  world.script = () => done([1, 2, 3].map((n) => found(img(n))));
  const a = await world.submit({ maxItems: 1 });
  const job = await world.until(a, 'completed');
  expect(job.counts.stored).toBe(1);
  expect((await world.store.items.find({}).lean()).map(({ refs }) => refs)).toEqual([1]);
});

test('removing a job removes its failed steps', async () => {
  world = await World.make();
  world.script = (step) =>
    step.kind === 'start'
      ? done([], [page(`${HOST}/p`)])
      : { outcome: 'failed', code: 'http_status', message: 'x' };
  const a = await world.submit({});
  await world.until(a, 'failed');
  await removeJob(world.store, a);
  expect(await world.store.steps.countDocuments({})).toBe(0);
});

test('abort is repeated while a step of a terminating job is under way', async () => {
  world = await World.make();
  images(world, () => undefined);
  const a = await world.submit({ images: [1] });
  await world.eventually(
    () => world.seen.length,
    (n) => n === 2,
  );
  // The time in which it is repeated ends when the test says so.
  world.clock.advance(3_600_000);
  await world.control(a, 'terminate');
  expect(await world.told('abort', 2)).toBeGreaterThan(1);
  await world.store.jobs.collection.updateOne({ _id: a, 'history.to': 'terminating' } as never, {
    $set: { 'history.$.at': new Date(0) },
  });
  await world.until(a, 'terminated');
});

test('a job that waits for one host goes on with another when it can', async () => {
  world = await World.make();
  const other = 'http://other.test/1.png';
  let n = 0;
  world.script = (step) => {
    if (step.kind === 'start') return done([], [image(img(1)), image(other)]);
    if (step.url === other)
      return n++ === 0 ? { outcome: 'retry', code: 'x', message: 'x' } : done([found(step.url!)]);
    return {
      outcome: 'backoff',
      code: 'http_status',
      message: 'x',
      host: hostKey(HOST),
      until: Date.now() + 60_000,
    };
  };
  const a = await world.submit({});
  await world.eventually(
    () => n,
    (m) => m === 1,
  );
  await world.store.steps.collection.updateOne(
    { url: other },
    { $set: { state: 'later', notBefore: new Date(Date.now() + 4000) }, $unset: { lease: 1, leaseUntil: 1 } },
  );
  const job = await world.eventually(
    () => world.job(a),
    (j) => j.counts.stored === 1,
  );
  expect({ stored: job.counts.stored, state: job.state }).toMatchObject({ stored: 1 });
});

test.each([1, 2])('whatever people do, the books are right in the end (%s)', async () => {
  world = await World.make({ MAGPIE_JOB_WINDOW: 20 }, { storages: 2, duplicate: true });
  let calm = false;
  world.script = async (step) => {
    if (step.kind === 'start') {
      const { params } = step.input as { params: { pages: number[][] } };
      return done(
        [],
        params.pages.map((list, n) => page(`${HOST}/${n}`, { list })),
      );
    }
    if (step.kind === 'page')
      return done(
        [],
        (step.input['list'] as number[]).map((n) =>
          image(img(n), { recheck: n % 7 === 0 ? 'always' : 'never' }),
        ),
      );
    if (step.kind === 'expand') return done();
    if (Math.random() < 0.3) await pause(Math.random() * 20);
    const r = Math.random();
    if (!calm) {
      if (r < 0.1) return { outcome: 'failed', code: 'http_status', message: 'x' };
      if (r < 0.15) return { outcome: 'retry', code: 'x', message: 'x' };
      if (r < 0.2) return { outcome: 'released', reason: 'x' };
      if (r < 0.25) return { outcome: 'interrupted' };
      if (r < 0.28) return { outcome: 'skipped', code: 'x', message: 'x' };
    }
    return done([found(step.url!)]);
  };
  const jobs = await Promise.all(
    Array.from({ length: 8 }, (_, k) =>
      world.submit({
        pages: Array.from({ length: 3 }, (_, p) => Array.from({ length: 40 }, (_, n) => k * 15 + p * 20 + n)),
      }),
    ),
  );
  const actions = ['pause', 'resume', 'stop', 'retry', 'resume', 'retry', 'pause'] as const;
  for (const end = Date.now() + 8000; Date.now() < end;) {
    const id = jobs[Math.floor(Math.random() * jobs.length)]!;
    const action = Math.random() < 0.01 ? 'terminate' : actions[Math.floor(Math.random() * actions.length)]!;
    await world.control(id, action).catch(() => undefined);
    await pause(Math.random() * 25);
  }
  calm = true;
  const over = ['completed', 'failed', 'stopped', 'terminated'];
  for (const id of jobs) {
    await world.eventually(
      async () => {
        const j = await world.job(id);
        if (j.state === 'paused') await world.control(id, 'resume').catch(() => undefined);
        return j;
      },
      (j) => over.includes(j.state),
    );
  }
  // A director ends its dispatch after the steps that it published.
  await world.eventually(
    () => world.store.dispatches.countDocuments({}),
    (left) => left === 0,
  );
  const wrong: unknown[] = [];
  for (const id of jobs) {
    const job = await world.job(id);
    const links = await world.store.links.find({ jobId: id }).lean();
    const n = (of: string, state: string) => links.filter((l) => l.of === of && l.state === state).length;
    const tally = Object.fromEntries(
      (['stored', 'shared', 'skipped', 'failed', 'pending'] as const).map((s) => [s, n('item', s)]),
    );
    const pages = { done: n('page', 'done'), failed: n('page', 'failed'), pending: n('page', 'pending') };
    if (!over.includes(job.state) || !addsUp(job) || job.counts.pending > 0 || job.pages.pending > 0)
      wrong.push({ state: job.state, counts: job.counts, pages: job.pages, retrying: job.retrying });
    for (const [k, v] of Object.entries({ ...tally }))
      if ((job.counts as Record<string, number>)[k] !== v) wrong.push({ id, k, v, counts: job.counts });
    for (const [k, v] of Object.entries(pages))
      if ((job.pages as Record<string, number>)[k] !== v) wrong.push({ id, page: k, v, pages: job.pages });
  }
  for (const item of await world.store.items.find({}).lean()) {
    const refs = await world.store.links.countDocuments({
      target: item._id,
      state: { $in: ['stored', 'shared'] },
    });
    if (refs !== item.refs) wrong.push({ item: item.url, refs: item.refs, links: refs });
  }
  const left = await world.store.steps.find({ state: { $ne: 'failed' } }).lean();
  expect({
    wrong,
    left: left.map(({ state, kind, jobs }) => ({ state, kind, jobs })),
    dispatches: await world.store.dispatches.countDocuments({}),
    dead: await world.store.deadLetters.countDocuments({}),
  }).toEqual({ wrong: [], left: [], dispatches: 0, dead: 0 });
});

test('the steps that only this job waits for are found by the index', async () => {
  world = await World.make({}, { storages: 0 });
  await world.store.prepare();
  const plan = await world.store.steps.collection.find({ jobs: ['a'], state: 'leased' } as never).explain();
  expect(JSON.stringify(plan)).not.toContain('COLLSCAN');
});
