/** A web server for tests, whose pages are made for what they show. It counts every request and notes when sockets close. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { png } from './png.ts';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface FixtureSite {
  /** Without a slash at its end. */
  readonly url: string;
  /** Requests so far, by path with query. */
  readonly requests: ReadonlyMap<string, number>;
  /** Paths in the order of arrival, with the time, ms since the epoch. */
  readonly arrivals: readonly { path: string; at: number }[];
  /** When a response was cut off by the other side, by path. */
  readonly cut: ReadonlyMap<string, number>;
  /** Serves HTML, or whatever the handler does, at a path. */
  set(path: string, page: string | Handler): void;
  /** How often paths that match were asked for. */
  count(pattern: RegExp): number;
  forget(): void;
  close(): Promise<void>;
}

/** `/img/<n>.png` is an image like no other; `/img/<n>.png?ms=500` takes so long. */
const IMAGE = /^\/img\/(\d+)\.png(?:\?ms=(\d+)|\?.*)?$/;

/** Starts the site on a free port of `host`. */
export async function startFixtureSite({ host = '127.0.0.1' } = {}): Promise<FixtureSite> {
  const pages = new Map<string, string | Handler>(Object.entries(special()));
  const requests = new Map<string, number>();
  const arrivals: { path: string; at: number }[] = [];
  const cut = new Map<string, number>();
  const server = createServer((request, response) => {
    const path = request.url ?? '/';
    requests.set(path, (requests.get(path) ?? 0) + 1);
    arrivals.push({ path, at: Date.now() });
    response.on('close', () => {
      if (!response.writableFinished) cut.set(path, Date.now());
    });
    const page = pages.get(path) ?? pages.get(path.split('?')[0] as string);
    const image = IMAGE.exec(path);
    if (typeof page === 'function') page(request, response);
    else if (page !== undefined)
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page);
    else if (image) sendImage(response, Number(image[1]), Number(image[2] ?? 0));
    else response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>not here</h1>');
  });
  server.keepAliveTimeout = 30_000;
  await new Promise<void>((done) => server.listen(0, host, done));
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}`,
    requests,
    arrivals,
    cut,
    set: (path, page) => void pages.set(path, page),
    count: (pattern) => [...requests].reduce((sum, [path, n]) => sum + (pattern.test(path) ? n : 0), 0),
    forget: () => {
      requests.clear();
      arrivals.length = 0;
      cut.clear();
    },
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}

function sendImage(response: ServerResponse, n: number, ms: number): void {
  const send = (): void => {
    response.writeHead(200, { 'content-type': 'image/png', etag: `"${n}"` }).end(png(n));
  };
  if (ms > 0) setTimeout(send, ms);
  else send();
}

/** A page of images. */
export const gallery = (images: readonly (number | string)[], title = 'Gallery'): string =>
  `<!doctype html><html lang="en"><head><title>${title}</title></head><body><h1>${title}</h1>${images
    .map(
      (image) =>
        `<img src="${typeof image === 'number' ? `/img/${image}.png` : image}" alt="image ${image}">`,
    )
    .join('\n')}</body></html>`;

const MIB = 1024 * 1024;
/** Zeros are small at any quality; the best takes seconds. */
const FAST = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };
const send =
  (status: number, headers: Record<string, string>, body: string | Buffer): Handler =>
  (_request, response) => {
    response.writeHead(status, headers).end(body);
  };
const redirect = (to: string): Handler => send(302, { location: to }, '');

/** Pages that are hard to take. */
function special(): Record<string, string | Handler> {
  const bomb = Buffer.alloc(200 * MIB);
  let gzipBomb: Buffer | undefined;
  let brotliBomb: Buffer | undefined;
  const html = { 'content-type': 'text/html' };
  return {
    '/robots.txt': send(404, {}, ''),
    '/redirect': redirect('/plain'),
    '/plain': gallery([1]),
    '/loop': redirect('/loop-back'),
    '/loop-back': redirect('/loop'),
    '/to-private': redirect('http://169.254.169.254/latest/meta-data'),
    '/gzip-bomb': (request, response) =>
      send(200, { ...html, 'content-encoding': 'gzip' }, (gzipBomb ??= gzipSync(bomb)))(request, response),
    '/brotli-bomb': (request, response) =>
      send(
        200,
        { ...html, 'content-encoding': 'br' },
        (brotliBomb ??= brotliCompressSync(bomb.subarray(0, 100 * MIB), FAST)),
      )(request, response),
    '/stacked': (request, response) => {
      let body: Buffer = Buffer.from('<h1>deep</h1>');
      for (let i = 0; i < 6; i++) body = gzipSync(body);
      send(
        200,
        { ...html, 'content-encoding': 'gzip, gzip, gzip, gzip, gzip, gzip' },
        body,
      )(request, response);
    },
    '/drip.png': (_request, response) => {
      response.writeHead(200, { 'content-type': 'image/png' });
      response.write(png(0).subarray(0, 20));
      const timer = setInterval(() => response.write('.'), 200);
      response.on('close', () => clearInterval(timer));
    },
    '/truncated.png': (_request, response) => {
      const body = png(77, { bytes: 5000 });
      response.writeHead(200, { 'content-type': 'image/png', 'content-length': body.length });
      response.write(body.subarray(0, 2000));
      setTimeout(() => response.destroy(), 50);
    },
    '/labelled.png': send(200, { 'content-type': 'image/png' }, '<html><script>alert(1)</script></html>'),
    '/claims.png': send(200, { 'content-type': 'image/png' }, png(78, { width: 30_000, height: 30_000 })),
    '/script.svg': send(
      200,
      { 'content-type': 'image/svg+xml' },
      '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><script>alert(1)</script></svg>',
    ),
    '/deep': `<body>${'<div>'.repeat(40_000)}<img src="/img/40000.png">`,
    '/attributes': `<body><div ${Array.from({ length: 50_000 }, (_, i) => `a${i}="xx"`).join(' ')}></div><img src="/img/500.png">`,
    '/unicode':
      '<!doctype html><meta charset="utf-8"><title>カササギ</title><img src="/img/9.png?名=鵲"><p>鵲は賢い鳥です。</p>',
    '/bad-html':
      '<p><b><i></p><img src=/img/11.png<p><table><img src="/img/12.png"></b></table><img src="/img/13.png" / alt=<>',
  };
}
