import { gzipSync } from 'node:zlib';
import { resolveSchedule } from '@magpie/domain';
import type { ImportTargets, JobDocument } from '@magpie/store';
import { World } from '../testing/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.make({}, { services: 0 });
  const word = { type: 'string', pattern: '^[#＃]?[\\p{L}\\p{M}\\p{N}_]{1,100}$', maxLength: 250 };
  const source = (id: string, properties: object, rest: object = {}) => ({
    _id: id,
    summary: id,
    version: '1',
    params: { type: 'object', properties, required: Object.keys(properties) },
    emits: {},
    batch: {},
    lastSeenAt: new Date(),
    ...rest,
  });
  await world.store.sources.collection.insertMany([
    source(
      'facebook-pages',
      { pages: { type: 'array', items: { type: 'string', minLength: 1, maxLength: 500 } } },
      { targets: { param: 'pages', step: 'pages', perStep: 50 }, schedule: { every: 'PT10M' } },
    ),
    source('web-images', { urls: { type: 'array', items: { type: 'string', format: 'http-url' } } }),
    source('instagram-hashtag', { tag: word }),
  ] as never);
});
afterAll(() => world.close());
beforeEach(async () => void (await world.addService()));
afterEach(() => world.clear());

const MEASURED: ImportTargets = {
  source: 'facebook-pages',
  how: 'measured',
  param: 'pages',
  most: 200_000,
  params: { jumpFactor: 2 },
  schedule: resolveSchedule({ schedule: { every: 'PT10M' } }, {}, undefined, Date.now()),
  warnings: [],
};
const LISTED: ImportTargets = {
  source: 'web-images',
  how: 'listed',
  param: 'urls',
  most: 1000,
  params: { depth: 1 },
  schedule: null,
  warnings: [],
};
const ONE: ImportTargets = { ...LISTED, source: 'instagram-hashtag', how: 'one', param: 'tag', params: {} };

const take = async (text: string, targets: ImportTargets, rest: object = {}): Promise<string> =>
  world.transfer('import', { upload: await world.upload(text), as: 'targets', targets, ...rest });

const jobsOf = async (id: string): Promise<JobDocument[]> =>
  (await world.store.jobs.collection
    .find({ importedBy: id } as never)
    .sort({ _id: 1 })
    .toArray()) as unknown as JobDocument[];

const pages = (count: number, from = 0): string =>
  Array.from({ length: count }, (_, i) => `Page${String(from + i)}`).join('\n');

test('pages become the targets of one job, made when all are read, with the schedule that was settled', async () => {
  const text = `page\n${pages(2500)}\nhttps://www.facebook.com/PAGE7/\ntwo words\n\n`;
  const id = await take(text, MEASURED);
  const job = await world.until(id, 'completed');
  expect(job.counts).toMatchObject({ discovered: 2502, stored: 2500, skipped: 1, failed: 1 });
  const jobs = await jobsOf(id);
  expect(jobs).toHaveLength(1);
  expect(jobs[0]).toMatchObject({
    source: 'facebook-pages',
    state: 'queued',
    targets: 2500,
    params: { jumpFactor: 2 },
    schedule: { every: 'PT10M' },
    correlationId: job.correlationId,
  });
  expect(jobs[0]?.nextRunAt).toBeInstanceOf(Date);
  expect(job.transfer.report).toMatchObject({ jobs: { count: 1, ids: [jobs[0]?._id] }, rejected: 1 });
  expect(await world.store.targets.collection.countDocuments({ jobId: jobs[0]?._id } as never)).toBe(2500);
  expect(await world.store.targetLoads.collection.countDocuments({})).toBe(0);
});

test('a job has as many targets as it may, then comes another; none is in two', async () => {
  const text = `target\n${pages(1500)}\n${pages(1500, 700)}\n`;
  const id = await take(text, { ...MEASURED, most: 900 });
  const job = await world.until(id, 'completed');
  expect(job.counts).toMatchObject({ discovered: 3000, stored: 2200, skipped: 800 });
  const jobs = await jobsOf(id);
  expect(jobs.map(({ targets }) => targets).sort()).toEqual([400, 900, 900]);
  const keys = await world.store.targets.collection.distinct('key');
  expect(keys).toHaveLength(2200);
  expect(await world.store.targets.collection.countDocuments({})).toBe(2200);
});

test('stopped, what was loaded gets its job; terminated, what was loaded is gone', async () => {
  await world.closeServices();
  await world.addLateService();
  const text = `page\n${pages(40_000)}\n`;
  const [kept, gone] = [await take(text, MEASURED), await take(text, MEASURED)];
  for (const id of [kept, gone])
    await world.eventually(
      () => world.job(id),
      ({ counts }) => counts.discovered > 1000,
    );
  await world.control(kept, 'stop');
  await world.control(gone, 'terminate');
  const stopped = await world.until(kept, 'stopped');
  const terminated = await world.until(gone, 'terminated');
  const [job] = await jobsOf(kept);
  expect(job?.targets).toBe(stopped.counts.stored);
  expect(stopped.counts.stored).toBeLessThan(40_000);
  expect(stopped.transfer.report).toMatchObject({ jobs: { count: 1, ids: [job?._id] } });
  expect(await jobsOf(gone)).toEqual([]);
  expect(await world.store.targets.collection.countDocuments({})).toBe(job?.targets);
  expect(await world.store.targetLoads.collection.countDocuments({})).toBe(0);
  const { rolledBack } = terminated.transfer.report as { rolledBack: Record<string, number> };
  expect(rolledBack['targets']).toBeGreaterThan(1000);
});

test('killed twice while pages are loaded, each is there once', async () => {
  await world.closeServices();
  const id = await take(`page\n${pages(12_000)}\n`, MEASURED);
  for (const rows of [1000, 5000]) {
    const service = world.spawn({ MONGODB_URL: await world.lateUrl() });
    await world.eventually(
      () => world.job(id),
      ({ counts }) => counts.discovered >= rows,
    );
    await service.kill();
    // As if nobody had had to wait for its lease to run out.
    await world.store.jobs.collection.updateOne({ _id: id, 'transfer.lease': { $ne: null } } as never, {
      $set: { 'transfer.lease.until': new Date(0) },
    });
  }
  await world.addService();
  const job = await world.until(id, 'completed');
  expect(job.counts).toMatchObject({ discovered: 12_000, stored: 12_000 });
  expect((await jobsOf(id)).map(({ targets }) => targets)).toEqual([12_000]);
  expect(await world.store.targets.collection.countDocuments({})).toBe(12_000);
});

test('addresses become jobs of up to so many, each once; bad ones are rejected', async () => {
  const url = (i: number): string => `https://example.org/${String(i)}`;
  const rows = [
    ...Array.from({ length: 2500 }, (_, i) => url(i)),
    `${url(3)}#again`,
    'http://127.0.0.1/',
    'ftp://example.org/',
  ];
  const id = await take(`url\n${rows.join('\n')}\n`, LISTED);
  const job = await world.until(id, 'completed');
  expect(job.counts).toMatchObject({ discovered: 2503, stored: 2500, skipped: 1, failed: 2 });
  const { firstErrors } = job.transfer.report as { firstErrors: { code: string }[] };
  expect(firstErrors.map(({ code }) => code)).toEqual(['blocked_address', 'scheme_not_allowed']);
  const jobs = await jobsOf(id);
  const urls = jobs.map(({ params }) => params['urls'] as string[]);
  expect(urls.every(({ length }) => length <= 1000)).toBe(true);
  expect(urls.flat().sort()).toEqual(rows.slice(0, 2500).sort());
  expect(jobs.every(({ params, state }) => params['depth'] === 1 && state === 'queued')).toBe(true);
  // Each with its first step and the line of it, as by the API.
  expect(await world.store.steps.collection.countDocuments({ kind: 'start' } as never)).toBe(jobs.length);
});

test('words become a job each, equal ones one; terminated before its end, the live jobs are too', async () => {
  const tags = Array.from({ length: 2000 }, (_, i) => `tag${String(i)}`);
  const id = await take(`tag\n#Sunset\nsunset\nбереза\ntwo words\n${tags.join('\n')}\n`, ONE, {
    onError: 'stop',
  });
  const job = await world.until(id, 'failed');
  expect(job.error).toMatchObject({ code: 'bad_row' });
  expect(job.counts).toMatchObject({ discovered: 4, stored: 2, skipped: 1, failed: 1 });
  expect((await jobsOf(id)).map(({ params }) => params['tag']).sort()).toEqual(['#Sunset', 'береза']);
  await world.control(id, 'retry');
  await world.eventually(
    () => world.job(id),
    ({ counts }) => counts.discovered > 1000,
  );
  await world.control(id, 'terminate');
  const { transfer } = await world.until(id, 'terminated');
  const jobs = await jobsOf(id);
  expect(jobs.length).toBeGreaterThan(900);
  expect(new Set(jobs.map(({ state }) => state))).toEqual(new Set(['terminating']));
  expect(transfer.report).toMatchObject({ rolledBack: { jobs: jobs.length } });
  expect(await world.store.links.collection.countDocuments({ jobId: id } as never)).toBe(0);
});

test('terminated after its end, the jobs that it made are too, those that have ended as well', async () => {
  const id = await take(['tag', 'one', 'two', 'three', 'four', 'five'].join('\n'), ONE);
  await world.until(id, 'completed');
  const states = ['completed', 'failed', 'stopped', 'terminated', 'running'] as const;
  for (const [i, { _id }] of (await jobsOf(id)).entries())
    await world.store.jobs.collection.updateOne({ _id } as never, { $set: { state: states[i] } });
  await world.control(id, 'terminate');
  const { transfer } = await world.eventually(
    () => world.job(id),
    ({ state }) => state === 'terminated',
  );
  // They are storage's from there on.
  expect((await jobsOf(id)).map(({ state, epoch }) => [state, epoch])).toEqual([
    ['terminating', 2],
    ['terminating', 2],
    ['terminating', 2],
    ['terminated', 1],
    ['terminating', 2],
  ]);
  expect(transfer.report).toEqual({ rolledBack: { links: 5, items: 0, targets: 5, jobs: 5 } });
});

test('taken back, the pages of the job that it made are counted', async () => {
  const id = await take(`Page\n${pages(3)}\n`, MEASURED);
  await world.until(id, 'completed');
  await world.control(id, 'terminate');
  const { transfer } = await world.eventually(
    () => world.job(id),
    ({ state }) => state === 'terminated',
  );
  expect(transfer.report).toEqual({ rolledBack: { links: 0, items: 0, targets: 3, jobs: 1 } });
});

test('a file that breaks off fails with the reason; what was read before it is kept', async () => {
  const whole = gzipSync(`page\n${pages(8000)}\n`);
  const upload = await world.upload(whole.subarray(0, whole.length - 2000), 'pages.csv.gz');
  const id = await world.transfer('import', { upload, as: 'targets', targets: MEASURED });
  const job = await world.until(id, 'failed');
  expect(job.error?.code).toBe('bad_gzip');
  expect(job.counts.stored).toBeGreaterThan(1000);
  expect((await jobsOf(id)).map(({ targets }) => targets)).toEqual([job.counts.stored]);
  expect(await world.store.targetLoads.collection.countDocuments({})).toBe(0);
});

test('a dry run of targets makes nothing', async () => {
  const id = await take(`page\n${pages(1200)}\nPAGE3\n \n`, MEASURED, { dryRun: true });
  const job = await world.until(id, 'completed');
  expect(job.transfer.report).toMatchObject({ rows: 1202, stored: 1200, duplicate: 1, rejected: 1 });
  expect(await jobsOf(id)).toEqual([]);
  expect(await world.store.targets.collection.countDocuments({})).toBe(0);
});

test('a dry run of too many words fails as the import would', async () => {
  const text = `tag\n${Array.from({ length: 10_001 }, (_, i) => `tag${String(i)}`).join('\n')}\n`;
  const id = await take(text, ONE, { dryRun: true });
  expect((await world.until(id, 'failed')).error).toMatchObject({ code: 'too_many_jobs' });
});

test('a list without a header is read with its first row, unless that is said to be one', async () => {
  const text = 'https://example.org/1\nhttps://example.org/2\n';
  for (const [rest, stored] of [
    [{}, 2],
    [{ header: true }, 1],
  ] as const) {
    const id = await take(text, LISTED, rest);
    expect((await world.until(id, 'completed')).counts.stored).toBe(stored);
  }
  const tags = await take('#sunset\n#beach\n', ONE);
  await world.until(tags, 'completed');
  expect((await jobsOf(tags)).map(({ params }) => params['tag']).sort()).toEqual(['#beach', '#sunset']);
});
