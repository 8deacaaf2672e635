import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { request as httpRequest, type ClientRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from '@magpie/contracts';
import { startCuttableProxy } from '../testing/cuttable-proxy.ts';
import { startGateway, type TestGateway } from '../testing/gateway.ts';
import { UploadJobs } from './upload-jobs.ts';

const MIB = 1024 * 1024;
const BYTES = 'application/offset+octet-stream';
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

let data: string;
let gateway: TestGateway;
let base: string;

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'magpie-tus-'));
  gateway = await startGateway({
    env: { MAGPIE_DATA: data, MAGPIE_UPLOAD_MAX_BYTES: String(64 * MIB), MAGPIE_DISK_RESERVE: '0' },
  });
  base = await gateway.listen();
}, 60_000);
afterAll(async () => {
  await gateway.close();
  await rm(data, { recursive: true, force: true });
}, 30_000);

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** A request of a tus client, as it is on the wire; what it sends may come piece by piece. */
function open(method: string, path: string, headers: Record<string, string | number> = {}) {
  const url = new URL(path, base);
  const out = httpRequest(url, { method, agent: false, headers: { 'tus-resumable': '1.0.0', ...headers } });
  const answer = new Promise<Answer>((resolve, reject) => {
    out.on('error', reject);
    out.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('error', reject);
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        });
      });
    });
  });
  answer.catch(() => undefined);
  return { out, answer };
}

const ask = (
  method: string,
  path: string,
  headers: Record<string, string | number> = {},
  body?: Buffer,
): Promise<Answer> => {
  const { out, answer } = open(method, path, {
    ...(body === undefined ? {} : { 'content-length': body.length }),
    ...headers,
  });
  out.end(body);
  return answer;
};

const chunk = (id: string, offset: number, body: Buffer, headers: Record<string, string> = {}) =>
  ask('PATCH', `/api/v1/uploads/${id}`, { 'content-type': BYTES, 'upload-offset': offset, ...headers }, body);

const create = async (length: number, headers: Record<string, string> = {}): Promise<string> => {
  const answer = await ask('POST', '/api/v1/uploads', { 'upload-length': length, ...headers });
  expect(answer.status).toBe(201);
  const [, id = ''] =
    /^http:\/\/magpie\.test\/api\/v1\/uploads\/([0-9a-v]{22})$/.exec(answer.headers.location ?? '') ?? [];
  expect(id).not.toBe('');
  return id;
};
const head = (id: string): Promise<Answer> => ask('HEAD', `/api/v1/uploads/${id}`);
const offsetOf = async (id: string): Promise<number> => Number((await head(id)).headers['upload-offset']);
const codeOf = ({ body }: Answer): string => (JSON.parse(body) as { code: string }).code;

const jobOf = async (id: string): Promise<Job> =>
  (await gateway.app.inject(`/api/v1/jobs/${id}`)).json<Job>();
const control = async (id: string, action: string): Promise<void> => {
  const answer = await gateway.app.inject({ method: 'POST', url: `/api/v1/jobs/${id}/${action}` });
  expect(answer.statusCode).toBe(202);
};
const leaseOf = async (id: string): Promise<unknown> =>
  (await gateway.store.jobs.collection.findOne({ _id: id as never }))?.['transfer'].lease;
async function until(condition: () => Promise<boolean>, what: string, ms = 15_000): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not so in time: ${what}`);
    await sleep(50);
  }
}
const fileOf = (id: string): Buffer => readFileSync(join(data, 'uploads', id));
const partSize = (id: string): number =>
  existsSync(join(data, 'uploads', `${id}.part`))
    ? readFileSync(join(data, 'uploads', `${id}.part`)).length
    : 0;

/** Sends some of an upload and keeps the request open; more comes by `out`. */
async function sending(
  id: string,
  offset: number,
  length: number,
  first: Buffer,
): Promise<{
  out: ClientRequest;
  answer: Promise<Answer>;
}> {
  const sent = open('PATCH', `/api/v1/uploads/${id}`, {
    'content-type': BYTES,
    'upload-offset': offset,
    'content-length': length,
  });
  sent.out.write(first);
  await until(async () => partSize(id) >= offset + first.length, 'the first bytes are there');
  return sent;
}

describe('what is announced', () => {
  it('is what works', async () => {
    const answer = await ask('OPTIONS', '/api/v1/uploads');
    expect(answer.status).toBe(204);
    expect(answer.headers).toMatchObject({
      'tus-version': '1.0.0',
      'tus-extension': 'creation,creation-with-upload,creation-defer-length,termination,checksum,expiration',
      'tus-checksum-algorithm': 'sha1,sha256,md5',
      'tus-max-size': String(64 * MIB),
      'x-request-id': expect.any(String),
    });
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
  });
});

describe('an upload', () => {
  it('becomes the file of its job', async () => {
    const content = randomBytes(3 * MIB);
    const metadata = `filename ${Buffer.from('../../etc/targets.csv').toString('base64')},filetype ${Buffer.from('text/csv').toString('base64')}`;
    const id = await create(content.length, { 'upload-metadata': metadata });
    expect((await jobOf(id)).state).toBe('queued');
    const begun = await head(id);
    expect(begun.headers).toMatchObject({
      'upload-offset': '0',
      'upload-length': String(content.length),
      'upload-metadata': metadata,
      'tus-resumable': '1.0.0',
      'cache-control': 'no-store',
    });
    const first = await chunk(id, 0, content.subarray(0, MIB));
    expect([first.status, first.headers['upload-offset']]).toEqual([204, String(MIB)]);
    expect(Date.parse(first.headers['upload-expires'] as string)).toBeGreaterThan(
      Date.now() + 6 * 86_400_000,
    );
    const between = await jobOf(id);
    expect([between.state, between.transfer?.bytes, await leaseOf(id)]).toEqual(['running', MIB, null]);
    expect((await chunk(id, MIB, content.subarray(MIB))).status).toBe(204);
    const { state, transfer } = await jobOf(id);
    expect(state).toBe('completed');
    expect(transfer).toMatchObject({
      kind: 'upload',
      bytes: content.length,
      totalBytes: content.length,
      file: { name: 'targets.csv', type: 'text/csv', bytes: content.length, sha256: sha256(content) },
    });
    expect(sha256(fileOf(id))).toBe(sha256(content));
    expect((await readdir(join(data, 'uploads'))).filter((name) => name.startsWith(id))).toEqual([id]);
    expect(await offsetOf(id)).toBe(content.length);
    // The answer to the last request may have been lost.
    expect((await chunk(id, content.length, Buffer.alloc(0))).status).toBe(204);
  });

  it('may begin with its creation, have no bytes, or a size that is said later', async () => {
    const content = Buffer.from('one\ntwo\nthree');
    const whole = await ask(
      'POST',
      '/api/v1/uploads',
      { 'upload-length': content.length, 'content-type': BYTES },
      content,
    );
    expect([whole.status, whole.headers['upload-offset']]).toEqual([201, String(content.length)]);
    const id = whole.headers.location?.split('/').at(-1) ?? '';
    expect((await jobOf(id)).transfer).toMatchObject({ rows: 2, file: { sha256: sha256(content) } });

    const none = await create(0);
    expect((await jobOf(none)).transfer?.file).toMatchObject({ bytes: 0, sha256: sha256(Buffer.alloc(0)) });
    expect(fileOf(none).length).toBe(0);

    const answer = await ask('POST', '/api/v1/uploads', { 'upload-defer-length': 1 });
    const later = answer.headers.location?.split('/').at(-1) ?? '';
    expect((await head(later)).headers).toMatchObject({ 'upload-defer-length': '1', 'upload-offset': '0' });
    expect((await chunk(later, 0, content.subarray(0, 4))).status).toBe(204);
    expect(
      (await chunk(later, 4, content.subarray(4), { 'upload-length': String(content.length) })).status,
    ).toBe(204);
    expect(fileOf(later)).toEqual(content);
  });

  it('is made once for an Idempotency-Key', async () => {
    const headers = { 'upload-length': 4, 'idempotency-key': randomBytes(8).toString('hex') };
    const [one, two] = [
      await ask('POST', '/api/v1/uploads', headers),
      await ask('POST', '/api/v1/uploads', headers),
    ];
    expect([one.status, two.status, two.headers['idempotent-replayed']]).toEqual([201, 201, 'true']);
    expect(two.headers.location).toBe(one.headers.location);
    const other = await ask('POST', '/api/v1/uploads', { ...headers, 'upload-length': 5 });
    expect([other.status, codeOf(other)]).toEqual([409, 'idempotency_conflict']);
  });

  it('can be sent by POST where PATCH cannot', async () => {
    const id = await create(3);
    const answer = await ask(
      'POST',
      `/api/v1/uploads/${id}`,
      { 'x-http-method-override': 'PATCH', 'content-type': BYTES, 'upload-offset': 0 },
      Buffer.from('abc'),
    );
    expect([answer.status, answer.headers['upload-offset']]).toEqual([204, '3']);
    expect(fileOf(id).toString()).toBe('abc');
    expect((await ask('POST', `/api/v1/uploads/${id}`)).status).toBe(405);
  });
});

describe('what is refused', () => {
  it('leaves the upload as it is', async () => {
    const id = await create(10);
    expect((await chunk(id, 0, Buffer.from('01234'))).status).toBe(204);
    const answers = [
      [await chunk(id, 4, Buffer.from('x')), 409, 'upload_offset_conflict'],
      [await chunk(id, 6, Buffer.from('x')), 409, 'upload_offset_conflict'],
      [await chunk(id, 5, Buffer.from('567890')), 413, 'upload_too_large'],
      [await chunk(id, 5, Buffer.from('x'), { 'content-type': 'text/plain' }), 415, 'unsupported_media_type'],
      [await chunk(id, 5, Buffer.from('x'), { 'tus-resumable': '0.2.2' }), 412, 'unsupported_tus_version'],
      [await chunk(id, 5, Buffer.from('x'), { 'upload-offset': '-1' }), 400, 'invalid_request'],
      [await chunk(id, 5, Buffer.from('x'), { 'upload-checksum': 'crc32 AAAAAA==' }), 400, 'invalid_request'],
      [await chunk(id, 5, Buffer.from('x'), { 'upload-checksum': 'sha1 AAAA' }), 400, 'invalid_request'],
      [await ask('POST', '/api/v1/uploads'), 400, 'invalid_request'],
      [await ask('POST', '/api/v1/uploads', { 'upload-length': 64 * MIB + 1 }), 413, 'upload_too_large'],
      [
        await ask('POST', '/api/v1/uploads', { 'upload-length': 1, 'upload-metadata': 'a b c' }),
        400,
        'invalid_request',
      ],
      [
        await ask('POST', '/api/v1/uploads', { 'upload-length': 1, 'upload-concat': 'partial' }),
        400,
        'invalid_request',
      ],
    ] as const;
    expect(answers.map(([answer]) => [answer.status, codeOf(answer)])).toEqual(
      answers.map(([, status, code]) => [status, code]),
    );
    for (const [answer] of answers) expect(answer.headers['tus-resumable']).toBe('1.0.0');
    // Without a length a body may still be too long: none of it is kept.
    const long = open('PATCH', `/api/v1/uploads/${id}`, { 'content-type': BYTES, 'upload-offset': 5 });
    long.out.end(Buffer.from('567890'));
    expect((await long.answer).status).toBe(413);
    expect(await offsetOf(id)).toBe(5);
    expect((await chunk(id, 5, Buffer.from('56789'))).status).toBe(204);
    expect(fileOf(id).toString()).toBe('0123456789');
  });

  it('is any id that is none, without a look at the disk', async () => {
    const known = new Set(await readdir(join(data, 'uploads')).catch(() => []));
    for (const id of [
      '..%2f..%2fetc%2fpasswd',
      '..%2F' + 'a'.repeat(19),
      '%2e%2e%2f%2e%2e%2fmagpie',
      '..%5c..%5cwindows',
      'a%00b',
      'short',
      'A'.repeat(22),
      '0'.repeat(23),
    ])
      for (const method of ['HEAD', 'PATCH', 'DELETE', 'POST']) {
        const answer = await ask(
          method,
          `/api/v1/uploads/${id}`,
          { 'content-type': BYTES, 'upload-offset': 0, 'x-http-method-override': 'PATCH' },
          Buffer.alloc(0),
        );
        expect([method, id, answer.status]).toEqual([method, id, 400]);
      }
    for (const path of [
      '/api/v1/uploads/..',
      '/api/v1/uploads/../../etc',
      `/api/v1/uploads/${'0'.repeat(300)}`,
    ])
      expect([404, 405]).toContain((await ask('HEAD', path)).status);
    const job = await gateway.app.inject({
      method: 'POST',
      url: '/api/v1/jobs',
      payload: { source: 'web-images', params: { urls: ['https://example.org/'] } },
    });
    for (const id of ['0'.repeat(22), job.json<Job>().id]) {
      expect((await head(id)).status).toBe(404);
      expect((await chunk(id, 0, Buffer.from('x'))).status).toBe(404);
      expect((await ask('DELETE', `/api/v1/uploads/${id}`)).status).toBe(404);
    }
    expect(new Set(await readdir(join(data, 'uploads')).catch(() => []))).toEqual(known);
  });

  it('is what is sent without the key', async () => {
    const closed = await startGateway({ env: { MAGPIE_DATA: data, MAGPIE_ADMIN_KEY: 'a-long-enough-key' } });
    const at = await closed.listen();
    for (const [method, path] of [
      ['OPTIONS', '/api/v1/uploads'],
      ['POST', '/api/v1/uploads'],
      ['PATCH', `/api/v1/uploads/${'0'.repeat(22)}`],
      ['HEAD', `/api/v1/uploads/${'0'.repeat(22)}`],
    ] as const)
      expect((await fetch(at + path, { method, headers: { 'tus-resumable': '1.0.0' } })).status).toBe(401);
    await closed.close();
  });

  it('is told to ask again while the database does not answer: clients take a 503 for the end', async () => {
    const id = await create(1);
    const { hostname, port } = new URL(process.env['MAGPIE_TEST_MONGODB_URL'] ?? '');
    const proxy = await startCuttableProxy(hostname, Number(port || 27017));
    const url = `mongodb://127.0.0.1:${proxy.port}/?directConnection=true`;
    const other = await startGateway({
      env: { MAGPIE_DATA: data },
      store: { url, serverSelectionMs: 500 },
    });
    proxy.cut();
    const headers = { 'tus-resumable': '1.0.0', 'content-type': BYTES, 'upload-offset': '0' };
    const path = `/api/v1/uploads/${id}`;
    const asked = await other.app.inject({ method: 'HEAD', url: path, headers });
    expect([asked.statusCode, asked.headers['retry-after']]).toEqual([423, '2']);
    const sent = await other.app.inject({ method: 'PATCH', url: path, headers, payload: 'x' });
    expect([sent.statusCode, sent.json<{ code: string }>().code]).toEqual([503, 'storage_unavailable']);
    await proxy.mend();
    await other.close();
    await proxy.close();
  });

  it('is a second request that sends, at once, until the first has ended', async () => {
    const content = randomBytes(2 * MIB);
    const id = await create(content.length);
    const first = await sending(id, 0, content.length, content.subarray(0, MIB));
    const second = await chunk(id, 0, content);
    expect([second.status, codeOf(second), second.headers['retry-after']]).toEqual([
      423,
      'upload_locked',
      '2',
    ]);
    // Who has still much to send gets to read the answer, and is not listened to for long.
    const third = connect(Number(new URL(base).port), '127.0.0.1');
    const ended = new Promise((resolve) => third.once('close', resolve));
    let heard = '';
    third.on('error', () => undefined).on('data', (bytes: Buffer) => (heard += bytes.toString()));
    third.write(
      `PATCH /api/v1/uploads/${id} HTTP/1.1\r\nHost: 127.0.0.1\r\nTus-Resumable: 1.0.0\r\nContent-Type: ${BYTES}\r\n` +
        `Upload-Offset: ${MIB}\r\nContent-Length: ${MIB}\r\n\r\n`,
    );
    third.write(content.subarray(0, MIB / 2));
    await until(async () => heard.includes('upload_locked'), 'it is answered');
    expect(heard).toMatch(/^HTTP\/1\.1 423 Locked\r\n/);
    await ended;
    expect(await offsetOf(id)).toBe(MIB);
    first.out.end(content.subarray(MIB));
    expect((await first.answer).status).toBe(204);
    expect(sha256(fileOf(id))).toBe(sha256(content));
  });
});

describe('a checksum', () => {
  const content = Buffer.from('hello world');
  const of = (algorithm: string, bytes: Buffer): string =>
    `${algorithm} ${createHash(algorithm).update(bytes).digest('base64')}`;

  it('that is right lets the bytes in, by any algorithm', async () => {
    const id = await create(content.length * 3);
    for (const [i, algorithm] of ['sha1', 'sha256', 'md5'].entries())
      expect(
        (await chunk(id, i * content.length, content, { 'upload-checksum': of(algorithm, content) })).status,
      ).toBe(204);
    expect(fileOf(id).toString()).toBe('hello world'.repeat(3));
  });

  it('that is wrong keeps nothing of the request', async () => {
    const id = await create(content.length * 2);
    expect((await chunk(id, 0, content)).status).toBe(204);
    const wrong = await chunk(id, content.length, content, {
      'upload-checksum': of('sha1', Buffer.from('other')),
    });
    expect([wrong.status, codeOf(wrong)]).toEqual([460, 'chunk_checksum_mismatch']);
    expect([await offsetOf(id), partSize(id)]).toEqual([content.length, content.length]);
    expect((await jobOf(id)).transfer?.bytes).toBe(content.length);
    expect((await chunk(id, content.length, content)).status).toBe(204);
    expect((await jobOf(id)).transfer?.file?.sha256).toBe(sha256(Buffer.from('hello world'.repeat(2))));
  });

  it('is not believed of half a request; what came without one is kept', async () => {
    const bytes = randomBytes(MIB);
    const id = await create(2 * bytes.length);
    const half = open('PATCH', `/api/v1/uploads/${id}`, {
      'content-type': BYTES,
      'upload-offset': 0,
      'content-length': bytes.length,
      'upload-checksum': of('sha256', bytes),
    });
    half.out.write(bytes.subarray(0, MIB / 2));
    await until(async () => partSize(id) === MIB / 2, 'half of it came');
    expect(await offsetOf(id)).toBe(0);
    half.out.destroy();
    await until(async () => (await leaseOf(id)) === null, 'the lease is given back', 3000);
    expect([await offsetOf(id), partSize(id)]).toEqual([0, 0]);

    const { out } = await sending(id, 0, bytes.length, bytes.subarray(0, MIB / 2));
    out.destroy();
    await until(async () => (await leaseOf(id)) === null, 'the lease is given back', 3000);
    expect(await offsetOf(id)).toBe(MIB / 2);
  });
});

describe('time', () => {
  it('that is over ends an unfinished upload; the file of a finished one an import may read', async () => {
    const [unfinished, finished, never] = [await create(4), await create(2), await create(3)];
    expect((await chunk(unfinished, 0, Buffer.from('01'))).status).toBe(204);
    expect((await chunk(finished, 0, Buffer.from('01'))).status).toBe(204);
    for (const id of [unfinished, finished, never])
      await gateway.store.jobs.collection.updateOne(
        { _id: id as never },
        { $set: { 'transfer.expiresAt': new Date(Date.now() - 1) } },
      );
    expect((await head(unfinished)).status).toBe(410);
    for (const id of [unfinished, finished, never]) {
      const late = await chunk(id, 2, Buffer.from('23'));
      expect([late.status, codeOf(late)]).toEqual([410, 'upload_expired']);
      expect((await ask('DELETE', `/api/v1/uploads/${id}`)).status).toBe(410);
    }
    expect(
      (await readdir(join(data, 'uploads'))).filter(
        (name) => name.startsWith(unfinished) || name.startsWith(finished),
      ),
    ).toEqual([finished]);
    expect(await jobOf(unfinished)).toMatchObject({ state: 'failed', error: { code: 'upload_expired' } });
    expect(await jobOf(finished)).toMatchObject({ state: 'completed', transfer: { file: { bytes: 2 } } });
  });
});

describe('an upload that nobody goes on with', () => {
  it('ends by itself when its time is over; one that is being sent does not', async () => {
    const { store } = gateway;
    const remove = (id: string): Promise<void> => rm(join(data, 'uploads', `${id}.part`), { force: true });
    const jobs = new UploadJobs({ store, announce: () => undefined, remove, keepMs: 1000 });
    const [left, live] = [await create(4), await create(2 * MIB)];
    expect((await chunk(left, 0, Buffer.from('01'))).status).toBe(204);
    const { out, answer } = await sending(live, 0, 2 * MIB, Buffer.alloc(MIB));
    for (const id of [left, live])
      await store.jobs.collection.updateOne(
        { _id: id as never },
        { $set: { 'transfer.expiresAt': new Date(Date.now() - 1) } },
      );
    await jobs.expireAbandoned();
    expect(await jobOf(left)).toMatchObject({ state: 'failed', error: { code: 'upload_expired' } });
    expect(partSize(left)).toBe(0);
    expect(await offsetOf(live)).toBe(MIB);
    out.end(Buffer.alloc(MIB));
    expect((await answer).status).toBe(204);

    const back = await create(4);
    expect((await chunk(back, 0, Buffer.from('01'))).status).toBe(204);
    // Its client came between the look and the end.
    await jobs.expire({ _id: back });
    expect([(await jobOf(back)).state, partSize(back)]).toEqual(['running', 2]);

    await control(left, 'retry');
    expect(await offsetOf(left)).toBe(0);
    expect((await chunk(left, 0, Buffer.from('0123'))).status).toBe(204);
    expect(await offsetOf(left)).toBe(4);
  });
});

describe('control of the job', () => {
  it('pause stalls the request under way and refuses new ones; resume goes on in it', async () => {
    const content = randomBytes(16 * MIB);
    const id = await create(content.length);
    const first = await sending(id, 0, content.length, content.subarray(0, MIB));
    await control(id, 'pause');
    await until(async () => (await jobOf(id)).state === 'paused', 'it is paused', 3000);
    const at = await offsetOf(id);
    first.out.end(content.subarray(MIB));
    await sleep(1500);
    expect(await offsetOf(id)).toBe(at);
    expect(first.out.writableLength).toBeGreaterThan(0);
    const second = await chunk(id, at, Buffer.from('x'));
    expect([second.status, codeOf(second), second.headers['retry-after']]).toEqual([
      423,
      'upload_paused',
      '2',
    ]);
    await control(id, 'resume');
    expect((await first.answer).status).toBe(204);
    expect(sha256(fileOf(id))).toBe(sha256(content));
  });

  it('stop keeps what came, and a retry goes on with it', async () => {
    const content = randomBytes(2 * MIB);
    const id = await create(content.length);
    const first = await sending(id, 0, content.length, content.subarray(0, MIB));
    await control(id, 'stop');
    const ended = await first.answer;
    expect([ended.status, codeOf(ended)]).toEqual([409, 'upload_stopped']);
    expect((await jobOf(id)).state).toBe('stopped');
    const more = await chunk(id, MIB, content.subarray(MIB));
    expect([more.status, codeOf(more)]).toEqual([409, 'invalid_transition']);
    expect(await offsetOf(id)).toBe(MIB);
    await control(id, 'retry');
    expect((await chunk(id, MIB, content.subarray(MIB))).status).toBe(204);
    expect((await jobOf(id)).transfer?.file?.sha256).toBe(sha256(content));
  });

  it('terminate, also by DELETE, aborts the request under way, for good', async () => {
    for (const way of ['terminate', 'DELETE']) {
      const id = await create(2 * MIB);
      const first = await sending(id, 0, 2 * MIB, randomBytes(MIB));
      if (way === 'DELETE') expect((await ask('DELETE', `/api/v1/uploads/${id}`)).status).toBe(204);
      else await control(id, 'terminate');
      const ended = await first.answer;
      expect([ended.status, codeOf(ended)]).toEqual([410, 'upload_terminated']);
      await until(async () => (await leaseOf(id)) === null, 'the lease is given back', 3000);
      expect((await jobOf(id)).state).toBe('terminating');
      expect((await head(id)).status).toBe(410);
      expect((await chunk(id, MIB, Buffer.from('x'))).status).toBe(410);
      expect((await ask('DELETE', `/api/v1/uploads/${id}`)).status).toBe(410);
    }
  });

  it('DELETE of a finished upload removes its file', async () => {
    const id = await create(1);
    expect((await chunk(id, 0, Buffer.from('x'))).status).toBe(204);
    expect((await ask('DELETE', `/api/v1/uploads/${id}`)).status).toBe(204);
    expect(existsSync(join(data, 'uploads', id))).toBe(false);
    expect((await head(id)).status).toBe(410);
    expect((await jobOf(id)).transfer?.file).toBeNull();
  });
});
