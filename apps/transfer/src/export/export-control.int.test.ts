import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ItemDocument } from '@magpie/store';
import { parse } from 'csv-parse/sync';
import { ask, fileOf, ids, idsOf, itemOf, leftOf, store } from '../testing/exports.ts';
import { slowLink, type SlowLink } from '../testing/links.ts';
import { pause, World } from '../testing/world.ts';

/** Bytes a second: some twenty seconds of reading. */
const SLOW = 250_000;

describe('an export that takes its time', () => {
  let world: World;
  let link: SlowLink;
  let items: ItemDocument[];

  beforeEach(() => void (link.rate = SLOW));
  beforeAll(async () => {
    world = await World.make({}, { services: 0 });
    items = await store(world.store, 8000);
    link = await slowLink(world.mongodbUrl, SLOW);
    world.spawn({ MONGODB_URL: link.url });
  });
  afterAll(async () => {
    await world.close();
    await link.close();
  });

  const isBegun = (id: string): Promise<number> =>
    world.eventually(
      async () => (await readdir(world.places.work(id)).catch(() => [])).length,
      (n) => n > 0,
    );

  it('pauses at once: nothing more is written; and goes on where it was', async () => {
    const id = await ask(world, { format: 'csv', kind: 'image' });
    await world.until(id, 'running');
    await world.control(id, 'pause');
    const paused = await world.until(id, 'paused');
    const { rows } = paused.transfer;
    const left = await leftOf(world, id);
    const size = async (): Promise<number[]> =>
      Promise.all(left.map(async (name) => (await stat(join(world.places.work(id), name.slice(5)))).size));
    const before = await size();
    await pause(1000);
    expect((await world.job(id)).transfer.rows).toBe(rows);
    expect(await leftOf(world, id)).toEqual(left);
    expect(await size()).toEqual(before);
    expect(rows).toBeLessThan(items.length);
    link.rate = Infinity;
    await world.control(id, 'resume');
    const job = await world.until(id, 'completed');
    const read = parse<{ id: string }>(await fileOf(world, job), { columns: true });
    expect(read.map((row) => row.id)).toEqual(ids(items));
  });

  it('leaves nothing when it is terminated, wherever it is', async () => {
    for (const wait of [0, 100, 300, 600]) {
      const id = await ask(world, { format: 'ndjson', gzip: true, kind: 'image' });
      await pause(wait);
      await world.control(id, 'terminate');
      const job = await world.until(id, 'terminated');
      expect(job.transfer).toMatchObject({ file: null, expiresAt: null });
      expect(await leftOf(world, id)).toEqual([]);
    }
  });

  it('stopped, has what was written by then; retried, it is made whole', async () => {
    const id = await ask(world, { format: 'json', kind: 'image' });
    await isBegun(id);
    await world.control(id, 'stop');
    const stopped = await world.until(id, 'stopped');
    const partial = JSON.parse((await fileOf(world, stopped)).toString()) as { id: string }[];
    expect(partial.map((row) => row.id)).toEqual(ids(items).slice(0, partial.length));
    expect(partial.length).toBeLessThan(items.length);
    expect(stopped.transfer.report).toMatchObject({ partial: true, rows: partial.length });
    expect(stopped.transfer.expiresAt).not.toBeNull();
    const late = itemOf(999_999, { kind: 'image', url: 'https://example.org/late.png' });
    await world.store.items.collection.insertOne(late as never);
    link.rate = Infinity;
    await world.control(id, 'retry');
    const job = await world.until(id, 'completed');
    const whole = JSON.parse((await fileOf(world, job)).toString()) as { id: string }[];
    // Of what was asked for then.
    expect(whole.map((row) => row.id)).toEqual(ids(items));
    expect(job.transfer.report['partial']).toBeUndefined();
    expect(await leftOf(world, id)).toHaveLength(1);
    await world.store.items.collection.deleteOne({ _id: late._id } as never);
  });

  it('is made anew when the disk has lost what was written', async () => {
    const id = await ask(world, { format: 'ndjson', kind: 'image' });
    await isBegun(id);
    await world.control(id, 'pause');
    await world.until(id, 'paused');
    for (const name of await readdir(world.places.work(id)))
      await writeFile(join(world.places.work(id), name), '');
    link.rate = Infinity;
    await world.control(id, 'resume');
    const job = await world.until(id, 'completed');
    expect(idsOf(await fileOf(world, job))).toEqual(ids(items));
  });
});
