/**
 * GET /youtube/v3/search: https://developers.google.com/youtube/v3/docs/search/list
 *
 * Beyond the page's text, as users of the API report it:
 * - no page follows after about 500 results, whatever `totalResults` says;
 * - results ordered by date are not strictly so: https://github.com/youtube/api-samples/issues/239
 * - `publishedAfter` with a page token may give the first page again and again: https://github.com/claudiob/yt/issues/91
 * - titles are HTML-escaped; an entry without `videoId` turns up now and then.
 */
import type { Catalogue, DoubleVideo } from './catalogue.ts';
import { invalidPageToken, invalidSearch, invalidValue, missingParameter, notImitated } from './errors.ts';
import { unexpectedParameter, unknownPart } from './errors.ts';
import { channelResult, etagOf, searchResult } from './resources.ts';
import { hash } from './seed.ts';

export type Query = Readonly<Record<string, string>>;

export interface SearchOptions {
  readonly now: number;
  readonly base: string;
  /** One entry in so many is a channel, though videos were asked for; 0: none. */
  readonly strayOneIn: number;
  /** Give the first page whatever the token says. */
  readonly repeatFirstPage: () => boolean;
}

const REACH = 500;
const MOST_RESULTS = 1_000_000;
const ORDERS = ['date', 'rating', 'relevance', 'title', 'videoCount', 'viewCount'];
const TYPES = ['video', 'channel', 'playlist'];
/** Filters that go with `type=video` only. */
const VIDEO_FILTERS =
  'eventType videoCaption videoCategoryId videoDefinition videoDimension videoDuration videoEmbeddable videoLicense videoPaidProductPlacement videoSyndicated videoType location locationRadius'.split(
    ' ',
  );
const IMITATED =
  'part q type order publishedAfter publishedBefore regionCode relevanceLanguage maxResults pageToken channelId safeSearch key alt prettyPrint'.split(
    ' ',
  );
const OTHERS =
  'forContentOwner forDeveloper forMine onBehalfOfContentOwner topicId channelType fields relatedToVideoId'.split(
    ' ',
  );

export function search(catalogue: Catalogue, query: Query, options: SearchOptions): object {
  const wanted = readSearch(query);
  const { region, perPage } = wanted;
  const list = catalogue
    .matching(wanted.q)
    .filter(
      (video) =>
        video.indexedAt <= options.now &&
        video.publishedAt >= wanted.after &&
        video.publishedAt <= wanted.before &&
        (wanted.channelId === undefined || video.channelId === wanted.channelId) &&
        (region === undefined || !video.blocked.includes(region)),
    )
    .toSorted(comparison(wanted.order, wanted.language));
  const entries = entriesOf(list, wanted.types, options.strayOneIn);
  let start = wanted.offset;
  if (start > 0 && query['publishedAfter'] !== undefined && options.repeatFirstPage()) start = 0;
  const end = Math.min(start + perPage, REACH);
  const page = entries
    .slice(start, end)
    .map(({ video, channel }) =>
      channel ? channelResult(video, wanted.snippet) : searchResult(video, options.base, wanted.snippet),
    );
  const body = {
    ...(perPage > 0 && end < entries.length && end < REACH && { nextPageToken: pageToken(end, false) }),
    ...(start > 0 && { prevPageToken: pageToken(Math.max(0, start - perPage), true) }),
    regionCode: region ?? 'US',
    pageInfo: { totalResults: about(entries.length, perPage, wanted.q), resultsPerPage: perPage },
    items: page,
  };
  return { kind: 'youtube#searchListResponse', etag: etagOf(body), ...body };
}

function readSearch(query: Query) {
  for (const name of Object.keys(query)) {
    if (OTHERS.includes(name)) throw notImitated(`the parameter ${name}`);
    if (!IMITATED.includes(name) && !VIDEO_FILTERS.includes(name)) throw unexpectedParameter(name);
  }
  if (!query['part']) throw missingParameter('part');
  const parts = query['part'].split(',');
  for (const part of parts) if (part !== 'snippet' && part !== 'id') throw unknownPart(part);
  const types = (query['type'] ?? TYPES.join(',')).split(',');
  for (const type of types) if (!TYPES.includes(type)) throw invalidValue('type', `Invalid value '${type}'`);
  const filter = VIDEO_FILTERS.find((name) => query[name] !== undefined);
  if (filter !== undefined && types.join() !== 'video')
    throw invalidSearch(
      'invalidSearchFilter',
      `The request contains an invalid combination of search filters and/or restrictions: ${filter} needs type=video.`,
      filter,
    );
  if (filter !== undefined) throw notImitated(`the filter ${filter}`);
  const order = query['order'] ?? 'relevance';
  if (!ORDERS.includes(order)) throw invalidValue('order', `Invalid value '${order}'`);
  const region = query['regionCode'];
  if (region !== undefined && !/^[A-Z]{2}$/i.test(region))
    throw invalidValue('regionCode', `Invalid value '${region}': not an ISO 3166-1 alpha-2 code`);
  const language = query['relevanceLanguage'];
  if (language !== undefined && !/^[a-z]{2}(-[A-Za-z]{4})?$/.test(language))
    throw invalidSearch(
      'invalidRelevanceLanguage',
      'The relevanceLanguage parameter specifies an invalid value.',
      'relevanceLanguage',
    );
  const channelId = query['channelId'];
  if (channelId !== undefined && !/^UC[\w-]{22}$/.test(channelId))
    throw invalidSearch(
      'invalidChannelId',
      'The channelId parameter specified an invalid channel ID.',
      'channelId',
    );
  return {
    q: query['q'] ?? '',
    types,
    order,
    region: region?.toUpperCase(),
    language: language?.slice(0, 2),
    channelId,
    snippet: parts.includes('snippet'),
    after: time('publishedAfter', query) ?? -Infinity,
    before: time('publishedBefore', query) ?? Infinity,
    perPage: readPerPage(query['maxResults']),
    offset: query['pageToken'] ? offsetOf(query['pageToken']) : 0,
  };
}

function readPerPage(text: string | undefined): number {
  const n = text === undefined ? 5 : Number(text);
  if (!Number.isInteger(n) || n < 0 || n > 50)
    throw invalidValue('maxResults', `Invalid value '${text}'. Values must be within the range: [0, 50]`);
  return n;
}

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i;

function time(name: string, query: Query): number | undefined {
  const text = query[name];
  if (text === undefined) return undefined;
  const at = RFC_3339.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(at))
    throw invalidValue(
      name,
      `Invalid value at '${name}' (type.googleapis.com/google.protobuf.Timestamp), Illegal timestamp format; timestamps must end with 'Z' or have a valid timezone offset.`,
    );
  return at;
}

type Compare = (a: DoubleVideo, b: DoubleVideo) => number;

function comparison(order: string, language: string | undefined): Compare {
  const byDate: Compare = (a, b) => b.rank - a.rank || (a.id < b.id ? -1 : 1);
  if (order === 'date') return byDate;
  if (order === 'title') return (a, b) => (a.title < b.title ? -1 : a.title > b.title ? 1 : byDate(a, b));
  if (order === 'viewCount' || order === 'rating') return (a, b) => b.views - a.views || byDate(a, b);
  // Relevance prefers a language, it does not restrict to it.
  const fits = (video: DoubleVideo): number => (video.language === language ? 1 : 0);
  return (a, b) => fits(b) - fits(a) || hash(b.id) - hash(a.id) || byDate(a, b);
}

interface Entry {
  readonly video: DoubleVideo;
  readonly channel: boolean;
}

function entriesOf(list: readonly DoubleVideo[], types: readonly string[], strayOneIn: number): Entry[] {
  const entries: Entry[] = [];
  for (const video of list) {
    if (types.includes('video')) entries.push({ video, channel: false });
    const stray = strayOneIn > 0 && hash(`${video.id}/stray`) % strayOneIn === 0;
    if (stray) entries.push({ video, channel: true });
  }
  return entries;
}

/** An approximation, as documented, and never above a million. */
function about(count: number, perPage: number, q: string): number {
  const guess = count <= perPage ? count : Math.round(count * (0.95 + (hash(q) % 40) / 100));
  return Math.min(guess, MOST_RESULTS);
}

/** Tokens are a position in an opaque form: bytes 08, the position as a varint, 10, and 1 for backwards. */
export function pageToken(offset: number, backwards: boolean): string {
  const bytes = [0x08];
  let rest = offset;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest, 0x10, backwards ? 1 : 0);
  return Buffer.from(bytes).toString('base64url');
}

function offsetOf(token: string): number {
  const bytes = Buffer.from(token, 'base64url');
  let offset = 0;
  let at = 1;
  for (let power = 1; at < bytes.length - 2; at++, power *= 128)
    offset += ((bytes[at] as number) & 127) * power;
  if (pageToken(offset, bytes.at(-1) === 1) !== token || offset > REACH) throw invalidPageToken();
  return offset;
}
