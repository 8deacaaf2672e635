import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobState } from '@magpie/contracts';
import { leaseTransfer, LeaseLost } from '@magpie/store';
import type { TransferOptions } from '../app.ts';
import type { Work } from '../engine/work.ts';
import { tidy } from '../tidy/tidy.ts';
import { pause, World } from '../testing/world.ts';
import { uploadHandler } from './handler.ts';

let world: World;
beforeAll(async () => {
  world = await World.make({ MAGPIE_TRANSFERS: 1 });
});
afterAll(() => world.close());

/** As a gateway leaves it. */
async function upload(
  state: JobState,
  {
    of = world,
    protocol = 'raw' as string | null,
    lease = null as { holder: string; until: Date } | null,
    files = ['.part'],
  } = {},
): Promise<string> {
  // Nothing takes it up before it is as it is to be found.
  const id = await of.transfer('upload', {});
  for (const ending of files) await writeFile(join(of.places.uploads, id + ending), 'what came');
  await of.store.jobs.collection.updateOne({ _id: id } as never, {
    $set: {
      state,
      'transfer.options': protocol === null ? {} : { protocol },
      ...(state === 'waiting' ? { waiting: { reason: 'disk_full', until: new Date() } } : {}),
      'transfer.bytes': 9,
      'transfer.lease': lease,
    },
  });
  return id;
}

const filesOf = async (id: string): Promise<string[]> =>
  (await readdir(world.places.uploads)).filter((name) => name.startsWith(id)).sort();

const gone = { holder: 'a gateway that died', until: new Date(0) };
const alive = () => ({ holder: 'a gateway', until: new Date(Date.now() + 3_600_000) });

it.each([
  ['running', gone],
  ['waiting', gone],
  ['queued', gone],
  // It gave the lease back when it could write again, and no more.
  ['running', null],
] as const)(
  'an upload whose gateway died while it was %s has failed, and what came is removed',
  async (state, lease) => {
    const id = await upload(state, { lease });
    // It has looked on for a while before it takes up what a gateway held.
    const job = await world.until(id, 'failed');
    expect(job.error?.code).toBe('upload_cut_off');
    expect(await filesOf(id)).toEqual([]);
  },
);

it.concurrent(
  'is left to its gateway for a while when the database is back, however long ago its lease ran out',
  async () => {
    const other = await World.make({}, { services: 0 });
    try {
      const [back, left] = [
        await upload('running', { of: other, lease: gone }),
        await upload('running', { of: other, lease: gone }),
      ];
      await other.addService();
      await pause(4000);
      expect(await leaseTransfer(other.store, back, gone.holder)).not.toBeNull();
      // From here on it is renewed.
      await other.store.jobs.collection.updateOne(
        { _id: back, 'transfer.lease.holder': gone.holder } as never,
        {
          $set: { 'transfer.lease.until': alive().until },
        },
      );
      await other.until(left, 'failed');
      expect((await other.job(back)).state).toBe('running');
      expect(await readdir(other.places.uploads)).toEqual([`${back}.part`]);
    } finally {
      await other.close();
    }
  },
);

it('is not removed by who was frozen before: it may be sent again by now', async () => {
  const id = await upload('failed', { files: [''] });
  const work = {
    id,
    surelyOurs: () => {
      throw new LeaseLost();
    },
  } as unknown as Work;
  const handler = uploadHandler(world.places, {} as TransferOptions);
  await expect(handler.run(work)).rejects.toThrow(LeaseLost);
  expect(await filesOf(id)).toEqual([id]);
});

it('one that a gateway has, one that waits for its client, and one by tus are left alone', async () => {
  const left = [
    await upload('running', { lease: alive() }),
    await upload('running', { protocol: null }),
    await upload('running', { protocol: 'tus', lease: gone }),
    await upload('paused', { lease: gone }),
    await upload('terminating', { lease: alive() }),
  ];
  const ended = await upload('running', { lease: gone });
  await world.until(ended, 'failed');
  await pause(600);
  for (const id of left) expect(await filesOf(id)).toEqual([`${id}.part`]);
  const states = await Promise.all(left.map(async (id) => (await world.job(id)).state));
  expect(states).toEqual(['running', 'running', 'running', 'paused', 'terminating']);
});

it('paused while its gateway dies, and resumed: it says that the rest will not come', async () => {
  const id = await upload('paused', { lease: gone });
  await world.control(id, 'resume');
  expect((await world.until(id, 'failed')).error?.code).toBe('upload_cut_off');
});

it('terminated: all of it is removed', async () => {
  const id = await upload('paused', { protocol: 'tus', files: ['', '.part'] });
  await world.control(id, 'terminate');
  const job = await world.until(id, 'terminated');
  expect(await filesOf(id)).toEqual([]);
  expect(job.transfer).toMatchObject({ file: null, expiresAt: null, report: { removed: { bytes: 9 } } });
});

it('paused and stopped without a gateway: what came is kept until it expires', async () => {
  const id = await upload('running', { protocol: 'tus' });
  await world.control(id, 'pause');
  await world.until(id, 'paused');
  await world.control(id, 'stop');
  const job = await world.until(id, 'stopped');
  expect(await filesOf(id)).toEqual([`${id}.part`]);
  expect(job.transfer.expiresAt!.getTime()).toBeGreaterThan(Date.now() + 6 * 86_400_000);
  const { store, places } = world;
  const raw = await upload('stopped');
  await store.jobs.collection.updateOne({ _id: raw } as never, {
    $set: { endedAt: new Date(), 'transfer.expiresAt': job.transfer.expiresAt },
  });
  const left = await upload('failed');
  const fail = (error: unknown): never => {
    throw error;
  };
  await tidy({ store, places, onError: fail, graceMs: 0, partMs: 0 });
  expect([await filesOf(id), await filesOf(raw), await filesOf(left)]).toEqual([
    [`${id}.part`],
    [`${raw}.part`],
    [],
  ]);
});

it('is taken up as it was found, not as it is by then: resumed, its bytes are to come', async () => {
  const id = await upload('running', { protocol: 'tus' });
  const found = { state: { $in: ['pausing'] } };
  expect(await leaseTransfer(world.store, id, 'an engine', undefined, found)).toBeNull();
  expect(await leaseTransfer(world.store, id, 'an engine', undefined, { state: 'running' })).not.toBeNull();
});
