/**
 * A double of the YouTube Data API v3: answers on loopback as the provider's documentation says.
 *
 * - Overview, quota, ETags: https://developers.google.com/youtube/v3/getting-started
 * - API key by the `key` parameter or the X-goog-api-key header:
 *   https://cloud.google.com/docs/authentication/api-keys-use
 * - The other files of this folder name the page of what they imitate.
 */
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { AddressInfo } from 'node:net';
import { png } from '../../site/png.ts';
import { applyFaults } from '../faults.ts';
import { recordRequests, type RecordedRequest } from '../requests.ts';
import { Catalogue, type DoubleVideo } from './catalogue.ts';
import { accessNotConfigured, ApiError, keyInvalid, keyMissing } from './errors.ts';
import { quotaExceeded, rateLimitExceeded } from './errors.ts';
import { Quota, type Charge, type Method } from './quota.ts';
import { THUMBNAILS, type ThumbnailFile } from './resources.ts';
import { search, type Query } from './search.ts';
import { listVideos } from './videos.ts';
import { YouTubeFaults, youtubeAnswers } from './youtube-faults.ts';

export interface YouTubeKey {
  readonly project: string;
  /** False: the project has not switched the API on. */
  readonly apiEnabled?: boolean;
}

export interface YouTubeDoubleOptions {
  /** The same seed makes the same videos. */
  readonly seed?: string;
  /** How many there are at the start, default 20,000. */
  readonly videos?: number;
  /** The clock, ms since the epoch. */
  readonly now?: () => number;
  /** The first videos are published from `from` to `to`; default the 90 days before the start. */
  readonly from?: number;
  readonly to?: number;
  /** By API key. Default: `demo-key` of the project `demo`. */
  readonly keys?: Readonly<Record<string, YouTubeKey>>;
  /** Units a project may spend a day, default 10,000. */
  readonly quotaPerDay?: number | Readonly<Record<string, number>>;
  /** The quota rule of June 2026: so many search.list calls a day apart from the units. */
  readonly searchCallsPerDay?: number;
  /** A published video is in the search within this time, default at once. */
  readonly indexDelayMs?: number;
  /** How far one result in ten is out of place when ordered by date, default 30 minutes. */
  readonly disorderMs?: number;
  /** One search entry in so many is a channel without `videoId`, default 150; 0: none. */
  readonly strayOneIn?: number;
  /** One initial video in so many is in the search but gone from videos.list, default 200; 0: none. */
  readonly goneOneIn?: number;
  readonly port?: number;
  readonly host?: string;
}

export interface YouTubeDouble {
  /** Base of `/youtube/v3/…`, without a slash at its end. */
  readonly url: string;
  /** All requests, without keys. */
  readonly requests: readonly RecordedRequest[];
  /** What was charged, by key and project. */
  readonly charges: readonly Charge[];
  readonly faults: YouTubeFaults;
  /** How many requests' paths match. */
  count(pattern: RegExp): number;
  /** Units that a project spent today, by the clock and Pacific Time. */
  units(project: string): number;
  /** search.list calls of today, with `searchCallsPerDay`. */
  searchCalls(project: string): number;
  /** The truth: videos of a query published from `from` to `to` (ms, both included), oldest first. Those that are gone only if asked for. */
  videos(q?: string, from?: number, to?: number, also?: { gone?: boolean }): readonly DoubleVideo[];
  video(id: string): DoubleVideo | undefined;
  /** Publishes `n` videos now. */
  publish(n: number, options?: { topic?: string }): readonly DoubleVideo[];
  /** Makes a video private: the search still shows it, videos.list doesn't. */
  hide(id: string): void;
  /** Adds or replaces a key; without an owner it is revoked. */
  setKey(key: string, owner: YouTubeKey | undefined): void;
  /** Forgets requests, charges and faults; videos and keys stay. */
  clear(): void;
  close(): Promise<void>;
}

const DAY = 86_400_000;
const METHODS: Readonly<Record<string, Method>> = {
  '/youtube/v3/search': 'search.list',
  '/youtube/v3/videos': 'videos.list',
};

/** Starts the double on loopback, on a free port unless one is given. */
export async function startYouTubeDouble(options: YouTubeDoubleOptions = {}): Promise<YouTubeDouble> {
  const { now = Date.now, host = '127.0.0.1' } = options;
  const to = options.to ?? now();
  const catalogue = new Catalogue({
    seed: options.seed ?? 'magpie',
    videos: options.videos ?? 20_000,
    from: options.from ?? to - 90 * DAY,
    to,
    indexDelayMs: options.indexDelayMs ?? 0,
    disorderMs: options.disorderMs ?? 30 * 60_000,
    goneOneIn: options.goneOneIn ?? 200,
  });
  const keys = new Map(Object.entries(options.keys ?? { 'demo-key': { project: 'demo' } }));
  const quota = new Quota(options.quotaPerDay ?? 10_000, options.searchCallsPerDay);
  const faults = new YouTubeFaults();
  const app = fastify({ forceCloseConnections: true });
  const log = recordRequests(app, { now, secrets: ['key'] });
  chargeRequests(app, { keys, quota, faults, now });
  applyFaults(app, faults, youtubeAnswers);
  let base = '';
  app.get('/youtube/v3/search', (request, reply) =>
    send(
      request,
      reply,
      search(catalogue, queryOf(request), {
        now: now(),
        base,
        strayOneIn: options.strayOneIn ?? 150,
        repeatFirstPage: () => faults.take('repeatedFirstPage', request.url) !== undefined,
      }),
    ),
  );
  app.get('/youtube/v3/videos', (request, reply) =>
    send(request, reply, listVideos(catalogue, queryOf(request), base)),
  );
  serveThumbnails(app, catalogue);
  app.setErrorHandler((error, _request, reply) => {
    if (error instanceof ApiError) return reply.code(error.statusCode).send(error.body);
    throw error;
  });
  await app.listen({ port: options.port ?? 0, host });
  base = `http://${host}:${(app.server.address() as AddressInfo).port}`;
  return {
    url: base,
    requests: log.requests,
    charges: quota.charges,
    faults,
    count: (pattern) => log.count(pattern),
    units: (project) => quota.spent(project, now()),
    searchCalls: (project) => quota.searchCalls(project, now()),
    videos: (q = '', from = -Infinity, until = Infinity, also = {}) =>
      catalogue
        .matching(q)
        .filter((video) => also.gone === true || !video.gone)
        .filter(({ publishedAt }) => publishedAt >= from && publishedAt <= until)
        .toSorted((a, b) => a.publishedAt - b.publishedAt),
    video: (id) => catalogue.get(id),
    publish: (n, { topic } = {}) => Array.from({ length: n }, () => catalogue.add(now(), topic)),
    hide: (id) => {
      const video = catalogue.get(id);
      if (video !== undefined) video.gone = true;
    },
    setKey: (key, owner) => void (owner === undefined ? keys.delete(key) : keys.set(key, owner)),
    clear: () => {
      log.clear();
      quota.clear();
      faults.clear();
    },
    close: () => app.close(),
  };
}

/**
 * Knows the key, takes the method's cost, and gives part of it back when the answer was a refusal. What a request
 * costs: its method's units, also with 304, a fault of the server or a cut connection; one unit when it was invalid
 * or too fast; nothing when the key was refused or the quota was gone already.
 */
function chargeRequests(
  app: FastifyInstance,
  given: { keys: ReadonlyMap<string, YouTubeKey>; quota: Quota; faults: YouTubeFaults; now: () => number },
): void {
  const { keys, quota, faults, now } = given;
  const charges = new WeakMap<FastifyRequest, Charge>();
  app.addHook('onRequest', async (request) => {
    const url = new URL(request.url, 'http://double');
    const method = METHODS[url.pathname];
    if (method === undefined) return;
    const key = url.searchParams.get('key') ?? request.headers['x-goog-api-key'];
    if (typeof key !== 'string' || key === '') throw keyMissing();
    const owner = keys.get(key);
    if (owner === undefined) throw keyInvalid();
    if (owner.apiEnabled === false) throw accessNotConfigured(owner.project);
    if (faults.take('quotaExceeded', request.url) !== undefined) throw quotaExceeded();
    const charge = quota.charge(key, owner.project, method, now());
    if (charge === undefined) throw quotaExceeded();
    charges.set(request, charge);
    if (faults.take('rateLimitExceeded', request.url) !== undefined) throw rateLimitExceeded(403);
  });
  app.addHook('onSend', async (request, reply, payload) => {
    const charge = charges.get(request);
    if (charge === undefined || reply.statusCode < 400 || reply.statusCode >= 500) return payload;
    const refused = typeof payload === 'string' && payload.includes('"API_KEY_INVALID"');
    quota.settle(charge, refused ? 0 : 1);
    return payload;
  });
}

/** A repeated parameter is a list, as if its values stood in one with commas. */
const queryOf = (request: FastifyRequest): Query =>
  Object.fromEntries(
    Object.entries(request.query as Record<string, string | string[]>).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(',') : value,
    ]),
  );

/** 304 to a request that has the answer's ETag already: https://developers.google.com/youtube/v3/getting-started#etags */
function send(request: FastifyRequest, reply: FastifyReply, body: object): FastifyReply {
  const { etag } = body as { etag: string };
  reply.header('etag', `"${etag}"`).header('vary', 'Origin, X-Origin, Referer');
  const known = request.headers['if-none-match']?.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  if (known?.some((tag) => tag === `"${etag}"` || tag === etag || tag === '*')) return reply.code(304).send();
  return reply.type('application/json; charset=UTF-8').send(body);
}

/** Small images at the paths of the thumbnails' host; no key, no cost. */
function serveThumbnails(app: FastifyInstance, catalogue: Catalogue): void {
  app.get<{ Params: { id: string; file: string } }>('/vi/:id/:file.jpg', (request, reply) => {
    const { id, file } = request.params;
    const video = catalogue.get(id);
    const size = Object.hasOwn(THUMBNAILS, file) ? THUMBNAILS[file as ThumbnailFile] : undefined;
    if (video === undefined || size === undefined) return reply.code(404).send();
    const n = catalogue.all.indexOf(video) * 10 + Object.keys(THUMBNAILS).indexOf(file);
    return reply
      .type('image/png')
      .header('etag', `"${n}"`)
      .header('cache-control', 'public, max-age=7200')
      .send(png(n, { width: size.width, height: size.height }));
  });
}
