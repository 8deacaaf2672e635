/**
 * A double of Facebook's Graph API, as far as it tells about pages: a server on loopback.
 *
 * - `GET /{version}/{page}?fields=…`: https://developers.facebook.com/docs/graph-api/reference/page
 * - `POST /{version}/` with `batch`: https://developers.facebook.com/docs/graph-api/batch-requests
 * - tokens and errors: https://developers.facebook.com/docs/graph-api/guides/error-handling
 * - rate limits: https://developers.facebook.com/docs/graph-api/overview/rate-limiting. Calls are counted by app in a
 *   rolling hour, each operation of a batch as one. Calls with app and user tokens meet the platform's limit and read
 *   `X-App-Usage`; those with page and system user tokens meet the business use case's and read
 *   `X-Business-Use-Case-Usage`.
 * - versions: https://developers.facebook.com/docs/graph-api/changelog. A path without one gets the newest.
 */
import Fastify from 'fastify';
import { applyFaults, Faults, type FaultAnswer } from '../faults.ts';
import { GraphRefusal, serviceFailed, tokenExpired } from '../graph/errors.ts';
import { listen, requireToken, tokenOf, type GraphToken } from '../graph/server.ts';
import { CallWindow, usageHeaders } from '../graph/usage.ts';
import { recordRequests, RequestLog, type RecordedRequest } from '../requests.ts';
import { operationAnswer, operationHeaders, operationsOf } from './batch.ts';
import { OperationFaults } from './operation-faults.ts';
import { throttled } from './page-errors.ts';
import { readPage, targetOf } from './page-node.ts';
import { DEFAULT_SHARES, Pages, type Page, type PageSetting, type PageState } from './pages.ts';
import { parametersOf, readParameters } from './request-body.ts';

/** What every double accepts unless other tokens are named. */
export const FACEBOOK_TOKEN = 'facebook-double-token';
const NEWEST = 'v26.0';

export interface FacebookToken {
  /** Calls are counted by app. */
  readonly appId: string;
  /** True, or the time from which on it is over, ms since the epoch. */
  readonly expired?: boolean | number;
  /** Of error 190, when it is over: 460, 463 (default) or 467. */
  readonly subcode?: number;
  /** Decides the limit that it meets: `app` (default) code 4, `user` 17, `page` and `system` 80001. */
  readonly kind?: 'app' | 'user' | 'page' | 'system';
}

export interface FacebookDoubleOptions {
  readonly seed?: number;
  /** How many there are: `page00001` to `page<n>`. */
  readonly pages?: number;
  readonly now?: () => number;
  readonly tokens?: Readonly<Record<string, FacebookToken>>;
  /** Calls an app may make in a rolling hour; without it, any number. */
  readonly hourlyCalls?: number;
  /** Pages of a thousand that are in each state other than active; the first hundred are active always. */
  readonly shares?: Readonly<Partial<Record<PageState, number>>>;
  /** False keeps the counts alone, for long loads. */
  readonly record?: boolean;
  readonly host?: string;
  readonly port?: number;
}

export interface RecordedOperation {
  readonly method: string;
  /** As it was asked, without an access token. */
  readonly path: string;
  /** Its own code; 0 for an answer that is null. */
  readonly code: number;
  /** By the double's clock, ms since the epoch. */
  readonly at: number;
}

export interface FacebookDouble {
  /** Without a slash at its end. */
  readonly url: string;
  /** HTTP requests, if they are recorded. */
  readonly requests: readonly RecordedRequest[];
  /** Operations of batch calls and plain reads, if they are recorded. */
  readonly operations: readonly RecordedOperation[];
  /** Totals, recorded or not. */
  readonly calls: { readonly requests: number; readonly operations: number };
  /** Faults of whole requests. */
  readonly faults: Faults;
  /** Faults of single operations. */
  readonly operationFaults: OperationFaults;
  /** How many recorded HTTP requests' paths match. */
  count(pattern: RegExp): number;
  /** The usage headers tell this instead of what was counted; from 100 % on calls are refused. */
  usage(percent: number | undefined, regainMinutes?: number): void;
  /** A page by username or id, as it is now. */
  page(name: string): Page;
  set(name: string, setting: PageSetting): void;
  /** Multiplies a page's fans for a time by the double's clock. */
  spike(name: string, factor: number, forMs: number): void;
  /** Forgets requests, faults, usage and what was set of pages; calls stay counted against the hour. */
  clear(): void;
  close(): Promise<void>;
}

/** Starts the double on a free port of loopback, or where it is told to. */
export async function startFacebookDouble(options: FacebookDoubleOptions = {}): Promise<FacebookDouble> {
  const { now = Date.now, record = true, hourlyCalls = Infinity } = options;
  const tokens = options.tokens ?? { [FACEBOOK_TOKEN]: { appId: 'app-1' } };
  const graphTokens: Record<string, GraphToken> = {};
  for (const [token, each] of Object.entries(tokens)) graphTokens[token] = { userId: each.appId, ...each };
  const { seed = 1, pages: size = 100_000, shares = DEFAULT_SHARES } = options;
  const pages = new Pages({ seed, pages: size, now, shares });
  const faults = new Faults();
  const operationFaults = new OperationFaults();
  const operations: RecordedOperation[] = [];
  const calls = { requests: 0, operations: 0 };
  let regainMinutes: number | undefined;

  const app = Fastify({ forceCloseConnections: true, bodyLimit: 4 * 1024 * 1024 });
  app.addHook('onRequest', async () => void (calls.requests += 1));
  const log = record ? recordRequests(app, { now, secrets: ['access_token'] }) : new RequestLog();
  applyFaults(app, faults, {
    tooMany: () => ({ ...throttled(4), status: 429 }),
    serverError: serviceFailed,
    expiredToken: () => tokenExpired(now()),
    brokenCursor: serviceFailed,
    hasCursor: () => false,
    changeTypes,
  });
  readParameters(app);
  app.setErrorHandler((error, _request, reply) => {
    const answer = error instanceof GraphRefusal ? error.answer : serviceFailed();
    return reply.code(answer.status).send(answer.body);
  });

  const windows = new Map<string, CallWindow>();
  const windowOf = (appId: string): CallWindow => {
    let window = windows.get(appId);
    if (window === undefined) windows.set(appId, (window = new CallWindow({ limit: hourlyCalls, now })));
    return window;
  };
  const limitCode = (token: string): number => {
    const kind = tokens[token]?.kind ?? 'app';
    if (kind === 'app') return 4;
    return kind === 'user' ? 17 : 80001;
  };
  const headersFor = (owner: GraphToken & { token: string }): Record<string, string> => {
    const window = windowOf(owner.appId);
    const percent = faults.usage ?? window.percent();
    const minutes = regainMinutes ?? (window.regainMinutes() || (percent >= 100 ? 60 : 0));
    const all = usageHeaders({ percent, regainMinutes: minutes, businessId: owner.userId, type: 'pages' });
    const name = limitCode(owner.token) === 80001 ? 'x-business-use-case-usage' : 'x-app-usage';
    return { [name]: all[name] as string };
  };

  /** One operation: its body as JSON text, or null for one that timed out. */
  const operate = (
    method: string,
    url: string,
    fallback: GraphToken & { token: string },
    free: boolean,
  ): { code: number; body: string } | null => {
    calls.operations += 1;
    const target = targetOf(method, url);
    const answer = ((): string | FaultAnswer | null => {
      if ('status' in target) return target;
      if (target.token !== undefined && target.token !== fallback.token)
        try {
          requireToken(target.token, { tokens: graphTokens, now });
        } catch (error) {
          return (error as GraphRefusal).answer;
        }
      if (!free) return throttled(limitCode(fallback.token));
      if (!operationFaults.any) return readPage(pages, target.node, target.fields);
      if (operationFaults.take('nullOperations', url)) return null;
      const limited = operationFaults.take('throttled', url);
      if (limited) return throttled(limited.code);
      if (operationFaults.take('5xx', url)) return serviceFailed();
      const expired = operationFaults.take('expiredToken', url);
      if (expired) return tokenExpired(now(), expired.subcode);
      const changed = operationFaults.take('changedTypes', url);
      const read = readPage(pages, target.node, target.fields, changed && (changed.as ?? 'string'));
      if (typeof read !== 'string' || !operationFaults.take('truncatedBody', url)) return read;
      return read.slice(0, read.length >> 1);
    })();
    const code = answer === null ? 0 : typeof answer === 'string' ? 200 : answer.status;
    if (record) operations.push({ method, path: url.replace(/access_token=[^&]*&?/, ''), code, at: now() });
    if (answer === null) return null;
    return { code, body: typeof answer === 'string' ? answer : JSON.stringify(answer.body) };
  };

  app.all('/*', async (request, reply) => {
    const parameters = parametersOf(request);
    const isBatch = request.method === 'POST' && parameters.batch !== undefined;
    const given = parameters.access_token;
    const owner = requireToken(typeof given === 'string' ? given : tokenOf(request), {
      tokens: graphTokens,
      now,
    });
    const list = isBatch ? operationsOf(parameters.batch) : [];
    if (!Array.isArray(list)) throw new GraphRefusal(list);
    const window = windowOf(owner.appId);
    const left = window.limit - window.used();
    window.take(isBatch ? list.length : 1);
    const version = /^\/(v\d+\.\d+)(?:[/?]|$)/.exec(request.url)?.[1] ?? NEWEST;
    reply.headers(headersFor(owner)).header('facebook-api-version', version);
    reply.type('application/json; charset=UTF-8');
    if (left <= 0 || (faults.usage ?? 0) >= 100) throw new GraphRefusal(throttled(limitCode(owner.token)));
    if (!isBatch) {
      const answer = operate(request.method, request.url, owner, true);
      if (answer === null) throw new GraphRefusal(serviceFailed());
      return reply.code(answer.code).send(answer.body);
    }
    const headers = operationHeaders(String(parameters.include_headers ?? true) !== 'false', version);
    let text = '[';
    for (const [index, { method, relativeUrl, omitOnSuccess }] of list.entries()) {
      const answer = operate(method, relativeUrl, owner, index < left);
      if (index > 0) text += ',';
      text +=
        answer === null || (omitOnSuccess && answer.code === 200)
          ? 'null'
          : operationAnswer(answer.code, answer.body, headers);
    }
    return reply.send(`${text}]`);
  });

  const url = await listen(app, {
    ...(options.host === undefined ? {} : { host: options.host }),
    ...(options.port === undefined ? {} : { port: options.port }),
  });
  return {
    url,
    requests: log.requests,
    operations,
    calls,
    faults,
    operationFaults,
    count: (pattern) => log.count(pattern),
    usage: (percent, minutes) => {
      faults.usage = percent;
      regainMinutes = percent === undefined ? undefined : minutes;
    },
    page: (name) => {
      const index = pages.find(name);
      if (index === undefined) throw new RangeError(`no page ${name}`);
      return pages.at(index);
    },
    set: (name, setting) => pages.set(name, setting),
    spike: (name, factor, forMs) => pages.spike(name, factor, forMs),
    clear: () => {
      log.clear();
      operations.length = 0;
      calls.requests = calls.operations = 0;
      faults.clear();
      operationFaults.clear();
      regainMinutes = undefined;
      pages.clear();
    },
    close: () => app.close(),
  };
}

/** Counts as strings, in a page or in the bodies of a batch's answer. */
function changeTypes(body: unknown): unknown {
  if (Array.isArray(body))
    return body.map((each: { body?: string } | null) =>
      typeof each?.body === 'string'
        ? { ...each, body: JSON.stringify(changeTypes(JSON.parse(each.body))) }
        : each,
    );
  const page = body as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(page).map(([name, value]) => [name, typeof value === 'number' ? String(value) : value]),
  );
}
