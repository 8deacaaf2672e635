import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** What a path answers: HTML, bytes, or more exactly. */
export type Route =
  | string
  | Uint8Array
  | {
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | Uint8Array;
      /** Sends nothing after this: `headers` not even a status line, `body` the headers and half of the body. */
      readonly hang?: 'headers' | 'body';
      /** Ends the connection in the middle of the body. */
      readonly cutOff?: boolean;
    }
  | ((request: IncomingMessage, response: ServerResponse) => void);

export interface Site {
  /** `http://127.0.0.1:port` */
  readonly origin: string;
  /** Absolute URL of a path. */
  url(path: string): string;
  /** How often a path was asked for; with its query, if it was asked with one. */
  hits(path: string): number;
  /** Every path asked for, in order. */
  readonly requests: readonly string[];
  /** Requests that are not answered to their end, and whose socket is open. */
  readonly pending: number;
  /** Adds or replaces a path. */
  route(path: string, route: Route): void;
  close(): Promise<void>;
}

/**
 * A server on loopback for tests. Paths without a route are answered by `otherwise`, 404 unless given. `ORIGIN` in HTML
 * becomes the site's own.
 */
export async function serveSite(
  routes: Readonly<Record<string, Route>> = {},
  otherwise?: Route,
): Promise<Site> {
  const table = new Map(Object.entries(routes));
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  let pending = 0;
  const server = createServer((request, response) => {
    const path = request.url ?? '/';
    requests.push(path);
    pending += 1;
    response.once('close', () => (pending -= 1));
    const route = table.get(path) ?? table.get(path.split('?')[0] ?? path) ?? otherwise;
    answerWith(route, request, response, origin);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    url: (path) => origin + path,
    hits: (path) => requests.filter((one) => one === path).length,
    requests,
    get pending() {
      return pending;
    },
    route: (path, route) => void table.set(path, route),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Answers a request as a route says. */
export function answerWith(
  route: Route | undefined,
  request: IncomingMessage,
  response: ServerResponse,
  origin = '',
): void {
  if (typeof route === 'function') return route(request, response);
  if (route === undefined) {
    response.writeHead(404, { 'content-type': 'text/plain' }).end('not found');
    return;
  }
  const {
    status = 200,
    headers = {},
    body = '',
    hang,
    cutOff,
  } = typeof route === 'string' || ArrayBuffer.isView(route) ? { body: route } : route;
  if (hang === 'headers') return;
  const bytes = typeof body === 'string' ? Buffer.from(body.replaceAll('ORIGIN', origin)) : Buffer.from(body);
  const type = typeof body === 'string' ? 'text/html; charset=utf-8' : 'application/octet-stream';
  const etag = headers['etag'];
  if (etag !== undefined && request.headers['if-none-match'] === etag) {
    response.writeHead(304, { etag }).end();
    return;
  }
  response.writeHead(status, { 'content-type': type, 'content-length': bytes.length, ...headers });
  if (hang === undefined && cutOff !== true) {
    response.end(bytes);
    return;
  }
  response.write(bytes.subarray(0, Math.ceil(bytes.length / 2)), () => {
    if (cutOff) response.destroy();
  });
}
