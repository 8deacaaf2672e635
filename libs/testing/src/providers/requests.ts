/** What a provider double was asked: the bound of a collector's requests is proved with it. */
import type { FastifyInstance } from 'fastify';

export interface RecordedRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Without secrets; of a repeated parameter the last value. */
  readonly query: Readonly<Record<string, string>>;
  /** By the double's clock, ms since the epoch. */
  readonly at: number;
  /** 0 while there is no answer, or when there never was one. */
  status: number;
}

export class RequestLog {
  readonly requests: RecordedRequest[] = [];
  /** How many requests' paths (without query) match. */
  count(pattern: RegExp): number {
    return this.requests.filter(({ path }) => path.search(pattern) >= 0).length;
  }
  clear(): void {
    this.requests.length = 0;
  }
}

/**
 * Records every request of a server. Call it before the faults' hook, so that struck requests are seen too.
 * @param secrets names of query parameters that are left out
 */
export function recordRequests(
  app: FastifyInstance,
  { now, secrets }: { now: () => number; secrets: readonly string[] },
): RequestLog {
  const log = new RequestLog();
  const records = new WeakMap<object, RecordedRequest>();
  app.addHook('onRequest', async (request) => {
    const url = new URL(request.originalUrl, 'http://double');
    const query: Record<string, string> = {};
    for (const [name, value] of url.searchParams) if (!secrets.includes(name)) query[name] = value;
    const record = { method: request.method, path: url.pathname, query, at: now(), status: 0 };
    log.requests.push(record);
    records.set(request, record);
  });
  app.addHook('onSend', async (request, reply, payload) => {
    const record = records.get(request);
    if (record !== undefined) record.status = reply.statusCode;
    return payload;
  });
  return log;
}
