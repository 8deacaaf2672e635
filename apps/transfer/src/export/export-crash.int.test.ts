import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { ItemDocument } from '@magpie/store';
import { ask, fileOf, ids, idsOf, itemOf, leftOf, store } from '../testing/exports.ts';
import { pause, World, type TransferJob } from '../testing/world.ts';

describe('an export whose service dies', () => {
  let world: World;
  let items: ItemDocument[];

  beforeAll(async () => {
    world = await World.make({}, { services: 0 });
    items = await store(world.store, 65_000);
  }, 120_000);
  afterAll(() => world.close());

  it('goes on with another one where it was, three times: the same file', async () => {
    const id = await ask(world, { format: 'ndjson', gzip: true });
    const reached = (what: (job: TransferJob) => boolean): Promise<TransferJob> =>
      world.eventually(() => world.job(id), what, 90);
    const rows: number[] = [];
    const kills: [string, (job: TransferJob) => boolean, number][] = [
      ['in the first part', ({ state }) => state === 'running', 300],
      ['after a part', ({ transfer }) => transfer.rows >= 50_000, 150],
      ['while the file is made', ({ transfer }) => typeof transfer.checkpoint?.['token'] === 'string', 100],
    ];
    for (const [, until, wait] of kills) {
      const service = world.spawn();
      await reached(until);
      await pause(wait);
      await service.kill();
      const { transfer } = await world.job(id);
      expect(transfer.file).toBeNull();
      rows.push(transfer.rows);
      // Others come meanwhile; they are not in it.
      await store(world.store, 100, (n) =>
        itemOf(n, { kind: 'late', url: `https://late.example/${rows.length}/${n}` }),
      );
    }
    expect(rows[0]).toBeLessThan(50_000);
    expect(rows[1]).toBeGreaterThanOrEqual(50_000);
    expect(rows[2]).toBe(items.length);
    // Nothing of the unfinished file is served.
    expect((await leftOf(world, id)).filter((name) => !/^(work\/|\.tmp-)/.test(name))).toEqual([]);
    const service = world.spawn();
    const job = await world.until(id, 'completed', 90);
    expect(idsOf(gunzipSync(await fileOf(world, job)))).toEqual(ids(items));
    expect(job.transfer).toMatchObject({ rows: items.length, totalRows: items.length });
    expect(await leftOf(world, id)).toHaveLength(1);
    await service.kill();
  }, 300_000);

  it('is terminated by another one, and leaves nothing', async () => {
    const id = await ask(world, { format: 'ndjson' });
    const service = world.spawn();
    await world.eventually(
      () => world.job(id),
      ({ transfer }) => transfer.rows > 0,
    );
    await service.kill();
    await world.control(id, 'terminate');
    const other = world.spawn();
    await world.until(id, 'terminated');
    expect(await leftOf(world, id)).toEqual([]);
    await other.kill();
  }, 120_000);

  it('is worked on by one of several', async () => {
    const services = [world.spawn(), world.spawn()];
    const wanted = await Promise.all([1, 2, 3].map(() => ask(world, { format: 'csv', fields: ['id'] })));
    for (const id of wanted) {
      const job = await world.until(id, 'completed', 90);
      const lines = (await fileOf(world, job)).toString().trimEnd().split('\r\n');
      expect(lines.slice(1, items.length + 1)).toEqual(ids(items));
    }
    for (const service of services) await service.kill();
  }, 180_000);
});

const mounts = canMount();
const why = mounts ? '' : ' (skipped: to mount a tmpfs takes root)';
(mounts ? describe : describe.skip)(`an export on a small disk${why}`, () => {
  it('waits when there is no room, and goes on when there is: the file is whole', async () => {
    const world = await World.make({}, { services: 0 });
    const disk = world.data;
    // Room for a part of the rows, not for all.
    mount(disk, '6m');
    try {
      const items = await store(world.store, 20_000);
      const filler = join(disk, 'filler');
      mkdirSync(join(disk, 'uploads'), { recursive: true });
      writeFileSync(filler, Buffer.alloc(3 * 1024 * 1024));
      const id = await ask(world, { format: 'ndjson' });
      await world.addService();
      const waiting = await world.until(id, 'waiting');
      expect(waiting.waiting?.reason).toBe('disk_full');
      expect(waiting.transfer.file).toBeNull();
      await truncate(filler, 0);
      execFileSync('mount', ['-o', 'remount,size=80m', disk], { stdio: 'ignore' });
      const job = await world.until(id, 'completed');
      expect(idsOf(await fileOf(world, job))).toEqual(ids(items));
    } finally {
      await world.closeServices();
      execFileSync('umount', [disk], { stdio: 'ignore' });
      await world.close();
    }
  }, 120_000);
});

function mount(directory: string, size: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', directory], { stdio: 'ignore' });
}

function canMount(): boolean {
  const probe = mkdtempSync(join(tmpdir(), 'magpie-mount-'));
  try {
    mount(probe, '1m');
    execFileSync('umount', [probe], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { recursive: true, force: true });
  }
}
