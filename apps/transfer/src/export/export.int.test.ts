import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { newId, nextOrder } from '@magpie/domain';
import { listItems, type ItemDocument } from '@magpie/store';
import { ask, exported, fileOf, ids, idsOf, itemOf, leftOf, store } from '../testing/exports.ts';
import { World } from '../testing/world.ts';

const HOUR = 3_600_000;

describe('an export', () => {
  let world: World;
  let items: ItemDocument[];
  /** It is tried again and again while other tests run. */
  let unreadable: string;

  beforeAll(async () => {
    world = await World.make();
    const [item] = await store(world.store, 1, (n) =>
      itemOf(n, { kind: 'unreadable', url: `https://unreadable.example/${n}` }),
    );
    // A directory where a file should be.
    await mkdir(join(world.data, 'files', item?.file?.path ?? ''), { recursive: true });
    unreadable = await ask(world, { format: 'zip', kind: 'unreadable' });
    await world.eventually(
      () => world.job(unreadable),
      ({ transfer }) => transfer.checkpoint?.['read'] === true,
    );
    await world.store.items.collection.deleteOne({ _id: item?._id } as never);
    items = await store(world.store, 8000);
  });
  afterAll(() => world.close());

  it('has exactly what was stored when it was asked for, while others come and change', async () => {
    const { collection } = world.store.items;
    let going = true;
    let n = items.length;
    const late: string[] = [];
    const coming = (async () => {
      while (going) {
        const some = Array.from({ length: 200 }, () => itemOf(n++, { kind: 'late' }));
        late.push(...ids(some));
        await collection.insertMany(some as never[]);
        const from = Math.floor(Math.random() * items.length);
        const changed = ids(items.slice(from, from + 200));
        await collection.updateMany({ _id: { $in: changed } } as never, [
          { $set: { 'data.a': n, 'data.b': n, revision: { $add: ['$revision', 1] } } },
        ]);
      }
    })();
    await world.eventually(
      () => late.length,
      (count) => count > 400,
    );
    try {
      const before = late.length;
      const id = await ask(world, { format: 'ndjson' });
      const asked = late.length;
      await world.eventually(
        () => late.length,
        (count) => count > asked + 400,
      );
      const job = await world.until(id, 'completed');
      const bytes = await fileOf(world, job);
      const got = idsOf(bytes);
      const own = new Set(ids(items));
      expect(got.filter((id) => own.has(id))).toEqual(ids(items));
      // Of those that came: the first ones, in order. What was on its way when it was asked for may be in.
      const came = got.filter((id) => !own.has(id));
      expect(came).toEqual(late.slice(0, came.length));
      expect(came.length).toBeGreaterThanOrEqual(before - 200);
      expect(came.length).toBeLessThanOrEqual(asked);
      expect(late.length).toBeGreaterThan(came.length + 200);
      for (const line of bytes.toString('utf8').trim().split('\n')) {
        const { data } = JSON.parse(line) as { data: { a: number; b: number } };
        expect(data.a).toBe(data.b);
      }
      expect(job.transfer).toMatchObject({
        rows: got.length,
        totalRows: got.length,
        bytes: bytes.length,
        totalBytes: bytes.length,
        report: { rows: got.length },
      });
      expect(await leftOf(world, job._id)).toEqual([
        dirname(job.transfer.file?.path ?? '')
          .split('/')
          .at(-1),
      ]);
    } finally {
      going = false;
      await coming;
    }
    await collection.deleteMany({ kind: 'late' } as never);
    items = (await collection
      .find({ kind: 'image' } as never)
      .sort({ order: 1 })
      .toArray()) as never;
  });

  it('has what the same search finds, by each filter', async () => {
    const jobId = newId();
    const at = Date.parse('2024-02-28T12:00:00Z');
    const few = await store(world.store, 200, (n) => {
      const storedAt = new Date(at + n * HOUR);
      return itemOf(n, {
        kind: n % 2 ? 'fa' : 'fb',
        url: `https://filter.example/${n}`,
        host: n % 3 ? 'filter.example:443' : 'filter.example:81',
        source: n % 5 ? 'web-images' : 'facebook-pages',
        storedAt,
        order: storedAt.getTime() * 4096,
        data: { title: n % 4 ? 'plain' : 'a corvid' },
      });
    });
    const links = few
      .filter((_, n) => n % 7 === 0)
      .map((item) => ({
        _id: `${jobId}:${item._id}`,
        jobId,
        target: item._id,
        of: 'item',
        kind: item.kind,
        state: 'stored',
        order: nextOrder(),
      }));
    await world.store.links.collection.insertMany(links as never[]);
    const host = 'filter.example:81';
    const from = '2024-02-29T00:00:00.000Z';
    const to = '2024-03-01T00:00:00.000Z';
    for (const filter of [
      { kind: 'fa' },
      { host },
      { source: 'facebook-pages' },
      { from, to },
      { kind: 'fb', host, from, to },
    ]) {
      const { from, to, ...rest } = { from: undefined, to: undefined, ...filter };
      const period = from === undefined ? {} : { from: new Date(from), to: new Date(to) };
      const { rows } = await listItems(world.store, { ...rest, ...period }, { limit: 500 });
      const { bytes } = await exported(world, { ...filter, format: 'ndjson' });
      expect(rows.length).toBeGreaterThan(0);
      expect(idsOf(bytes)).toEqual(ids(rows).reverse());
    }
    const ofJob = await exported(world, { job: jobId, format: 'ndjson' });
    expect(idsOf(ofJob.bytes)).toEqual(links.map(({ target }) => target));
    const words = await exported(world, { q: 'corvid', kind: 'fb', format: 'ndjson' });
    expect(idsOf(words.bytes)).toEqual(ids(few.filter((_, n) => n % 4 === 0)));
  });

  it('takes the first and the last instant of a day on which the clocks change', async () => {
    // 29 March 2026 in Berlin.
    const from = '2026-03-28T23:00:00.000Z';
    const to = '2026-03-29T22:00:00.000Z';
    const edges = [Date.parse(from) - 1, Date.parse(from), Date.parse(to) - 1, Date.parse(to)];
    const few = await store(world.store, 4, (n) =>
      itemOf(n, {
        kind: 'edge',
        url: `https://edge.example/${n}`,
        storedAt: new Date(edges[n] ?? 0),
        // As late within its millisecond as it can be.
        order: (edges[n] ?? 0) * 4096 + 4095,
      }),
    );
    const { bytes } = await exported(world, { kind: 'edge', from, to, format: 'ndjson' });
    expect(idsOf(bytes)).toEqual(ids(few.slice(1, 3)));
  });

  it('fails when its file cannot be made, and is not tried without end', async () => {
    const job = await world.until(unreadable, 'failed');
    expect(job.error?.code).toBe('internal_error');
    expect(job.transfer.file).toBeNull();
  });
});

describe('an export that nobody works on yet', () => {
  let world: World;

  beforeAll(async () => {
    world = await World.make({}, { services: 0 });
    await store(world.store, 100);
  });
  afterEach(() => world.closeServices());
  afterAll(() => world.close());

  it('that lost what it had read says so when it is stopped', async () => {
    const id = await ask(world, { format: 'csv', fields: ['url'] });
    const read = { after: null, parts: [{ file: 'x.part', rows: 5, bytes: 5 }], read: true, token: null };
    await world.store.jobs.collection.updateOne({ _id: id } as never, {
      $set: { state: 'stopping', 'transfer.checkpoint': { ...read, fileBytes: 0 } },
    });
    await world.addService();
    const job = await world.until(id, 'stopped');
    expect(job.transfer.report).toMatchObject({ partial: true, rows: 0 });
  });

  it('stopped before it began, is a file of nothing', async () => {
    const id = await ask(world, { format: 'csv', fields: ['url'] });
    await world.control(id, 'stop');
    await world.addService();
    const job = await world.until(id, 'stopped');
    expect((await fileOf(world, job)).toString()).toBe('url\r\n');
    expect(job.transfer.report).toMatchObject({ partial: true, rows: 0 });
  });

  it('waits when the disk is full, and goes on by itself', async () => {
    const id = await ask(world, { format: 'ndjson' });
    await world.addService({ MAGPIE_DISK_RESERVE: Number.MAX_SAFE_INTEGER });
    const waiting = await world.until(id, 'waiting');
    expect(waiting.waiting?.reason).toBe('disk_full');
    await world.closeServices();
    await world.addService();
    const job = await world.until(id, 'completed');
    expect(idsOf(await fileOf(world, job))).toHaveLength(100);
  });
});
