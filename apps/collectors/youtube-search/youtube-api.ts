/**
 * The two calls of the YouTube Data API v3 that the source makes.
 * https://developers.google.com/youtube/v3/docs/search/list
 * https://developers.google.com/youtube/v3/docs/videos/list
 */
import { callApi, Permanent, Type, type Static, type StepContext } from '@magpie/collector-kit';
import { youtubeFault } from './youtube-fault.ts';

/** The settings of the source, as steps have them. */
export interface Settings {
  readonly YOUTUBE_API_URL: string;
}

/** As many results as a page, or details as a call, can have. */
export const PAGE_SIZE = 50;

const Time = Type.String({ format: 'date-time' });
const Digits = Type.Optional(Type.String({ pattern: '^\\d{1,15}$' }));
const Text = Type.Optional(Type.String());
const Pixels = Type.Optional(Type.Integer({ minimum: 0 }));

const SearchAnswer = Type.Object({
  nextPageToken: Type.Optional(Type.String({ minLength: 1 })),
  pageInfo: Type.Optional(Type.Object({ totalResults: Type.Optional(Type.Number()) })),
  items: Type.Array(
    Type.Object({
      // An entry may be no video, though only videos were asked for.
      id: Type.Object({ videoId: Type.Optional(Type.String()) }),
      snippet: Type.Optional(Type.Object({ publishedAt: Time })),
    }),
  ),
});

const VideosAnswer = Type.Object({
  items: Type.Array(
    Type.Object({
      id: Type.String(),
      snippet: Type.Object({
        publishedAt: Time,
        channelId: Type.String(),
        title: Type.String(),
        description: Type.String(),
        channelTitle: Type.String(),
        thumbnails: Type.Record(
          Type.String(),
          Type.Object({ url: Type.String(), width: Pixels, height: Pixels }),
        ),
        tags: Type.Optional(Type.Array(Type.String())),
        categoryId: Text,
        liveBroadcastContent: Text,
        defaultLanguage: Text,
        defaultAudioLanguage: Text,
      }),
      contentDetails: Type.Optional(Type.Object({ duration: Text })),
      statistics: Type.Optional(Type.Object({ viewCount: Digits, likeCount: Digits, commentCount: Digits })),
    }),
  ),
});
export type ApiVideo = Static<typeof VideosAnswer>['items'][number];

export interface SearchQuery {
  readonly q: string;
  readonly region?: string;
  readonly language?: string;
  /** ms since the epoch. */
  readonly after?: number;
  readonly before?: number;
  readonly token?: string;
}

export interface Found {
  readonly id: string;
  /** ms since the epoch. */
  readonly publishedAt: number;
}

export interface FoundPage {
  /** Without entries that are no videos. */
  readonly videos: readonly Found[];
  readonly entries: number;
  readonly nextToken: string | undefined;
  readonly total: number | undefined;
}

type Context = StepContext<Settings>;

/** One page of a search by date, the newest first. 100 units. */
export async function searchList(context: Context, query: SearchQuery): Promise<FoundPage> {
  const { q, region, language, after, before, token } = query;
  const { items, nextPageToken, pageInfo } = await callApi(context, {
    url: endpoint(context, 'search'),
    operation: 'search.list',
    schema: SearchAnswer,
    headers: { 'x-goog-api-key': keyOf(context) },
    params: {
      part: 'snippet',
      type: 'video',
      order: 'date',
      maxResults: PAGE_SIZE,
      q,
      regionCode: region,
      relevanceLanguage: language,
      publishedAfter: instant(after),
      publishedBefore: instant(before),
      pageToken: token,
    },
    fault: youtubeFault,
  });
  const videos = items.flatMap(({ id: { videoId }, snippet }) =>
    videoId !== undefined && /^[\w-]{5,20}$/.test(videoId) && snippet
      ? [{ id: videoId, publishedAt: Date.parse(snippet.publishedAt) }]
      : [],
  );
  return { videos, entries: items.length, nextToken: nextPageToken, total: pageInfo?.totalResults };
}

/** Details of up to 50 videos; those that are not shown are not among them. 1 unit. */
export async function videosList(context: Context, ids: readonly string[]): Promise<ApiVideo[]> {
  const { items } = await callApi(context, {
    url: endpoint(context, 'videos'),
    operation: 'videos.list',
    schema: VideosAnswer,
    headers: { 'x-goog-api-key': keyOf(context) },
    params: { part: 'snippet,contentDetails,statistics', id: ids.join(',') },
    fault: youtubeFault,
  });
  return items.filter(({ id }) => ids.includes(id));
}

/** The address of a method, without its parameters. A base without a path gets the API's own. */
export function endpoint({ settings }: Pick<Context, 'settings'>, method: 'search' | 'videos'): string {
  const { origin, pathname } = new URL(settings.YOUTUBE_API_URL);
  return `${origin}${pathname === '/' ? '/youtube/v3' : pathname.replace(/\/+$/, '')}/${method}`;
}

/** The key goes in a header, so that it is in no address. */
function keyOf({ credential }: Context): string {
  if (credential === undefined) {
    throw new Permanent('credential_unreadable', 'the step was given no credential');
  }
  return credential.secret();
}

const instant = (at: number | undefined): string | undefined =>
  at === undefined ? undefined : new Date(at).toISOString().replace(/\.000Z$/, 'Z');
