import { client, closeAll, errorOf, rawSite, site } from './loopback-site.ts';
import { until } from '../testing/until.ts';
import { RobotsCache } from './robots-cache.ts';
import { Retryable } from '../errors.ts';
import type { HttpResponse } from './http-types.ts';

afterEach(closeAll);

const ok = (_: unknown, response: import('node:http').ServerResponse): void => void response.end('ok');
const robots =
  (text: string, headers: Record<string, string> = {}) =>
  (_: unknown, response: import('node:http').ServerResponse): void =>
    void response.writeHead(200, headers).end(text);

describe('robots.txt', () => {
  test('is obeyed, and fetched once for all who ask', async () => {
    const target = await site({
      '/robots.txt': robots('User-agent: magpie\nDisallow: /private'),
      '/': ok,
      '/private': ok,
    });
    const http = client();
    await Promise.all(
      Array.from({ length: 20 }, async (_, i) => (await http.get(`${target.origin}/?${i}`)).bytes()),
    );
    expect(await errorOf(http.get(`${target.origin}/private?key=s`))).toMatchObject({
      name: 'Skip',
      code: 'robots_disallowed',
      url: `${target.origin}/private?key=…`,
    });
    expect(target.requests.filter((line) => line === 'GET /robots.txt')).toHaveLength(1);
    expect(target.requests).not.toContain('GET /private?key=s');
    expect((await http.get(`${target.origin}/private`, { robots: false })).status).toBe(200);
    expect(target.headers[0]?.['user-agent']).toMatch(/^Magpie\//);
  });

  test('each origin on the way of a redirect is asked its own', async () => {
    const there = await site({
      '/robots.txt': robots('User-agent: *\nDisallow: /no'),
      '/no': ok,
      '/yes': ok,
    });
    const here = await site({
      '/no': (_, response) => response.writeHead(302, { location: `${there.origin}/no` }).end(),
      '/yes': (_, response) => response.writeHead(302, { location: `${there.origin}/yes` }).end(),
      '/robots.txt': robots(''),
    });
    const http = client();
    expect((await errorOf(http.get(`${here.origin}/no`))).code).toBe('robots_disallowed');
    expect((await http.get(`${here.origin}/yes`)).status).toBe(200);
    expect(there.requests).toEqual(['GET /robots.txt', 'GET /yes']);
  });

  test.each([400, 401, 403, 404, 410, 451])('status %i lets everything be read', async (status) => {
    const target = await site({
      '/robots.txt': (_, response) => response.writeHead(status).end('no'),
      '/': ok,
    });
    expect((await client().get(`${target.origin}/`)).status).toBe(200);
  });

  test.each([500, 502, 504])('status %i lets nothing be read for now', async (status) => {
    const target = await site({ '/robots.txt': (_, response) => response.writeHead(status).end(), '/': ok });
    const error = await errorOf(client().get(`${target.origin}/`));
    expect(error).toMatchObject({ name: 'Retryable', code: 'robots_unreachable', status });
    expect(target.requests).toEqual(['GET /robots.txt']);
  });

  test.each([429, 503])('status %i rests the host', async (status) => {
    const target = await site({
      '/robots.txt': (_, response) => response.writeHead(status, { 'retry-after': '60' }).end(),
      '/': ok,
    });
    const http = client();
    for (let i = 0; i < 2; i++) {
      expect(await errorOf(http.get(`${target.origin}/`))).toMatchObject({
        name: 'RetryAfter',
        code: 'host_backoff',
      });
    }
    expect(target.requests).toEqual(['GET /robots.txt']);
  });

  test('a file that breaks off lets nothing be read', async () => {
    const target = await rawSite((socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nUser-agent: *\n')),
    );
    expect((await errorOf(client().get(`${target.origin}/`))).code).toBe('robots_unreachable');
  });

  test('up to five redirects are followed; more are no file', async () => {
    const chain =
      (length: number) =>
      (request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse) => {
        const n = Number(request.url?.split('?')[1] ?? 0);
        if (n < length) response.writeHead(302, { location: `/robots.txt?${n + 1}` }).end();
        else response.end('User-agent: *\nDisallow: /');
      };
    const five = await site({ '/robots.txt': chain(5), '/': ok });
    const six = await site({ '/robots.txt': chain(6), '/': ok });
    const http = client();
    expect((await errorOf(http.get(`${five.origin}/`))).code).toBe('robots_disallowed');
    expect((await http.get(`${six.origin}/`)).status).toBe(200);
  });

  test('only its first 500 KiB count', async () => {
    const filler = '# nothing to see\n'.repeat(40_000);
    const target = await site({
      '/robots.txt': robots(`User-agent: *\nDisallow: /early\n${filler}Disallow: /late\n`),
      '/late': ok,
      '/early': ok,
    });
    const http = client();
    expect((await errorOf(http.get(`${target.origin}/early`))).code).toBe('robots_disallowed');
    expect((await http.get(`${target.origin}/late`)).status).toBe(200);
  });

  test('a crawl delay keeps requests apart', async () => {
    const times: number[] = [];
    const target = await site({
      '/robots.txt': robots('User-agent: *\nCrawl-delay: 0.2'),
      '/': (_, response) => {
        times.push(Date.now());
        response.end();
      },
    });
    const http = client();
    expect(http.crawlDelayMs(target.origin)).toBe(0);
    const begun = Date.now();
    await Promise.all([1, 2, 3].map(async (n) => (await http.get(`${target.origin}/?${n}`)).bytes()));
    expect(http.crawlDelayMs(`${target.origin}/x`)).toBe(200);
    // How long each was on its way is not in the delay.
    expect((times[1] ?? 0) - begun).toBeGreaterThanOrEqual(195);
    expect((times[2] ?? 0) - begun).toBeGreaterThanOrEqual(395);
  });

  test('its sitemaps can be asked for', async () => {
    const target = await site({ '/robots.txt': robots('Sitemap: /map.xml') });
    expect((await client().robots(`${target.origin}/page`)).sitemaps).toEqual(['/map.xml']);
  });

  test('one who gives up does not end the fetch for the others; the last one does', async () => {
    let answer: () => void = () => undefined;
    const target = await site({
      '/robots.txt': (_, response) => {
        answer = () => response.end();
      },
      '/': ok,
    });
    const http = client();
    const impatient = new AbortController();
    const first = errorOf(http.get(`${target.origin}/?1`, { signal: impatient.signal }));
    const second = http.get(`${target.origin}/?2`);
    await until(() => target.requests.length === 1);
    impatient.abort();
    expect((await first).code).toBe('aborted');
    answer();
    expect((await second).status).toBe(200);
    expect(target.requests).toEqual(['GET /robots.txt', 'GET /?2']);
  });
});

describe('the cache', () => {
  type Answer = { status: number; text?: string; headers?: Record<string, string> } | Error;
  const fake = (answers: Answer[]) => {
    let now = 1_000_000;
    let asked = 0;
    const cache = new RobotsCache({
      productToken: 'Magpie',
      now: () => now,
      fetch: async () => {
        const answer = answers[Math.min(asked++, answers.length - 1)] as Answer;
        if (answer instanceof Error) throw answer;
        const { status, text = '', headers = {} } = answer;
        const body = (async function* () {
          yield Buffer.from(text);
        })();
        return { status, headers, body, cancel: () => undefined } as unknown as HttpResponse;
      },
    });
    return { cache, asked: () => asked, pass: (ms: number) => (now += ms) };
  };
  const page = new URL('http://site.example/a');

  test.each([
    [undefined, 3_599_000, 3_601_000],
    ['max-age=7200', 7_199_000, 7_201_000],
    ['max-age=999999999', 86_399_000, 86_401_000],
    ['no-cache, max-age=0', 59_000, 61_000],
  ])('keeps a file with Cache-Control %s for as long as it may', async (header, before, after) => {
    const { cache, asked, pass } = fake([
      { status: 200, headers: header === undefined ? {} : { 'cache-control': header } },
    ]);
    await cache.check(page);
    pass(before);
    await cache.check(page);
    expect(asked()).toBe(1);
    pass(after - before);
    await cache.check(page);
    expect(asked()).toBe(2);
  });

  test('what was known stays in force while the file cannot be read, a failure for ten seconds', async () => {
    const down = new Retryable('headers_timeout', 'slow');
    const { cache, asked, pass } = fake([
      { status: 200, text: 'User-agent: *\nDisallow: /a' },
      down,
      { status: 404 },
    ]);
    expect((await errorOf(cache.check(page))).code).toBe('robots_disallowed');
    pass(3_601_000);
    expect((await errorOf(cache.check(page))).code).toBe('robots_disallowed');
    pass(5000);
    expect((await errorOf(cache.check(page))).code).toBe('robots_disallowed');
    expect(asked()).toBe(2);
    pass(6000);
    await cache.check(page);
    expect(asked()).toBe(3);
  });

  test('is bounded by origins', async () => {
    const { cache, asked } = fake([{ status: 404 }]);
    for (let i = 0; i < 5001; i++) await cache.rules(`http://h${i}.example`);
    await cache.rules('http://h5000.example');
    expect(asked()).toBe(5001);
    await cache.rules('http://h0.example');
    expect(asked()).toBe(5002);
  });

  test('is bounded by size', async () => {
    const { cache, asked } = fake([
      { status: 200, text: `User-agent: *\n${`Disallow: /${'x'.repeat(1000)}\n`.repeat(400)}` },
    ]);
    for (let i = 0; i < 60; i++) await cache.rules(`http://h${i}.example`);
    await cache.rules('http://h59.example');
    expect(asked()).toBe(60);
    await cache.rules('http://h0.example');
    expect(asked()).toBe(61);
  });
});
