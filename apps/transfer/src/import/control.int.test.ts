import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { idOf } from '@magpie/domain';
import { removeJob, type ItemDocument } from '@magpie/store';
import { inManyBatches, mixedFile, urlOf } from '../testing/import-files.ts';
import { addsUp, pause, World } from '../testing/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.make({}, { services: 0 });
});
afterAll(() => world.close());
afterEach(() => world.clear());

const BIG = mixedFile(4000);
const TEXT = inManyBatches(BIG.text);
const WHOLE = {
  discovered: BIG.rows,
  stored: BIG.good,
  shared: 0,
  skipped: BIG.duplicate,
  failed: BIG.bad.size,
  pending: 0,
};

const beginsWith = (id: string, rows: number) =>
  world.eventually(
    () => world.job(id),
    ({ counts }) => counts.discovered >= rows,
  );

async function rejectedLines(id: string): Promise<number[]> {
  const text = await readFile(join(world.places.work(id), 'rejects.csv'), 'utf8');
  return text
    .trimEnd()
    .split('\r\n')
    .slice(1)
    .map((line) => Number(line.split(',')[0]));
}

/** For what waits long: a world of its own, side by side with the other tests. */
const apart =
  (what: (world: World) => Promise<void>): (() => Promise<void>) =>
  async () => {
    const own = await World.make({}, { services: 0 });
    await what(own).finally(() => own.close());
  };

/** Everything that an import may touch, as it is in the database. */
async function everything(): Promise<unknown> {
  const all = (name: 'items' | 'links' | 'targets' | 'targetLoads' | 'steps') =>
    world.store[name].collection.find({}).sort({ _id: 1 }).toArray();
  return {
    items: await all('items'),
    links: await all('links'),
    targets: await all('targets'),
    loads: await all('targetLoads'),
    steps: await all('steps'),
  };
}

test('paused it stops within a batch, resumed it goes on: no row twice, none lost', async () => {
  await world.addLateService();
  const id = await world.transfer('import', { upload: await world.upload(TEXT), as: 'items' });
  await beginsWith(id, 600);
  await world.control(id, 'pause');
  const paused = await world.until(id, 'paused');
  expect(addsUp(paused)).toBe(true);
  expect(paused.counts.discovered).toBeLessThan(BIG.rows);
  const had = await world.store.items.collection.countDocuments({});
  expect(had).toBe(paused.counts.stored);
  await pause(600);
  expect(await world.store.items.collection.countDocuments({})).toBe(had);
  await world.control(id, 'resume');
  const job = await world.until(id, 'completed');
  expect(job.counts).toEqual(WHOLE);
  expect(await rejectedLines(id)).toEqual([...BIG.bad.keys()]);
});

test('a file that no service outlives fails after five, and can be tried again', async () => {
  const id = await world.transfer('import', { upload: await world.upload(TEXT), as: 'items' });
  const lease = async () => (await world.job(id)).transfer.lease;
  const set = (change: object) =>
    world.store.jobs.collection.updateOne({ _id: id } as never, { $set: change });
  // The second one dies as the fifth.
  for (const before of [0, 1]) {
    const service = world.spawn({ MONGODB_URL: await world.lateUrl() });
    await world.eventually(lease, (held) => held !== null && held.holder !== 'dead');
    expect((await world.job(id)).transfer.deaths ?? 0).toBe(before);
    await service.kill();
    // As if it had got no further, and nobody had had to wait for its lease to run out. What it sent last is not taken.
    await set({
      'transfer.lease': { holder: 'dead', until: new Date(0) },
      'transfer.furthest': { rows: Number.MAX_SAFE_INTEGER, bytes: Number.MAX_SAFE_INTEGER },
      'transfer.deaths': before * 4,
    });
  }
  await world.addService();
  const { error, transfer } = await world.until(id, 'failed');
  expect(error?.code).toBe('transfer_quarantined');
  expect(transfer.deaths).toBe(0);
  await set({ 'transfer.deaths': 4 });
  await world.control(id, 'retry');
  const { counts, transfer: after } = await world.until(id, 'completed');
  expect(counts.discovered).toBe(BIG.rows);
  expect(after.deaths).toBe(0);
});

test.concurrent(
  'what fails for no reason of its own at the same row each time is given up',
  apart(async (world) => {
    // A fault of the database that comes with one row.
    await world.store.items.collection.createIndex({ 'data.n': 1 }, { unique: true });
    const rows = Array.from({ length: 3000 }, (_, i) =>
      i === 9 ? 'nothing,9' : `${urlOf(i)},${String(i === 2500 ? 7 : i)}`,
    );
    await world.addService();
    const upload = await world.upload(`url,n\n${rows.join('\n')}\n`);
    const id = await world.transfer('import', { upload, as: 'items' });
    const { error, counts, transfer } = await world.until(id, 'failed');
    expect(error?.code).toBe('internal_error');
    expect(transfer.expiresAt).toBeInstanceOf(Date);
    expect(counts.discovered).toBe(2000);
  }),
);

test('terminated, everything is as it was before, to the byte', async () => {
  await world.addLateService();
  const old = await world.transfer('import', {
    upload: await world.upload(`url\n${Array.from({ length: 500 }, (_, i) => urlOf(i * 3)).join('\n')}\n`),
    as: 'items',
  });
  await world.until(old, 'completed');
  const upload = await world.upload(TEXT);
  const before = await everything();
  const directories = await readdir(join(world.data, 'transfers'));

  const id = await world.transfer('import', { upload, as: 'items' });
  await beginsWith(id, 1500);
  await world.control(id, 'terminate');
  const job = await world.until(id, 'terminated');
  expect(await everything()).toEqual(before);
  expect(job.counts).toEqual({ discovered: 0, stored: 0, shared: 0, skipped: 0, failed: 0, pending: 0 });
  const { rolledBack } = job.transfer.report as { rolledBack: Record<string, number> };
  expect(rolledBack['links']).toBeGreaterThan(1300);
  expect(rolledBack['items']).toBeLessThan(rolledBack['links'] ?? 0);
  expect(await readdir(join(world.data, 'transfers'))).toEqual(directories);
  expect((await stat(join(world.places.uploads, upload))).size).toBe(Buffer.byteLength(TEXT));
});

describe('an import that has ended is taken back, with what it brought and nothing else', () => {
  const FILE = mixedFile(3000);
  const broken = FILE.text.replace(urlOf(2000), 'nothing');
  test.each([
    ['completed', { text: FILE.text }],
    [
      'failed',
      {
        text: broken.replaceAll(/^(?!url|nothing|https:..host).*\n/gm, ''),
        onError: 'stop',
      },
    ],
    ['stopped', { text: TEXT }],
  ] as const)('%s', async (state, { text, ...rest }) => {
    const add = () => (state === 'stopped' ? world.addLateService() : world.addService());
    await add();
    await add();
    const old = await world.transfer('import', {
      upload: await world.upload(`url\n${Array.from({ length: 300 }, (_, i) => urlOf(i * 3)).join('\n')}\n`),
      as: 'items',
    });
    await world.until(old, 'completed');
    const upload = await world.upload(text);
    const before = await everything();
    const directories = await readdir(join(world.data, 'transfers'));

    const id = await world.transfer('import', { upload, as: 'items', ...rest });
    if (state === 'stopped') {
      await beginsWith(id, 1000);
      await world.control(id, 'stop');
    }
    const { counts, epoch } = await world.until(id, state);
    expect(counts.shared).toBeGreaterThan(200);
    const asked = await Promise.allSettled([1, 2, 3].map(() => world.control(id, 'terminate')));
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(asked.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { name: 'InvalidTransition' },
    });
    const job = await world.eventually(
      () => world.job(id),
      (job) => job.state === 'terminated',
    );
    expect(job.epoch).toBe(epoch + 1);
    expect(job.endedAt).toBeInstanceOf(Date);
    expect(await everything()).toEqual(before);
    expect(job.counts).toEqual({ discovered: 0, stored: 0, shared: 0, skipped: 0, failed: 0, pending: 0 });
    expect(job.transfer.report).toEqual({
      rolledBack: { links: counts.stored + counts.shared, items: counts.stored, targets: 0, jobs: 0 },
    });
    expect(await readdir(join(world.data, 'transfers'))).toEqual(directories);
    await expect(world.control(id, 'terminate')).rejects.toThrow('terminated');
  });

  test('a dry run brought nothing to take back, nor can other jobs', async () => {
    await world.addService();
    const upload = await world.upload(mixedFile(500).text);
    const id = await world.transfer('import', { upload, as: 'items', dryRun: true });
    await world.until(id, 'completed');
    await expect(world.control(id, 'terminate')).rejects.toMatchObject({ allowed: ['retry'] });
    await expect(world.control(upload, 'terminate')).rejects.toThrow('completed');
  });
});

test('what another job has of it stays, with the references right', async () => {
  await world.addLateService();
  const id = await world.transfer('import', { upload: await world.upload(TEXT), as: 'items' });
  await beginsWith(id, 1000);
  // As the intake of results links an item that is kept.
  const item = idOf('page', urlOf(7));
  await world.store.transaction(async (session) => {
    await world.store.links.collection.insertOne(
      { _id: `other:${item}`, jobId: 'other', target: item, of: 'item', state: 'shared' } as never,
      { session },
    );
    await world.store.items.collection.updateOne({ _id: item } as never, { $inc: { refs: 1 } }, { session });
  });
  await world.control(id, 'terminate');
  await world.until(id, 'terminated');
  const items = (await world.store.items.collection.find({}).toArray()) as unknown as ItemDocument[];
  expect(items.map(({ _id, refs }) => [_id, refs])).toEqual([[item, 1]]);
  expect(await world.store.links.collection.countDocuments({})).toBe(1);
});

test('others that write the same items at the same time lose nothing', async () => {
  await world.addService();
  const text = `url\n${Array.from({ length: 4000 }, (_, i) => urlOf(i)).join('\n')}\n`;
  const id = await world.transfer('import', { upload: await world.upload(text), as: 'items' });
  let linked = 0;
  for (let i = 0; i < 4000; i += 100) {
    const ids = Array.from({ length: 5 }, (_, k) => idOf('page', urlOf(i + k)));
    linked += await world.store.transaction(async (session) => {
      let count = 0;
      for (const _id of ids) {
        const { upsertedCount } = await world.store.items.collection.updateOne(
          { _id } as never,
          { $inc: { refs: 1 }, $setOnInsert: { kind: 'page', url: 'by another', data: {} } },
          { session, upsert: true },
        );
        count += upsertedCount;
      }
      return count;
    });
  }
  const { counts } = await world.until(id, 'completed');
  expect(counts).toMatchObject({ stored: 4000 - linked, shared: linked, failed: 0 });
  expect(await world.itemsByRefs()).toEqual([
    { _id: 1, items: 3800 },
    { _id: 2, items: 200 },
  ]);
});

test('stopped, what there is is kept; a retry brings the rest', async () => {
  await world.addLateService();
  const id = await world.transfer('import', { upload: await world.upload(TEXT), as: 'items' });
  await beginsWith(id, 600);
  await world.control(id, 'stop');
  const stopped = await world.until(id, 'stopped');
  expect(stopped.counts.stored).toBeGreaterThan(0);
  expect(stopped.counts.stored).toBeLessThan(BIG.good);
  expect(await world.store.items.collection.countDocuments({})).toBe(stopped.counts.stored);
  await world.closeServices();
  await world.addService();
  await world.control(id, 'retry');
  expect((await world.until(id, 'completed')).counts).toEqual(WHOLE);
  await removeJob(world.store, id);
  expect(await world.store.items.collection.countDocuments({ refs: 0 } as never)).toBe(BIG.good);
});

test('it reads no other file than it began with, from a place in that one', async () => {
  const service = await world.addLateService();
  const upload = await world.upload(TEXT);
  const id = await world.transfer('import', { upload, as: 'items' });
  await beginsWith(id, 600);
  await world.control(id, 'pause');
  await world.until(id, 'paused');
  // As a retry of the upload leaves it: the same job, another file.
  await world.store.jobs.collection.updateOne({ _id: upload } as never, {
    $set: { 'transfer.file.sha256': 'b'.repeat(64) },
  });
  await world.control(id, 'resume');
  const { error } = await world.until(id, 'failed');
  expect(error?.code).toBe('upload_gone');
  await service.close();
});

test.concurrent(
  'with too little room on the disk it waits, and goes on when there is',
  apart(async (world) => {
    const service = await world.addService({ MAGPIE_DISK_RESERVE: Number.MAX_SAFE_INTEGER });
    const id = await world.transfer('import', {
      upload: await world.upload(mixedFile(2000).text),
      as: 'items',
    });
    const waiting = await world.until(id, 'waiting');
    expect(waiting.waiting).toMatchObject({ reason: 'disk_full' });
    expect(await world.store.items.collection.countDocuments({})).toBe(0);
    await service.close();
    await world.addService();
    const { counts } = await world.until(id, 'completed');
    expect(counts.discovered).toBe(2000);
  }),
);
