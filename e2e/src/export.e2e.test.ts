/** An export as a user takes it: asked for, downloaded through nginx, broken off on the way and gone on with. */
import { createHash } from 'node:crypto';
import { get, type IncomingMessage } from 'node:http';
import { jest } from '@jest/globals';
import type { Job } from '@magpie/contracts';
import { pause, World } from './world.ts';

jest.setTimeout(600_000);

const ROWS = 30_000;
const NAME = 'Größe 東京';

let world: World;
beforeAll(async () => {
  world = await World.make({ env: { MAGPIE_DISK_RESERVE: '0' } });
  await imported();
});
afterAll(() => world?.close());

async function imported(): Promise<void> {
  const rows = Array.from({ length: ROWS }, (_, n) =>
    JSON.stringify({ url: `https://example.org/${n}`, title: `Title ${n}`, n, text: 'ä'.repeat(100) }),
  );
  const job = await world.call<{ job_id: string }>('POST', '/api/v1/new-job/');
  const id = job.body.job_id;
  const sent = await fetch(new URL(`/api/v1/upload/?job_id=${id}`, world.platform.url), {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: rows.join('\n'),
  });
  expect(sent.status).toBe(201);
  await sent.text();
  const made = await world.call<Job>('POST', '/api/v1/imports', { upload: id, as: 'items' });
  expect(made.status).toBe(202);
  await world.until(made.body.id, 'completed');
}

const open = (url: string, headers: Record<string, string> = {}): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => get(url, { headers, agent: false }, resolve).on('error', reject));

/** Until the end, or until so many bytes are there: then the connection breaks. */
async function take(answer: IncomingMessage, most = Infinity): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= most) break;
    }
  } finally {
    answer.destroy();
  }
  return Buffer.concat(chunks);
}

test('a download that breaks again and again goes on where it was, and is the file that the job names', async () => {
  const asked = { format: 'csv', filename: NAME, fields: ['url', 'data'] };
  const { status, body, headers } = await world.call<Job>('POST', '/api/v1/exports', asked);
  expect(status).toBe(202);
  expect(headers.get('location')).toBe(`${world.platform.url}/api/v1/exports/${body.id}`);
  const { transfer } = await world.until(body.id, 'completed');
  const file = transfer?.file;
  expect(file).toMatchObject({ name: `${NAME}.csv`, type: 'text/csv; charset=utf-8' });
  const url = file?.url ?? '';
  const size = file?.bytes ?? 0;
  expect(transfer?.rows).toBe(ROWS);

  const first = await open(url);
  const { etag = '', 'last-modified': modified = '' } = first.headers;
  expect(first.statusCode).toBe(200);
  expect(first.headers).toMatchObject({
    'content-length': String(size),
    'accept-ranges': 'bytes',
    'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(`${NAME}.csv`)}`,
  });
  let got = await take(first, 100_000);
  expect(got.length).toBeLessThan(size);
  for (const condition of [etag, modified, etag, modified]) {
    const next = await open(url, { range: `bytes=${got.length}-`, 'if-range': condition });
    expect([next.statusCode, next.headers['content-range']]).toEqual([
      206,
      `bytes ${got.length}-${size - 1}/${size}`,
    ]);
    got = Buffer.concat([got, await take(next, size / 8)]);
  }
  expect(got.length).toBeLessThan(size);
  const last = await open(url, { range: `bytes=${got.length}-`, 'if-range': etag });
  got = Buffer.concat([got, await take(last)]);
  expect(got.length).toBe(size);
  expect(createHash('sha256').update(got).digest('hex')).toBe(file?.sha256);

  // Of another file than was begun with, all of it comes.
  const other = await open(url, { range: 'bytes=100-', 'if-range': '"another"' });
  expect(other.statusCode).toBe(200);
  other.destroy();
  const whole = await open(url, { range: `bytes=${size}-` });
  expect([whole.statusCode, whole.headers['content-range']]).toEqual([416, `bytes */${size}`]);
  whole.destroy();
});

test('an address that is guessed wrong is as if there were nothing', async () => {
  const { body } = await world.call<Job>('POST', '/api/v1/exports', { format: 'csv', fields: ['url'] });
  const url = (await world.until(body.id, 'completed')).transfer?.file?.url ?? '';
  const there = await open(url);
  expect(there.statusCode).toBe(200);
  there.destroy();
  const token = /-([0-9a-f]{32})\//.exec(url)?.[1] ?? '';
  expect(token).not.toBe('');
  for (const wrong of [
    url.replace(
      token,
      token.replace(/^./, (digit) => (digit === '0' ? '1' : '0')),
    ),
    url.replace(`-${token}`, ''),
    url.replace(/[^/]+$/, 'other.csv'),
    url.replace(/[^/]+$/, ''),
  ]) {
    const answer = await open(wrong);
    const text = (await take(answer)).toString();
    expect([wrong, answer.statusCode, JSON.parse(text)]).toMatchObject([wrong, 404, { code: 'not_found' }]);
  }
});

test('MongoDB dies and comes back in the middle: the file is whole', async () => {
  const interrupted = async (tries: number): Promise<Job> => {
    const { body } = await world.call<Job>('POST', '/api/v1/exports', { format: 'ndjson' });
    await world.eventually(
      () => world.job(body.id),
      ({ state }) => state !== 'queued',
      undefined,
      5,
    );
    const killedAt = Date.now();
    await world.servers.mongodb!.kill();
    await pause(1000);
    await world.servers.mongodb!.restart();
    const job = await world.until(body.id, 'completed');
    expect(Date.parse(job.startedAt ?? '')).toBeLessThanOrEqual(killedAt);
    // Quicker than this test was: once more.
    if (Date.parse(job.endedAt ?? '') <= killedAt && tries > 1) return interrupted(tries - 1);
    expect(Date.parse(job.endedAt ?? '')).toBeGreaterThan(killedAt);
    return job;
  };
  const { transfer } = await interrupted(5);
  const lines = (await take(await open(transfer?.file?.url ?? ''))).toString().trimEnd().split('\n');
  const urls = lines.map((line) => (JSON.parse(line) as { url: string }).url);
  expect(urls).toHaveLength(ROWS);
  expect(new Set(urls).size).toBe(ROWS);
});
