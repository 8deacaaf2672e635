import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { expireUpload } from './expiry.ts';
import { hasBytes, inState, MB, sizeOf, UploadWorld } from '../testing/upload-world.ts';

let world: UploadWorld;
/** Cuts off who is silent for eight seconds. */
let impatient: UploadWorld;
/** Receives one at a time. */
let small: UploadWorld;
/** Called by the tests alone: the gateway's own timer would do it in the midst of any of them. */
let expireAbandoned: () => Promise<void>;
beforeAll(async () => {
  // Those that take long are side by side.
  [world, impatient, small] = await Promise.all([
    UploadWorld.make({ MAGPIE_UPLOADS: '10' }),
    UploadWorld.make({ MAGPIE_UPLOAD_SILENCE: '8s' }),
    UploadWorld.make({ MAGPIE_UPLOADS: '1' }),
  ]);
  const { uploads } = world.gateway.app;
  expireAbandoned = uploads.expireAbandoned.bind(uploads);
  uploads.expireAbandoned = async () => undefined;
});
afterAll(async () => {
  await Promise.all([world, impatient, small].map((one) => one.close()));
});

describe('paused', () => {
  it.concurrent.each([
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
      const id = await world.newJob();
      const sender = world.send(id, {
        bytesPerSecond: 6 * MB,
        headers,
        ...(head === undefined ? {} : { head, tail: tail as string }),
      });
      const running = await world.until(
        id,
        (job) => hasBytes(job) && (job.transfer?.bytesPerSecond ?? 0) > 0,
      );
      expect(running.state).toBe('running');
      await world.act(id, 'pause');
      const paused = await world.until(id, inState('paused'));
      const written = await sizeOf(`${world.file(id)}.part`);
      expect(paused.transfer).toMatchObject({ bytes: written, bytesPerSecond: 0 });
      // What is on its way fits into buffers of the two sockets; then the sender, who has ever more, stalls.
      let sent = -1;
      for (let still = 0; still < 20; still++) {
        if (sender.sent !== sent) still = 0;
        sent = sender.sent;
        await sleep(100);
      }
      expect(await sizeOf(`${world.file(id)}.part`)).toBe(written);
      expect((await world.status(id)).transfer?.bytes).toBe(written);
      await world.act(id, 'resume');
      sender.finish();
      const { endedAt } = await world.isWhole(id, sender);
      expect(endedAt).not.toBeNull();
      expect((await world.status(id)).error).toBeNull();
    },
  );

  it.concurrent('longer than a silent sender may be, and stopped at once when asked to', async () => {
    const id = await impatient.newJob();
    const sender = impatient.send(id, { bytesPerSecond: MB });
    await impatient.comes(id);
    await impatient.act(id, 'pause');
    await impatient.until(id, inState('paused'));
    await sleep(9500);
    expect((await impatient.status(id)).state).toBe('paused');
    await impatient.act(id, 'stop');
    const answer = await sender.answer;
    expect([answer.status, answer.body.code]).toEqual([409, 'upload_stopped']);
    const job = await impatient.until(id, inState('stopped'));
    expect(await impatient.filesOf(id)).toEqual([`${id}.part`]);
    expect(job.transfer).toMatchObject({ file: null, bytes: await sizeOf(`${impatient.file(id)}.part`) });
    expect(job.transfer?.expiresAt).not.toBeNull();
    // Sent again, it starts over.
    await impatient.isWhole(id, impatient.send(id, { bytes: 1000 }));
  });
});

describe('the number of uploads at once', () => {
  it('does not count those that are paused, which have a limit of their own', async () => {
    const begin = async () => {
      const id = await small.newJob();
      return { id, sender: small.send(id, { bytes: Infinity, bytesPerSecond: 200_000 }) };
    };
    const paused = [];
    for (let i = 0; i < 4; i++) {
      const one = await begin();
      await small.comes(one.id);
      if (i === 0) {
        const { body } = await (await begin()).sender.answer;
        expect([body.code, body['detail']]).toEqual(['too_many_uploads', '1 are received already.']);
      }
      await small.act(one.id, 'pause');
      await small.until(one.id, inState('paused'));
      paused.push(one);
    }
    const { status: code, body, headers } = await (await begin()).sender.answer;
    expect([code, body.code, headers['retry-after']]).toEqual([503, 'too_many_uploads', '10']);
    expect(body['detail']).toMatch(/^4 are paused/);
    for (const { id, sender } of paused) {
      await small.act(id, 'resume');
      sender.finish();
      await small.isWhole(id, sender);
    }
    const last = await begin();
    last.sender.finish();
    await small.isWhole(last.id, last.sender);
  });
});

describe('one that is resumed beyond that number', () => {
  it('waits its turn', async () => {
    const begin = async () => {
      const id = await small.newJob();
      const sender = small.send(id, { bytesPerSecond: MB });
      await small.comes(id);
      return { id, sender };
    };
    const first = await begin();
    await small.act(first.id, 'pause');
    await small.until(first.id, inState('paused'));
    const second = await begin();
    await small.act(first.id, 'resume');
    const { transfer } = await small.until(first.id, inState('running'));
    const before = (await small.status(second.id)).transfer?.bytes ?? 0;
    await small.until(second.id, (job) => (job.transfer?.bytes ?? 0) > before + 400_000);
    expect((await small.status(first.id)).transfer).toMatchObject({
      bytes: transfer?.bytes,
      bytesPerSecond: 0,
    });
    await small.act(second.id, 'pause');
    await small.until(first.id, (job) => (job.transfer?.bytes ?? 0) > (transfer?.bytes ?? 0));
    first.sender.finish();
    await small.isWhole(first.id, first.sender);
    await small.until(second.id, inState('paused'));
    await small.act(second.id, 'resume');
    second.sender.finish();
    await small.isWhole(second.id, second.sender);
  });
});

describe('a job that has no file', () => {
  it('expires, and says so', async () => {
    const id = await world.newJob();
    const { transfer, createdAt } = await world.status(id);
    const keep = Date.parse(transfer?.expiresAt ?? '') - Date.parse(createdAt);
    expect(Math.abs(keep - 7 * 86_400_000)).toBeLessThan(60_000);
    const [kept, paused] = [await world.newJob(), await world.newJob()];
    await world.act(paused, 'pause');
    for (const one of [id, paused]) await world.set(one, { 'transfer.expiresAt': new Date(Date.now() - 1) });
    await expireAbandoned();
    for (const one of [id, paused])
      expect(await world.status(one)).toMatchObject({
        state: 'failed',
        error: { code: 'upload_expired' },
        allowed: [],
        transfer: { expiresAt: null, report: { expired: true } },
      });
    expect((await world.status(kept)).state).toBe('queued');
    const late = await world.send(id, { bytes: 10 }).answer;
    expect([late.status, late.body.code]).toEqual([410, 'upload_expired']);
  });

  it('and cannot be removed keeps no other from its end', async () => {
    const [stuck, id] = [await world.newJob(), await world.newJob()];
    await mkdir(world.file(stuck), { recursive: true });
    await world.set(stuck, { 'transfer.expiresAt': new Date(1) });
    await world.set(id, { 'transfer.expiresAt': new Date(2) });
    await expireAbandoned();
    expect([(await world.status(stuck)).state, (await world.status(id)).state]).toEqual(['queued', 'failed']);
    expect(world.gateway.logged().some(({ jobId, err }) => jobId === stuck && err !== undefined)).toBe(true);
    await rm(world.file(stuck), { recursive: true });
    await expireAbandoned();
    expect((await world.status(stuck)).state).toBe('failed');
  });

  it('is left alone by who was frozen while he ended it: its bytes may have come by then', async () => {
    const id = await world.newJob();
    await world.set(id, { 'transfer.expiresAt': new Date(Date.now() - 1) });
    const { store } = world.gateway;
    let removed = false;
    const remove = async (_id: string, before: () => void): Promise<void> => {
      const now = performance.now();
      const clock = jest.spyOn(performance, 'now').mockReturnValue(now + 9000);
      try {
        before();
      } finally {
        clock.mockRestore();
      }
      removed = true;
    };
    await expireUpload({ store, announce: () => undefined, onError: () => undefined, remove }, id);
    expect([removed, (await world.status(id)).state]).toEqual([false, 'queued']);
  });

  it('is taken up by who begins before it is ended', async () => {
    const id = await world.newJob();
    await world.set(id, { 'transfer.expiresAt': new Date(Date.now() - 1) });
    const sender = world.send(id, { bytesPerSecond: MB });
    await world.comes(id);
    await expireAbandoned();
    sender.finish();
    await world.isWhole(id, sender);
  });
});

describe('ended', () => {
  it('it is over: nothing can be retried', async () => {
    const [completed, failed, stopped] = [await world.newJob(), await world.newJob(), await world.newJob()];
    await world.isWhole(completed, world.send(completed, { bytes: 10 }));
    const wrong = { 'content-digest': `sha-256=:${'A'.repeat(43)}=:` };
    await world.failedWith(
      failed,
      world.send(failed, { bytes: 10, headers: wrong }),
      422,
      'checksum_mismatch',
    );
    const sender = world.send(stopped, { bytesPerSecond: MB });
    await world.comes(stopped);
    await world.act(stopped, 'stop');
    await sender.answer;
    for (const [id, state] of [
      [completed, 'completed'],
      [failed, 'failed'],
      [stopped, 'stopped'],
    ] as const) {
      expect(await world.status(id)).toMatchObject({ state, allowed: [] });
      const answer = await world.tryTo(id, 'retry');
      expect([answer.statusCode, answer.json()]).toMatchObject([
        409,
        { code: 'invalid_transition', state, allowed: [] },
      ]);
    }
    const another = await world.send(completed, { bytes: 10 }).answer;
    expect([another.status, another.body]).toMatchObject([
      409,
      {
        state: 'completed',
        detail: 'The job is completed. A file takes a job of its own: POST /api/v1/new-job/.',
      },
    ]);
    expect(await sizeOf(world.file(completed))).toBe(10);
  });

  it('terminated: the request is aborted and what came is removed', async () => {
    const id = await world.newJob();
    const sender = world.send(id, { bytesPerSecond: 10 * MB });
    await world.comes(id);
    await world.act(id, 'terminate');
    const { status: code, body, headers } = await sender.answer;
    expect([code, body.code, headers.connection]).toEqual([410, 'upload_terminated', 'close']);
    expect(await world.filesOf(id)).toEqual([]);
    // The transfer service brings it to its end as soon as nobody has it.
    const { state, transfer } = (await world.gateway.store.jobs.collection.findOne({ _id: id as never }))!;
    expect([state, transfer.lease]).toEqual(['terminating', null]);
    const again = await world.send(id, { bytes: 10 }).answer;
    expect([again.status, again.body.code]).toEqual([409, 'invalid_transition']);
  });

  it('terminated while its sender says nothing', async () => {
    const id = await world.newJob();
    const sender = world.send(id, { bytes: Infinity, bytesPerSecond: 65_536 / 3600 });
    await world.until(id, inState('running'));
    await world.act(id, 'terminate');
    expect((await sender.answer).body.code).toBe('upload_terminated');
  });

  it('cut off: the job has failed, nothing is left, and a new request starts over', async () => {
    const id = await world.newJob();
    const sender = world.send(id, { bytesPerSecond: 10 * MB });
    await world.comes(id);
    sender.cut();
    const job = await world.until(id, inState('failed'));
    expect(job.error?.code).toBe('upload_cut_off');
    expect(job.transfer?.bytesPerSecond).toBe(0);
    expect(await world.filesOf(id)).toEqual([]);
    const whole = await world.isWhole(id, world.send(id, { bytes: 2 * MB }));
    expect(whole.error).toBeNull();
  });

  it('cut off while it is paused', async () => {
    const id = await world.newJob();
    const sender = world.send(id, { bytesPerSecond: 200_000 });
    await world.comes(id);
    await world.act(id, 'pause');
    await world.until(id, inState('paused'));
    sender.cut();
    // Known at once, or when it is read from again.
    await sleep(500);
    await world.tryTo(id, 'resume');
    expect((await world.until(id, inState('failed'))).error?.code).toBe('upload_cut_off');
    expect(await world.filesOf(id)).toEqual([]);
  });

  it.concurrent('cut off by silence', async () => {
    const id = await impatient.newJob();
    const sender = impatient.send(id, { bytes: Infinity, bytesPerSecond: 65_536 / 3600 });
    await impatient.failedWith(id, sender, 503, 'upload_cut_off');
  });

  it.concurrent.each([
    ['terminated', 'before the file of its form', '--XX\r\nContent-Disposition: form-data;'],
    [
      'terminated',
      'after the file of its form',
      '--XX\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nabc\r\n--XX--\r\n',
    ],
    ['cut off', 'before the file of its form', '--XX\r\nContent-Disposition: form-data;'],
  ])('%s while its sender says nothing %s', async (way, _where, head) => {
    const there = way === 'terminated' ? world : impatient;
    const id = await there.newJob();
    const socket = connect(Number(new URL(there.base).port), '127.0.0.1');
    socket.on('error', () => undefined);
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write(
      `POST /api/v1/upload?job_id=${id} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nContent-Type: multipart/form-data; boundary=XX\r\n\r\n`,
    );
    socket.write(`${head.length.toString(16)}\r\n${head}\r\n`);
    await there.until(id, inState('running'));
    await sleep(200);
    if (way === 'terminated') await there.act(id, 'terminate');
    await closed;
    expect(answer).toContain(way === 'terminated' ? 'upload_terminated' : 'upload_cut_off');
    expect(await there.filesOf(id)).toEqual([]);
  });

  it('a gateway that was frozen meanwhile touches no file of who took it over', async () => {
    const id = await world.newJob();
    const sender = world.send(id, { bytesPerSecond: 10 * MB });
    await world.comes(id);
    // Another one had the lease, completed it, and gave it back, between two looks.
    await writeFile(world.file(id), 'complete');
    await world.gateway.store.jobs.collection.updateOne(
      { _id: id as never },
      { $set: { state: 'completed', 'transfer.lease': null } },
    );
    sender.cut();
    await world.until(id, ({ state }) => state === 'completed');
    await sleep(1000);
    expect(await readFile(world.file(id), 'utf8')).toBe('complete');
    expect((await world.status(id)).state).toBe('completed');
  });

  it('a gateway that was frozen meanwhile completes nothing that is over', async () => {
    const id = await world.newJob();
    const sender = world.send(id, { bytesPerSecond: 10 * MB });
    await world.comes(id);
    await world.gateway.store.jobs.collection.updateOne(
      { _id: id as never },
      { $set: { state: 'stopped', 'transfer.lease': null } },
    );
    sender.finish();
    expect((await sender.answer).body.code).toBe('upload_cut_off');
    expect(await world.status(id)).toMatchObject({ state: 'stopped', transfer: { file: null } });
  });

  it('a body that breaks off within a chunk', async () => {
    const id = await world.newJob();
    const socket = connect(Number(new URL(world.base).port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.end(
      `POST /api/v1/upload?job_id=${id} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc`,
    );
    expect((await world.until(id, inState('failed'))).error?.code).toBe('upload_cut_off');
    expect(await world.filesOf(id)).toEqual([]);
    socket.destroy();
  });
});
