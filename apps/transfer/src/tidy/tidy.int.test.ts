import { readFileSync } from 'node:fs';
import { mkdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { newId } from '@magpie/domain';
import { expiredTransfers, forgetFile, leaseExpired, removeJob } from '@magpie/store';
import { exported, fileOf, itemOf, leftOf, store } from '../testing/exports.ts';
import { pause, World } from '../testing/world.ts';
import { removeExpired, tidy } from './tidy.ts';

const HOUR = 3_600_000;

describe('a transfer whose time is over', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.make();
    await store(world.store, 50, (n) => itemOf(n, { kind: 'odd', url: `https://odd.example/${n}` }));
  });
  afterAll(() => world.close());

  const options = () => ({
    store: world.store,
    places: world.places,
    onError: (error: unknown) => {
      throw error;
    },
  });
  const expire = async (id: string): Promise<void> => {
    await world.store.jobs.collection.updateOne({ _id: id } as never, {
      $set: { 'transfer.expiresAt': new Date(Date.now() - 1000) },
    });
  };

  it('has no file any more, and can be made again', async () => {
    const { job, bytes } = await exported(world, { kind: 'odd', format: 'csv', fields: ['id'] });
    const keep = await exported(world, { kind: 'odd', format: 'csv', fields: ['id'] });
    expect((job.transfer.expiresAt?.getTime() ?? 0) - Date.now()).toBeGreaterThan(6 * 24 * HOUR);
    await expire(job._id);
    await Promise.all([tidy(options()), tidy(options())]);
    const expired = await world.job(job._id);
    expect(expired.transfer).toMatchObject({ file: null, expiresAt: null, report: { expired: true } });
    expect(await leftOf(world, job._id)).toEqual([]);
    expect(await fileOf(world, keep.job)).toEqual(bytes);
    await world.control(job._id, 'retry');
    const again = await world.until(job._id, 'completed');
    expect(await fileOf(world, again)).toEqual(bytes);
    expect(again.transfer.report['expired']).toBeUndefined();
  });

  it('stays where it cannot be removed, and stands in no other one’s way', async () => {
    const stuck = await exported(world, { kind: 'odd', format: 'csv', fields: ['id'] });
    const other = await exported(world, { kind: 'odd', format: 'csv', fields: ['id'] });
    await expire(stuck.job._id);
    await expire(other.job._id);
    const left = join(world.places.work(newId()));
    await mkdir(left, { recursive: true });
    // The oldest, of a name that no file system takes.
    const { path } = stuck.job.transfer.file ?? { path: '' };
    const set = (path: string, at: number) =>
      world.store.jobs.collection.updateOne({ _id: stuck.job._id } as never, {
        $set: { 'transfer.file.path': path, 'transfer.expiresAt': new Date(at) },
      });
    await set(`files/exports/${'x'.repeat(300)}/items.csv`, 1000);
    const errors: unknown[] = [];
    await tidy({ ...options(), onError: (error) => void errors.push(error) });
    expect(errors).toMatchObject([{ code: 'ENAMETOOLONG' }]);
    expect((await world.job(other.job._id)).transfer.file).toBeNull();
    await expect(stat(left)).rejects.toThrow('ENOENT');
    const again = await world.job(stuck.job._id);
    expect(again.transfer).toMatchObject({ lease: null, file: { name: stuck.job.transfer.file?.name } });
    await set(path, 1000);
    await tidy(options());
    expect((await world.job(stuck.job._id)).transfer.file).toBeNull();
  });

  it('is left alone while somebody works on it', async () => {
    const { job } = await exported(world, { kind: 'odd', format: 'csv', fields: ['id'] });
    await expire(job._id);
    await world.store.jobs.collection.updateOne({ _id: job._id } as never, {
      $set: { 'transfer.lease': { holder: 'x', until: new Date(Date.now() + HOUR) } },
    });
    await tidy(options());
    await fileOf(world, await world.job(job._id));
    await world.store.jobs.collection.updateOne({ _id: job._id } as never, {
      $set: { 'transfer.lease': null, state: 'running' },
    });
    await world.until(job._id, 'completed');
  });

  it('is left alone when it was taken up since it was found', async () => {
    const { job } = await exported(world, { kind: 'odd', format: 'csv', fields: ['id'] });
    await expire(job._id);
    const found = await expiredTransfers(world.store, new Date(), 10);
    expect(found.map(({ _id }) => _id)).toEqual([job._id]);
    await Promise.all(found.map(({ _id }) => removeExpired(options(), _id)));
    await world.control(job._id, 'retry');
    const again = await world.until(job._id, 'completed');
    await mkdir(world.places.work(job._id), { recursive: true });
    for (const { _id } of found) await removeExpired(options(), _id);
    await fileOf(world, again);
    await stat(world.places.work(job._id));
    expect((await world.job(job._id)).transfer).toEqual(again.transfer);
  });

  it('taken up while it is removed, is waited for, and made anew', async () => {
    const { job, bytes } = await exported(world, { kind: 'odd', format: 'csv', fields: ['id'] });
    await expire(job._id);
    const leased = await leaseExpired(world.store, job._id, 'tidy');
    expect(leased?.transfer.file).toEqual(job.transfer.file);
    expect(await leaseExpired(world.store, job._id, 'other')).toBeNull();
    // However long this test takes.
    await world.store.jobs.collection.updateOne({ _id: job._id } as never, {
      $set: { 'transfer.lease.until': new Date(Date.now() + HOUR) },
    });
    await world.control(job._id, 'retry');
    await pause(700);
    expect((await world.job(job._id)).transfer).toMatchObject({
      lease: { holder: 'tidy' },
      file: job.transfer.file,
    });
    await rm(dirname(join(world.data, job.transfer.file?.path ?? '')), { recursive: true });
    await forgetFile(world.store, job, 'other');
    expect((await world.job(job._id)).transfer.file).not.toBeNull();
    await forgetFile(world.store, job, 'tidy');
    expect(await fileOf(world, await world.until(job._id, 'completed'))).toEqual(bytes);
  });

  it('an upload that an import still reads stays', async () => {
    const upload = await world.upload('url\n');
    await expire(upload);
    const path = join(world.places.uploads, upload);
    const { insertedId } = await world.store.jobs.collection.insertOne({
      _id: newId(),
      state: 'paused',
      transfer: { kind: 'import', options: { upload }, lease: null },
    } as never);
    await tidy(options());
    expect(readFileSync(path, 'utf8')).toBe('url\n');
    await world.store.jobs.collection.deleteOne({ _id: insertedId });
    await tidy(options());
    await expect(stat(path)).rejects.toThrow('ENOENT');
    expect((await world.job(upload)).transfer).toMatchObject({ file: null, report: { expired: true } });
  });

  it('of a removed job can be downloaded no more', async () => {
    const { job } = await exported(world, { kind: 'odd', format: 'csv', fields: ['id'] });
    await mkdir(world.places.work(job._id), { recursive: true });
    await removeJob(world.store, job._id);
    await tidy(options());
    expect(await leftOf(world, job._id)).toEqual([]);
    await expect(stat(world.places.work(job._id))).rejects.toThrow('ENOENT');
  });

  it('what is left of jobs that are gone goes, and nothing else', async () => {
    const old = async (path: string): Promise<string> => {
      await utimes(path, new Date(0), new Date(0));
      return path;
    };
    const directory = async (path: string): Promise<string> => {
      await mkdir(path, { recursive: true });
      await writeFile(join(path, 'x'), 'x');
      return old(path);
    };
    const removed = await exported(world, { kind: 'odd', format: 'csv', fields: ['id'] });
    await removeJob(world.store, removed.job._id);
    const kept = await exported(world, { kind: 'odd', format: 'csv', fields: ['id'] });
    const servedBy = ({ transfer }: typeof kept.job): string =>
      dirname(join(world.data, transfer.file?.path ?? ''));
    await old(servedBy(removed.job));
    await old(servedBy(kept.job));
    const gone = newId();
    const failed = newId();
    await world.store.jobs.collection.insertOne({
      _id: failed,
      state: 'failed',
      transfer: {
        kind: 'export',
        options: {},
        file: null,
        checkpoint: { token: 'd'.repeat(32) },
        lease: null,
      },
    } as never);
    const live = newId();
    await world.store.jobs.collection.insertOne({
      _id: live,
      state: 'paused',
      transfer: {
        kind: 'export',
        options: {},
        file: null,
        checkpoint: { token: 'e'.repeat(32) },
        lease: null,
      },
    } as never);
    const paused = await world.transfer('upload', {});
    await world.store.jobs.collection.updateOne({ _id: paused } as never, { $set: { state: 'failed' } });
    const token = 'f'.repeat(32);
    const goes = [
      servedBy(removed.job),
      await directory(world.places.work(gone)),
      await directory(world.places.work(failed)),
      await directory(join(world.places.exports, `.tmp-${gone}-${token}`)),
      await directory(join(world.places.exports, `.tmp-${failed}-${'d'.repeat(32)}`)),
      await directory(join(world.places.exports, `${kept.job._id}-${token}`)),
      await directory(join(world.places.uploads, gone)),
      await directory(join(world.places.uploads, `${paused}.part`)),
    ];
    const young = newId();
    await mkdir(join(world.places.uploads, young), { recursive: true });
    const stays = [
      servedBy(kept.job),
      join(world.places.uploads, young),
      await directory(join(world.places.exports, 'snapshots-of-mine')),
      await directory(world.places.work(live)),
      await directory(join(world.places.exports, `.tmp-${live}-${'e'.repeat(32)}`)),
      await directory(join(world.places.uploads, paused)),
      await directory(join(world.places.exports, 'README')),
    ];
    await tidy(options());
    for (const path of goes) await expect(stat(path)).rejects.toThrow('ENOENT');
    for (const path of stays) await stat(path);
    await fileOf(world, kept.job);
  });
});
