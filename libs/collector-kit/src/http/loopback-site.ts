/** Real servers on loopback for the tests of this folder. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { parseCidrs } from '@magpie/domain';
import { createHttpClient } from './client.ts';
import type { HttpClient, HttpClientOptions } from './http-types.ts';

export const LOOPBACK = parseCidrs('127.0.0.0/8');

export interface LoopbackSite {
  readonly origin: string;
  readonly port: number;
  /** `METHOD path` of every request, in order. */
  readonly requests: string[];
  readonly headers: IncomingMessage['headers'][];
  /** Connections that are open now. */
  readonly sockets: Set<Socket>;
  readonly connections: { count: number };
  close(): Promise<void>;
}

const open: { close(): Promise<void> }[] = [];

/** Closes all sites and clients made since the last call; for `afterEach`. */
export async function closeAll(): Promise<void> {
  await Promise.all(open.splice(0).map((one) => one.close()));
}

export type Route = (request: IncomingMessage, response: ServerResponse) => void;

/** A site whose paths are the keys; what is not there is a 404, robots.txt included. */
export async function site(routes: Record<string, Route> = {}): Promise<LoopbackSite> {
  const requests: string[] = [];
  const headers: IncomingMessage['headers'][] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    headers.push(request.headers);
    const route = routes[request.url?.split('?')[0] ?? ''];
    if (route === undefined) response.writeHead(404).end('nothing here');
    else route(request, response);
  });
  return { ...(await listening(server)), requests, headers };
}

/** Answers each connection by hand. */
export async function rawSite(
  onConnection: (socket: Socket) => void,
): Promise<Omit<LoopbackSite, 'requests' | 'headers'>> {
  return listening(createTcpServer(onConnection));
}

async function listening(server: Server): Promise<Omit<LoopbackSite, 'requests' | 'headers'>> {
  const sockets = new Set<Socket>();
  const connections = { count: 0 };
  server.on('connection', (socket) => {
    connections.count++;
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  open.push({ close });
  return { origin: `http://127.0.0.1:${port}`, port, sockets, connections, close };
}

/** A client that may reach loopback, unless told otherwise. */
export function client(options: Partial<HttpClientOptions> = {}): HttpClient {
  const made = createHttpClient({
    userAgent: 'Magpie/0.0.1',
    contact: 'https://magpie.example/about',
    allow: LOOPBACK,
    ...options,
  });
  open.push(made);
  return made;
}

/** The error a promise rejects with; fails when it resolves. */
export async function errorOf(promise: Promise<unknown>): Promise<{
  name: string;
  code: string;
  status?: number;
  url?: string;
  message: string;
  untilMs?: number;
  host?: string;
  stated?: boolean;
}> {
  try {
    await promise;
  } catch (error) {
    return error as never;
  }
  throw new Error('it was expected to fail');
}
