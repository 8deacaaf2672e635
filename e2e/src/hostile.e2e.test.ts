/** Pages and addresses that mean harm: each ends as a clear error, and no process is down afterwards. */
import { readdir } from 'node:fs/promises';
import { jest } from '@jest/globals';
import type { Item } from '@magpie/contracts';
import { gallery } from '@magpie/testing';
import { World } from './world.ts';

jest.setTimeout(300_000);

let world: World;
/** The job of one that never ends: it is tried twice and takes a minute, so it begins before all others. */
let badImages: string;
beforeAll(async () => {
  world = await World.make({
    replicas: { transfer: 0, 'web-images': 1, 'web-text': 1 },
    env: { MAGPIE_STEP_TIMEOUT: '10s', MAGPIE_MAX_ATTEMPTS: '2' },
  });
  world.site.set(
    '/bad-images',
    gallery(['/labelled.png', '/truncated.png', '/drip.png', '/claims.png', '/script.svg', 1]),
  );
  badImages = await world.images(['/bad-images']);
});
afterAll(() => world?.close());

interface ProblemBody {
  code: string;
  status: number;
  errors?: { field: string; code?: string }[];
}

test.each([
  ['http://169.254.169.254/latest', 'blocked_address'],
  ['http://10.0.0.1/', 'blocked_address'],
  ['http://2130706434/', 'blocked_address'],
  ['http://0x7f.2', 'blocked_address'],
  ['http://①②⑦.⓪.⓪.②', 'blocked_address'],
  ['http://[::ffff:7f00:2]', 'blocked_address'],
  ['http://[64:ff9b::7f00:2]', 'blocked_address'],
  ['http://[fe80::1]/', 'blocked_address'],
  ['file:///etc/passwd', 'scheme_not_allowed'],
  ['ftp://example.org/a.png', 'scheme_not_allowed'],
  ['http://user:password@example.org/', 'credentials_in_url'],
])('%s is refused when it is asked for: %s', async (url, code) => {
  const { status, headers, body } = await world.call<ProblemBody>('POST', '/images_tasks', { url });
  expect(status).toBe(400);
  expect(headers.get('content-type')).toContain('application/problem+json');
  expect(body.code).toBe(code);
  expect(JSON.stringify(body)).not.toContain('password@');
});

test.each([
  ['/to-private', 'blocked_address'],
  ['/loop', 'redirect_loop'],
  ['/gzip-bomb', 'decompressed_too_large'],
  ['/brotli-bomb', 'decompressed_too_large'],
  ['/stacked', 'too_many_encodings'],
  ['/nowhere', 'http_status'],
])('page %s fails with %s', async (path, code) => {
  const id = await world.images([path]);
  const job = await world.until(id, 'failed');
  expect(job.error?.code).toBe(code);
  expect(await world.errors(id)).toMatchObject([{ kind: 'page', code }]);
});

test('pages made to stall a parser are read all the same, and so is another beside them', async () => {
  const deep = await world.images(['/deep', '/attributes', '/bad-html', '/unicode']);
  const text = await world.submit('web-text', {
    urls: ['/deep', '/attributes', '/unicode'].map((path) => world.site.url + path),
  });
  const quick = await world.images(['/plain']);
  await world.until(quick, 'completed');
  expect((await world.until(deep, 'completed')).pages).toMatchObject({ done: 4, failed: 0 });
  const urls = (await world.items(deep)).map(({ url }) => url.slice(world.site.url.length)).sort();
  expect(urls).toEqual(
    expect.arrayContaining([
      '/img/40000.png',
      '/img/500.png',
      '/img/12.png',
      '/img/13.png',
      '/img/9.png?%E5%90%8D=%E9%B5%B2',
    ]),
  );
  await world.eventually(
    () => world.job(text),
    ({ counts, state }) => ['completed', 'failed'].includes(state) && counts.pending === 0,
  );
});

test('images that are none, or break off, or never end', async () => {
  const id = badImages;
  const job = await world.until(id, 'completed', 240_000);
  expect(job.counts).toMatchObject({ discovered: 6, stored: 3, failed: 3 });
  const errors = new Map((await world.errors(id)).map(({ url, code }) => [new URL(url).pathname, code]));
  expect(Object.fromEntries(errors)).toEqual({
    '/labelled.png': 'not_an_image',
    '/truncated.png': 'truncated_body',
    '/drip.png': 'transfer_timeout',
  });
  const items = await world.items(id);
  expect(items.find(({ url }) => url.endsWith('/claims.png'))?.file).toMatchObject({
    width: 30_000,
    height: 30_000,
  });
  const svg = items.find(({ url }) => url.endsWith('/script.svg'))?.file;
  const served = await fetch(svg!.url);
  expect(served.status).toBe(200);
  expect(served.headers.get('content-disposition')).toContain('attachment');
  expect(served.headers.get('content-security-policy')).toContain('sandbox');
  expect(served.headers.get('x-content-type-options')).toBe('nosniff');
  const files = (await readdir(world.files, { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  const kept = (await world.list<Item>('/api/v1/items')).flatMap(({ file }) => (file ? [file.sha256] : []));
  expect(kept).toEqual(expect.arrayContaining(items.map(({ file }) => file!.sha256)));
  expect(files.length).toBe(new Set(kept).size);
});

test('a host that answers 429 is left alone for as long as it says, and no attempt is used up', async () => {
  let asked = 0;
  const times: number[] = [];
  world.site.set('/limited.png', (_request, response) => {
    times.push(Date.now());
    if (asked++ === 0) response.writeHead(429, { 'retry-after': '6' }).end();
    else response.writeHead(404).end();
  });
  world.site.set('/limited', gallery(['/limited.png']));
  const id = await world.images(['/limited']);
  await world.until(id, 'completed');
  // All that it went through, seen or not.
  const events = await fetch(new URL(`/api/v1/jobs/${id}/events`, world.platform.url), {
    headers: { 'last-event-id': '0' },
  });
  expect(await events.text()).toContain('"to":"waiting"');
  expect(times.length).toBe(2);
  expect(times[1]! - times[0]!).toBeGreaterThan(5900);
  expect(await world.errors(id)).toMatchObject([{ code: 'http_status', status: 404, attempt: 1 }]);
});

test('all processes are still the first ones', async () => {
  for (const [, managed] of world.platform.processes) expect(managed.running).toBe(true);
  expect((await world.call('GET', '/readyz')).status).toBe(200);
});
