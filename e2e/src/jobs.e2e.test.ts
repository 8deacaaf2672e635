/** Jobs as their users see them: three image collectors, two storages, one gateway, real servers. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { gallery, png } from '@magpie/testing';
import { addsUp, pause, range, World } from './world.ts';

jest.setTimeout(300_000);

let world: World;
beforeAll(async () => {
  world = await World.make({ replicas: { storage: 2, transfer: 0, 'web-images': 3, 'web-text': 1 } });
});
afterAll(() => world?.close());
beforeEach(() => world.site.forget());

const kept = async (): Promise<string[]> =>
  (await readdir(join(world.files, 'images'), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);

test('an image task: from a page to a file that nginx serves', async () => {
  world.site.set('/first', gallery([1000, 1001, '/img/1000.png']));
  const { status, headers, body } = await world.call<{ id: string }>('POST', '/images_tasks', {
    url: `${world.site.url}/first`,
  });
  expect(status).toBe(202);
  expect(headers.get('location')).toMatch(`/images_tasks/${body.id}`);
  await world.until(body.id, 'completed');
  const images = await world.taskImages(body.id);
  expect(images.map(({ url }) => url).sort()).toEqual([
    `${world.site.url}/img/1000.png`,
    `${world.site.url}/img/1001.png`,
  ]);
  const [image] = images;
  expect(image).toMatchObject({ type: 'image/png', width: 64, height: 48 });
  const served = await fetch(image!.static_url);
  expect(served.status).toBe(200);
  expect(served.headers.get('content-type')).toBe('image/png');
  expect(served.headers.get('cache-control')).toContain('immutable');
  const n = Number(/(\d+)\.png/.exec(image!.url)![1]);
  expect(Buffer.from(await served.arrayBuffer()).equals(png(n))).toBe(true);
});

test('a text task: title, text, language and markdown of a page', async () => {
  world.site.set(
    '/article',
    `<!doctype html><html lang="en"><head><title>On nests – Birds</title><meta name="author" content="Ada Pica"><meta property="article:published_time" content="2026-05-01T09:00:00Z"></head><body><nav><a href="/x">Menu entry</a></nav><article><h1>On nests</h1>${'<p>A nest takes both birds about forty days: a bowl of mud and roots, a roof of thorns above it, and one entrance.</p>'.repeat(5)}<h2>Sizes</h2><table><tr><th>Part</th><th>cm</th></tr><tr><td>Bowl</td><td>30</td></tr></table></article></body></html>`,
  );
  const { status, body } = await world.call<{ id: string }>('POST', '/text_tasks', {
    url: `${world.site.url}/article`,
  });
  expect(status).toBe(202);
  await world.until(body.id, 'completed');
  const answer = await world.call<{ items: Record<string, unknown>[] }>('GET', `/text_tasks/${body.id}/text`);
  const [text] = answer.body.items;
  expect(text).toMatchObject({ title: 'On nests', language: 'en', byline: 'Ada Pica' });
  expect(String(text!['published_at'])).toMatch(/^2026-05-01T09:00:00/);
  expect(text!['text']).toContain('A nest takes both birds');
  expect(text!['text']).not.toContain('Menu entry');
  expect(text!['markdown']).toMatch(/## Sizes[\s\S]*\| *Part/);
});

test('ten jobs at once over overlapping pages fetch every image once', async () => {
  const pages = range(0, 12).map((k) => {
    world.site.set(`/overlap/${k}`, gallery(range(2000 + k * 10, 30)));
    return `/overlap/${k}`;
  });
  const jobs = await Promise.all(
    range(0, 10).map((k) => world.images([pages[k]!, pages[k + 1]!, pages[k + 2]!])),
  );
  const ended = await Promise.all(jobs.map((id) => world.until(id, 'completed')));
  for (const job of ended) {
    expect(job.counts.discovered).toBe(50);
    expect(job.counts.stored + job.counts.shared).toBe(50);
    expect(addsUp(job)).toBe(true);
    expect((await world.items(job.id)).length).toBe(50);
  }
  const images = [...world.site.requests].filter(([path]) => path.startsWith('/img/'));
  expect(images.length).toBe(140);
  expect(images.filter(([, n]) => n !== 1)).toEqual([]);
});

test('pause: soon nothing new is fetched; resume fetches no page again', async () => {
  // At most 64 at once of a host: all of them would take 19 s.
  let ms = 2000;
  world.site.set('/pause', gallery(range(3000, 600)));
  for (const n of range(3000, 600))
    world.site.set(`/img/${n}.png`, (_request, response) => {
      setTimeout(() => response.writeHead(200, { 'content-type': 'image/png' }).end(png(n)), ms);
    });
  const id = await world.images(['/pause']);
  await world.eventually(
    () => world.site.count(/^\/img\/3/),
    (n) => n >= 60,
  );
  const asked = Date.now();
  expect((await world.control(id, 'pause')).status).toBe(202);
  const paused = await world.until(id, 'paused');
  expect(
    world.site.arrivals.filter(({ at, path }) => path.startsWith('/img/3') && at > asked + 10_000),
  ).toEqual([]);
  expect(addsUp(paused)).toBe(true);
  expect(paused.counts.pending).toBeGreaterThan(0);
  expect(paused.counts.stored).toBe((await world.items(id)).length);
  const before = world.site.count(/^\/img\/3/);
  await pause(700);
  expect(world.site.count(/^\/img\/3/)).toBe(before);
  expect((await world.control(id, 'pause')).status).toBe(409);
  ms = 0;
  await world.control(id, 'resume');
  const ended = await world.until(id, 'completed');
  expect(ended.counts.stored).toBe(600);
  expect(world.site.requests.get('/pause')).toBe(1);
  expect([...world.site.requests].filter(([path, n]) => path.startsWith('/img/3') && n > 1)).toEqual([]);
});

test('terminate: the socket of an endless image closes soon; its file and items are gone, shared ones stay', async () => {
  world.site.set('/shared', gallery(range(4000, 3)));
  await world.until(await world.images(['/shared']), 'completed');
  const before = await kept();
  world.site.set('/doomed', gallery([4000, 4001, 4100, 4101, '/drip.png']));
  const id = await world.images(['/doomed']);
  await world.eventually(
    () => world.job(id),
    ({ counts }) => counts.stored === 2 && counts.shared === 2,
  );
  await world.eventually(
    () => world.site.count(/drip/),
    (n) => n === 1,
  );
  const asked = Date.now();
  expect((await world.control(id, 'terminate')).status).toBe(202);
  await world.eventually(
    () => world.site.cut.get('/drip.png'),
    (at) => at !== undefined,
  );
  // Nobody else would have cut it for a minute.
  expect(world.site.cut.get('/drip.png')! - asked).toBeLessThan(20_000);
  const gone = await world.until(id, 'terminated');
  expect(addsUp(gone)).toBe(true);
  expect(await world.items(id)).toEqual([]);
  await world.eventually(kept, (files) => files.length === before.length);
  expect((await kept()).sort()).toEqual(before.sort());
  for (const action of ['pause', 'resume', 'stop', 'terminate', 'retry'])
    expect(await world.control(id, action)).toMatchObject({
      status: 409,
      body: { code: 'invalid_transition', state: 'terminated', allowed: [] },
    });
});

test('what failed in one job is tried again by the next, what is under way is awaited, what is stored is linked', async () => {
  let broken = true;
  world.site.set('/flaky.png', (_request, response) => {
    if (broken) response.writeHead(404).end();
    else response.writeHead(200, { 'content-type': 'image/png' }).end(png(5999));
  });
  const held: (() => void)[] = [];
  world.site.set('/img/5001.png', (_request, response) => {
    held.push(() => response.writeHead(200, { 'content-type': 'image/png' }).end(png(5001)));
  });
  world.site.set('/mixed', gallery([5000, '/flaky.png', 5001]));
  const a = await world.images(['/mixed']);
  await world.eventually(
    () => world.job(a),
    ({ counts }) => counts.failed === 1 && counts.stored === 1,
  );
  broken = false;
  const b = await world.images(['/mixed']);
  await world.eventually(
    () => world.job(b),
    ({ counts }) => counts.stored === 1 && counts.pending === 1,
  );
  for (const send of held) send();
  const [first, second] = [await world.until(a, 'completed'), await world.until(b, 'completed')];
  expect(first.counts).toMatchObject({ discovered: 3, stored: 2, failed: 1 });
  expect(second.counts).toMatchObject({ discovered: 3, stored: 1, shared: 2, failed: 0 });
  expect(world.site.requests.get('/img/5001.png')).toBe(1);
  expect(world.site.requests.get('/img/5000.png')).toBe(1);
  expect(await world.errors(a)).toMatchObject([
    { kind: 'image', code: 'http_status', status: 404, attempt: 1, url: `${world.site.url}/flaky.png` },
  ]);
  await world.control(a, 'retry');
  expect((await world.until(a, 'completed')).counts).toMatchObject({ stored: 2, shared: 1, failed: 0 });
});

test('a job of five images is not kept waiting by one of 20,000', async () => {
  // At most 64 at once of a host: it takes 15 s at least, and one after the other the small one would come last.
  for (const k of range(0, 20))
    world.site.set(`/huge/${k}`, gallery(range(100_000 + k * 1000, 1000).map((n) => `/img/${n}.png?ms=50`)));
  const huge = await world.images(range(0, 20).map((k) => `/huge/${k}`));
  await world.eventually(
    () => world.job(huge),
    ({ counts }) => counts.stored > 100,
  );
  world.site.set('/small', gallery(range(6000, 5)));
  const small = await world.images(['/small']);
  const ended = await world.until(small, 'completed');
  expect(ended.counts.stored).toBe(5);
  expect((await world.job(huge)).state).toBe('running');
  await world.control(huge, 'terminate');
  await world.until(huge, 'terminated');
});

test('following links: depth, scope, patterns and limits', async () => {
  const link = (to: string): string => `<a href="${to}">${to}</a>`;
  world.site.set('/tree/', `${link('/tree/a')}${link('/tree/b')}${link('/other')}<img src="/img/7000.png">`);
  world.site.set('/tree/a', `${link('/tree/a/deep')}<img src="/img/7001.png">`);
  world.site.set('/tree/b', '<img src="/img/7002.png"><img src="/img/7003.png">');
  world.site.set('/tree/a/deep', '<img src="/img/7004.png">');
  world.site.set('/other', '<img src="/img/7005.png">');
  const images = async (params: Record<string, unknown>): Promise<number[]> => {
    const id = await world.images(['/tree/'], params);
    await world.until(id, 'completed');
    return (await world.items(id)).map(({ url }) => Number(/(\d+)\.png/.exec(url)![1])).sort();
  };
  expect(await images({})).toEqual([7000]);
  expect(await images({ depth: 1, scope: 'host' })).toEqual([7000, 7001, 7002, 7003, 7005]);
  expect(await images({ depth: 2, scope: 'prefix' })).toEqual([7000, 7001, 7002, 7003, 7004]);
  expect(await images({ depth: 2, exclude: ['**/other', '**/b'] })).toEqual([7000, 7001, 7004]);
  expect((await images({ depth: 2, maxItems: 2 })).length).toBe(2);
  expect((await images({ depth: 2, maxPages: 1 })).length).toBe(1);
});

test('recheck asks with ETag and fetches only what changed', async () => {
  let version = 1;
  world.site.set('/versioned.png', (request, response) => {
    const etag = `"v${version}"`;
    if (request.headers['if-none-match'] === etag) response.writeHead(304, { etag }).end();
    else response.writeHead(200, { 'content-type': 'image/png', etag }).end(png(8000 + version));
  });
  world.site.set('/versions', gallery(['/versioned.png']));
  const run = async (params: Record<string, unknown>) => {
    const id = await world.images(['/versions'], params);
    const { counts } = await world.until(id, 'completed');
    const [item] = await world.items(id);
    return { counts, revision: item!.revision, sha256: item!.file!.sha256 };
  };
  const first = await run({});
  expect((await run({})).counts).toMatchObject({ shared: 1 });
  expect(world.site.requests.get('/versioned.png')).toBe(1);
  expect(await run({ recheck: 'ifChanged' })).toMatchObject({
    counts: { shared: 1 },
    revision: 1,
    sha256: first.sha256,
  });
  version = 2;
  const second = await run({ recheck: 'ifChanged' });
  expect(second).toMatchObject({ counts: { stored: 1 }, revision: 2 });
  expect(second.sha256).not.toBe(first.sha256);
  expect(world.site.requests.get('/versioned.png')).toBe(3);
});
