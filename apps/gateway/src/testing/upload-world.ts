/** What tests of uploads in one request do: make jobs, send files, control jobs, and look at what came of them. */
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from '@magpie/contracts';
import { startGateway, type TestGateway, type TestGatewayOptions } from './gateway.ts';
import { Sender, type SenderOptions } from './sender.ts';

export const MB = 1024 * 1024;

export const inState =
  (state: string) =>
  (job: Job): boolean =>
    job.state === state;
export const hasBytes = (job: Job): boolean => (job.transfer?.bytes ?? 0) > 0;

export const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => -1,
  );
export const sha256 = async (path: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');

export class UploadWorld {
  readonly gateway: TestGateway;
  readonly data: string;
  readonly base: string;

  /** A gateway that takes three uploads at once, of a gigabyte each, from senders that may be silent for a minute. */
  static async make(
    env: Record<string, string> = {},
    store?: TestGatewayOptions['store'],
  ): Promise<UploadWorld> {
    const data = await mkdtemp(join(tmpdir(), 'magpie-upload-'));
    const gateway = await startGateway({
      env: {
        MAGPIE_DATA: data,
        MAGPIE_DISK_RESERVE: '0',
        MAGPIE_UPLOAD_MAX_BYTES: String(1024 * MB),
        MAGPIE_UPLOADS: '3',
        MAGPIE_UPLOAD_SILENCE: '60s',
        ...env,
      },
      ...(store ? { store } : {}),
    });
    return new UploadWorld(gateway, data, await gateway.listen());
  }

  constructor(gateway: TestGateway, data: string, base: string) {
    this.gateway = gateway;
    this.data = data;
    this.base = base;
  }

  async close(): Promise<void> {
    await this.gateway.close();
    await rm(this.data, { recursive: true, force: true });
  }

  async newJob(body?: object): Promise<string> {
    const answer = await this.gateway.app.inject({
      method: 'POST',
      url: '/api/v1/new-job/',
      ...(body ? { payload: body } : {}),
    });
    expect(answer.statusCode).toBe(201);
    return answer.json<{ job_id: string }>().job_id;
  }

  send(id: string, options?: SenderOptions): Sender {
    return new Sender(`${this.base}/api/v1/upload/?job_id=${id}`, options);
  }

  async status(id: string): Promise<Job> {
    return (await this.gateway.app.inject(`/api/v1/job-status/${id}/`)).json();
  }

  async act(id: string, action: string): Promise<void> {
    const { statusCode } = await this.tryTo(id, action);
    expect([action, statusCode]).toEqual([action, 202]);
  }

  tryTo(id: string, action: string) {
    const url = `/api/v1/job-status/${id}/`;
    return this.gateway.app.inject({ method: 'PATCH', url, payload: { action } });
  }

  async until(id: string, holds: (job: Job) => boolean, ms = 30_000): Promise<Job> {
    const deadline = Date.now() + ms;
    for (;;) {
      const job = await this.status(id);
      if (holds(job)) return job;
      if (Date.now() > deadline) throw new Error(`never: ${JSON.stringify(job)}`);
      await sleep(25);
    }
  }

  /** Some of its bytes are on the disk; the job tells of them later, once a second. */
  async comes(id: string, ms = 30_000): Promise<void> {
    for (const deadline = Date.now() + ms; (await sizeOf(`${this.file(id)}.part`)) <= 0; await sleep(10))
      if (Date.now() > deadline) throw new Error(`nothing came: ${JSON.stringify(await this.status(id))}`);
  }

  /** The job's document, with what is not shown. */
  async document(id: string) {
    return (await this.gateway.store.jobs.collection.findOne({ _id: id as never }))!;
  }

  /** Writes of a job what nobody asked for. */
  async set(id: string, fields: object): Promise<void> {
    await this.gateway.store.jobs.collection.updateOne({ _id: id as never }, { $set: fields });
  }

  file(id: string): string {
    return join(this.data, 'uploads', id);
  }

  async filesOf(id: string): Promise<string[]> {
    const names = await readdir(join(this.data, 'uploads')).catch(() => []);
    return names.filter((name) => name.startsWith(id));
  }

  async isWhole(id: string, sender: Sender): Promise<Job> {
    const { status: code, body } = await sender.answer;
    expect([code, body['code']]).toEqual([201, undefined]);
    const job = await this.status(id);
    expect(job.state).toBe('completed');
    expect(job.transfer).toMatchObject({
      bytes: sender.sent,
      totalBytes: sender.sent,
      bytesPerSecond: 0,
      file: { bytes: sender.sent, sha256: sender.sha256, url: null },
    });
    expect(await sha256(this.file(id))).toBe(sender.sha256);
    expect(await this.filesOf(id)).toEqual([id]);
    return job;
  }

  async failedWith(id: string, sender: Sender, code: number, name: string): Promise<Job> {
    const answer = await sender.answer;
    expect([answer.status, answer.body.code]).toEqual([code, name]);
    const job = await this.status(id);
    expect([job.state, job.error?.code]).toEqual(['failed', name]);
    expect(await this.filesOf(id)).toEqual([]);
    return job;
  }
}
