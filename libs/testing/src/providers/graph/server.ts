/** What every Graph double's server has: recording, faults, token check, usage, the error envelope. */
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { applyFaults, type FaultAnswers, type Faults } from '../faults.ts';
import { recordRequests, type RequestLog } from '../requests.ts';
import {
  appThrottled,
  businessThrottled,
  cursorInvalid,
  GraphRefusal,
  pathUnknown,
  serviceFailed,
  tokenExpired,
  tokenInvalid,
  tokenMissing,
} from './errors.ts';
import { CallWindow, usageHeaders } from './usage.ts';

export interface GraphToken {
  /** The Facebook or Instagram user that the token acts for. */
  readonly userId: string;
  /** Calls are counted by app. */
  readonly appId: string;
  /** True, or the time from which on it is over, ms since the epoch. */
  readonly expired?: boolean | number;
  /** Of error 190, when it is over: 460, 463 (default) or 467. */
  readonly subcode?: number;
}

export interface GraphOptions {
  readonly now: () => number;
  readonly faults: Faults;
  readonly tokens: Readonly<Record<string, GraphToken>>;
  /** Calls an app may make in a rolling hour. */
  readonly hourlyCalls: number;
  /** `instagram` or `pages`, in X-Business-Use-Case-Usage. */
  readonly useCase: 'instagram' | 'pages';
  /** Whose limit an app meets: the platform's (code 4, default) or the business use case's (8000x). */
  readonly limitedBy?: 'app' | 'business';
  /** What `changedTypes` makes of a body. */
  readonly changeTypes: FaultAnswers['changeTypes'];
}

export interface GraphServer {
  readonly app: FastifyInstance;
  readonly log: RequestLog;
  /** Checks the token and counts `calls` for its app; sets the usage headers; throws GraphRefusal. */
  admit(request: FastifyRequest, reply: FastifyReply, calls?: number): GraphToken & { token: string };
  /** Calls of an app in the last hour. */
  used(appId: string): number;
}

/** The access token of a request: the parameter, or `Authorization: Bearer` (also `OAuth`). */
export function tokenOf(request: FastifyRequest): string | undefined {
  const { access_token: parameter } = request.query as Record<string, string | string[] | undefined>;
  const header = /^(?:Bearer|OAuth) +(.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  return (Array.isArray(parameter) ? parameter.at(-1) : parameter) ?? header;
}

/** The token's owner; throws GraphRefusal with 104 (none), 190 (unknown) or 190 with a subcode (over). */
export function requireToken(
  token: string | undefined,
  { tokens, now }: Pick<GraphOptions, 'tokens' | 'now'>,
): GraphToken & { token: string } {
  if (token === undefined || token === '') throw new GraphRefusal(tokenMissing());
  const known = Object.hasOwn(tokens, token) ? tokens[token] : undefined;
  if (known === undefined) throw new GraphRefusal(tokenInvalid());
  const over = known.expired === true || (typeof known.expired === 'number' && now() >= known.expired);
  if (over) throw new GraphRefusal(tokenExpired(now(), known.subcode));
  return { ...known, token };
}

/** A fastify server without routes. Declare them with or without the version prefix: `/v25.0/x` is routed as `/x`. */
export function graphServer(options: GraphOptions): GraphServer {
  const { now, faults } = options;
  const app = Fastify({
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 500 },
    rewriteUrl: (request) => (request.url ?? '/').replace(/^\/v\d+\.\d+(?=\/)/, ''),
  });
  const log = recordRequests(app, { now, secrets: ['access_token', 'appsecret_proof'] });
  const throttled = (): ReturnType<typeof appThrottled> =>
    options.limitedBy === 'business'
      ? businessThrottled(options.useCase === 'instagram' ? 80002 : 80001)
      : appThrottled();
  applyFaults(app, faults, {
    tooMany: () => ({ ...throttled(), status: 429 }),
    serverError: serviceFailed,
    expiredToken: () => tokenExpired(now()),
    brokenCursor: cursorInvalid,
    hasCursor: ({ query }) => (query as Record<string, unknown>).after !== undefined,
    changeTypes: options.changeTypes,
  });
  app.setErrorHandler((error, _request, reply) => {
    const answer = error instanceof GraphRefusal ? error.answer : serviceFailed();
    return reply.code(answer.status).send(answer.body);
  });
  app.setNotFoundHandler((request, reply) => {
    const answer = pathUnknown((request.originalUrl.split('?')[0] as string).slice(1));
    return reply.code(answer.status).send(answer.body);
  });

  const windows = new Map<string, CallWindow>();
  const windowOf = (appId: string): CallWindow => {
    let window = windows.get(appId);
    if (window === undefined)
      windows.set(appId, (window = new CallWindow({ limit: options.hourlyCalls, now })));
    return window;
  };
  return {
    app,
    log,
    used: (appId) => windowOf(appId).used(),
    admit: (request, reply, calls = 1) => {
      const token = requireToken(tokenOf(request), options);
      const window = windowOf(token.appId);
      const free = window.take(calls);
      const percent = faults.usage ?? window.percent();
      const regainMinutes = window.regainMinutes() || (percent >= 100 ? 60 : 0);
      reply.headers({
        ...usageHeaders({ percent, regainMinutes, businessId: token.userId, type: options.useCase }),
        'x-fb-request-id': request.id,
      });
      if (!free || (faults.usage ?? 0) >= 100) throw new GraphRefusal(throttled());
      return token;
    },
  };
}

/** Listens on loopback; the address without a slash at its end. */
export async function listen(app: FastifyInstance, { host = '127.0.0.1', port = 0 } = {}): Promise<string> {
  await app.listen({ host, port });
  return `http://${host}:${(app.server.address() as { port: number }).port}`;
}
