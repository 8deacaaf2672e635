import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobState } from '@magpie/contracts';
import { leaseTransfer } from '@magpie/store';
import { pause, World } from '../testing/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.make({ MAGPIE_TRANSFERS: 1 });
}, 60_000);
afterAll(() => world.close(), 30_000);

/** As a gateway leaves it. */
async function upload(
  state: JobState,
  {
    protocol = 'raw' as string | null,
    lease = null as { holder: string; until: Date } | null,
    files = ['.part'],
  } = {},
): Promise<string> {
  const id = await world.transfer('upload', protocol === null ? {} : { protocol });
  for (const ending of files) await writeFile(join(world.places.uploads, id + ending), 'what came');
  await world.store.jobs.collection.updateOne({ _id: id } as never, {
    $set: {
      state,
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
const alive = () => ({ holder: 'a gateway', until: new Date(Date.now() + 60_000) });

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
    const job = await world.until(id, 'failed', 10);
    expect(job.error?.code).toBe('upload_cut_off');
    await world.eventually(
      () => world.job(id),
      ({ transfer }) => transfer.lease === null,
      10,
    );
    expect(await filesOf(id)).toEqual([]);
  },
);

it('one that a gateway has, one that waits for its client, and one by tus are left alone', async () => {
  const left = [
    await upload('running', { lease: alive() }),
    await upload('running', { protocol: null }),
    await upload('running', { protocol: 'tus', lease: gone }),
    await upload('paused', { lease: gone }),
    await upload('terminating', { lease: alive() }),
  ];
  const ended = await upload('running', { lease: gone });
  await world.until(ended, 'failed', 10);
  await pause(600);
  for (const id of left) expect(await filesOf(id)).toEqual([`${id}.part`]);
  const states = await Promise.all(left.map(async (id) => (await world.job(id)).state));
  expect(states).toEqual(['running', 'running', 'running', 'paused', 'terminating']);
});

it('paused while its gateway dies, and resumed: it says that the rest will not come', async () => {
  const id = await upload('paused', { lease: gone });
  await world.control(id, 'resume');
  expect((await world.until(id, 'failed', 10)).error?.code).toBe('upload_cut_off');
});

it('terminated: all of it is removed', async () => {
  const id = await upload('paused', { protocol: 'tus', files: ['', '.part', '.json', '.part.json'] });
  await world.control(id, 'terminate');
  const job = await world.until(id, 'terminated', 10);
  expect(await filesOf(id)).toEqual([]);
  expect(job.transfer).toMatchObject({ file: null, expiresAt: null, report: { removed: { bytes: 9 } } });
});

it('paused and stopped without a gateway: what came is kept until it expires', async () => {
  const id = await upload('running', { protocol: 'tus' });
  await world.control(id, 'pause');
  await world.until(id, 'paused', 10);
  await world.control(id, 'stop');
  const job = await world.until(id, 'stopped', 10);
  expect(await filesOf(id)).toEqual([`${id}.part`]);
  expect(job.transfer.expiresAt!.getTime()).toBeGreaterThan(Date.now() + 6 * 86_400_000);
});

it('is taken up as it was found, not as it is by then: resumed, its bytes are to come', async () => {
  const id = await upload('running', { protocol: 'tus' });
  const found = { state: { $in: ['pausing'] } };
  expect(await leaseTransfer(world.store, id, 'an engine', undefined, found)).toBeNull();
  expect(await leaseTransfer(world.store, id, 'an engine', undefined, { state: 'running' })).not.toBeNull();
});
