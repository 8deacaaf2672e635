import { canonicalUrl, checkUrlLiteral, hostKey, UrlError } from '@magpie/domain';
import { Agent } from 'undici';
import { Permanent, RetryAfter, Retryable, type StepError } from '../errors.ts';
import { ACCEPT_ENCODING } from './decode.ts';
import { Exchange, type Head } from './exchange.ts';
import { failureOf } from './failure.ts';
import { guardedConnector } from './guard.ts';
import { HostGate } from './host-gate.ts';
import type { HttpClient, HttpClientOptions, HttpRequestOptions, HttpResponse } from './http-types.ts';
import { DEFAULT_LIMITS, MAX_HEADER_BYTES, type HttpLimits } from './limits.ts';
import { following, redirectTarget, type Outgoing } from './redirect.ts';
import { declaredLength, plainHeaders, responseOf } from './response.ts';
import { retryAfter } from './retry-after.ts';
import { RobotsCache } from './robots-cache.ts';
import type { RobotsRules } from './robots-rules.ts';

const IDLE_CONNECTION_MS = 4000;
/** The client's own business, or a hop's: never a caller's. */
const RESERVED = new Set([
  'host',
  'user-agent',
  'connection',
  'keep-alive',
  'content-length',
  'transfer-encoding',
  'upgrade',
  'expect',
  'te',
  'trailer',
  'proxy-authorization',
  'cookie',
]);

const isSuccess = (status: number): boolean => status >= 200 && status <= 299;

/** The guarded client: see {@link HttpClient} for what it promises, {@link DEFAULT_LIMITS} for its limits. */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  return new GuardedClient(options);
}

/** `Magpie/0.1.0 (+https://…)`; a contact that is neither URL nor mail address stands there without the `+`. */
function userAgentOf(product: string, contact: string): string {
  const comment = contact.replace(/[^\x20-\x7e]|[()\\]/g, '').trim();
  if (comment === '') return product;
  return `${product} (${/^https?:|^mailto:|^\S+@\S+$/.test(comment) ? '+' : ''}${comment})`;
}

class GuardedClient implements HttpClient {
  readonly #allow: HttpClientOptions['allow'];
  readonly #limits: HttpLimits;
  readonly #userAgent: string;
  readonly #agent: Agent;
  readonly #gate: HostGate;
  readonly #robots: RobotsCache;

  constructor({ userAgent, contact, allow, limits, perHostConcurrency = 8, lookup }: HttpClientOptions) {
    this.#allow = allow;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#userAgent = userAgentOf(userAgent, contact);
    this.#gate = new HostGate(perHostConcurrency);
    this.#agent = new Agent({
      connect: guardedConnector({ allow, connectMs: this.#limits.connectMs, lookup }),
      connections: perHostConcurrency,
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: IDLE_CONNECTION_MS,
      keepAliveMaxTimeout: 60_000,
      maxHeaderSize: MAX_HEADER_BYTES,
      bodyTimeout: 0,
    });
    this.#robots = new RobotsCache({
      productToken: userAgent.split('/', 1)[0] ?? userAgent,
      fetch: (url, request) => this.request(url, request),
    });
  }

  get(url: string, options?: HttpRequestOptions): Promise<HttpResponse> {
    return this.request(url, options?.method === undefined ? options : { ...options, method: 'GET' });
  }

  async request(input: string, options: HttpRequestOptions = {}): Promise<HttpResponse> {
    const limits = options.limits === undefined ? this.#limits : { ...this.#limits, ...options.limits };
    const { expect = isSuccess, signal, onRedirect } = options;
    const conditional = options.etag !== undefined || options.lastModified !== undefined;
    const redirects: string[] = [];
    let url = this.#parse(input, limits);
    let outgoing = this.#outgoing(options);
    let leftMs = limits.totalMs;

    for (;;) {
      const turn = await this.#turn(url, options.robots ?? true, signal);
      const begun = performance.now();
      const [exchange, head] = await this.#exchange(url, outgoing, limits, leftMs, signal, turn);
      leftMs -= performance.now() - begun;

      const { status } = head;
      const headers = plainHeaders(head.headers);
      try {
        const target = redirectTarget(status, headers['location'], url);
        if (target === undefined) {
          const notModified = status === 304 && conditional;
          if (!notModified && !expect(status)) throw this.#refusal(status, headers, url);
          const parts = { exchange, status, headers, url: url.href, redirects, notModified };
          return responseOf({ ...parts, method: outgoing.method, limits });
        }
        const next = following(outgoing, status, url, target);
        const circle = next.method === outgoing.method && [...redirects, url.href].includes(target.href);
        this.#checkRedirect(url, target, redirects.length, circle, limits);
        outgoing = next;
        redirects.push(url.href);
        onRedirect?.({ from: url.href, to: target.href, status });
        url = target;
        if (leftMs <= 0)
          throw new Retryable('transfer_timeout', 'the redirects took too long', { url: url.href });
      } catch (error) {
        exchange.discard(declaredLength(headers));
        throw error;
      }
      exchange.discard(declaredLength(headers));
    }
  }

  async robots(url: string, signal?: AbortSignal): Promise<RobotsRules> {
    return this.#robots.rules(this.#parse(url, this.#limits).origin, signal);
  }

  crawlDelayMs(url: string): number {
    return this.#robots.crawlDelayMs(new URL(url).origin);
  }

  async close(): Promise<void> {
    this.#gate.close();
    await this.#agent.destroy();
  }

  #parse(input: string, limits: HttpLimits): URL {
    try {
      const href = canonicalUrl(input);
      if (href.length > limits.maxUrl)
        throw new UrlError('url_too_long', `longer than ${limits.maxUrl} characters`);
      const url = new URL(href);
      checkUrlLiteral(url, this.#allow);
      return url;
    } catch (error) {
      throw failureOf(error, input.slice(0, limits.maxUrl), 'connect');
    }
  }

  #outgoing({
    method = 'GET',
    headers = {},
    body,
    accept,
    etag,
    lastModified,
  }: HttpRequestOptions): Outgoing {
    const all: Record<string, string> = {
      'user-agent': this.#userAgent,
      accept: accept ?? '*/*',
      'accept-encoding': ACCEPT_ENCODING,
    };
    for (const name in headers) {
      const lower = name.toLowerCase();
      if (!RESERVED.has(lower)) all[lower] = headers[name] as string;
    }
    if (etag !== undefined) all['if-none-match'] = etag;
    if (lastModified !== undefined) all['if-modified-since'] = lastModified;
    return { method, headers: all, body };
  }

  /** Waits until the URL may be asked for: literal address, robots.txt, the host's rest, its other requests. */
  async #turn(url: URL, robots: boolean, signal: AbortSignal | undefined): Promise<() => void> {
    const host = hostKey(url);
    this.#refuseResting(host, url);
    const delayMs = robots ? (await this.#robots.check(url, signal)).crawlDelayMs : 0;
    const leave = await this.#gate.enter(host, delayMs, signal);
    try {
      this.#refuseResting(host, url);
    } catch (error) {
      leave();
      throw error;
    }
    return leave;
  }

  #refuseResting(host: string, url: URL): void {
    const untilMs = this.#gate.restUntil(host);
    if (untilMs > 0) throw new RetryAfter(untilMs, 'host_backoff', host, { url: url.href });
  }

  /**
   * One exchange up to its head. It is repeated once when it went out on a connection that the server had just
   * closed, which no server promises not to do (RFC 9112 section 9.3.1).
   */
  async #exchange(
    url: URL,
    { method, headers, body }: Outgoing,
    { headersMs, maxWireBytes }: HttpLimits,
    leftMs: number,
    signal: AbortSignal | undefined,
    leave: () => void,
  ): Promise<[Exchange, Head]> {
    const begun = performance.now();
    for (let attempt = 1; ; attempt++) {
      const remainingMs = leftMs - (performance.now() - begun);
      let again = false;
      const onEnd = ({ stale }: Exchange): void => {
        again = stale && attempt === 1 && method !== 'POST';
        if (!again) leave();
      };
      const common = { url, method, headers, body, headersMs, remainingMs, maxWireBytes, signal };
      const exchange = new Exchange(this.#agent, { ...common, onEnd });
      try {
        return [exchange, await exchange.head];
      } catch (error) {
        if (!again) throw error;
      }
    }
  }

  #refusal(status: number, headers: Readonly<Record<string, string>>, url: URL): StepError {
    const details = { url: url.href, status };
    if (status === 429 || status === 503) {
      const host = hostKey(url);
      const { untilMs, stated } = retryAfter(headers['retry-after'], Date.now());
      // A 503 that names no time may be about this one resource.
      if (status === 429 || stated) this.#gate.rest(host, untilMs);
      return new RetryAfter(untilMs, 'host_backoff', host, { ...details, stated });
    }
    const message = `the server answered with status ${status}`;
    const passing = status >= 500 || status === 408 || status === 425;
    return passing
      ? new Retryable('http_status', message, details)
      : new Permanent('http_status', message, details);
  }

  #checkRedirect(from: URL, to: URL, count: number, circle: boolean, limits: HttpLimits): void {
    const details = { url: from.href };
    if (circle) throw new Permanent('redirect_loop', 'the redirects go in a circle', details);
    if (count >= limits.maxRedirects) {
      throw new Permanent('too_many_redirects', `more than ${limits.maxRedirects} redirects`, details);
    }
    if (to.href.length > limits.maxUrl) {
      throw new Permanent('url_too_long', `a redirect to more than ${limits.maxUrl} characters`, details);
    }
    try {
      checkUrlLiteral(to, this.#allow);
    } catch (error) {
      throw failureOf(error, to.href, 'connect');
    }
  }
}
