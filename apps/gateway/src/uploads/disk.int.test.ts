import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from '@magpie/contracts';
import { startGateway, type TestGateway } from '../testing/gateway.ts';
import { Sender } from '../testing/sender.ts';

const MB = 1024 * 1024;

async function newJob(gateway: TestGateway): Promise<string> {
  const answer = await gateway.app.inject({ method: 'POST', url: '/api/v1/new-job' });
  return answer.json<{ id: string }>().id;
}

const status = async (gateway: TestGateway, id: string): Promise<Job> =>
  (await gateway.app.inject(`/api/v1/job-status/${id}`)).json();

const act = (gateway: TestGateway, id: string, action: string) =>
  gateway.app.inject({ method: 'POST', url: `/api/v1/job-status/${id}`, payload: { action } });

async function until(gateway: TestGateway, id: string, state: string): Promise<Job> {
  for (const deadline = Date.now() + 30_000; ;) {
    const job = await status(gateway, id);
    if (job.state === state) return job;
    if (Date.now() > deadline) throw new Error(`never ${state}: ${JSON.stringify(job)}`);
    await sleep(25);
  }
}

async function isWhole(gateway: TestGateway, data: string, id: string, sender: Sender): Promise<void> {
  expect((await sender.answer).status).toBe(201);
  const bytes = await readFile(join(data, 'uploads', id));
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(sender.sha256);
  expect(await status(gateway, id)).toMatchObject({
    state: 'completed',
    waiting: null,
    transfer: { file: { sha256: sender.sha256, bytes: sender.sent } },
  });
}

it.concurrent(
  'waits while less than the reserve would be left, can be paused and resumed meanwhile, and goes on',
  async () => {
    const data = await mkdtemp(join(tmpdir(), 'magpie-reserve-'));
    const gateway = await startGateway({ env: { MAGPIE_DATA: data, MAGPIE_DISK_RESERVE: '1GiB' } });
    try {
      const base = await gateway.listen();
      const spare = 8 * MB;
      let more = 0;
      const part = (id: string) => stat(gateway.app.uploads.part(id)).then(({ size }) => size);
      gateway.app.uploads.freeBytes = async () => 1024 * MB + spare + more - (await part(id));
      const id = await newJob(gateway);
      const sender = new Sender(`${base}/api/v1/upload?job_id=${id}`, { bytes: 24 * MB });
      const waiting = await until(gateway, id, 'waiting');
      expect(waiting.waiting?.reason).toBe('disk_full');
      const size = await part(id);
      expect(size).toBeLessThanOrEqual(spare);
      expect(size).toBeGreaterThan(spare - 128 * 1024);

      expect((await act(gateway, id, 'pause')).statusCode).toBe(202);
      await until(gateway, id, 'paused');
      expect((await act(gateway, id, 'resume')).statusCode).toBe(202);
      expect((await until(gateway, id, 'waiting')).waiting?.reason).toBe('disk_full');
      await sleep(1500);
      expect(await part(id)).toBe(size);

      more = 32 * MB;
      await isWhole(gateway, data, id, sender);
    } finally {
      await gateway.close();
      await rm(data, { recursive: true, force: true });
    }
  },
);

/** A disk of 8 MB; undefined where that may not be made. */
function smallDisk(): string | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'magpie-small-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', directory], { stdio: 'ignore' });
    return directory;
  } catch {
    return undefined;
  }
}

const data = smallDisk();
const why = data === undefined ? ' (skipped: to mount a tmpfs takes root)' : '';
(data === undefined ? describe.skip : describe)(`a disk of 8 MB${why}`, () => {
  afterAll(async () => {
    if (data === undefined) return;
    execFileSync('umount', ['-l', data]);
    await rm(data, { recursive: true, force: true });
  });

  it('that refuses bytes: they are written again at the same place when there is room', async () => {
    const disk = data as string;
    const gateway = await startGateway({ env: { MAGPIE_DATA: disk, MAGPIE_DISK_RESERVE: '0' } });
    try {
      const base = await gateway.listen();
      await writeFile(join(disk, 'ballast'), Buffer.alloc(5 * MB));
      // What asks beforehand is told that there is room: the write itself fails.
      gateway.app.uploads.freeBytes = async () => 1024 * MB;
      const id = await newJob(gateway);
      const sender = new Sender(`${base}/api/v1/upload?job_id=${id}`, { bytes: 6 * MB + 4321 });
      expect((await until(gateway, id, 'waiting')).waiting?.reason).toBe('disk_full');
      const { bavail } = await statfs(disk);
      expect(bavail).toBe(0);
      await sleep(1500);
      expect((await stat(gateway.app.uploads.part(id))).size).toBeLessThanOrEqual(3 * MB);
      await rm(join(disk, 'ballast'));
      await isWhole(gateway, disk, id, sender);
      await rm(join(disk, 'uploads', id));
    } finally {
      await gateway.close();
    }
  });

  it('that has no room for another file: it is made when there is', async () => {
    const disk = data as string;
    const gateway = await startGateway({ env: { MAGPIE_DATA: disk, MAGPIE_DISK_RESERVE: '0' } });
    const remount = (files: number): void => {
      execFileSync('mount', ['-o', `remount,size=8m,nr_inodes=${files}`, disk]);
    };
    try {
      const base = await gateway.listen();
      await mkdir(join(disk, 'uploads'), { recursive: true });
      const { files, ffree } = await statfs(disk);
      remount(files - ffree);
      const id = await newJob(gateway);
      const sender = new Sender(`${base}/api/v1/upload?job_id=${id}`, { bytes: MB });
      expect((await until(gateway, id, 'waiting')).waiting?.reason).toBe('disk_full');
      remount(files);
      await isWhole(gateway, disk, id, sender);
      await rm(join(disk, 'uploads', id));
    } finally {
      remount(1000);
      await gateway.close();
    }
  });

  it('that is watched: nothing beyond the reserve is taken', async () => {
    const disk = data as string;
    const gateway = await startGateway({ env: { MAGPIE_DATA: disk, MAGPIE_DISK_RESERVE: '1MiB' } });
    try {
      const base = await gateway.listen();
      await writeFile(join(disk, 'ballast'), Buffer.alloc(4 * MB));
      const id = await newJob(gateway);
      const sender = new Sender(`${base}/api/v1/upload?job_id=${id}`, { bytes: 6 * MB });
      await until(gateway, id, 'waiting');
      const { bavail, bsize } = await statfs(disk);
      expect(bavail * bsize).toBeGreaterThanOrEqual(MB);
      await rm(join(disk, 'ballast'));
      await isWhole(gateway, disk, id, sender);
    } finally {
      await gateway.close();
    }
  });
});
