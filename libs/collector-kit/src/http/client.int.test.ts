import { once } from 'node:events';
import { connect } from 'node:net';
import { jest } from '@jest/globals';
import { client, closeAll, errorOf, rawSite, site } from './loopback-site.ts';
import { until } from '../testing/until.ts';

afterEach(closeAll);

const text = async (response: { bytes(): Promise<Uint8Array> }): Promise<string> =>
  Buffer.from(await response.bytes()).toString();

describe('a request', () => {
  test('says who it is, and answers with the head and the body', async () => {
    const target = await site({
      '/a': (_, response) =>
        response
          .setHeader('vary', ['accept', 'origin'])
          .writeHead(200, {
            'content-type': 'Text/HTML; Charset="UTF-8"',
            etag: 'W/"x"',
            'last-modified': 'Sat, 21 Nov 2026 08:00:00 GMT',
            'set-cookie': 'a=b',
          })
          .end('hello'),
    });
    const response = await client().get(`${target.origin}/%61?#x`, {
      accept: 'text/html',
      headers: { 'X-Own': '1', Cookie: 'c=d', Host: 'other.example', 'User-Agent': 'Other' },
    });
    expect(response).toMatchObject({
      status: 200,
      url: `${target.origin}/a`,
      redirects: [],
      notModified: false,
      etag: 'W/"x"',
      lastModified: 'Sat, 21 Nov 2026 08:00:00 GMT',
      contentType: 'text/html',
      charset: 'utf-8',
    });
    expect(response.headers['vary']).toBe('accept, origin');
    expect(response.headers['set-cookie']).toBeUndefined();
    expect(await text(response)).toBe('hello');
    expect(target.requests).toEqual(['GET /robots.txt', 'GET /a']);
    expect(target.headers[1]).toMatchObject({
      'user-agent': 'Magpie/0.0.1 (+https://magpie.example/about)',
      accept: 'text/html',
      'x-own': '1',
      host: `127.0.0.1:${target.port}`,
    });
    expect(target.headers[1]?.cookie).toBeUndefined();
    expect(target.headers[1]?.['accept-encoding']).toMatch(/^gzip, deflate, br/);
  });

  test('POST sends its body; HEAD has none', async () => {
    let body = '';
    const target = await site({
      '/post': (request, response) => {
        request
          .on('data', (chunk: Buffer) => (body += chunk.toString()))
          .on('end', () => response.end('done'));
      },
      '/head': (_, response) =>
        response.writeHead(200, { 'content-length': 1000, 'content-encoding': 'gzip' }).end(),
    });
    const http = client();
    const post = await http.request(`${target.origin}/post`, {
      method: 'POST',
      body: 'a=1',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      robots: false,
    });
    expect(await text(post)).toBe('done');
    expect(body).toBe('a=1');
    const head = await http.request(`${target.origin}/head`, { method: 'HEAD', robots: false });
    expect(head.contentLength).toBe(1000);
    expect(await text(head)).toBe('');
  });

  test('connections are kept, and no more than allowed are open at one host', async () => {
    let most = 0;
    const waiting: import('node:http').ServerResponse[] = [];
    // Answers three by three: with fewer at a time nothing would go on.
    const target = await site({
      '/': (_, response) => {
        most = Math.max(most, waiting.push(response));
        if (waiting.length !== 3) return;
        setTimeout(() => {
          for (const one of waiting.splice(0)) one.end('x'.repeat(1000));
        }, 10);
      },
    });
    const http = client({ perHostConcurrency: 3 });
    const all = Array.from({ length: 30 }, async (_, i) => text(await http.get(`${target.origin}/?${i}`)));
    expect(new Set(await Promise.all(all)).size).toBe(1);
    expect(most).toBe(3);
    expect(target.connections.count).toBeLessThanOrEqual(3);
  });

  test('a place at the host comes free when a body is given up, thrown away or left', async () => {
    const target = await site({
      '/big': (_, response) => response.end(Buffer.alloc(3_000_000)),
      '/404': (_, response) => response.writeHead(404).end(Buffer.alloc(3_000_000)),
    });
    const http = client({ perHostConcurrency: 1 });
    (await http.get(`${target.origin}/big`)).cancel();
    for await (const chunk of (await http.get(`${target.origin}/big`)).body) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    expect((await errorOf(http.get(`${target.origin}/404`))).status).toBe(404);
    const unread = (await http.get(`${target.origin}/big`)).body[Symbol.asyncIterator]();
    await unread.return?.();
    expect((await (await http.get(`${target.origin}/big`)).bytes()).length).toBe(3_000_000);
  });

  test('a connection that the server closed meanwhile is replaced', async () => {
    const target = await site({ '/': (_, response) => response.end('ok') });
    const http = client();
    await text(await http.get(`${target.origin}/`));
    for (const socket of target.sockets) socket.destroy();
    expect(await text(await http.get(`${target.origin}/`))).toBe('ok');
  });

  test('a connection closed at the very moment it is used again is replaced, once', async () => {
    let answers = 0;
    const target = await rawSite((socket) => {
      let first = true;
      socket.on('data', () => {
        if (first) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
        else socket.end();
        first = false;
        answers++;
      });
    });
    const http = client({ perHostConcurrency: 1 });
    expect(await text(await http.get(`${target.origin}/`, { robots: false }))).toBe('ok');
    expect(await text(await http.get(`${target.origin}/`, { robots: false }))).toBe('ok');
    expect(answers).toBe(3);
  });
});

describe('statuses', () => {
  test.each([
    [400, 'Permanent'],
    [403, 'Permanent'],
    [404, 'Permanent'],
    [410, 'Permanent'],
    [300, 'Permanent'],
    [304, 'Permanent'],
    [408, 'Retryable'],
    [500, 'Retryable'],
    [502, 'Retryable'],
  ])('%i is %s', async (status, name) => {
    const target = await site({ '/': (_, response) => response.writeHead(status).end() });
    const url = `${target.origin}/?token=secret`;
    const error = await errorOf(client().get(url));
    expect(error).toMatchObject({ name, code: 'http_status', status, url: `${target.origin}/?token=…` });
  });

  test('a caller can take an error status as an answer', async () => {
    const target = await site({ '/': (_, response) => response.writeHead(403).end('quota') });
    const response = await client().get(`${target.origin}/`, { expect: (status) => status < 500 });
    expect([response.status, await text(response)]).toEqual([403, 'quota']);
  });

  test.each([
    [429, '120', 120_000, true],
    [429, '0', 1000, true],
    [429, '999999', 3_600_000, true],
    [429, undefined, 30_000, false],
    [503, '7', 7000, true],
    [503, undefined, 30_000, false],
  ])('%i with Retry-After %s rests the host for %i ms', async (status, header, ms, stated) => {
    const target = await site({
      '/': (_, response) =>
        response.writeHead(status, header === undefined ? {} : { 'retry-after': header }).end(),
    });
    const before = Date.now();
    const error = await errorOf(client().get(`${target.origin}/`));
    expect(error).toMatchObject({ name: 'RetryAfter', code: 'host_backoff', status, stated });
    expect(error.host).toBe(`127.0.0.1:${target.port}`);
    expect(error.untilMs).toBeGreaterThanOrEqual(before + ms);
    expect(error.untilMs).toBeLessThanOrEqual(Date.now() + ms);
  });

  test('Retry-After as a date', async () => {
    const date = new Date(Date.now() + 90_000);
    const target = await site({
      '/': (_, response) => response.writeHead(503, { 'retry-after': date.toUTCString() }).end(),
    });
    const error = await errorOf(client().get(`${target.origin}/`));
    expect(Math.abs((error.untilMs ?? 0) - date.getTime())).toBeLessThan(1100);
  });

  test('a host that wants a rest is not asked until then', async () => {
    const target = await site({
      '/busy': (_, response) => response.writeHead(429, { 'retry-after': '600' }).end(),
      '/': (_, response) => response.end('ok'),
    });
    const http = client();
    await errorOf(http.get(`${target.origin}/busy`));
    const error = await errorOf(http.get(`${target.origin}/`));
    expect(error).toMatchObject({ name: 'RetryAfter', code: 'host_backoff' });
    expect(target.requests).toEqual(['GET /robots.txt', 'GET /busy']);
    const real = Date.now;
    const later = jest.spyOn(Date, 'now').mockImplementation(() => real() + 600_000);
    expect(await text(await http.get(`${target.origin}/`))).toBe('ok');
    later.mockRestore();
  });

  test('a 503 that names no time rests that request only', async () => {
    const target = await site({
      '/broken': (_, response) => response.writeHead(503).end(),
      '/': (_, response) => response.end('ok'),
    });
    const http = client();
    await errorOf(http.get(`${target.origin}/broken`));
    expect(await text(await http.get(`${target.origin}/`))).toBe('ok');
  });
});

describe('conditional requests', () => {
  test('an unchanged copy is said to be so, a changed one is sent', async () => {
    const target = await site({
      '/': (request, response) => {
        const same =
          request.headers['if-none-match'] === '"v1"' ||
          request.headers['if-modified-since'] === 'Sat, 21 Nov 2026 08:00:00 GMT';
        response.writeHead(same ? 304 : 200, { etag: '"v1"' }).end(same ? undefined : 'body');
      },
    });
    const http = client();
    const url = `${target.origin}/`;
    const byTag = await http.get(url, { etag: '"v1"' });
    expect(byTag).toMatchObject({ status: 304, notModified: true, etag: '"v1"' });
    expect(await text(byTag)).toBe('');
    expect((await http.get(url, { lastModified: 'Sat, 21 Nov 2026 08:00:00 GMT' })).notModified).toBe(true);
    const changed = await http.get(url, { etag: '"v0"' });
    expect([changed.notModified, await text(changed)]).toEqual([false, 'body']);
  });
});

describe('redirects', () => {
  test('are followed to the end, by every status and form of target', async () => {
    const to =
      (status: number, location: string) => (_: unknown, response: import('node:http').ServerResponse) =>
        void response.writeHead(status, { location }).end('moved');
    const target = await site({
      '/1': to(301, '/2#x'),
      '/2': to(302, '3'),
      '/3': to(303, '?q'),
      '/4': to(308, '/ä'),
      '/%C3%A4': (_, response) => response.end('there'),
    });
    // What `?q` leads to is told from /3 itself by its query.
    const hops: string[] = [];
    const other = await site({ '/': to(307, `${target.origin}/4`) });
    const response = await client().get(`${other.origin}/`, {
      onRedirect: ({ to: next }) => hops.push(next),
    });
    expect(await text(response)).toBe('there');
    expect(response.url).toBe(`${target.origin}/%C3%A4`);
    expect(response.redirects).toEqual([`${other.origin}/`, `${target.origin}/4`]);
    expect(hops).toEqual([`${target.origin}/4`, `${target.origin}/%C3%A4`]);
    expect(target.requests).toContain('GET /robots.txt');

    const error = await errorOf(client().get(`${target.origin}/1`));
    expect(error.code).toBe('redirect_loop');
    expect(target.requests.slice(-4)).toEqual(['GET /1', 'GET /2', 'GET /3', 'GET /3?q']);
  });

  test.each(['utf8', 'latin1'] as const)('a target in raw %s bytes', async (charset) => {
    const target = await rawSite((socket) => {
      socket.on('data', (data: Buffer) => {
        const first = data.toString().startsWith('GET / ');
        socket.write(
          first
            ? Buffer.from('HTTP/1.1 302 Found\r\nlocation: /é\r\ncontent-length: 0\r\n\r\n', charset)
            : 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
        );
      });
    });
    expect((await client().get(`${target.origin}/`, { robots: false })).url).toBe(`${target.origin}/%C3%A9`);
  });

  test('loops and long chains end', async () => {
    const target = await site({
      '/a': (_, response) => response.writeHead(302, { location: '/b' }).end(),
      '/b': (_, response) => response.writeHead(302, { location: '/a' }).end(),
      '/self': (_, response) => response.writeHead(302, { location: '/self' }).end(),
      '/n': (request, response) => {
        const n = Number(request.url?.split('?')[1] ?? 0);
        response.writeHead(302, { location: `/n?${n + 1}` }).end();
      },
    });
    const http = client();
    expect(await errorOf(http.get(`${target.origin}/a`))).toMatchObject({
      name: 'Permanent',
      code: 'redirect_loop',
    });
    expect((await errorOf(http.get(`${target.origin}/self`))).code).toBe('redirect_loop');
    const error = await errorOf(http.get(`${target.origin}/n`, { limits: { maxRedirects: 4 } }));
    expect(error).toMatchObject({ name: 'Permanent', code: 'too_many_redirects' });
    expect(target.requests.filter((line) => line.startsWith('GET /n'))).toHaveLength(5);
  });

  test('to another origin nothing goes along that could tell who asks', async () => {
    const there = await site({ '/': (_, response) => response.end('ok') });
    const here = await site({
      '/away': (_, response) => response.writeHead(302, { location: `${there.origin}/` }).end(),
      '/near': (_, response) => response.writeHead(302, { location: '/end' }).end(),
      '/end': (_, response) => response.end('ok'),
    });
    const http = client();
    const headers = { authorization: 'Bearer s', 'x-api-key': 's', 'accept-language': 'de' };
    await text(await http.get(`${here.origin}/away`, { headers }));
    expect(there.headers.at(-1)).toMatchObject({ 'accept-language': 'de' });
    expect(there.headers.at(-1)?.authorization).toBeUndefined();
    expect(there.headers.at(-1)?.['x-api-key']).toBeUndefined();
    await text(await http.get(`${here.origin}/near`, { headers }));
    expect(here.headers.at(-1)).toMatchObject({ authorization: 'Bearer s', 'x-api-key': 's' });
  });

  test('a POST becomes GET by 302 and 303, stays one by 307, and never carries its body to another origin', async () => {
    const seen: string[] = [];
    const there = await site({ '/': (_, response) => response.end('ok') });
    const here = await site({
      '/302': (_, response) => response.writeHead(302, { location: '/end' }).end(),
      '/form': (request, response) => {
        if (request.method === 'POST') response.writeHead(303, { location: '/form' }).end();
        else response.end('thanks');
      },
      '/307': (_, response) => response.writeHead(307, { location: '/end' }).end(),
      '/away': (_, response) => response.writeHead(307, { location: `${there.origin}/` }).end(),
      '/end': (request, response) => {
        seen.push(`${request.method} ${request.headers['content-type'] ?? '-'}`);
        response.end();
      },
    });
    const http = client();
    const post = {
      method: 'POST',
      body: '{"access_token":1}',
      headers: { 'content-type': 'a/b' },
      robots: false,
    } as const;
    await text(await http.request(`${here.origin}/302`, post));
    await text(await http.request(`${here.origin}/307`, post));
    expect(seen).toEqual(['GET -', 'POST a/b']);
    expect(await text(await http.request(`${here.origin}/form`, post))).toBe('thanks');
    const error = await errorOf(http.request(`${here.origin}/away`, post));
    expect(error).toMatchObject({ name: 'Permanent', code: 'http_status', status: 307 });
    expect(there.requests).toEqual([]);
  });
});

describe('time', () => {
  test('an endless drip ends at the deadline, though bytes keep coming', async () => {
    const target = await site({
      '/': (_, response) => {
        const timer = setInterval(() => response.write('x'), 20);
        response.on('close', () => clearInterval(timer));
      },
    });
    const http = client({ limits: { totalMs: 300 } });
    const reading = http.get(`${target.origin}/`, { robots: false }).then((response) => response.bytes());
    const error = await errorOf(reading);
    expect(error).toMatchObject({ name: 'Retryable', code: 'transfer_timeout' });
    await until(() => target.sockets.size === 0);
  });

  test('a body that nobody reads gives its socket back at the deadline', async () => {
    const target = await site({ '/': (_, response) => response.end(Buffer.alloc(5_000_000)) });
    const http = client({ limits: { totalMs: 300 } });
    // On a slow machine it may be over before there is a body.
    await http.get(`${target.origin}/`, { robots: false }).catch(() => undefined);
    await until(() => target.sockets.size === 0);
  });

  test('headers that do not come', async () => {
    const target = await site({ '/': () => undefined });
    const http = client({ limits: { headersMs: 200 } });
    const error = await errorOf(http.get(`${target.origin}/`, { robots: false }));
    expect(error).toMatchObject({ name: 'Retryable', code: 'headers_timeout' });
  });

  test('redirects share one deadline', async () => {
    const target = await site({
      '/': (request, response) => {
        const n = Number(request.url?.split('?')[1] ?? 0);
        setTimeout(() => response.writeHead(302, { location: `/?${n + 1}` }).end(), 100);
      },
    });
    const http = client({ limits: { totalMs: 350, maxRedirects: 100 } });
    const error = await errorOf(http.get(`${target.origin}/`, { robots: false }));
    expect(error.code).toBe('transfer_timeout');
    expect(target.requests.length).toBeLessThan(8);
  });
});

describe('abort', () => {
  test.each(['headers', 'body', 'unread body', 'robots.txt'])(
    'while waiting for %s closes the socket',
    async (what) => {
      let reached = false;
      const hang = (_: unknown, response: import('node:http').ServerResponse): void => {
        reached = true;
        if (what === 'body') response.write('beginning');
        if (what === 'unread body') response.write(Buffer.alloc(5_000_000));
      };
      const target = await site({ '/': hang, ...(what === 'robots.txt' && { '/robots.txt': hang }) });
      const controller = new AbortController();
      const pending = client().get(`${target.origin}/`, {
        signal: controller.signal,
        robots: what === 'robots.txt',
      });
      const outcome = errorOf(pending.then((response) => response.bytes()));
      await until(() => reached);
      controller.abort();
      expect(await outcome).toMatchObject({ name: 'Aborted', code: 'aborted' });
      await until(() => target.sockets.size === 0);
    },
  );

  test('before it began, and while waiting for a turn', async () => {
    const target = await site({ '/': () => undefined, '/robots.txt': (_, response) => response.end() });
    const http = client({ perHostConcurrency: 1 });
    expect((await errorOf(http.get(`${target.origin}/`, { signal: AbortSignal.abort() }))).code).toBe(
      'aborted',
    );
    const holder = new AbortController();
    const first = errorOf(http.get(`${target.origin}/?1`, { signal: holder.signal }));
    const waiter = new AbortController();
    const second = errorOf(http.get(`${target.origin}/?2`, { signal: waiter.signal }));
    await until(() => target.requests.includes('GET /?1'));
    waiter.abort();
    expect((await second).code).toBe('aborted');
    holder.abort();
    await first;
    expect(target.requests).toEqual(['GET /robots.txt', 'GET /?1']);
  });

  test('close ends what is under way, and may be called twice', async () => {
    const target = await site({ '/': () => undefined });
    const http = client();
    const outcome = errorOf(http.get(`${target.origin}/`));
    await until(() => target.requests.includes('GET /'));
    await http.close();
    expect((await outcome).code).toBe('aborted');
    await http.close();
    expect((await errorOf(http.get(`${target.origin}/`))).code).toBe('aborted');
  });

  test('one signal serves a thousand requests without a warning', async () => {
    const warnings: string[] = [];
    const listen = (warning: Error): number => warnings.push(warning.message);
    process.on('warning', listen);
    const target = await site({ '/': (_, response) => response.end('ok') });
    const http = client({ perHostConcurrency: 50 });
    const { signal } = new AbortController();
    await Promise.all(
      Array.from({ length: 300 }, async () => text(await http.get(`${target.origin}/`, { signal }))),
    );
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', listen);
    expect(warnings).toEqual([]);
  });
});

describe('the network', () => {
  test('nobody listens', async () => {
    // The near end of an open connection: nobody else gets its port.
    const { port } = await site();
    const own = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.1' });
    await once(own, 'connect');
    const url = `http://127.0.0.1:${own.localPort}/x`;
    for (const robots of [true, false]) {
      const error = await errorOf(client().get(url, { robots }));
      expect(error).toMatchObject({ name: 'Retryable', code: 'connect_refused', url });
    }
    own.destroy();
  });

  test('a connection that never comes about', async () => {
    // An answer that never comes stands for it; the limit covers lookup, TCP and TLS together.
    const http = client({ lookup: () => new Promise(() => undefined), limits: { connectMs: 300 } });
    const error = await errorOf(http.get('http://slow.example/', { robots: false }));
    expect(error).toMatchObject({ name: 'Retryable', code: 'connect_timeout' });
  });

  test('TLS that is none', async () => {
    const target = await rawSite((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const error = await errorOf(client().get(target.origin.replace('http:', 'https:'), { robots: false }));
    expect(error).toMatchObject({ name: 'Retryable', code: 'tls_error' });
  });

  test.each([
    ['closes without a word', '', 'Retryable', 'connection_lost'],
    ['speaks something else', '220 smtp ready\r\n', 'Permanent', 'protocol_error'],
    [
      'sends endless headers',
      `HTTP/1.1 200 OK\r\n${`x: ${'y'.repeat(1000)}\r\n`.repeat(40)}\r\n`,
      'Permanent',
      'protocol_error',
    ],
  ])('a server that %s', async (_, answer, name, code) => {
    const target = await rawSite((socket) => socket.once('data', () => socket.end(answer)));
    expect(await errorOf(client().get(`${target.origin}/`, { robots: false }))).toMatchObject({ name, code });
  });

  test.each([
    ['a length that is not reached', 'content-length: 100\r\n\r\nshort'],
    [
      'no last chunk, on a connection that was to be closed',
      'connection: close\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n',
    ],
    ['a last chunk that is missing', 'transfer-encoding: chunked\r\n\r\n5\r\nshort\r\n'],
  ])('a body with %s is truncated', async (_, rest) => {
    const target = await rawSite((socket) =>
      socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\n${rest}`)),
    );
    const response = await client().get(`${target.origin}/`, { robots: false });
    expect(await errorOf(response.bytes())).toMatchObject({ name: 'Retryable', code: 'truncated_body' });
  });

  test('a body with a damaged chunk is a protocol_error', async () => {
    const head = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';
    const target = await rawSite((socket) => socket.once('data', () => socket.end(`${head}zz\r\n`)));
    const outcome = client()
      .get(`${target.origin}/`, { robots: false })
      .then((response) => response.bytes());
    expect(await errorOf(outcome)).toMatchObject({ name: 'Permanent', code: 'protocol_error' });
  });

  test('a connection reset within the body is a truncated body', async () => {
    const target = await rawSite((socket) =>
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort')),
    );
    const response = await client().get(`${target.origin}/`, { robots: false });
    for (const socket of target.sockets) socket.resetAndDestroy();
    expect((await errorOf(response.bytes())).code).toBe('truncated_body');
  });
});
