import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createPlayer,
  playJob,
  png,
  serveSite,
  type PlayedJob,
  type Site,
} from '@magpie/collector-kit/testing';
import source from './source.ts';

let filesRoot: string;
let site: Site;

beforeEach(async () => {
  filesRoot = await mkdtemp(join(tmpdir(), 'magpie-web-images-'));
  site = await serveSite();
});

afterEach(async () => {
  await site.close();
  await rm(filesRoot, { recursive: true });
});

const play = (params: Record<string, unknown>): Promise<PlayedJob> => playJob(source, params, { filesRoot });
const local = (url: string): string => url.replace(site.origin, '');
const paths = (job: PlayedJob): string[] => job.items.map(({ url }) => local(url)).sort();
const codes = (job: PlayedJob): string[] =>
  job.undone.map(({ outcome }) => ('code' in outcome ? outcome.code : outcome.outcome));

function images(...names: string[]): string {
  return names
    .map((name, i) => {
      site.route(`/${name}`, png(2, 2, i));
      return `<img src="/${name}">`;
    })
    .join('');
}

test('the images of a page are fetched, each once, with what the page says of them', async () => {
  site.route(
    '/',
    '<img src="a.png" alt="An a"><img src="/a.png#again"><img src="b.png"><a href="/next">next</a>',
  );
  site.route('/a.png', png(3, 4));
  site.route('/b.png', {
    body: png(5, 6),
    headers: { etag: '"b"', 'last-modified': 'Sat, 21 Nov 2026 10:00:00 GMT' },
  });
  const job = await play({ urls: [site.url('/')] });
  expect(paths(job)).toEqual(['/a.png', '/b.png']);
  expect(job.items.find(({ url }) => url.endsWith('a.png'))).toMatchObject({
    kind: 'image',
    page: site.url('/'),
    data: { alt: 'An a', via: 'img', type: 'image/png', width: 3, height: 4 },
    file: { type: 'image/png', width: 3, height: 4, fresh: true },
  });
  expect(job.items.find(({ url }) => url.endsWith('b.png'))).toMatchObject({
    etag: '"b"',
    lastModified: 'Sat, 21 Nov 2026 10:00:00 GMT',
  });
  expect(site.hits('/a.png')).toBe(1);
  expect(site.hits('/next')).toBe(0);
  expect(job.undone).toEqual([]);
});

test('an address that is an image itself is fetched as one', async () => {
  site.route('/photo', { body: png(), headers: { 'content-type': 'image/png' } });
  site.route('/unlabelled', { body: png(3), headers: { 'content-type': 'application/octet-stream' } });
  const job = await play({ urls: [site.url('/photo'), site.url('/unlabelled')] });
  expect(paths(job)).toEqual(['/photo', '/unlabelled']);
  expect(job.items[0]?.data).toMatchObject({ via: 'direct' });
});

test('what is neither a page nor an image is an error, HTML labelled as an image too', async () => {
  site.route('/', '<img src="/fake.png">');
  site.route('/fake.png', { body: '<html><p>no image', headers: { 'content-type': 'image/png' } });
  site.route('/doc.pdf', { body: '%PDF-1.7', headers: { 'content-type': 'application/pdf' } });
  const job = await play({ urls: [site.url('/'), site.url('/doc.pdf'), 'http://user:pass@example.org/'] });
  expect(job.items).toEqual([]);
  expect(codes(job).sort()).toEqual(['credentials_in_url', 'not_an_image', 'not_html']);
});

describe('scope', () => {
  beforeEach(() => {
    site.route('/docs/', `${images('docs/a.png')}<a href="/docs/more">in</a><a href="/other">out</a>`);
    site.route('/docs/more', images('docs/b.png'));
    site.route('/other', images('c.png'));
  });

  test('page follows no link', async () => {
    expect(paths(await play({ urls: [site.url('/docs/')], depth: 3, scope: 'page' }))).toEqual([
      '/docs/a.png',
    ]);
  });
  test('prefix stays below the folder of the start page', async () => {
    const job = await play({ urls: [site.url('/docs/')], depth: 3, scope: 'prefix' });
    expect(paths(job)).toEqual(['/docs/a.png', '/docs/b.png']);
  });
  test('host stays on the host', async () => {
    const job = await play({ urls: [site.url('/docs/')], depth: 3 });
    expect(paths(job)).toEqual(['/c.png', '/docs/a.png', '/docs/b.png']);
  });
  test('include and exclude choose among links', async () => {
    const only = await play({ urls: [site.url('/docs/')], depth: 3, include: ['/docs/**'] });
    expect(paths(only)).toEqual(['/docs/a.png', '/docs/b.png']);
    const without = await play({ urls: [site.url('/docs/')], depth: 3, exclude: ['/docs/more'] });
    expect(paths(without)).toEqual(['/c.png', '/docs/a.png']);
  });
  test('a pattern that can not be read is an error', async () => {
    expect(codes(await play({ urls: [site.url('/docs/')], depth: 1, include: ['/(/'] }))).toEqual([
      'invalid_pattern',
    ]);
  });
});

test('a start page that moved to another host takes the scope along; other pages that lead out are left out', async () => {
  const other = await serveSite({
    '/home': '<img src="/o.png"><a href="/deep">d</a>',
    '/deep': '<img src="/d.png">',
  });
  other.route('/o.png', png(2, 2, 1));
  other.route('/d.png', png(2, 2, 2));
  try {
    site.route('/', { status: 302, headers: { location: other.url('/home') } });
    const moved = await play({ urls: [site.url('/')], depth: 1 });
    expect(moved.items.map(({ url }) => url).sort()).toEqual([other.url('/d.png'), other.url('/o.png')]);

    site.route('/start', '<a href="/leads-out">x</a>');
    site.route('/leads-out', { status: 302, headers: { location: other.url('/home') } });
    expect((await play({ urls: [site.url('/start')], depth: 1 })).items).toEqual([]);
  } finally {
    await other.close();
  }
});

test('links are followed as deep as asked, and each page is read once', async () => {
  site.route('/', '<a href="/1">1</a><a href="/2">2</a>');
  site.route('/1', '<a href="/2">2</a><a href="/">home</a><a href="/3">3</a>');
  site.route('/2', '<a href="/1">1</a>');
  site.route('/3', '<a href="/4">4</a>');
  site.route('/4', '<p>not reached');
  await play({ urls: [site.url('/')], depth: 2 });
  expect(['/', '/1', '/2', '/3', '/4'].map((path) => site.hits(path))).toEqual([1, 1, 1, 1, 0]);
});

test('images that a page embeds are kept when asked, by their content', async () => {
  const embedded = `data:image/png;base64,${Buffer.from(png(7, 8)).toString('base64')}`;
  site.route(
    '/',
    `<img src="${embedded}" alt="dot"><img src="data:image/png;base64,AAAA"><img src="/a.png">`,
  );
  site.route('/again', `<img src="${embedded.replace('image/png', 'image/x-png')}">`);
  site.route('/a.png', png());
  expect(paths(await play({ urls: [site.url('/')] }))).toEqual(['/a.png']);

  const job = await play({ urls: [site.url('/'), site.url('/again')], dataUrls: true, minWidth: 5 });
  expect(job.items).toHaveLength(2);
  const item = job.items.find(({ url }) => url.startsWith('data:'));
  expect(item).toMatchObject({ data: { via: 'data', width: 7, height: 8 }, accept: { minWidth: 5 } });
  expect(item?.url).toBe(`data:sha256,${item?.file?.sha256}`);
  expect(job.undone).toEqual([]);
});

test('of a srcset the largest candidate is fetched, or all of them', async () => {
  site.route('/', '<img src="/s.png" srcset="/m.png 1x, /l.png 2x">');
  for (const [i, name] of ['s', 'm', 'l'].entries()) site.route(`/${name}.png`, png(2, 2, i));
  expect(paths(await play({ urls: [site.url('/')] }))).toEqual(['/l.png']);
  expect(paths(await play({ urls: [site.url('/')], candidates: 'all' }))).toEqual([
    '/l.png',
    '/m.png',
    '/s.png',
  ]);
});

test('what a job asks of its images goes along with each', async () => {
  site.route('/', images('a.png'));
  const job = await play({ urls: [site.url('/')], minWidth: 10, minBytes: 5, recheck: 'always' });
  const [next] = job.steps.flatMap(({ work, outcome }) =>
    work.kind === 'page' && outcome.outcome === 'done' ? outcome.next : [],
  );
  expect(next?.item).toEqual({
    kind: 'image',
    url: site.url('/a.png'),
    accept: { minWidth: 10, minBytes: 5 },
    recheck: 'always',
  });
});

test('an image larger than asked is refused, and nothing remains of it', async () => {
  site.route('/', '<img src="/big.png">');
  site.route('/big.png', Buffer.concat([png(), Buffer.alloc(200_000)]));
  const job = await play({ urls: [site.url('/')], maxBytes: 100_000 });
  expect(codes(job)).toEqual(['body_too_large']);
  const kept = await readdir(filesRoot, { recursive: true, withFileTypes: true });
  expect(kept.filter((entry) => entry.isFile())).toEqual([]);
});

test('an image that has not changed is not fetched again', async () => {
  site.route('/a.png', { body: png(), headers: { etag: '"1"' } });
  const player = await createPlayer({ filesRoot });
  try {
    const step = { kind: 'image', url: site.url('/a.png'), input: { via: 'img', maxBytes: 1_000_000 } };
    expect(await player.perform(source, { ...step, etag: '"1"' })).toMatchObject({
      outcome: 'done',
      items: [],
      unchanged: true,
    });
    expect(await player.perform(source, { ...step, etag: '"0"' })).toMatchObject({
      outcome: 'done',
      items: [{ etag: '"1"' }],
    });
  } finally {
    await player.close();
  }
});

test('the page is named as referrer, as a browser would', async () => {
  const referers: unknown[] = [];
  site.route('/dir/page?x=1', '<img src="/a.png">');
  site.route('/a.png', (request, response) => {
    referers.push(request.headers.referer);
    response.end(png());
  });
  await play({ urls: [site.url('/dir/page?x=1')] });
  expect(referers).toEqual([site.url('/dir/page?x=1')]);
});

describe('robots.txt', () => {
  beforeEach(() => {
    site.route('/robots.txt', {
      body: 'User-agent: *\nDisallow: /private',
      headers: { 'content-type': 'text/plain' },
    });
    site.route('/', '<img src="/a.png"><img src="/private/b.png"><a href="/private/page">x</a>');
    site.route('/private/page', '<p>');
    site.route('/a.png', png(2, 2, 1));
    site.route('/private/b.png', png(2, 2, 2));
  });

  test('is honoured for pages and images', async () => {
    const job = await play({ urls: [site.url('/')], depth: 1 });
    expect(paths(job)).toEqual(['/a.png']);
    expect(job.undone.map(({ outcome }) => outcome)).toMatchObject([
      { outcome: 'skipped', code: 'robots_disallowed' },
      { outcome: 'skipped', code: 'robots_disallowed' },
    ]);
    expect(site.requests.filter((path) => path.startsWith('/private'))).toEqual([]);
  });

  test('is not asked when the job says so', async () => {
    const job = await play({ urls: [site.url('/')], depth: 1, robots: false });
    expect(paths(job)).toEqual(['/a.png', '/private/b.png']);
    expect(site.hits('/robots.txt')).toBe(0);
  });
});

describe('sitemaps', () => {
  const map = (...locs: string[]): string =>
    `<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">${locs.map((loc) => `<url><loc>${loc}</loc></url>`).join('')}</urlset>`;

  test('given by URL, nested, and filtered by scope', async () => {
    site.route('/index.xml', '<sitemapindex><sitemap><loc>ORIGIN/a.xml</loc></sitemap></sitemapindex>');
    site.route('/a.xml', map('ORIGIN/in/1', 'ORIGIN/out/2', 'https://elsewhere.example/'));
    site.route('/in/', '<p>');
    site.route('/in/1', images('1.png'));
    site.route('/out/2', images('2.png'));
    const job = await play({ urls: [site.url('/in/')], scope: 'prefix', sitemaps: [site.url('/index.xml')] });
    expect(paths(job)).toEqual(['/1.png']);
  });

  test('of the place where one is usually, when robots.txt names none; it is no error that there is none', async () => {
    site.route('/', '<p>');
    expect((await play({ urls: [site.url('/')], sitemaps: true })).undone).toEqual([]);
    site.route('/sitemap.xml', map('ORIGIN/deep'));
    site.route('/deep', images('deep.png'));
    expect(paths(await play({ urls: [site.url('/')], sitemaps: true }))).toEqual(['/deep.png']);
  });

  test('that were asked for and are missing are errors', async () => {
    site.route('/', '<p>');
    const job = await play({ urls: [site.url('/')], sitemaps: [site.url('/none.xml')] });
    expect(codes(job)).toEqual(['http_status']);
  });

  test('that lead to each other end', async () => {
    site.route('/', '<p>');
    site.route('/a.xml', '<sitemapindex><sitemap><loc>ORIGIN/b.xml</loc></sitemap></sitemapindex>');
    site.route('/b.xml', '<sitemapindex><sitemap><loc>ORIGIN/a.xml</loc></sitemap></sitemapindex>');
    const job = await play({ urls: [site.url('/')], sitemaps: [site.url('/a.xml')] });
    expect(job.undone).toEqual([]);
    expect(site.hits('/a.xml')).toBeLessThan(4);
  });
});

test('a page of 25,000 images is read in several steps, none of them too large, and nothing is left out', async () => {
  const names = Array.from({ length: 25_000 }, (_, i) => `/i/${i}.png`);
  site.route('/', names.map((name) => `<img src="${name}">`).join(''));
  const player = await createPlayer({ filesRoot });
  const found = new Set<string>();
  let step: { kind: string; url?: string; input: Record<string, unknown> } | undefined;
  try {
    const start = await player.perform(source, {
      kind: 'start',
      input: { params: { urls: [site.url('/')] } },
    });
    step = start?.outcome === 'done' ? start.next[0] : undefined;
    let count = 0;
    for (; step; count++) {
      const outcome = await player.perform(source, step);
      if (outcome?.outcome !== 'done') throw new Error(JSON.stringify(outcome));
      expect(outcome.next.length).toBeLessThanOrEqual(10_000);
      expect(JSON.stringify(outcome).length).toBeLessThan(4 * 1024 * 1024);
      step = undefined;
      for (const next of outcome.next) {
        if (next.kind === 'rest') step = next;
        else found.add(local(next.url ?? ''));
      }
    }
    expect(count).toBeGreaterThan(2);
  } finally {
    await player.close();
  }
  expect([...found].sort()).toEqual(names.sort());
});

test('ten thousand start pages become as many steps', async () => {
  const urls = Array.from({ length: 10_000 }, (_, i) => `https://example.org/some/longer/path/to/page/${i}`);
  const player = await createPlayer({ filesRoot });
  const keys = new Set<string>();
  try {
    let input: Record<string, unknown> | undefined = { params: { urls, sitemaps: true } };
    while (input) {
      const outcome = await player.perform(source, { kind: 'start', input });
      if (outcome?.outcome !== 'done') throw new Error(JSON.stringify(outcome));
      input = outcome.next.find(({ kind }) => kind === 'start')?.input;
      for (const { kind, key } of outcome.next) if (kind === 'page') keys.add(key);
    }
  } finally {
    await player.close();
  }
  expect(keys.size).toBe(10_000);
});

test('a page made to take long to read holds up nothing else', async () => {
  let hostile = '';
  for (let i = 0; hostile.length < 4_000_000; i++) hostile += `<a href=${i}><img src=${i}>`;
  site.route('/', hostile);
  // What this thread works between two turns: it may also wait long for a processor.
  let longest = 0;
  let last = process.threadCpuUsage();
  const timer = setInterval(() => {
    const { user, system } = process.threadCpuUsage(last);
    longest = Math.max(longest, (user + system) / 1000);
    last = process.threadCpuUsage();
  }, 5);
  const player = await createPlayer({ filesRoot });
  try {
    const start = await player.perform(source, {
      kind: 'start',
      input: {
        params: {
          urls: [site.url('/')],
          depth: 1,
          exclude: Array.from({ length: 50 }, (_, i) => `/x${i}/.*y$/`),
        },
      },
    });
    const page = start?.outcome === 'done' ? start.next[0] : undefined;
    last = process.threadCpuUsage();
    longest = 0;
    const outcome = await player.perform(source, page as never);
    expect(outcome?.outcome).toBe('done');
  } finally {
    clearInterval(timer);
    await player.close();
    await source.close();
  }
  expect(longest).toBeLessThan(400);
});
