/** The robots.txt of each origin: fetched once for all who ask, kept for a while, within bounds. */
import { Aborted, Permanent, RetryAfter, Retryable, Skip, StepError } from '../errors.ts';
import { ALLOW_ALL, MAX_ROBOTS_BYTES, parseRobots, type RobotsRules } from './robots-rules.ts';
import type { HttpRequestOptions, HttpResponse } from './http-types.ts';

const HOUR_MS = 3_600_000;
const MAX_KEEP_MS = 24 * HOUR_MS;
const MIN_KEEP_MS = 60_000;
/** How long a failure stands for all who ask, before it is tried again. */
const FAILED_KEEP_MS = 10_000;
const MAX_ORIGINS = 5000;
const MAX_WEIGHT = 16 * 1024 * 1024;
const TOTAL_MS = 30_000;
const OF_THE_HOST = new Set([
  'dns_error',
  'connect_refused',
  'connect_timeout',
  'tls_error',
  'blocked_address',
]);

type Known = { readonly rules: RobotsRules } | { readonly failure: StepError };
type Kept = Known & { readonly until: number };

interface UnderWay {
  readonly known: Promise<Known>;
  readonly controller: AbortController;
  askers: number;
}

export interface RobotsCacheOptions {
  readonly productToken: string;
  readonly fetch: (url: string, options: HttpRequestOptions) => Promise<HttpResponse>;
  readonly now?: () => number;
}

export class RobotsCache {
  readonly #options: RobotsCacheOptions;
  readonly #now: () => number;
  /** In order of last use. */
  readonly #kept = new Map<string, Kept>();
  readonly #underWay = new Map<string, UnderWay>();
  #weight = 0;

  constructor(options: RobotsCacheOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Resolves to the rules of the URL's origin when it may be fetched.
   * @throws Skip `robots_disallowed`
   * @throws Retryable `robots_unreachable` when the file can't be had for a reason that says nothing of it (5xx,
   *   timeouts): nothing may be fetched then (RFC 9309 section 2.3.1.4)
   * @throws Retryable `dns_error`, `connect_refused`, … and Permanent, when the host itself can't be reached
   * @throws RetryAfter when the host wants a rest
   */
  async check(url: URL, signal?: AbortSignal): Promise<RobotsRules> {
    const rules = await this.rules(url.origin, signal).catch((error: unknown) => {
      throw ofTheHost(error)
        ? new error.constructor(error.code, error.message, { url: url.href, cause: error })
        : error;
    });
    if (!rules.allows(url)) {
      throw new Skip('robots_disallowed', 'robots.txt does not allow this address', { url: url.href });
    }
    return rules;
  }

  /** The rules of an origin, with the errors of {@link check} but the first. */
  async rules(origin: string, signal?: AbortSignal): Promise<RobotsRules> {
    const kept = this.#recall(origin);
    const known =
      kept !== undefined && kept.until > this.#now() ? kept : await this.#ask(origin, kept, signal);
    if ('failure' in known) throw known.failure;
    return known.rules;
  }

  /** The crawl delay of an origin if its robots.txt is known, else 0; milliseconds, at most 30,000. */
  crawlDelayMs(origin: string): number {
    const kept = this.#kept.get(origin);
    return kept !== undefined && 'rules' in kept ? kept.rules.crawlDelayMs : 0;
  }

  async #ask(origin: string, before: Kept | undefined, signal?: AbortSignal): Promise<Known> {
    let shared = this.#underWay.get(origin);
    if (shared === undefined) {
      const controller = new AbortController();
      const known = this.#learn(origin, before, controller.signal).finally(() => {
        if (this.#underWay.get(origin) === shared) this.#underWay.delete(origin);
      });
      shared = { known, controller, askers: 0 };
      this.#underWay.set(origin, shared);
    }
    shared.askers++;
    try {
      return await (signal === undefined ? shared.known : unlessAborted(shared.known, signal));
    } finally {
      // The last one to lose interest ends the fetch; one that is over does not mind.
      if (--shared.askers === 0) {
        if (this.#underWay.get(origin) === shared) this.#underWay.delete(origin);
        shared.controller.abort();
      }
    }
  }

  /** Never rejects. */
  async #learn(origin: string, before: Kept | undefined, signal: AbortSignal): Promise<Known> {
    try {
      const { rules, keepMs } = await this.#fetch(origin, signal);
      return this.#keep(origin, { rules, until: this.#now() + keepMs });
    } catch (error) {
      const failure = error instanceof StepError ? error : unreachable(origin, String(error), error);
      if (failure instanceof Aborted) return { failure };
      // What was known stays in force while the file can't be read (RFC 9309 section 2.4).
      const known: Known = before !== undefined && 'rules' in before ? { rules: before.rules } : { failure };
      const until = failure instanceof RetryAfter ? failure.untilMs : this.#now() + FAILED_KEEP_MS;
      return this.#keep(origin, { ...known, until });
    }
  }

  async #fetch(origin: string, signal: AbortSignal): Promise<{ rules: RobotsRules; keepMs: number }> {
    const url = `${origin}/robots.txt`;
    try {
      const response = await this.#options.fetch(url, {
        robots: false,
        signal,
        accept: 'text/plain, */*;q=0.1',
        limits: { maxRedirects: 5, totalMs: TOTAL_MS },
        expect: (status) => status < 500 && status !== 429,
      });
      const keepMs = keepTime(response.headers['cache-control']);
      if (response.status < 200 || response.status > 299) {
        response.cancel();
        return { rules: ALLOW_ALL, keepMs };
      }
      return { rules: parseRobots(await beginning(response), this.#options.productToken), keepMs };
    } catch (error) {
      if (!(error instanceof StepError) || error instanceof Aborted || error instanceof RetryAfter)
        throw error;
      if (error.url === url && ofTheHost(error)) throw error;
      // Redirects that lead nowhere are a file that is not there, not a server that is down.
      if (error instanceof Permanent) return { rules: ALLOW_ALL, keepMs: HOUR_MS };
      throw unreachable(origin, error.message, error);
    }
  }

  #recall(origin: string): Kept | undefined {
    const kept = this.#kept.get(origin);
    if (kept !== undefined) {
      this.#kept.delete(origin);
      this.#kept.set(origin, kept);
    }
    return kept;
  }

  #keep(origin: string, kept: Kept): Known {
    this.#weight += weightOf(kept) - weightOf(this.#kept.get(origin));
    this.#kept.delete(origin);
    this.#kept.set(origin, kept);
    for (const [oldest, entry] of this.#kept) {
      if (this.#kept.size <= MAX_ORIGINS && this.#weight <= MAX_WEIGHT) break;
      this.#kept.delete(oldest);
      this.#weight -= weightOf(entry);
    }
    return kept;
  }
}

/** Such an error is about the page as much as about its robots.txt, and is told as the page's. */
function ofTheHost(
  error: unknown,
): error is (Permanent | Retryable) & { constructor: typeof Permanent | typeof Retryable } {
  return (error instanceof Permanent || error instanceof Retryable) && OF_THE_HOST.has(error.code);
}

function weightOf(kept: Known | undefined): number {
  return kept !== undefined && 'rules' in kept ? kept.rules.weight : 0;
}

function unreachable(origin: string, why: string, cause: unknown): Retryable {
  const status = cause instanceof StepError ? cause.status : undefined;
  const message = `robots.txt could not be read, so nothing is: ${why}`;
  return new Retryable('robots_unreachable', message, { url: `${origin}/robots.txt`, status, cause });
}

/** The first 500 KiB, a piece of a last line left out. */
async function beginning(response: HttpResponse): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let total = 0;
  for await (const chunk of response.body) {
    const room = MAX_ROBOTS_BYTES - total;
    text += decoder.decode(chunk.subarray(0, room), { stream: true });
    total += chunk.length;
    if (total > MAX_ROBOTS_BYTES) return text.slice(0, Math.max(0, text.search(/[\r\n][^\r\n]*$/)));
  }
  return text + decoder.decode();
}

/** An hour, or what `max-age` says between a minute and a day. */
function keepTime(cacheControl: string | undefined): number {
  const seconds = /(?:^|[\s,])max-age=(\d{1,10})/i.exec(cacheControl ?? '')?.[1];
  if (seconds === undefined) return HOUR_MS;
  return Math.min(MAX_KEEP_MS, Math.max(MIN_KEEP_MS, Number(seconds) * 1000));
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(new Aborted());
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(new Aborted());
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
