import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { runCommand } from './command.ts';
import { startNginx, type Nginx } from './nginx.ts';
import { NGINX_TEMPLATE, renderTemplate } from './nginx-config.ts';
import { freePort } from './ports.ts';
import { makeTestDirectory } from './testing/test-servers.ts';

const png = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), randomBytes(50_000)]);
const svg = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>';

let data: string;
let upstream: Server;
let nginx: Nginx;
/** Set by a test: what the gateway's double does. */
let handle: Parameters<typeof createServer>[1];

beforeAll(async () => {
  data = await makeTestDirectory();
  const files = join(data, 'files');
  await mkdir(join(files, 'images/ab'), { recursive: true });
  await mkdir(join(files, '.tmp'), { recursive: true });
  await writeFile(join(files, 'images/ab/one.png'), png);
  await writeFile(join(files, 'images/ab/one.svg'), svg);
  for (const name of ['page.html', 'page.xhtml', 'feed.xml', 'code.js', 'noextension', 'odd.PNG.html']) {
    await writeFile(join(files, 'images', name), '<script>alert(1)</script>');
  }
  await writeFile(join(files, 'rows.csv'), 'ä,b\n');
  await writeFile(join(files, '.tmp/half.png'), 'half');
  await writeFile(join(files, 'images/.hidden.png'), 'hidden');
  await writeFile(join(data, 'secret.txt'), 'secret');
  await symlink(join(data, 'secret.txt'), join(files, 'images/link.png'));
  upstream = createServer((req, res) => handle?.(req, res));
  // nginx ends idle connections, not we: what it sends on one that we are closing would be lost.
  upstream.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const gatewayUrl = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  nginx = await startNginx({
    data,
    filesRoot: files,
    listenPort: await freePort(),
    gatewayUrl,
    say: () => {},
  });
});

afterAll(async () => {
  await nginx?.stop();
  await nginx?.stop();
  upstream?.closeAllConnections();
  await new Promise((resolve) => upstream?.close(resolve));
  await rm(data, { recursive: true, force: true });
});

const get = (path: string, init: RequestInit = {}): Promise<Response> => fetch(`${nginx.url}${path}`, init);

/** A request exactly as written, which no client would tidy up. */
function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(nginx.url).port), '127.0.0.1', () => socket.write(text));
    let got = '';
    socket.on('data', (chunk) => (got += chunk.toString()));
    socket.on('close', () => resolve(got));
    socket.on('error', reject);
  });
}

describe('kept files', () => {
  it('are served whole, immutable, and never guessed at', async () => {
    const answer = await get('/files/images/ab/one.png');
    expect(answer.status).toBe(200);
    expect(Buffer.from(await answer.arrayBuffer()).equals(png)).toBe(true);
    const headers = Object.fromEntries(answer.headers);
    expect(headers).toMatchObject({
      'content-type': 'image/png',
      'cache-control': 'public, max-age=31536000, immutable',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
      'cross-origin-resource-policy': 'cross-origin',
      'accept-ranges': 'bytes',
    });
    expect(headers['content-disposition']).toBeUndefined();
    expect(headers['server']).toBe('nginx');
  });

  it('answer ranges, conditions and HEAD', async () => {
    const part = await get('/files/images/ab/one.png', { headers: { range: 'bytes=10-19' } });
    expect(part.status).toBe(206);
    expect(part.headers.get('content-range')).toBe(`bytes 10-19/${png.length}`);
    expect(part.headers.get('x-content-type-options')).toBe('nosniff');
    expect(Buffer.from(await part.arrayBuffer()).equals(png.subarray(10, 20))).toBe(true);
    const beyond = await get('/files/images/ab/one.png', { headers: { range: 'bytes=999999-' } });
    expect([beyond.status, beyond.headers.get('content-type')]).toEqual([416, 'application/problem+json']);
    expect(beyond.headers.get('content-range')).toBe(`bytes */${png.length}`);
    expect(await beyond.json()).toMatchObject({ status: 416, code: 'range_not_satisfiable' });
    const head = await get('/files/images/ab/one.png', { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe(String(png.length));
    const etag = head.headers.get('etag') ?? '';
    const same = await get('/files/images/ab/one.png', { headers: { 'if-none-match': etag } });
    expect(same.status).toBe(304);
    expect(same.headers.get('cache-control')).toContain('immutable');
  });

  it('make SVG embeddable but never a page', async () => {
    const answer = await get('/files/images/ab/one.svg');
    expect(answer.headers.get('content-type')).toBe('image/svg+xml');
    expect(answer.headers.get('content-disposition')).toBe('attachment');
    expect(answer.headers.get('content-security-policy')).toMatch(/sandbox$/);
    expect(await answer.text()).toBe(svg);
  });

  it('are a download of bytes when a browser could run them', async () => {
    for (const name of ['page.html', 'page.xhtml', 'feed.xml', 'code.js', 'noextension', 'odd.PNG.html']) {
      const answer = await get(`/files/images/${name}`);
      expect([name, answer.status, answer.headers.get('content-type')]).toEqual([
        name,
        200,
        'application/octet-stream',
      ]);
      expect(answer.headers.get('content-disposition')).toBe('attachment');
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      await answer.text();
    }
    const rows = await get('/files/rows.csv');
    expect(rows.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    await rows.text();
  });

  it('hide directories, dot files, links out, and what is not there, all alike', async () => {
    const paths = [
      '/files/',
      '/files/images/',
      '/files/images',
      '/files/.tmp/half.png',
      '/files/%2etmp/half.png',
      '/files/images/.hidden.png',
      '/files/images/link.png',
      '/files/nothing.png',
    ];
    for (const path of paths) {
      const answer = await get(path, { redirect: 'manual' });
      expect([path, answer.status]).toEqual([path, 404]);
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(await answer.json()).toMatchObject({ status: 404, code: 'not_found' });
    }
  });

  it('do not let a path climb out', async () => {
    handle = (_req, res) => res.end('gateway');
    const paths = [
      '/files/../secret.txt',
      '/files/..%2fsecret.txt',
      '/files/%2e%2e/secret.txt',
      '/files/images/../../secret.txt',
      '/files/..;/secret.txt',
      '/files../secret.txt',
      '/files/..\\secret.txt',
      '/files/%00',
    ];
    for (const path of paths) {
      const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      expect([path, answer.includes('\r\n\r\nsecret')]).toEqual([path, false]);
    }
  });

  it('are read only', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const answer = await get('/files/images/ab/one.png', { method });
      expect([method, answer.status]).toEqual([method, 405]);
      expect(answer.headers.get('allow')).toBe('GET, HEAD');
      expect(await answer.json()).toMatchObject({ code: 'method_not_allowed' });
    }
  });
});

describe('exports', () => {
  const rows = Buffer.from(Array.from({ length: 5000 }, (_, i) => `${i},ä\n`).join(''));
  const place = '/files/exports/0123456789abcdefghijkl-00112233445566778899aabbccddeeff';
  const name = 'my export 2026.csv';

  beforeAll(async () => {
    for (const directory of [place, '/files/exports/.tmp-0123456789abcdefghijkl-00'])
      await mkdir(join(data, directory), { recursive: true });
    for (const file of [name, 'a.csv.gz', 'a.ndjson', 'a.json', 'a.xlsx', 'a.parquet', 'a.zip', 'a.png'])
      await writeFile(join(data, place, file), rows);
    await writeFile(join(data, '/files/exports/.tmp-0123456789abcdefghijkl-00', name), rows);
  });

  it('are downloaded under their name, kept by nobody on the way', async () => {
    const answer = await get(encodeURI(`${place}/${name}`), { headers: { 'accept-encoding': 'gzip' } });
    expect(answer.status).toBe(200);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': `attachment; filename="${name}"`,
      'cache-control': 'private, no-store',
      'cross-origin-resource-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
      'accept-ranges': 'bytes',
      'content-length': String(rows.length),
    });
    // Compressed on the way, a range would be one of other bytes.
    expect(answer.headers.get('content-encoding')).toBeNull();
    expect(Buffer.from(await answer.arrayBuffer()).equals(rows)).toBe(true);
  });

  it('go on after a broken download', async () => {
    const path = encodeURI(`${place}/${name}`);
    const first = await get(path, { headers: { range: 'bytes=0-9999' } });
    expect([first.status, first.headers.get('content-range')]).toEqual([206, `bytes 0-9999/${rows.length}`]);
    const etag = first.headers.get('etag') ?? '';
    const rest = await get(path, { headers: { range: 'bytes=10000-', 'if-range': etag } });
    expect(rest.status).toBe(206);
    expect(rest.headers.get('content-disposition')).toBe(`attachment; filename="${name}"`);
    const got = Buffer.concat([
      Buffer.from(await first.arrayBuffer()),
      Buffer.from(await rest.arrayBuffer()),
    ]);
    expect(got.equals(rows)).toBe(true);
  });

  it('come to their end when they expire meanwhile, and are gone for who comes then', async () => {
    const large = randomBytes(24 * 1024 * 1024);
    const directory = join(data, '/files/exports/0123456789abcdefghijkl-0f');
    await mkdir(directory);
    await writeFile(join(directory, 'large.zip'), large);
    const path = '/files/exports/0123456789abcdefghijkl-0f/large.zip';
    const chunks: Buffer[] = [];
    for await (const chunk of (await get(path)).body as unknown as AsyncIterable<Uint8Array>) {
      if (chunks.length === 0) await rm(directory, { recursive: true });
      chunks.push(Buffer.from(chunk));
    }
    expect(Buffer.concat(chunks).equals(large)).toBe(true);
    const late = await get(path, { headers: { range: 'bytes=5-' } });
    expect([late.status, await late.json()]).toMatchObject([404, { code: 'not_found' }]);
  });

  it('have a name in any script, as the standard of such headers writes it', async () => {
    const named = 'Größe 東京’s.csv';
    await writeFile(join(data, place, named), rows);
    const answer = await get(encodeURI(`${place}/${named}`), { headers: { range: 'bytes=0-3' } });
    expect(answer.status).toBe(206);
    const disposition = answer.headers.get('content-disposition') ?? '';
    expect(disposition).toBe(`attachment; filename*=UTF-8''${encodeURIComponent(named)}`);
    expect(decodeURIComponent(disposition.split("''")[1] ?? '')).toBe(named);
    await answer.arrayBuffer();
    // As some clients write it, and with what is no part of a name.
    for (const path of [`${place}/${named.replace(' ', '%20')}`, `${encodeURI(`${place}/${named}`)}?x=";y`]) {
      const other = await raw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      expect(other).toMatch(/^HTTP\/1.1 200 /);
      expect(/^content-disposition: (.*)\r$/im.exec(other)?.[1]).toMatch(
        /^attachment(; filename\*=UTF-8''[A-Za-z0-9%._-]+)?$/,
      );
    }
  });

  it.each([
    ['a.csv.gz', 'application/gzip'],
    ['a.ndjson', 'application/x-ndjson'],
    ['a.json', 'application/json'],
    ['a.xlsx', 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'],
    ['a.parquet', 'application/vnd.apache.parquet'],
    ['a.zip', 'application/zip'],
    ['a.png', 'image/png'],
  ])('have the type of their ending: %s', async (file, type) => {
    const answer = await get(`${place}/${file}`);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, type]);
    expect(answer.headers.get('content-disposition')).toBe(`attachment; filename="${file}"`);
    expect(answer.headers.get('content-encoding')).toBeNull();
    await answer.text();
  });

  it('are hidden while they are made, and in no list', async () => {
    for (const path of [
      encodeURI(`/files/exports/.tmp-0123456789abcdefghijkl-00/${name}`),
      encodeURI(`/files/exports/%2etmp-0123456789abcdefghijkl-00/${name}`).replace('%252e', '%2e'),
      '/files/exports/',
      `${place}/`,
      '/files/exports/0123456789abcdefghijkl-ffffffffffffffffffffffffffffffff/a.csv',
    ]) {
      const answer = await get(path);
      expect([path, answer.status]).toEqual([path, 404]);
      await answer.text();
    }
  });
});

describe('the gateway behind nginx', () => {
  it('learns who asks and how, whatever the client claims', async () => {
    let seen: IncomingMessage | undefined;
    handle = (req, res) => {
      seen = req;
      res.setHeader('content-type', 'application/json');
      res.end('{"ok":true}');
    };
    const answer = await get('/api/v1/jobs?limit=1', {
      headers: { 'x-forwarded-for': '8.8.8.8', 'x-request-id': 'mine', 'x-forwarded-proto': 'https' },
    });
    expect(await answer.json()).toEqual({ ok: true });
    expect(seen?.url).toBe('/api/v1/jobs?limit=1');
    expect(seen?.httpVersion).toBe('1.1');
    expect(seen?.headers).toMatchObject({
      host: new URL(nginx.url).host,
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': new URL(nginx.url).host,
    });
    expect(seen?.headers['x-request-id']).toMatch(/^[0-9a-f]{32}$/);
    expect(seen?.headers.connection).toBeUndefined();
  });

  it('keeps its connections', async () => {
    const ports = new Set<number | undefined>();
    handle = (req, res) => {
      ports.add(req.socket.remotePort);
      res.end('x');
    };
    for (let i = 0; i < 20; i++) await (await get('/')).text();
    expect(ports.size).toBeLessThan(10);
  });

  it('gets a small body whole and never a large one', async () => {
    handle = (req, res) => {
      let bytes = 0;
      req.on('data', (chunk: Buffer) => (bytes += chunk.length));
      req.on('end', () => res.end(String(bytes)));
    };
    const MiB = 1024 * 1024;
    const most = {
      '/images_tasks': 2,
      '/api/fans/insertcompany/': 2,
      '/api/v1/jobs': 16,
      '/api/v1/jobs/0123456789abcdef01234567': 16,
      '/api/v1/plan': 16,
    };
    for (const [path, size] of Object.entries(most)) {
      const whole = await get(path, { method: 'POST', body: Buffer.alloc(size * MiB) });
      expect([path, await whole.text()]).toEqual([path, String(size * MiB)]);
      const large = await get(path, { method: 'POST', body: Buffer.alloc(size * MiB + 1) });
      expect([path, large.status]).toEqual([path, 413]);
      expect(await large.json()).toMatchObject({ status: 413, code: 'payload_too_large' });
    }
  });

  it('gets paths, queries and forms as they were sent', async () => {
    const seen: { url?: string | undefined; authorization?: string | undefined; body: string }[] = [];
    handle = (req, res) => {
      let body = '';
      req.on('data', (chunk: Buffer) => (body += chunk.toString()));
      req.on('end', () => {
        seen.push({ url: req.url, authorization: req.headers.authorization, body });
        res.writeHead(303, { location: '/task/1/' }).end();
      });
    };
    const many = Array.from({ length: 200 }, (_, i) => `pages=a-page-with-a-long-name-${i}`).join('&');
    const urls = [
      '/api/fans/multipage/?pages=a&pages=b&pages=%C3%A4%2Fb&format=csv',
      `/api/fans/multipage/?${many}`,
      '/api/fans/linechart/a%20page%2Fwith.dots?from=2026-05-01T00:00:00%2B02:00',
      '/api/fans/table/page',
      '/videos/?limit=2&cursor=x%3D%3D',
      '/search/?q=sri+lanka%20%26',
      '/task/new/',
      '/api/v1/jobs/0123456789abcdef01234567/coverage',
    ];
    for (const url of urls) await get(url, { redirect: 'manual', headers: { authorization: 'Basic eDp5' } });
    expect(seen.map(({ url }) => url)).toEqual(urls);
    expect(seen.every(({ authorization }) => authorization === 'Basic eDp5')).toBe(true);
    const posted = await get('/task/new/', {
      method: 'POST',
      redirect: 'manual',
      body: new URLSearchParams({ tag: '#закат', start: '2026-05-01' }),
    });
    expect([posted.status, posted.headers.get('location')]).toEqual([303, '/task/1/']);
    expect(seen.at(-1)?.body).toBe('tag=%23%D0%B7%D0%B0%D0%BA%D0%B0%D1%82&start=2026-05-01');
  });

  it('is asked every time: nothing of its answers is kept on the way, and what they say of keeping stays', async () => {
    let asked = 0;
    handle = (req, res) => {
      asked++;
      res.setHeader('etag', '"abc"');
      res.setHeader('cache-control', 'private, max-age=60');
      if (req.headers['if-none-match']?.includes('"abc"')) res.writeHead(304).end();
      else res.setHeader('content-type', 'text/csv; charset=utf-8').end('at,fans\n');
    };
    for (const path of ['/api/fans/linechart/a', '/videos/', '/task/new/']) {
      asked = 0;
      const [first, second] = [await get(path), await get(path)];
      expect([path, asked, first.headers.get('cache-control')]).toEqual([path, 2, 'private, max-age=60']);
      expect([await first.text(), await second.text()]).toEqual(['at,fans\n', 'at,fans\n']);
      const known = await get(path, { headers: { 'if-none-match': '"abc"' } });
      expect([known.status, known.headers.get('etag')]).toEqual([304, '"abc"']);
    }
  });

  it('gets an upload of any size while it is still being sent', async () => {
    const parts = 40;
    const part = randomBytes(100_000);
    const arrived: (() => void)[] = [];
    handle = (req, res) => {
      const hash = createHash('sha256');
      let bytes = 0;
      req.on('data', (chunk: Buffer) => {
        hash.update(chunk);
        bytes += chunk.length;
        if (bytes >= part.length) arrived.shift()?.();
      });
      req.on('end', () => res.end(hash.digest('hex')));
    };
    for (const path of ['/api/v1/upload/?job_id=1', '/api/v1/uploads/abc']) {
      const first = new Promise<void>((resolve) => arrived.push(resolve));
      const hash = createHash('sha256');
      const answer = await new Promise<string>((resolve, reject) => {
        const req = request(`${nginx.url}${path}`, { method: 'PATCH', agent: false }, (res) => {
          let text = '';
          res.on('data', (chunk: Buffer) => (text += chunk.toString()));
          res.on('end', () => resolve(text));
        });
        req.on('error', reject);
        req.write(part);
        hash.update(part);
        // Only when the other end has the first part do we send the rest: a buffering proxy would wait for ever.
        void first.then(() => {
          for (let i = 1; i < parts; i++) {
            req.write(part);
            hash.update(part);
          }
          req.end();
        });
      });
      expect(answer).toBe(hash.digest('hex'));
    }
  });

  it('streams events one by one', async () => {
    let next: (() => void) | undefined;
    let closed: (() => void) | undefined;
    const gone = new Promise<void>((resolve) => (closed = resolve));
    handle = (req, res) => {
      // Framed by the end of the connection: a proxy that buffers would hold this back.
      res.useChunkedEncodingByDefault = false;
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      let id = 0;
      next = () => res.write(`id: ${++id}\ndata: x\n\n`);
      next();
      res.on('close', () => closed?.());
    };
    const aborted = new AbortController();
    const answer = await get('/api/v1/jobs/0123456789abcdef01234567/events', { signal: aborted.signal });
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
    for (let id = 1; id <= 5; id++) {
      const chunk = await reader.read();
      expect(Buffer.from(chunk.value ?? []).toString()).toBe(`id: ${id}\ndata: x\n\n`);
      next?.();
    }
    aborted.abort();
    await gone;
  });

  it.each([
    ['/api/v1/items', 'application/json'],
    ['/api/v1/jobs/0123456789abcdef01234567/coverage', 'application/json'],
    ['/api/v1/plan', 'application/json'],
    ['/api/fans/linechart/a', 'text/csv; charset=utf-8'],
    ['/api/fans/multipage/?pages=a&pages=b', 'text/csv'],
    ['/task/new/', 'text/html; charset=utf-8'],
  ])('has %s (%s) compressed for those who take it', async (path, type) => {
    const text = JSON.stringify(Array.from({ length: 500 }, () => 'abc'));
    handle = (_req, res) => res.setHeader('content-type', type).setHeader('etag', '"abc"').end(text);
    const answer = await get(path, { headers: { 'accept-encoding': 'gzip' } });
    expect(answer.headers.get('content-encoding')).toBe('gzip');
    expect(answer.headers.get('vary')).toBe('Accept-Encoding');
    expect(answer.headers.get('etag')).toBe('W/"abc"');
    expect(await answer.text()).toBe(text);
    const plain = await get(path, { headers: { 'accept-encoding': 'identity' } });
    expect(plain.headers.get('content-encoding')).toBeNull();
    expect(await plain.text()).toBe(text);
  });

  it('keeps its own error answers', async () => {
    handle = (_req, res) => {
      res.writeHead(503, { 'content-type': 'application/problem+json' });
      res.end('{"code":"storage_unavailable"}');
    };
    const answer = await get('/api/v1/jobs');
    expect(answer.status).toBe(503);
    expect(await answer.json()).toEqual({ code: 'storage_unavailable' });
  });

  it('is excused by a problem document when it is down, and found again without a restart', async () => {
    const other = createServer((_req, res) => res.end('back'));
    const port = await freePort();
    await nginx.reload({ gatewayUrl: `http://127.0.0.1:${port}` });
    // The old worker takes connections for some time yet, and ends those that it has.
    const answered = async (status: number, path = '/api/v1/jobs', method = 'GET'): Promise<Response> => {
      for (let i = 0; ; i++) {
        const answer = await get(path, { method, headers: { connection: 'close' } }).catch(() => undefined);
        if (answer?.status === status) return answer;
        if (i >= 300) throw new Error(`never ${status}: ${answer?.status}`);
        await answer?.text();
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    };
    handle = (_req, res) => res.writeHead(418).end('old');
    const down = await answered(502);
    expect(down.status).toBe(502);
    expect(down.headers.get('content-type')).toBe('application/problem+json');
    expect(down.headers.get('retry-after')).toBe('2');
    const problem = (await down.json()) as Record<string, unknown>;
    expect(problem).toMatchObject({
      status: 502,
      code: 'upstream_unavailable',
      type: '/docs/errors#upstream_unavailable',
    });
    expect(problem['instance']).toBe(down.headers.get('x-request-id'));
    const upload = await answered(423, '/api/v1/uploads/some', 'HEAD');
    expect([upload.status, upload.headers.get('retry-after')]).toEqual([423, '2']);
    expect((await answered(502, '/api/v1/uploads/some', 'PATCH')).status).toBe(502);
    await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
    expect(await (await answered(200)).text()).toBe('back');
    other.closeAllConnections();
    await new Promise((resolve) => other.close(resolve));
  });

  it.each([
    ['two hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
    ['a zero byte', 'GET /api/%00 HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['what begins outside', 'GET /../x HTTP/1.1\r\nHost: a\r\n\r\n'],
  ])('is not told about a request that is none: %s', async (_name, request) => {
    const answer = await raw(request);
    expect(answer).toMatch(/^HTTP\/1.1 400/);
    expect(answer).toContain('"code":"invalid_request"');
  });

  it.each([
    [
      'a header',
      400,
      'invalid_request',
      `GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`,
    ],
    [
      'headers',
      400,
      'invalid_request',
      `GET / HTTP/1.1\r\nHost: a\r\n${`X-Long: ${'x'.repeat(8000)}\r\n`.repeat(12)}\r\n`,
    ],
    ['an address', 414, 'address_too_long', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`],
  ])('is not told about what is too long: %s', async (_name, status, code, request) => {
    const answer = await raw(request);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toContain('Content-Type: application/problem+json');
    expect(answer).toContain(`"status":${status},"code":"${code}"`);
  });

  it('has no route of that name', async () => {
    handle = (_req, res) => res.end('gateway');
    expect((await get('/nginx-problem')).status).toBe(404);
  });
});

describe('nginx itself', () => {
  it('takes the configuration that compose gives it', async () => {
    const home = join(data, 'compose');
    await mkdir(home);
    const template = await readFile(NGINX_TEMPLATE, 'utf8');
    const fragment = renderTemplate(template, {
      listen: '8080',
      gateway: 'localhost:3000',
      files: '/files',
      temp: home,
      accessLog: `${home}/access.json magpie`,
      resolver: '127.0.0.11',
    });
    const log = join(home, 'error.log');
    await writeFile(join(home, 'default.conf'), fragment);
    // As the official image's own nginx.conf does it.
    const main = `pid ${home}/pid; events {} http { default_type text/html; sendfile on; keepalive_timeout 65;
      access_log ${home}/access.log combined; include ${home}/default.conf; }`;
    await writeFile(join(home, 'nginx.conf'), main);
    const nginxBinary = nginx.source.replace(/.*\((\/[^;]+);.*/, '$1');
    const seen = await runCommand(nginxBinary, ['-t', '-e', log, '-p', home, '-c', join(home, 'nginx.conf')]);
    expect(seen.stderr).toContain('test is successful');
    expect(seen.stderr).not.toContain('[warn]');
  });

  it('says what is wrong when its port is taken', async () => {
    const files = join(data, 'files');
    const listenPort = Number(new URL(nginx.url).port);
    const second = join(data, 'second');
    const start = startNginx({
      data: second,
      filesRoot: files,
      listenPort,
      gatewayUrl: nginx.url,
      say: () => {},
    });
    await expect(start).rejects.toThrow(`port ${listenPort} on 127.0.0.1 is taken by nginx (pid `);
  });

  it('comes back after a crash', async () => {
    await nginx.kill();
    await expect(get('/nginx-healthz')).rejects.toThrow();
    await nginx.restart();
    expect(await (await get('/nginx-healthz')).text()).toBe('ok\n');
  });
});
