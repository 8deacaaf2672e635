import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { whenAboutToStop } from '../testing/about-to-stop.ts';
import { BYTES, codeOf, MIB, TusWorld } from '../testing/tus-world.ts';
import { until } from '../testing/until.ts';

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

let world: TusWorld;
/** Called by the tests alone: the gateway's own timer would do it in the midst of any of them. */
let expireAbandoned: () => Promise<void>;
beforeAll(async () => {
  world = await TusWorld.make();
  const { uploads } = world.gateway.app;
  expireAbandoned = uploads.expireAbandoned.bind(uploads);
  uploads.expireAbandoned = async () => undefined;
});
afterAll(() => world.close());

describe('time', () => {
  it('that is over ends an unfinished upload; the file of a finished one an import may read', async () => {
    const [unfinished, finished, never] = [
      await world.create(4),
      await world.create(2),
      await world.create(3),
    ];
    expect((await world.chunk(unfinished, 0, Buffer.from('01'))).status).toBe(204);
    expect((await world.chunk(finished, 0, Buffer.from('01'))).status).toBe(204);
    for (const id of [unfinished, finished, never])
      await world.gateway.store.jobs.collection.updateOne(
        { _id: id as never },
        { $set: { 'transfer.expiresAt': new Date(Date.now() - 1) } },
      );
    expect((await world.head(unfinished)).status).toBe(410);
    for (const id of [unfinished, finished, never]) {
      const late = await world.chunk(id, 2, Buffer.from('23'));
      expect([late.status, codeOf(late)]).toEqual([410, 'upload_expired']);
      expect((await world.ask('DELETE', `/api/v1/uploads/${id}`)).status).toBe(410);
    }
    expect(
      (await readdir(join(world.data, 'uploads'))).filter(
        (name) => name.startsWith(unfinished) || name.startsWith(finished),
      ),
    ).toEqual([finished]);
    expect(await world.jobOf(unfinished)).toMatchObject({
      state: 'failed',
      error: { code: 'upload_expired' },
    });
    expect(await world.jobOf(finished)).toMatchObject({
      state: 'completed',
      transfer: { file: { bytes: 2 } },
    });
  });
});

describe('an upload that nobody goes on with', () => {
  it('ends by itself when its time is over, for good; one that is being sent does not', async () => {
    const { uploads } = world.gateway.app;
    const [left, live] = [await world.create(4), await world.create(2 * MIB)];
    expect((await world.chunk(left, 0, Buffer.from('01'))).status).toBe(204);
    const { out, answer } = await world.sending(live, 0, 2 * MIB, Buffer.alloc(MIB));
    await world.expire(left, live);
    await expireAbandoned();
    expect(await world.jobOf(left)).toMatchObject({
      state: 'failed',
      error: { code: 'upload_expired' },
      allowed: [],
    });
    expect(world.partSize(left)).toBe(0);
    expect(await world.offsetOf(live)).toBe(MIB);
    out.end(Buffer.alloc(MIB));
    expect((await answer).status).toBe(204);

    const back = await world.create(4);
    expect((await world.chunk(back, 0, Buffer.from('01'))).status).toBe(204);
    // Its client came between the look and the end.
    await uploads.expire(back);
    expect([(await world.jobOf(back)).state, world.partSize(back)]).toEqual(['running', 2]);
  });

  it('is retried only while its bytes are kept', async () => {
    const id = await world.create(4);
    expect((await world.chunk(id, 0, Buffer.from('01'))).status).toBe(204);
    await world.control(id, 'stop');
    // Nobody holds it: the transfer service would bring it there.
    const { collection } = world.gateway.store.jobs;
    const set = { state: 'stopped', 'transfer.expiresAt': new Date(Date.now() + 60_000) };
    await collection.updateOne({ _id: id as never }, { $set: set });
    expect((await world.jobOf(id)).allowed).toEqual(['retry']);
    await collection.updateOne({ _id: id as never }, { $set: { 'transfer.expiresAt': null } });
    expect((await world.jobOf(id)).allowed).toEqual([]);
    const retried = await world.gateway.app.inject({ method: 'POST', url: `/api/v1/jobs/${id}/retry` });
    expect([retried.statusCode, retried.json()]).toMatchObject([
      409,
      { code: 'invalid_transition', state: 'stopped', allowed: [] },
    ]);
  });
});

describe('control of the job', () => {
  it('pause stalls the request under way, and no other takes its place; resume goes on in it', async () => {
    const content = randomBytes(16 * MIB);
    const id = await world.create(content.length);
    let socket: Socket | undefined;
    world.gateway.app.server.once('connection', (opened: Socket) => (socket = opened));
    const first = await world.sending(id, 0, content.length, content.subarray(0, MIB));
    await world.control(id, 'pause');
    await until(async () => (await world.jobOf(id)).state === 'paused', 'it is paused');
    const at = await world.offsetOf(id);
    first.out.end(content.subarray(MIB));
    await sleep(1500);
    expect(await world.offsetOf(id)).toBe(at);
    // All of the rest is on its way, and none of it is read.
    expect(socket?.bytesRead).toBeLessThan(2 * MIB);
    const second = await world.chunk(id, at, Buffer.from('x'));
    expect([second.status, codeOf(second), second.headers['retry-after']]).toEqual([
      423,
      'upload_locked',
      '2',
    ]);
    await world.control(id, 'resume');
    expect((await first.answer).status).toBe(204);
    expect(sha256(world.fileOf(id))).toBe(sha256(content));
  });

  it('pause stalls the next request too, of a client that sends chunk after chunk', async () => {
    const id = await world.create(4);
    expect((await world.chunk(id, 0, Buffer.from('01'))).status).toBe(204);
    await world.control(id, 'pause');
    const { out, answer } = world.open('PATCH', `/api/v1/uploads/${id}`, {
      'content-type': BYTES,
      'upload-offset': 2,
      'content-length': 2,
    });
    out.end('23');
    await until(async () => (await world.jobOf(id)).state === 'paused', 'it is paused');
    await sleep(1000);
    expect(await world.offsetOf(id)).toBe(2);
    await world.control(id, 'resume');
    expect((await answer).status).toBe(204);
    expect(world.fileOf(id).toString()).toBe('0123');
    expect((await world.jobOf(id)).state).toBe('completed');

    const over = await world.create(4);
    await world.control(over, 'pause');
    const held = world.open('PATCH', `/api/v1/uploads/${over}`, {
      'content-type': BYTES,
      'upload-offset': 0,
      'content-length': 4,
    });
    held.out.end('0123');
    await until(async () => (await world.leaseOf(over)) !== null, 'it is held');
    await world.control(over, 'terminate');
    expect((await held.answer).status).toBe(410);
  });

  it.concurrent('a silent client is cut off, and can go on; one that is paused is not', async () => {
    const impatient = await TusWorld.make({ MAGPIE_UPLOAD_SILENCE: '8s' });
    try {
      const content = randomBytes(2 * MIB);
      const id = await impatient.create(content.length);
      const first = await impatient.sending(id, 0, content.length, content.subarray(0, MIB / 2));
      await impatient.control(id, 'pause');
      await until(async () => (await impatient.jobOf(id)).state === 'paused', 'it is paused');
      await sleep(9500);
      await impatient.control(id, 'resume');
      first.out.write(content.subarray(MIB / 2, MIB));
      await until(async () => impatient.partSize(id) === MIB, 'it goes on in the same request');
      const ended = await first.answer;
      expect([ended.status, codeOf(ended)]).toEqual([503, 'upload_cut_off']);
      expect(await impatient.offsetOf(id)).toBe(MIB);
      expect((await impatient.chunk(id, MIB, content.subarray(MIB))).status).toBe(204);
    } finally {
      await impatient.close();
    }
  });

  it('stop keeps what came, and a retry goes on with it', async () => {
    const content = randomBytes(2 * MIB);
    const id = await world.create(content.length);
    const first = await world.sending(id, 0, content.length, content.subarray(0, MIB));
    await world.control(id, 'stop');
    const ended = await first.answer;
    expect([ended.status, codeOf(ended)]).toEqual([409, 'upload_stopped']);
    expect((await world.jobOf(id)).state).toBe('stopped');
    const more = await world.chunk(id, MIB, content.subarray(MIB));
    expect([more.status, codeOf(more)]).toEqual([409, 'invalid_transition']);
    expect(await world.offsetOf(id)).toBe(MIB);
    await world.control(id, 'retry');
    expect((await world.chunk(id, MIB, content.subarray(MIB))).status).toBe(204);
    expect((await world.jobOf(id)).transfer?.file?.sha256).toBe(sha256(content));
  });

  it('terminate, also by DELETE, aborts the request under way, for good', async () => {
    for (const way of ['terminate', 'DELETE']) {
      const id = await world.create(2 * MIB);
      const first = await world.sending(id, 0, 2 * MIB, randomBytes(MIB));
      if (way === 'DELETE') expect((await world.ask('DELETE', `/api/v1/uploads/${id}`)).status).toBe(204);
      else await world.control(id, 'terminate');
      const ended = await first.answer;
      expect([ended.status, codeOf(ended)]).toEqual([410, 'upload_terminated']);
      await until(async () => (await world.leaseOf(id)) === null, 'the lease is given back');
      expect((await world.jobOf(id)).state).toBe('terminating');
      expect((await world.head(id)).status).toBe(410);
      expect((await world.chunk(id, MIB, Buffer.from('x'))).status).toBe(410);
      expect((await world.ask('DELETE', `/api/v1/uploads/${id}`)).status).toBe(410);
    }
  });

  it('terminate while it is about to stop ends it for good, and says so', async () => {
    const id = await world.create(2 * MIB);
    const first = await world.sending(id, 0, 2 * MIB, randomBytes(MIB));
    whenAboutToStop(() => world.control(id, 'terminate'));
    await world.control(id, 'stop');
    const ended = await first.answer;
    expect([ended.status, codeOf(ended)]).toEqual([410, 'upload_terminated']);
    expect((await world.jobOf(id)).state).toBe('terminating');
  });

  it('DELETE of a finished upload removes its file', async () => {
    const id = await world.create(1);
    expect((await world.chunk(id, 0, Buffer.from('x'))).status).toBe(204);
    expect((await world.ask('DELETE', `/api/v1/uploads/${id}`)).status).toBe(204);
    expect(existsSync(join(world.data, 'uploads', id))).toBe(false);
    expect((await world.head(id)).status).toBe(410);
    const again = await world.ask('DELETE', `/api/v1/uploads/${id}`);
    expect([again.status, codeOf(again)]).toEqual([410, 'upload_terminated']);
    expect(again.body).toContain('It was deleted after it had finished');
    expect((await world.jobOf(id)).transfer?.file).toBeNull();
  });

  it('a file in one request is none of it, and is told so', async () => {
    const made = await world.gateway.app.inject({ method: 'POST', url: '/api/v1/new-job/' });
    const { id } = made.json<{ id: string }>();
    for (const answer of [
      await world.ask('DELETE', `/api/v1/uploads/${id}`),
      await world.chunk(id, 0, Buffer.from('x')),
    ]) {
      expect([answer.status, codeOf(answer)]).toEqual([404, 'not_found']);
      expect(answer.body).toContain(`/api/v1/jobs/${id}/terminate`);
    }
    const resumable = await world.create(4);
    expect((await world.chunk(resumable, 0, Buffer.from('01'))).status).toBe(204);
    const raw = await world.gateway.app.inject({
      method: 'POST',
      url: `/api/v1/upload/?job_id=${resumable}`,
      payload: Buffer.from('whole'),
    });
    expect([raw.statusCode, raw.json<{ code: string }>().code]).toEqual([409, 'not_an_upload']);
    expect(raw.body).toContain(`/api/v1/uploads/${resumable}`);
    expect(await world.offsetOf(resumable)).toBe(2);
  });
});

describe('the SHA-256 of the file', () => {
  const content = Buffer.from('hello world');
  const metadata = (value: string) => ({
    'upload-metadata': `sha256 ${Buffer.from(value).toString('base64')}`,
  });

  it('is compared at the end: with another one the upload has failed, and nothing is left', async () => {
    const right = await world.create(content.length, metadata(sha256(content).toUpperCase()));
    expect((await world.chunk(right, 0, content)).status).toBe(204);
    expect((await world.jobOf(right)).state).toBe('completed');

    const wrong = await world.create(content.length, metadata(sha256(Buffer.from('other'))));
    expect((await world.chunk(wrong, 0, content.subarray(0, 5))).status).toBe(204);
    const last = await world.chunk(wrong, 5, content.subarray(5));
    expect([last.status, codeOf(last)]).toEqual([422, 'checksum_mismatch']);
    expect(await world.jobOf(wrong)).toMatchObject({
      state: 'failed',
      error: { code: 'checksum_mismatch' },
      allowed: [],
      transfer: { file: null, expiresAt: null },
    });
    expect(await world.leaseOf(wrong)).toBeNull();
    expect((await readdir(join(world.data, 'uploads'))).filter((name) => name.startsWith(wrong))).toEqual([]);
    expect((await world.head(wrong)).status).toBe(422);
    expect((await world.chunk(wrong, 0, content)).status).toBe(422);
  });

  it('is refused where it is none', async () => {
    for (const value of ['', 'abc', 'z'.repeat(64)]) {
      const headers = { 'upload-length': 1, ...metadata(value) };
      const answer = await world.ask('POST', '/api/v1/uploads', headers);
      expect([answer.status, codeOf(answer)]).toEqual([400, 'invalid_request']);
    }
  });
});
