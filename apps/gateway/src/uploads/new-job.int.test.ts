import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Job } from '@magpie/contracts';
import { makeJob, startGateway, type TestGateway } from '../testing/gateway.ts';
import { Sender } from '../testing/sender.ts';
import { until } from '../testing/until.ts';

let data: string;
let gateway: TestGateway;
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'magpie-new-job-'));
  gateway = await startGateway({ env: { MAGPIE_DATA: data, MAGPIE_DISK_RESERVE: '0' } });
});
afterAll(async () => {
  await gateway.close();
  await rm(data, { recursive: true, force: true });
});

const post = (url: string, payload?: object | string, headers: Record<string, string> = {}) =>
  gateway.app.inject({ method: 'POST', url, headers, ...(payload === undefined ? {} : { payload }) });

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

describe('POST /api/v1/new-job/', () => {
  it.each([
    ['no body', undefined, {}],
    ['an empty one', '', { 'content-type': 'application/json' }],
    ['an empty form', '', FORM],
    ['an object', {}, {}],
  ])('gives a job id: %s', async (_name, payload, headers) => {
    const answer = await post('/api/v1/new-job/', payload, headers);
    expect(answer.statusCode).toBe(201);
    const made = answer.json<Record<string, string>>();
    expect(made).toEqual({
      job_id: made['id'],
      id: made['id'],
      state: 'queued',
      upload_url: `http://magpie.test/api/v1/upload/?job_id=${made['id']}`,
      status_url: `http://magpie.test/api/v1/job-status/${made['id']}/`,
    });
    expect(answer.headers['location']).toBe(made['status_url']);
  });

  it('once for each Idempotency-Key', async () => {
    const key = { 'idempotency-key': 'one' };
    const [first, again] = [
      await post('/api/v1/new-job', { filename: 'a.csv' }, key),
      await post('/api/v1/new-job/', { filename: 'a.csv' }, key),
    ];
    expect(again.json()).toEqual(first.json());
    expect(again.headers['idempotent-replayed']).toBe('true');
    const other = await post('/api/v1/new-job/', { filename: 'b.csv' }, key);
    expect([other.statusCode, other.json<{ code: string }>().code]).toEqual([409, 'idempotency_conflict']);
  });

  it('refuses what it does not know', async () => {
    for (const body of [{ sha256: 'abc' }, { filename: '' }, { size: 1 }, []]) {
      const answer = await post('/api/v1/new-job/', body);
      expect([answer.statusCode, answer.json<{ code: string }>().code]).toEqual([400, 'invalid_request']);
    }
    expect((await post('/api/v1/new-job/', '{', { 'content-type': 'application/json' })).statusCode).toBe(
      400,
    );
  });
});

describe('/api/v1/job-status/{id}/', () => {
  it('shows and controls any job, with and without the slash, by PATCH and POST', async () => {
    const id = await makeJob(gateway.app);
    expect((await gateway.app.inject(`/api/v1/job-status/${id}`)).json<Job>().state).toBe('queued');
    const paused = await gateway.app.inject({
      method: 'PATCH',
      url: `/api/v1/job-status/${id}/`,
      payload: { action: 'pause' },
    });
    expect([paused.statusCode, paused.json<Job>().state]).toEqual([202, 'pausing']);
    const again = await post(`/api/v1/job-status/${id}`, { action: 'pause' });
    expect(again.statusCode).toBe(409);
    expect(again.json()).toMatchObject({
      code: 'invalid_transition',
      state: 'pausing',
      allowed: ['stop', 'terminate'],
    });
    const ended = await post(`/api/v1/job-status/${id}/`, 'action=terminate', FORM);
    expect([ended.statusCode, ended.json<Job>().state]).toEqual([202, 'terminating']);
  });

  it('refuses an action that is none, and an id that is none', async () => {
    const id = await makeJob(gateway.app);
    for (const body of [{ action: 'explode' }, {}, { action: 'pause', now: true }]) {
      const answer = await post(`/api/v1/job-status/${id}/`, body);
      expect([answer.statusCode, answer.json<{ code: string }>().code]).toEqual([400, 'invalid_request']);
    }
    expect((await gateway.app.inject(`/api/v1/job-status/${id}`)).json<Job>().state).toBe('queued');
    expect((await post('/api/v1/job-status/nosuchjob1234/', { action: 'pause' })).statusCode).toBe(404);
    expect((await gateway.app.inject('/api/v1/job-status/nosuchjob1234')).statusCode).toBe(404);
  });
});

it('a gateway that closes ends its uploads, and their jobs say so', async () => {
  const closing = await startGateway({ env: { MAGPIE_DATA: data, MAGPIE_DISK_RESERVE: '0' } });
  const jobs = closing.store.jobs.collection;
  try {
    const base = await closing.listen();
    const made = await closing.app.inject({ method: 'POST', url: '/api/v1/new-job/' });
    const { id } = made.json<{ id: string }>();
    const sender = new Sender(`${base}/api/v1/upload/?job_id=${id}`, { bytesPerSecond: 2_000_000 });
    const state = async () => (await jobs.findOne({ _id: id as never }))?.['state'];
    await until(async () => (await state()) === 'running', 'it is received');
    await closing.app.close();
    const job = await jobs.findOne({ _id: id as never });
    expect(job).toMatchObject({
      state: 'failed',
      error: { code: 'upload_cut_off' },
      transfer: { lease: null, rate: { bytes: 0 } },
    });
    expect((await readdir(join(data, 'uploads'))).filter((name) => name.startsWith(id))).toEqual([]);
    await sender.answer.catch(() => undefined);
  } finally {
    await closing.close();
  }
});
