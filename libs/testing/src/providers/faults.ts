/**
 * Fault switches of the provider doubles: what can go wrong at a provider, turned on by a test.
 *
 * A fault applies to the next `times` requests whose URL matches `path`, or until it is cleared. The server's shape
 * of an answer is the provider's own (`FaultAnswers`); when it strikes, and how often it did, is the same for all.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

export type FaultName =
  | '429'
  | '5xx'
  | 'expiredToken'
  /** Only requests that carry a page cursor are hit. */
  | 'brokenCursor'
  /** The answer comes late, but it comes. */
  | 'slow'
  /** HTTP is whole, the JSON in it is cut in the middle. */
  | 'truncatedJson'
  /** Fields of another JSON type than documented. */
  | 'changedTypes'
  /** The connection is closed without a byte of an answer. */
  | 'closedConnection';

export interface FaultSetting {
  /** How many requests it hits; without it, all until cleared. */
  readonly times?: number;
  /** Only URLs (path with query) that match. */
  readonly path?: RegExp;
  /** `slow`: by how much, default 1,000. */
  readonly ms?: number;
  /** `429`, `5xx`: another status than the provider's usual one. */
  readonly status?: number;
  /** `429`, `5xx`: seconds in a Retry-After header. */
  readonly retryAfter?: number;
  /** Error answers repeat the key or token that they were asked with, as careless servers and proxies do. */
  readonly echo?: boolean;
}

export class Faults {
  /** When set, usage headers tell this percentage instead of the counted one. */
  usage: number | undefined;
  readonly #on = new Map<FaultName, { setting: FaultSetting; left: number }>();
  readonly #hits = new Map<FaultName, number>();

  /** Turns a fault on, replacing an earlier setting of it. */
  set(name: FaultName, setting: FaultSetting = {}): void {
    this.#on.set(name, { setting, left: setting.times ?? Infinity });
  }

  /** Turns one off, or all (and the usage override). What was counted stays. */
  clear(name?: FaultName): void {
    if (name !== undefined) this.#on.delete(name);
    else {
      this.#on.clear();
      this.usage = undefined;
    }
  }

  /** The setting if the fault strikes this URL; uses up one of its times. */
  take(name: FaultName, url: string): FaultSetting | undefined {
    const fault = this.#on.get(name);
    if (fault === undefined || (fault.setting.path !== undefined && url.search(fault.setting.path) < 0))
      return;
    fault.left -= 1;
    if (fault.left <= 0) this.#on.delete(name);
    this.#hits.set(name, this.hits(name) + 1);
    return fault.setting;
  }

  /** How many requests the fault has struck since the double started. */
  hits(name: FaultName): number {
    return this.#hits.get(name) ?? 0;
  }
}

export interface FaultAnswer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Record<string, string>;
}

/** How one provider words the faults. */
export interface FaultAnswers {
  readonly tooMany: (request: FastifyRequest) => FaultAnswer;
  readonly serverError: (request: FastifyRequest) => FaultAnswer;
  readonly expiredToken: (request: FastifyRequest) => FaultAnswer;
  readonly brokenCursor: (request: FastifyRequest) => FaultAnswer;
  /** Whether the request asks for a further page. */
  readonly hasCursor: (request: FastifyRequest) => boolean;
  /** The same body with fields of other types. */
  readonly changeTypes: (body: unknown) => unknown;
}

/** Makes every route of the server subject to the faults. Call it before the routes are declared. */
export function applyFaults(app: FastifyInstance, faults: Faults, answers: FaultAnswers): void {
  app.addHook('onRequest', async (request, reply) => {
    const url = request.originalUrl;
    const slow = faults.take('slow', url);
    if (slow !== undefined) await new Promise((done) => setTimeout(done, slow.ms ?? 1000));
    if (faults.take('closedConnection', url) !== undefined) {
      reply.hijack();
      request.raw.socket.destroy();
      return;
    }
    const tooMany = faults.take('429', url);
    if (tooMany !== undefined) return sendFault(request, reply, answers.tooMany(request), tooMany);
    const failed = faults.take('5xx', url);
    if (failed !== undefined) return sendFault(request, reply, answers.serverError(request), failed);
    const expired = faults.take('expiredToken', url);
    if (expired !== undefined) return sendFault(request, reply, answers.expiredToken(request), expired);
    const broken = answers.hasCursor(request) ? faults.take('brokenCursor', url) : undefined;
    if (broken !== undefined) return sendFault(request, reply, answers.brokenCursor(request), broken);
    return undefined;
  });
  app.addHook('onSend', async (request, reply, payload) => {
    if (typeof payload !== 'string' || reply.statusCode !== 200) return payload;
    let text = payload;
    if (faults.take('changedTypes', request.originalUrl) !== undefined)
      text = JSON.stringify(answers.changeTypes(JSON.parse(text)));
    if (faults.take('truncatedJson', request.originalUrl) !== undefined)
      text = text.slice(0, text.length >> 1);
    reply.header('content-length', Buffer.byteLength(text));
    return text;
  });
}

function sendFault(
  request: FastifyRequest,
  reply: FastifyReply,
  answer: FaultAnswer,
  setting: FaultSetting,
): FastifyReply {
  if (setting.retryAfter !== undefined) reply.header('retry-after', String(setting.retryAfter));
  return reply
    .code(setting.status ?? answer.status)
    .headers(answer.headers ?? {})
    .send(setting.echo === true ? echoing(request, answer.body) : answer.body);
}

/** An error's body whose message ends with the secret of the request, as it is and in a URL. */
function echoing(request: FastifyRequest, body: unknown): unknown {
  const { access_token: token, key } = request.query as Record<string, unknown>;
  const { authorization = '', 'x-goog-api-key': header } = request.headers;
  const secret = String(token ?? key ?? header ?? authorization.replace(/^\S+ +/, ''));
  const { error, ...rest } = body as { error: { message: string } };
  const url = `https://api.test${request.originalUrl}&access_token=${encodeURIComponent(secret)}`;
  return { ...rest, error: { ...error, message: `${error.message} (${secret}, ${url})` } };
}
