import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, statfs, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { ItemDocument } from '@magpie/store';
import { ask, fileOf, ids, idsOf, itemOf, leaseRunsOut, leftOf, store } from '../testing/exports.ts';
import { canMount, mountDisk, resizeDisk, unmountDisk } from '../testing/small-disk.ts';
import { slowLink } from '../testing/links.ts';
import { pause, World, type TransferJob } from '../testing/world.ts';

/** Bytes a second: some ten seconds of reading, five parts. */
const SLOW = 600_000;
const MIB = 1024 * 1024;

describe('an export whose service dies', () => {
  let world: World;
  let items: ItemDocument[];

  beforeAll(async () => {
    world = await World.make({}, { services: 0 });
    items = await store(world.store, 10_000);
  });
  afterAll(() => world.close());

  it('goes on with another one where it was, three times: the same file', async () => {
    const id = await ask(world, { format: 'ndjson', gzip: true });
    const reached = (what: (job: TransferJob) => boolean): Promise<TransferJob> =>
      world.eventually(() => world.job(id), what);
    const rows: number[] = [];
    const link = await slowLink(world.mongodbUrl, SLOW);
    const kills: ((job: TransferJob) => boolean)[] = [
      // In the first part, after one, and after another one.
      ({ state, transfer }) => state === 'running' && transfer.totalRows !== null,
      ({ transfer }) => transfer.rows > 0,
      ({ transfer }) => transfer.rows > (rows.at(-1) ?? 0),
    ];
    for (const until of kills) {
      const service = world.spawn({ MONGODB_URL: link.url });
      await reached(until);
      await service.kill();
      const { transfer } = await world.job(id);
      expect(transfer).toMatchObject({ file: null, checkpoint: { read: false } });
      rows.push(transfer.rows);
      // The first one's is waited for.
      if (rows.length > 1) await leaseRunsOut(world, id);
      // Others come meanwhile; they are not in it.
      await store(world.store, 100, (n) =>
        itemOf(n, { kind: 'late', url: `https://late.example/${rows.length}/${n}` }),
      );
    }
    await link.close();
    expect(rows).toEqual([...rows].sort((a, b) => a - b));
    expect(rows[1]).toBeGreaterThan(0);
    expect(rows[2]).toBeGreaterThan(rows[1] ?? 0);
    const service = world.spawn();
    const job = await world.until(id, 'completed');
    expect(idsOf(gunzipSync(await fileOf(world, job)))).toEqual(ids(items));
    expect(job.transfer).toMatchObject({ rows: items.length, totalRows: items.length });
    expect(await leftOf(world, id)).toHaveLength(1);
    await service.kill();
  }, 600_000);

  it('while the file is made, makes it anew: nothing unfinished is served', async () => {
    const [item] = await store(world.store, 1, (n) =>
      itemOf(n, { kind: 'piped', url: `https://piped.example/${n}` }),
    );
    // Whoever opens it waits for somebody to write into it.
    const pipe = join(world.data, 'files', item?.file?.path ?? '');
    mkdirSync(dirname(pipe), { recursive: true });
    execFileSync('mkfifo', [pipe]);
    const id = await ask(world, { format: 'zip', kind: 'piped' });
    const service = world.spawn();
    const making = (name: string): boolean => name.startsWith('.tmp-');
    await world.eventually(
      () => leftOf(world, id),
      (left) => left.some(making),
    );
    await service.kill();
    const left = await leftOf(world, id);
    expect(left.filter((name) => !name.startsWith('work/') && !making(name))).toEqual([]);
    expect((await world.job(id)).transfer).toMatchObject({ file: null, checkpoint: { read: true } });
    rmSync(pipe);
    await leaseRunsOut(world, id);
    writeFileSync(pipe, 'the file');
    const other = world.spawn();
    const job = await world.until(id, 'completed');
    await fileOf(world, job);
    expect(job.transfer.report).toMatchObject({ items: 1, files: 1, missingFiles: 0 });
    expect(await leftOf(world, id)).toHaveLength(1);
    await other.kill();
  });

  it('is terminated by another one, and leaves nothing', async () => {
    const id = await ask(world, { format: 'ndjson' });
    const link = await slowLink(world.mongodbUrl, SLOW);
    const service = world.spawn({ MONGODB_URL: link.url });
    await world.eventually(
      () => world.job(id),
      ({ transfer }) => transfer.rows > 0,
    );
    await service.kill();
    await link.close();
    await leaseRunsOut(world, id);
    await world.control(id, 'terminate');
    const other = world.spawn();
    await world.until(id, 'terminated');
    expect(await leftOf(world, id)).toEqual([]);
    await other.kill();
  });

  it('is worked on by one of several', async () => {
    const services = [world.spawn(), world.spawn()];
    const wanted = await Promise.all([1, 2, 3].map(() => ask(world, { format: 'csv', fields: ['id'] })));
    for (const id of wanted) {
      const job = await world.until(id, 'completed');
      const lines = (await fileOf(world, job)).toString().trimEnd().split('\r\n');
      expect(lines.slice(1, items.length + 1)).toEqual(ids(items));
    }
    for (const service of services) await service.kill();
  });
});

const mounts = canMount();
const why = mounts ? '' : ' (skipped: to mount a tmpfs takes root)';
(mounts ? describe : describe.skip)(`an export on a small disk${why}`, () => {
  let world: World;
  let items: ItemDocument[];

  beforeAll(async () => {
    world = await World.make({}, { services: 0 });
    items = await store(world.store, 12_000);
  });
  afterEach(async () => {
    await world.closeServices();
    unmountDisk(world.data);
  });
  afterAll(() => world.close());

  it('waits when there is no room, and goes on when there is: the file is whole', async () => {
    // Room for a part of the rows, not for all.
    mountDisk(world.data, 6);
    const filler = join(world.data, 'filler');
    mkdirSync(join(world.data, 'uploads'), { recursive: true });
    writeFileSync(filler, Buffer.alloc(3 * MIB));
    const id = await ask(world, { format: 'ndjson' });
    await world.addService();
    const waiting = await world.until(id, 'waiting');
    expect(waiting.waiting?.reason).toBe('disk_full');
    expect(waiting.transfer.file).toBeNull();
    await truncate(filler, 0);
    resizeDisk(world.data, 80);
    const job = await world.until(id, 'completed');
    expect(idsOf(await fileOf(world, job))).toEqual(ids(items));
  });

  it('leaves the reserve free while it reads, and no half file when it waits', async () => {
    const reserve = 8 * MIB;
    const disk = world.data;
    mountDisk(disk, 12);
    const free = async (): Promise<number> => {
      const { bavail, bsize } = await statfs(disk);
      return bavail * bsize;
    };
    let least = Infinity;
    let looking = true;
    const watch = (async () => {
      while (looking) {
        least = Math.min(least, await free());
        await pause(2);
      }
    })();
    try {
      // The rows alone come to twice what there is above the reserve.
      const id = await ask(world, { format: 'ndjson' });
      await world.addService({ MAGPIE_DISK_RESERVE: reserve });
      expect((await world.until(id, 'waiting')).waiting?.reason).toBe('disk_full');
      // At rest: after a while it tries again.
      await world.closeServices();
      const { checkpoint } = (await world.job(id)).transfer;
      const parts = ((checkpoint?.['parts'] ?? []) as { file: string }[]).map(({ file }) => file);
      expect((await readdir(world.places.work(id))).sort()).toEqual(parts.sort());
      expect(await leftOf(world, id)).toHaveLength(parts.length);
      // It looks every 4 MiB, and a batch is small.
      expect(least).toBeGreaterThan(reserve - 4.5 * MIB);
      resizeDisk(disk, 80);
      await world.addService({ MAGPIE_DISK_RESERVE: reserve });
      const job = await world.until(id, 'completed');
      expect(idsOf(await fileOf(world, job))).toEqual(ids(items));
    } finally {
      looking = false;
      await watch;
    }
  });
});
