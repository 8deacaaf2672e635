import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from '@magpie/contracts';
import { startGateway, type TestGateway } from '../testing/gateway.ts';
import { Sender, type SenderOptions } from '../testing/sender.ts';

const MB = 1024 * 1024;
let data: string;
let gateway: TestGateway;
let base: string;

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'magpie-upload-'));
  gateway = await startGateway({
    env: {
      MAGPIE_DATA: data,
      MAGPIE_DISK_RESERVE: '0',
      MAGPIE_UPLOAD_MAX_BYTES: String(64 * MB),
      MAGPIE_UPLOADS: '3',
      MAGPIE_UPLOAD_SILENCE: '2s',
    },
  });
  base = await gateway.listen();
}, 60_000);
afterAll(async () => {
  await gateway.close();
  await rm(data, { recursive: true, force: true });
}, 30_000);

async function newJob(body?: object): Promise<string> {
  const answer = await gateway.app.inject({
    method: 'POST',
    url: '/api/v1/new-job/',
    ...(body ? { payload: body } : {}),
  });
  expect(answer.statusCode).toBe(201);
  return answer.json<{ job_id: string }>().job_id;
}

const send = (id: string, options?: SenderOptions): Sender =>
  new Sender(`${base}/api/v1/upload/?job_id=${id}`, options);

const status = async (id: string): Promise<Job> =>
  (await gateway.app.inject(`/api/v1/job-status/${id}/`)).json();

const act = async (id: string, action: string): Promise<void> => {
  const answer = await gateway.app.inject({
    method: 'PATCH',
    url: `/api/v1/job-status/${id}/`,
    payload: { action },
  });
  expect([action, answer.statusCode]).toEqual([action, 202]);
};

async function until(id: string, holds: (job: Job) => boolean, ms = 15_000): Promise<Job> {
  const deadline = Date.now() + ms;
  for (;;) {
    const job = await status(id);
    if (holds(job)) return job;
    if (Date.now() > deadline) throw new Error(`never: ${JSON.stringify(job)}`);
    await sleep(25);
  }
}
const inState =
  (state: string) =>
  (job: Job): boolean =>
    job.state === state;
const hasBytes = (job: Job): boolean => (job.transfer?.bytes ?? 0) > 0;

const file = (id: string): string => join(data, 'uploads', id);
const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => -1,
  );
const filesOf = async (id: string): Promise<string[]> =>
  (await readdir(join(data, 'uploads')).catch(() => [])).filter((name) => name.startsWith(id));
const sha256 = async (path: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');

async function isWhole(id: string, sender: Sender): Promise<Job> {
  const { status: code, body } = await sender.answer;
  expect([code, body['code']]).toEqual([201, undefined]);
  const job = await status(id);
  expect(job.state).toBe('completed');
  expect(job.transfer).toMatchObject({
    bytes: sender.sent,
    totalBytes: sender.sent,
    bytesPerSecond: 0,
    file: { bytes: sender.sent, sha256: sender.sha256, url: null },
  });
  expect(await sha256(file(id))).toBe(sender.sha256);
  expect(await filesOf(id)).toEqual([id]);
  return job;
}

async function failedWith(id: string, sender: Sender, code: number, name: string): Promise<Job> {
  const answer = await sender.answer;
  expect([answer.status, answer.body.code]).toEqual([code, name]);
  const job = await status(id);
  expect([job.state, job.error?.code]).toEqual(['failed', name]);
  expect(await filesOf(id)).toEqual([]);
  return job;
}

describe('a file arrives', () => {
  it('as the body, of known length', async () => {
    const id = await newJob();
    const sender = send(id, {
      bytes: 5 * MB + 17,
      headers: {
        'content-length': String(5 * MB + 17),
        'content-type': 'Text/CSV; charset=utf-8',
        'content-disposition': `attachment; filename="../../etc/passwd"; filename*=UTF-8''..%2Fa%20b.csv`,
      },
    });
    const job = await isWhole(id, sender);
    expect(job.transfer?.file).toMatchObject({ name: 'a b.csv', type: 'text/csv' });
    expect(job.transfer?.rows).toBe(0);
    const keep = Date.parse(job.transfer?.expiresAt ?? '') - Date.parse(job.endedAt ?? '');
    expect(Math.abs(keep - 7 * 86_400_000)).toBeLessThan(60_000);
  });

  it('as the body, of unknown length, its lines counted', async () => {
    const id = await newJob({ filename: 'names.txt' });
    const line = 'a line of thirty-two characters\n';
    const sender = send(id, { bytes: 3 * MB, chunk: Buffer.from(line.repeat(2048)) });
    const job = await isWhole(id, sender);
    expect(job.transfer?.rows).toBe((3 * MB) / line.length);
    expect(job.transfer?.file).toMatchObject({ name: 'names.txt', type: 'application/octet-stream' });
  });

  it('as a part of a form, with fields around it', async () => {
    const id = await newJob();
    const sender = send(id, {
      bytes: 5 * MB + 1,
      headers: { 'content-type': 'multipart/form-data; boundary=XX' },
      head: `--XX\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n--XX\r\nContent-Disposition: form-data; name="file"; filename="C:\\tmp\\Räder.bin"\r\nContent-Type: application/zip\r\n\r\n`,
      tail: '\r\n--XX\r\nContent-Disposition: form-data; name="after"\r\n\r\nbye\r\n--XX--\r\nepilogue',
    });
    const job = await isWhole(id, sender);
    expect(job.transfer?.file).toMatchObject({ name: 'Räder.bin', type: 'application/zip' });
  });

  it('empty', async () => {
    const id = await newJob();
    await isWhole(id, send(id, { bytes: 0 }));
  });

  it('with the checksum that was announced', async () => {
    const chunk = randomBytes(1000);
    const id = await newJob({ sha256: createHash('sha256').update(chunk).digest('hex') });
    await isWhole(id, send(id, { bytes: 1000, chunk }));
  });
});

describe('paused', () => {
  it.each([
    ['a body', {}, undefined, undefined],
    [
      'a form',
      { 'content-type': 'multipart/form-data; boundary=XX' },
      '--XX\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n',
      '\r\n--XX--\r\n',
    ],
  ])(
    '%s: nothing is read, the sender stalls; resumed, it goes on in the same request',
    async (_name, headers, head, tail) => {
      const id = await newJob();
      const sender = send(id, {
        bytes: 60 * MB,
        bytesPerSecond: 15 * MB,
        headers,
        ...(head === undefined ? {} : { head, tail: tail as string }),
      });
      const running = await until(id, (job) => hasBytes(job) && (job.transfer?.bytesPerSecond ?? 0) > 0);
      expect(running.state).toBe('running');
      await act(id, 'pause');
      const paused = await until(id, inState('paused'), 5000);
      const written = await sizeOf(`${file(id)}.part`);
      expect(paused.transfer).toMatchObject({ bytes: written, bytesPerSecond: 0 });
      // What is on its way fits into buffers of the two sockets; then the sender stalls.
      let sent = -1;
      for (let still = 0; still < 10; still++) {
        if (sender.sent !== sent) still = 0;
        sent = sender.sent;
        await sleep(100);
      }
      expect(sent).toBeLessThan(60 * MB);
      await sleep(1000);
      expect(sender.sent).toBe(sent);
      expect(await sizeOf(`${file(id)}.part`)).toBe(written);
      expect((await status(id)).transfer?.bytes).toBe(written);
      await act(id, 'resume');
      const { endedAt } = await isWhole(id, sender);
      expect(endedAt).not.toBeNull();
      expect((await status(id)).error).toBeNull();
    },
  );

  it('longer than a silent sender may be, and stopped at once when asked to', async () => {
    const id = await newJob();
    const sender = send(id, { bytesPerSecond: MB });
    await until(id, hasBytes);
    await act(id, 'pause');
    await until(id, inState('paused'));
    await sleep(3000);
    expect((await status(id)).state).toBe('paused');
    await act(id, 'stop');
    const answer = await sender.answer;
    expect([answer.status, answer.body.code]).toEqual([409, 'upload_stopped']);
    const job = await until(id, inState('stopped'));
    expect(await filesOf(id)).toEqual([`${id}.part`]);
    expect(job.transfer).toMatchObject({ file: null, bytes: await sizeOf(`${file(id)}.part`) });
    expect(job.transfer?.expiresAt).not.toBeNull();
    // Sent again, it starts over.
    await isWhole(id, send(id, { bytes: 1000 }));
  });
});

describe('ended', () => {
  it('terminated: the request is aborted and what came is removed', async () => {
    const id = await newJob();
    const sender = send(id, { bytesPerSecond: 10 * MB });
    await until(id, hasBytes);
    await act(id, 'terminate');
    const { status: code, body, headers } = await sender.answer;
    expect([code, body.code, headers.connection]).toEqual([410, 'upload_terminated', 'close']);
    expect(await filesOf(id)).toEqual([]);
    // The transfer service brings it to its end as soon as nobody has it.
    const { state, transfer } = (await gateway.store.jobs.collection.findOne({ _id: id as never }))!;
    expect([state, transfer.lease]).toEqual(['terminating', null]);
    const again = await send(id, { bytes: 10 }).answer;
    expect([again.status, again.body.code]).toEqual([409, 'invalid_transition']);
  });

  it('terminated while its sender says nothing', async () => {
    const id = await newJob();
    const sender = send(id, { bytes: Infinity, bytesPerSecond: 65_536 / 3600 });
    await until(id, inState('running'));
    await act(id, 'terminate');
    expect((await sender.answer).body.code).toBe('upload_terminated');
  });

  it('cut off: the job has failed, nothing is left, and a new request starts over', async () => {
    const id = await newJob();
    const sender = send(id, { bytesPerSecond: 10 * MB });
    await until(id, hasBytes);
    sender.cut();
    const job = await until(id, inState('failed'));
    expect(job.error?.code).toBe('upload_cut_off');
    expect(job.transfer?.bytesPerSecond).toBe(0);
    expect(await filesOf(id)).toEqual([]);
    const whole = await isWhole(id, send(id, { bytes: 2 * MB }));
    expect(whole.error).toBeNull();
  });

  it('cut off while it is paused', async () => {
    const id = await newJob();
    const sender = send(id, { bytesPerSecond: 200_000 });
    await until(id, hasBytes);
    await act(id, 'pause');
    await until(id, inState('paused'));
    sender.cut();
    // Known at once, or when it is read from again.
    await sleep(500);
    if ((await status(id)).state === 'paused') await act(id, 'resume');
    expect((await until(id, inState('failed'))).error?.code).toBe('upload_cut_off');
    expect(await filesOf(id)).toEqual([]);
  });

  it('cut off by silence', async () => {
    const id = await newJob();
    const sender = send(id, { bytes: Infinity, bytesPerSecond: 65_536 / 3600 });
    await failedWith(id, sender, 503, 'upload_cut_off');
  }, 20_000);

  it.each([
    ['terminated', 'before the file of its form', '--XX\r\nContent-Disposition: form-data;'],
    [
      'terminated',
      'after the file of its form',
      '--XX\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nabc\r\n--XX--\r\n',
    ],
    ['cut off', 'before the file of its form', '--XX\r\nContent-Disposition: form-data;'],
  ])(
    '%s while its sender says nothing %s',
    async (way, _where, head) => {
      const id = await newJob();
      const socket = connect(Number(new URL(base).port), '127.0.0.1');
      socket.on('error', () => undefined);
      let answer = '';
      socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.write(
        `POST /api/v1/upload?job_id=${id} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nContent-Type: multipart/form-data; boundary=XX\r\n\r\n`,
      );
      socket.write(`${head.length.toString(16)}\r\n${head}\r\n`);
      await until(id, inState('running'));
      await sleep(200);
      if (way === 'terminated') await act(id, 'terminate');
      await Promise.race([closed, sleep(8000)]);
      expect(answer).toContain(way === 'terminated' ? 'upload_terminated' : 'upload_cut_off');
      expect(await filesOf(id)).toEqual([]);
      socket.destroy();
    },
    20_000,
  );

  it('a gateway that was frozen meanwhile touches no file of who took it over', async () => {
    const id = await newJob();
    const sender = send(id, { bytesPerSecond: 10 * MB });
    await until(id, hasBytes);
    // Another one had the lease, completed it, and gave it back, between two looks.
    await writeFile(file(id), 'complete');
    await gateway.store.jobs.collection.updateOne(
      { _id: id as never },
      { $set: { state: 'completed', 'transfer.lease': null } },
    );
    sender.cut();
    await until(id, ({ state }) => state === 'completed');
    await sleep(1000);
    expect(await readFile(file(id), 'utf8')).toBe('complete');
    expect((await status(id)).state).toBe('completed');
  });

  it('a gateway that was frozen meanwhile completes nothing that is over', async () => {
    const id = await newJob();
    const sender = send(id, { bytesPerSecond: 10 * MB });
    await until(id, hasBytes);
    await gateway.store.jobs.collection.updateOne(
      { _id: id as never },
      { $set: { state: 'stopped', 'transfer.lease': null } },
    );
    sender.finish();
    expect((await sender.answer).body.code).toBe('upload_cut_off');
    expect(await status(id)).toMatchObject({ state: 'stopped', transfer: { file: null } });
  });

  it('a body that breaks off within a chunk', async () => {
    const id = await newJob();
    const socket = connect(Number(new URL(base).port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.end(
      `POST /api/v1/upload?job_id=${id} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc`,
    );
    expect((await until(id, inState('failed'))).error?.code).toBe('upload_cut_off');
    expect(await filesOf(id)).toEqual([]);
    socket.destroy();
  });
});

describe('refused', () => {
  it('a second upload to the same job, at once', async () => {
    const id = await newJob();
    const first = send(id, { bytesPerSecond: 5 * MB });
    await until(id, hasBytes);
    const second = await send(id, { bytes: 50 * MB }).answer;
    expect([second.status, second.body.code, second.headers.connection]).toEqual([
      409,
      'upload_in_progress',
      'close',
    ]);
    first.finish();
    await isWhole(id, first);
    const third = await send(id, { bytes: 50 * MB }).answer;
    expect([third.status, third.body.code, third.body.state]).toEqual([
      409,
      'invalid_transition',
      'completed',
    ]);
  });

  it('of two at the same instant, one is taken', async () => {
    const id = await newJob();
    const both = [
      send(id, { bytes: MB, bytesPerSecond: 2 * MB }),
      send(id, { bytes: MB, bytesPerSecond: 2 * MB }),
    ];
    const codes = await Promise.all(both.map(async (one) => (await one.answer).status));
    expect(codes.sort()).toEqual([201, 409]);
    const winner = both[(await both[0]?.answer)?.status === 201 ? 0 : 1] as Sender;
    expect(await sha256(file(id))).toBe(winner.sha256);
  });

  it('more than there may be at a time', async () => {
    const senders = await Promise.all(
      [1, 2, 3].map(async () => {
        const id = await newJob();
        return { id, sender: send(id, { bytesPerSecond: MB }) };
      }),
    );
    for (const { id } of senders) await until(id, hasBytes);
    const id = await newJob();
    const { status: code, body, headers } = await send(id, { bytes: 20 * MB }).answer;
    expect([code, body.code, headers['retry-after']]).toEqual([503, 'too_many_uploads', '10']);
    expect((await status(id)).state).toBe('queued');
    for (const { sender } of senders) sender.finish();
    for (const one of senders) await isWhole(one.id, one.sender);
    await isWhole(id, send(id, { bytes: 10 }));
  });

  it('too large, known beforehand or not, as a body or in a form', async () => {
    for (const options of [
      { bytes: 65 * MB, headers: { 'content-length': String(65 * MB) } },
      { bytes: 90 * MB },
      {
        bytes: 90 * MB,
        headers: { 'content-type': 'multipart/form-data; boundary=XX' },
        head: '--XX\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n',
      },
    ]) {
      const id = await newJob();
      const sender = send(id, options);
      await failedWith(id, sender, 413, 'upload_too_large');
      expect(sender.sent).toBeLessThan(options.bytes);
    }
  }, 30_000);

  it('with another checksum than announced', async () => {
    const id = await newJob({ sha256: '0'.repeat(64) });
    await failedWith(id, send(id, { bytes: 100 }), 422, 'checksum_mismatch');
  });

  it('what is no form, though it says so', async () => {
    const part = (name: string): string =>
      `--XX\r\nContent-Disposition: form-data; name="f"; filename="${name}"\r\n\r\nabc\r\n`;
    const type = 'multipart/form-data; boundary=XX';
    for (const [content, body] of [
      ['multipart/form-data', 'abc'],
      [type, 'abc'],
      [type, ''],
      [type, part('a')],
      [type, `${part('a').slice(0, -2)}`],
      [type, `${part('a')}${part('b')}--XX--\r\n`],
      [type, '--XX\r\nContent-Disposition: form-data; name="f"\r\n\r\nabc\r\n--XX--\r\n'],
      [type, `${'--XX\r\nContent-Disposition: form-data; name="f"\r\n\r\nabc\r\n'.repeat(40)}--XX--\r\n`],
      [type, `--XX\r\n${'x: y\r\n'.repeat(20_000)}\r\nabc\r\n--XX--`],
      [type, `preamble${'.'.repeat(3 * MB)}`],
      [
        type,
        `--XX\r\nContent-Disposition: form-data; name="f"\r\n\r\n${'.'.repeat(3 * MB)}\r\n${part('a')}--XX--`,
      ],
    ] as const) {
      const id = await newJob();
      const sender = send(id, { bytes: 0, headers: { 'content-type': content }, head: body });
      await failedWith(id, sender, 400, 'invalid_multipart');
    }
  }, 30_000);

  it('a form whose end never comes, or has no end', async () => {
    const id = await newJob();
    const sender = send(id, {
      headers: { 'content-type': 'multipart/form-data; boundary=XX' },
      head: '--XX\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nabc\r\n--XX\r\nContent-Disposition: form-data; name="g"\r\n\r\n',
    });
    await failedWith(id, sender, 400, 'invalid_multipart');
  });

  it('an id that is none, a job that is no upload, a method that is none', async () => {
    const post = async (query: string): Promise<[number, string | undefined]> => {
      const { status: code, body } = await new Sender(`${base}/api/v1/upload/${query}`, { bytes: 30 * MB })
        .answer;
      return [code, body.code];
    };
    expect(await post('')).toEqual([400, 'invalid_request']);
    expect(await post('?job_id=../../etc')).toEqual([400, 'invalid_request']);
    expect(await post('?job_id=nosuchjob12345')).toEqual([404, 'not_found']);
    const made = await gateway.app.inject({
      method: 'POST',
      url: '/api/v1/jobs',
      payload: { source: 'web-images', params: { urls: ['https://example.org/'] } },
    });
    expect(await post(`?job_id=${made.json<Job>().id}`)).toEqual([409, 'not_an_upload']);
    expect((await gateway.app.inject('/api/v1/upload/?job_id=nosuchjob12345')).statusCode).toBe(405);
  });
});

it('an upload lasts longer than other requests may, and headers do not', () => {
  expect(gateway.app.server.requestTimeout).toBe(0);
  expect(gateway.app.server.headersTimeout).toBe(60_000);
});
