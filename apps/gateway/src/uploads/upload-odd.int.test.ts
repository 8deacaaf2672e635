import { readdirSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { whenAboutToStop } from '../testing/about-to-stop.ts';
import { inState, MB, sha256, UploadWorld } from '../testing/upload-world.ts';

let world: UploadWorld;
beforeAll(async () => {
  world = await UploadWorld.make({ MAGPIE_UPLOADS: '40' });
});
afterAll(() => world.close());

/** What is said on the wire, and all that is answered until the connection is closed. */
function wire(id: string, headers: string, body: string | Buffer, { end = false } = {}): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(world.base).port), '127.0.0.1');
    let answer = '';
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
    socket.on('close', () => resolve(answer));
    socket.write(
      `POST /api/v1/upload?job_id=${id} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n${headers}\r\n`,
    );
    socket.write(body);
    if (end) socket.end();
  });
}

/** Files of these uploads that this process has open. */
const openFiles = (): string[] =>
  readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return '';
      }
    })
    .filter((path) => path.startsWith(world.data));

afterEach(async () => {
  if (process.platform === 'linux') expect(openFiles()).toEqual([]);
  const left = await world.gateway.store.jobs.collection.find({ 'transfer.lease': { $ne: null } }).toArray();
  expect(left.map(({ _id }) => _id)).toEqual([]);
});

it('many at once to one job: one is taken, and the file is its own', async () => {
  const id = await world.newJob();
  const all = Array.from({ length: 20 }, () => world.send(id, { bytesPerSecond: 200_000 }));
  // The one goes on until all others are refused.
  let refused = 0;
  for (const { answer } of all)
    void answer.then(
      () => {
        if (++refused === 19) for (const sender of all) sender.finish();
      },
      // Told below.
      () => undefined,
    );
  const answers = await Promise.all(all.map(({ answer }) => answer));
  expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(19).fill(409)]);
  for (const { status, body } of answers) if (status === 409) expect(body.code).toBe('upload_in_progress');
  const winner = all[answers.findIndex(({ status }) => status === 201)];
  expect(await sha256(world.file(id))).toBe(winner?.sha256);
});

it('paused, resumed, stopped and terminated in one instant: it ends, and the sender is told', async () => {
  for (let round = 0; round < 5; round++) {
    const id = await world.newJob();
    const sender = world.send(id, { bytesPerSecond: 20 * MB });
    await world.comes(id);
    const actions = ['pause', 'resume', 'terminate', 'stop', 'pause', 'resume', 'retry'];
    const codes = await Promise.all(
      actions.map(async (action) => (await world.tryTo(id, action)).statusCode),
    );
    for (const code of codes) expect([202, 409]).toContain(code);
    const { status, body } = await sender.answer;
    const { state } = await world.status(id);
    // It may have stopped already when it is to be terminated.
    expect([status, body.code, await world.filesOf(id), state]).toEqual(
      codes[2] === 202
        ? [410, 'upload_terminated', [], 'terminating']
        : [409, 'upload_stopped', [`${id}.part`], 'stopped'],
    );
  }
});

it('terminated while it is about to stop: it is terminated, and the sender is told', async () => {
  const id = await world.newJob();
  const sender = world.send(id, { bytesPerSecond: MB });
  await world.comes(id);
  whenAboutToStop(() => world.act(id, 'terminate'));
  await world.act(id, 'stop');
  const { status, body } = await sender.answer;
  expect([status, body.code]).toEqual([410, 'upload_terminated']);
  expect(await world.filesOf(id)).toEqual([]);
  expect((await world.status(id)).state).toBe('terminating');
});

it('paused and resumed again and again: whole', async () => {
  const id = await world.newJob();
  const sender = world.send(id, { bytesPerSecond: 4 * MB });
  await world.comes(id);
  for (let round = 0; round < 20; round++) {
    await world.tryTo(id, round % 2 === 0 ? 'pause' : 'resume');
    await sleep(20 * (round % 5));
  }
  if ((await world.status(id)).state === 'pausing') await world.until(id, inState('paused'));
  await world.tryTo(id, 'resume');
  sender.finish();
  await world.isWhole(id, sender);
});

it('its sender has sent all and is gone before the job is resumed: the file is whole, or the job says why not', async () => {
  const id = await world.newJob();
  const sender = world.send(id, { bytesPerSecond: 200_000 });
  await world.comes(id);
  await world.act(id, 'pause');
  await world.until(id, inState('paused'));
  sender.finish();
  await sleep(500);
  sender.cut();
  await sleep(200);
  await world.tryTo(id, 'resume');
  const { state, error } = await world.until(id, ({ endedAt }) => endedAt !== null);
  if (state === 'completed') expect(await sha256(world.file(id))).toBe(sender.sha256);
  else expect([state, error?.code, await world.filesOf(id)]).toEqual(['failed', 'upload_cut_off', []]);
});

describe('what is no HTTP', () => {
  it.each([
    ['fewer bytes than Content-Length', 'Content-Length: 100\r\n', 'abc', true],
    ['chunks that are none', 'Transfer-Encoding: chunked\r\n', '3\r\nabc\r\nzz\r\n', false],
    ['a chunk longer than it says', 'Transfer-Encoding: chunked\r\n', '3\r\nabcdef\r\n0\r\n\r\n', false],
  ])('%s', async (_what, headers, body, end) => {
    const id = await world.newJob();
    await wire(id, headers, body, { end });
    expect((await world.until(id, inState('failed'))).error?.code).toBe('upload_cut_off');
    expect(await world.filesOf(id)).toEqual([]);
    await world.isWhole(id, world.send(id, { bytes: 10 }));
  });

  it('is refused before a job is looked at', async () => {
    const id = await world.newJob();
    for (const headers of [
      'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n',
      'Content-Length: -3\r\n',
      'Content-Length: 3\r\nContent-Length: 4\r\n',
      `X-Large: ${'x'.repeat(100_000)}\r\n`,
    ])
      expect(await wire(id, headers, 'abc', { end: true })).toMatch(/^HTTP\/1.1 4(00|31) /);
    expect((await world.status(id)).state).toBe('queued');
  });
});

it('more bytes than Content-Length says: the file has none of them, or has failed', async () => {
  const id = await world.newJob();
  // What follows is no request: that is what is answered, and the connection ends.
  expect(await wire(id, 'Content-Length: 3\r\n', 'abcdef')).toMatch(/^HTTP\/1.1 400 /);
  const { state, error, transfer } = await world.until(id, ({ endedAt }) => endedAt !== null);
  expect([
    ['completed', undefined, 3],
    ['failed', 'upload_cut_off', undefined],
  ]).toContainEqual([state, error?.code, transfer?.file?.bytes]);
});

it('Expect: 100-continue', async () => {
  const id = await world.newJob();
  const answer = await wire(id, 'Content-Length: 3\r\nExpect: 100-continue\r\n', 'abc');
  expect(answer).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 201 /);
});

it('the job of something else is none to upload to', async () => {
  const made = await world.gateway.app.inject({
    method: 'POST',
    url: '/api/v1/exports',
    payload: { format: 'csv' },
  });
  const { id } = made.json<{ id: string }>();
  const { status, body } = await world.send(id, { bytes: MB }).answer;
  expect([status, body.code]).toEqual([409, 'not_an_upload']);
});

it('a job that is removed while its file comes: the request ends, and says so', async () => {
  const id = await world.newJob();
  const sender = world.send(id, { bytesPerSecond: 4 * MB });
  await world.comes(id);
  const refused = await world.gateway.app.inject({ method: 'DELETE', url: `/api/v1/jobs/${id}` });
  expect([refused.statusCode, refused.json<{ code: string }>().code]).toEqual([409, 'invalid_transition']);
  await world.gateway.store.jobs.collection.deleteOne({ _id: id as never });
  const { status, body } = await sender.answer;
  expect([status, body.code]).toEqual([503, 'upload_cut_off']);
});

it('a failed one that is being removed is not begun again', async () => {
  const id = await world.newJob();
  const sender = world.send(id, { bytesPerSecond: 4 * MB });
  await world.comes(id);
  sender.cut();
  await world.until(id, inState('failed'));
  await world.set(id, { removing: true });
  const { status, body } = await world.send(id, { bytes: 10 }).answer;
  expect([status, body.code]).toEqual([404, 'not_found']);
});
