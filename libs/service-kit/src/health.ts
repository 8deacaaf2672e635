import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Metrics } from './metrics.ts';
import { redactText } from './redact.ts';

/** Resolves when the thing is usable, rejects (or throws) with the reason when not. */
export type Check = (signal: AbortSignal) => unknown;

export interface CheckResult {
  ok: boolean;
  /** How long the check took. */
  ms: number;
  /** Why it is not ok, scrubbed of secrets. */
  error?: string;
}

export interface Readiness {
  status: 'ready' | 'not_ready';
  checks: Record<string, CheckResult>;
}

/** Runs all checks at once; each that isn't done within `timeoutMs` counts as failed. Never rejects. */
export async function readiness(checks: Record<string, Check>, timeoutMs = 2_000): Promise<Readiness> {
  const results = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => [name, await runCheck(check, timeoutMs)] as const),
  );
  return {
    status: results.every(([, result]) => result.ok) ? 'ready' : 'not_ready',
    checks: Object.fromEntries(results),
  };
}

export interface HealthServerOptions {
  /** Port; 0 takes a free one; undefined means that there is to be no server. */
  port: number | undefined;
  /** Address to bind to; default 127.0.0.1. */
  host?: string;
  /** What must work before the service is ready, by name. */
  checks?: Record<string, Check>;
  /** Served on `/metrics` when given. */
  metrics?: Metrics;
  /** A check that takes longer has failed; default 2000. */
  timeoutMs?: number;
}

export interface HealthServer {
  /** The port it listens on; undefined when there is no server. */
  readonly port: number | undefined;
  /** Ends it with its idle connections; may be called twice. */
  close(): Promise<void>;
}

/**
 * `GET /healthz` is 200 while the process can answer; `/readyz` is 200 or 503 with every check's state as JSON;
 * `/metrics` is Prometheus text. For services that have no HTTP surface of their own.
 * @throws when the port is taken
 */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const { port, host = '127.0.0.1', checks = {}, metrics, timeoutMs } = options;
  if (port === undefined) return { port: undefined, close: async () => {} };
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0];
    request.resume();
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      return void sendJson(response, 405, { status: 'method_not_allowed' });
    }
    if (path === '/healthz') return void sendJson(response, 200, { status: 'ok' });
    if (path === '/readyz') {
      return void readiness(checks, timeoutMs).then((state) =>
        sendJson(response, state.status === 'ready' ? 200 : 503, state),
      );
    }
    if (path === '/metrics' && metrics) {
      return void metrics.text().then(
        (text) => send(response, 200, metrics.contentType, text),
        () => sendJson(response, 500, { status: 'error' }),
      );
    }
    sendJson(response, 404, { status: 'not_found' });
  });
  await listen(server, port, host);
  let closed: Promise<void> | undefined;
  return {
    port: (server.address() as AddressInfo).port,
    close: () => (closed ??= closeServer(server)),
  };
}

async function runCheck(check: Check, timeoutMs: number): Promise<CheckResult> {
  const started = performance.now();
  const ms = () => Math.round(performance.now() - started);
  const timeout = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      timeout.abort();
      reject(new Error(`no answer within ${timeoutMs} ms`));
    }, timeoutMs);
  });
  try {
    await Promise.race([Promise.resolve().then(() => check(timeout.signal)), late]);
    return { ok: true, ms: ms() };
  } catch (error) {
    return { ok: false, ms: ms(), error: redactText(error instanceof Error ? error.message : String(error)) };
  } finally {
    clearTimeout(timer);
  }
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  send(response, status, 'application/json', `${JSON.stringify(body)}\n`);
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
  });
  response.end(body);
}
