/**
 * A double of Instagram's hashtag API (Graph API, Instagram API with Facebook Login).
 *
 * | behaviour | page, under https://developers.facebook.com/docs/ |
 * | --- | --- |
 * | the four paths; emojis are not supported; sensitive tags get a generic error | instagram-platform/instagram-api-with-facebook-login/hashtag-search |
 * | `user_id` and `q` required; identifiers are static and global | instagram-platform/instagram-graph-api/reference/ig-hashtag-search |
 * | `GET /{id}?fields=id,name` | instagram-platform/instagram-graph-api/reference/ig-hashtag |
 * | media of the last 24 h only; 50 a page at most; not always in chronological order; only an `after` cursor, "the same for each page" (option `sameCursor`) | …/reference/ig-hashtag/recent-media |
 * | the most popular, no bound in time; the same fields and paging | …/reference/ig-hashtag/top-media |
 * | 25 a page, 30 with `limit=30` | …/reference/ig-user/recently_searched_hashtags |
 * | error table's form and status 400 | instagram-platform/instagram-graph-api/reference/error-codes |
 * | throttling, usage headers | graph-api/overview/rate-limiting |
 * | paging | graph-api/results |
 *
 * Not in those pages, known from the field: 24/2207024 for a tag that is not there, 18/2207034 for the 31st tag, the
 * form of signed addresses. `GET /ig_hashtag_search` and a listing of media both count as a query of the hashtag.
 */
import { Faults } from '../faults.ts';
import {
  GraphRefusal,
  graphError,
  objectUnknown,
  parameterInvalid,
  parameterMissing,
  cursorInvalid,
} from '../graph/errors.ts';
import { decodeCursor, encodeCursor, limitOf, pagingOf } from '../graph/paging.ts';
import { graphServer, listen, type GraphToken } from '../graph/server.ts';
import type { RecordedRequest } from '../requests.ts';
import { Feed, graphId, popularity, type InstagramPost, type NewPost } from './feed.ts';
import { checkFields, parseFields, readPost } from './fields.ts';
import { serveMedia } from './media.ts';
import { HashtagQuota } from './quota.ts';

export interface InstagramDoubleOptions {
  /** Of the data set; default 1. */
  readonly seed?: number;
  /** How many; default 5,000. */
  readonly posts?: number;
  /** Default: sunset, cricket, закат, harbour, tea. The first has about half of the posts, the next a quarter … */
  readonly tags?: readonly string[];
  /** Between which times posts are published, ms; default the three days before the start. */
  readonly from?: number;
  readonly to?: number;
  /** By how much a post may stray from its place in the recent feed; default 20 minutes. */
  readonly disorderMs?: number;
  /** The double's clock, ms since the epoch. */
  readonly now?: () => number;
  /** Default: `double-token` of user 17841405309211844 and app `app`. */
  readonly tokens?: Readonly<Record<string, GraphToken>>;
  /** Calls an app may make in a rolling hour; default 5,000. */
  readonly hourlyCalls?: number;
  readonly limitedBy?: 'app' | 'business';
  /** Distinct hashtags a user may query in seven days; default 30. */
  readonly hashtagsPerWeek?: number;
  /** How long a media address is good; default four days. */
  readonly urlLifetimeMs?: number;
  /** How many media are "the most popular"; the documentation names no number; default 250. */
  readonly topMedia?: number;
  /** The cursor is the same on every page and the server knows where its reader is; default false. */
  readonly sameCursor?: boolean;
  readonly port?: number;
  readonly host?: string;
}

export interface InstagramDouble {
  /** Without a slash at its end; the version prefix follows. */
  readonly url: string;
  readonly requests: readonly RecordedRequest[];
  readonly faults: Faults;
  /** How many requests' paths match. */
  count(path: RegExp): number;
  /** Every post of a tag published by now, newest first. */
  posts(tag: string): InstagramPost[];
  /** What the two listings hold now, in their order. */
  recentMedia(tag: string): InstagramPost[];
  topMedia(tag: string): InstagramPost[];
  /** Publishes further posts; new tags come into being. */
  addPosts(posts: readonly NewPost[]): InstagramPost[];
  hashtagId(tag: string): string;
  /** Forgets the requests. */
  clear(): void;
  close(): Promise<void>;
}

/** Starts the double on loopback. */
export async function startInstagramDouble(options: InstagramDoubleOptions = {}): Promise<InstagramDouble> {
  const now = options.now ?? Date.now;
  const faults = new Faults();
  const to = options.to ?? now();
  const feed = new Feed({
    seed: options.seed ?? 1,
    posts: options.posts ?? 5000,
    from: options.from ?? to - 3 * 86_400_000,
    to,
    tags: (options.tags ?? ['sunset', 'cricket', 'закат', 'harbour', 'tea']).map(normal),
    disorderMs: options.disorderMs ?? 20 * 60_000,
  });
  const most = options.topMedia ?? 250;
  const quota = new HashtagQuota({ limit: options.hashtagsPerWeek ?? 30, now });
  const graph = graphServer({
    now,
    faults,
    tokens: options.tokens ?? { 'double-token': { userId: '17841405309211844', appId: 'app' } },
    hourlyCalls: options.hourlyCalls ?? 5000,
    useCase: 'instagram',
    limitedBy: options.limitedBy ?? 'app',
    changeTypes,
  });
  const { app, log } = graph;
  let url = '';
  const signer = serveMedia(app, {
    base: () => url,
    now,
    lifetimeMs: options.urlLifetimeMs ?? 4 * 86_400_000,
  });
  const readers = new Map<string, string>();

  type Query = Record<string, string | undefined>;
  const tagOf = (id: string): string | undefined => feed.tags().find((tag) => hashtagId(tag) === id);
  const ask = (query: Query, token: GraphToken, hashtag: string): void => {
    if (!query.user_id) throw new GraphRefusal(parameterMissing('user_id'));
    if (query.user_id !== token.userId) throw new GraphRefusal(objectUnknown(query.user_id));
    if (!quota.take(token.userId, hashtag)) throw new GraphRefusal(tooManyHashtags());
  };

  app.get<{ Querystring: Query }>('/ig_hashtag_search', (request, reply) => {
    const token = graph.admit(request, reply);
    const { q, user_id: userId } = request.query;
    if (!userId) throw new GraphRefusal(parameterMissing('user_id'));
    if (!q) throw new GraphRefusal(parameterMissing('q'));
    const tag = normal(q);
    if (/[\s#]|\p{Extended_Pictographic}/u.test(tag))
      throw new GraphRefusal(parameterInvalid('Invalid parameter'));
    if (!feed.has(tag)) throw new GraphRefusal(hashtagUnknown());
    ask(request.query, token, hashtagId(tag));
    return reply.send({ data: [{ id: hashtagId(tag) }] });
  });

  app.get<{ Params: { id: string }; Querystring: Query }>('/:id', (request, reply) => {
    graph.admit(request, reply);
    const tag = tagOf(request.params.id);
    if (tag === undefined) throw new GraphRefusal(objectUnknown(request.params.id));
    const named = request.query.fields?.split(',').includes('name');
    return reply.send({ ...(named ? { name: tag } : {}), id: request.params.id });
  });

  app.get<{ Params: { id: string }; Querystring: Query }>(
    '/:id/recently_searched_hashtags',
    (request, reply) => {
      const token = graph.admit(request, reply);
      if (request.params.id !== token.userId) throw new GraphRefusal(objectUnknown(request.params.id));
      const all = quota.recent(token.userId);
      return reply.send(
        page(
          request,
          token.token,
          all,
          (id, i) => `${-i} ${id}`,
          (id) => ({ id }),
          30,
        ),
      );
    },
  );

  const listing = (
    edge: string,
    list: (tag: string) => InstagramPost[],
    rank: (post: InstagramPost) => number,
  ): void => {
    app.get<{ Params: { id: string }; Querystring: Query }>(`/:id/${edge}`, (request, reply) => {
      const token = graph.admit(request, reply);
      const tag = tagOf(request.params.id);
      if (tag === undefined) throw new GraphRefusal(objectUnknown(request.params.id));
      const fields = parseFields(request.query.fields ?? 'id');
      checkFields(fields);
      ask(request.query, token, request.params.id);
      const position = (post: InstagramPost): string => `${rank(post)} ${post.id}`;
      return reply.send(
        page(request, token.token, list(tag), position, (post) => readPost(post, fields, signer), 50),
      );
    });
  };
  const recentMedia = (tag: string): InstagramPost[] => feed.recent(normal(tag), now());
  const topMedia = (tag: string): InstagramPost[] => feed.top(normal(tag), now(), most);
  listing('recent_media', recentMedia, ({ rank }) => rank);
  listing('top_media', topMedia, popularity);

  /** Positions are `rank id`, falling by rank, then rising by identifier: a cursor holds though its item be gone. */
  function page<T>(
    { originalUrl, query, params }: { originalUrl: string; query: Query; params: { id: string } },
    token: string,
    all: readonly T[],
    position: (item: T, index: number) => string,
    show: (item: T) => unknown,
    max: number,
  ): unknown {
    const limit = limitOf(query.limit, max);
    let after = query.after === undefined ? undefined : decodeCursor(query.after);
    if (query.after !== undefined && after === undefined) throw new GraphRefusal(cursorInvalid());
    const reader = `${token} ${params.id} ${originalUrl.split('?')[0]}`;
    if (options.sameCursor && after !== undefined) after = readers.get(reader) ?? after;
    const start = after === undefined ? 0 : all.findIndex((item, i) => follows(position(item, i), after));
    const items = start < 0 ? [] : all.slice(start, start + limit);
    const last = items.at(-1);
    if (last === undefined) return { data: [] };
    const reached = position(last, start + items.length - 1);
    readers.set(reader, reached);
    const cursor = encodeCursor(options.sameCursor ? reader.slice(token.length) : reached);
    const more = start + items.length < all.length;
    const paging = pagingOf({ base: url, url: originalUrl, token }, { after: cursor, more });
    return { data: items.map(show), paging };
  }

  url = await listen(app, options);
  return {
    url,
    requests: log.requests,
    faults,
    count: (path) => log.count(path),
    posts: (tag) => feed.published(normal(tag), now()),
    recentMedia,
    topMedia,
    addPosts: (posts) => feed.add(posts.map((post) => ({ ...post, tags: post.tags.map(normal) }))),
    hashtagId: (tag) => hashtagId(normal(tag)),
    clear: () => log.clear(),
    close: () => app.close(),
  };
}

const normal = (tag: string): string => tag.normalize('NFC').toLowerCase();
const hashtagId = (tag: string): string => graphId(`hashtag ${tag}`);

function follows(position: string, after: string): boolean {
  const [rank, id = ''] = position.split(' ');
  const [afterRank, afterId = ''] = after.split(' ');
  const by = Number(afterRank) - Number(rank);
  return by > 0 || (by === 0 && id > afterId);
}

const hashtagUnknown = (): ReturnType<typeof graphError> =>
  graphError(24, {
    subcode: 2207024,
    message: 'The requested resource does not exist',
    transient: false,
    title: 'Hashtag not found',
    userMessage: 'The hashtag you are looking for does not exist.',
  });

const tooManyHashtags = (): ReturnType<typeof graphError> =>
  graphError(18, {
    subcode: 2207034,
    message: '(#18) Maximum number of hashtags reached',
    transient: false,
    title: 'Too many hashtags',
    userMessage: 'The account has queried the most distinct hashtags that are allowed within 7 days.',
  });

/** A list's first item with fields of other types; a body without a list becomes one. */
function changeTypes(body: unknown): unknown {
  const { data } = body as { data?: Record<string, unknown>[] };
  if (!Array.isArray(data)) return [body];
  if (!data.some((item) => 'timestamp' in item || 'like_count' in item))
    return { ...(body as object), data: { ...data[0] } };
  return {
    ...(body as object),
    data: data.map((item) => ({
      ...item,
      ...('like_count' in item ? { like_count: String(item.like_count) } : {}),
      ...('timestamp' in item ? { timestamp: Date.parse(item.timestamp as string) / 1000 } : {}),
    })),
  };
}
