import type { FoundItem, NextStep, Step, StepContext, StepResult } from '@magpie/collector-kit';
import { Permanent, Type, type Static } from '@magpie/collector-kit';
import { onward, Place, type Onward } from './pages.ts';
import type { VideoData } from './params.ts';
import { endpoint, searchList, videosList, type ApiVideo, type Settings } from './youtube-api.ts';
import { INVALID_PAGE_TOKEN } from './youtube-fault.ts';

type Context = StepContext<Settings>;

/** What is searched for; the same in all steps of a run. */
const Terms = Type.Object({
  q: Type.String(),
  region: Type.Optional(Type.String()),
  language: Type.Optional(Type.String()),
  after: Type.Optional(Type.Integer({ minimum: 0, description: 'ms since the epoch' })),
  thumbnails: Type.Boolean(),
  maxPages: Type.Integer({ minimum: 1 }),
  run: Type.Integer({ minimum: 0, description: 'Number of the run; 0 without a schedule' }),
});
export type Terms = Static<typeof Terms>;

export const SearchInput = Type.Object({ terms: Terms, place: Place });
export type SearchInput = Static<typeof SearchInput>;

export const DetailsInput = Type.Object({
  urls: Type.Array(Type.String(), { minItems: 1, maxItems: 50 }),
  thumbnails: Type.Boolean(),
});
export type DetailsInput = Static<typeof DetailsInput>;

export const ThumbnailInput = Type.Object({ video: Type.String(), alt: Type.String() });
export type ThumbnailInput = Static<typeof ThumbnailInput>;

const WATCH = 'https://www.youtube.com/watch?v=';
const watchUrl = (id: string): string => `${WATCH}${id}`;
const MAX_THUMBNAIL_BYTES = 10 * 1024 * 1024;

/** The step that reads one page of a search. */
export const searchStep = (
  context: Pick<Context, 'settings'>,
  terms: Terms,
  { place, onlyIfNew }: Onward,
): NextStep => ({
  kind: 'search',
  key: `run ${terms.run}, window ${place.window}, page ${place.page}`,
  url: endpoint(context, 'search'),
  input: { terms, place },
  ...(onlyIfNew ? { onlyIfNew } : {}),
});

/** Reads a page of the search: asks for the details of what nobody has, and goes on while there is news. */
export async function readSearch(
  { input: { terms, place } }: Step<SearchInput>,
  context: Context,
): Promise<StepResult> {
  const { run, maxPages, thumbnails, ...query } = terms;
  const page = await searchList(context, { ...query, ...place }).catch((error: unknown) => {
    const refused = error instanceof Permanent && error.code === INVALID_PAGE_TOKEN;
    if (refused && place.token !== undefined) return undefined;
    throw error;
  });
  const ids = [...new Set(page?.videos.map(({ id }) => id))];
  const times = (page?.videos ?? []).map(({ publishedAt }) => publishedAt);
  const next: NextStep[] = [];
  if (ids.length > 0) {
    const urls = ids.map(watchUrl);
    next.push({
      kind: 'details',
      key: `run ${run}, page ${place.page}`,
      url: endpoint(context, 'videos'),
      input: { thumbnails },
      fetches: { kind: 'video', urls },
    });
  }
  const to = onward(place, page && { ...page, ids, times });
  if (to !== undefined && to.place.page <= maxPages) next.push(searchStep(context, terms, to));
  return {
    next,
    ...(times.length === 0 ? {} : { coverage: { from: Math.min(...times), to: Math.max(...times) } }),
  };
}

/** Reads the details of up to 50 videos. Those that the provider does not show are left out. */
export async function readDetails(
  { input: { urls, thumbnails } }: Step<DetailsInput>,
  context: Context,
): Promise<StepResult> {
  const ids = urls.flatMap((url) => (url.startsWith(WATCH) ? [url.slice(WATCH.length)] : []));
  const videos = await videosList(context, ids);
  return {
    items: videos.map((video): FoundItem => ({
      kind: 'video',
      url: watchUrl(video.id),
      data: videoData(video),
    })),
    next: thumbnails ? videos.flatMap(thumbnailSteps) : [],
  };
}

function videoData({ id, snippet, contentDetails = {}, statistics = {} }: ApiVideo): VideoData {
  const { title, description, channelId, channelTitle, publishedAt, thumbnails } = snippet;
  const { tags, categoryId, liveBroadcastContent: live } = snippet;
  const language = snippet.defaultAudioLanguage ?? snippet.defaultLanguage;
  const { duration } = contentDetails;
  const { viewCount, likeCount, commentCount } = statistics;
  return {
    id,
    title,
    description,
    channelId,
    channelTitle,
    publishedAt: new Date(publishedAt).toISOString(),
    thumbnails,
    ...given({ tags, categoryId, language, duration, live }),
    ...given({ views: number(viewCount), likes: number(likeCount), comments: number(commentCount) }),
  };
}

const number = (digits: string | undefined): number | undefined =>
  digits === undefined ? undefined : Number(digits);

/** Without the fields that are undefined. */
const given = <T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;

function thumbnailSteps({ id, snippet }: ApiVideo): NextStep[] {
  const largest = Object.values(snippet.thumbnails)
    .filter(({ url }) => /^https?:$/.test(URL.parse(url)?.protocol ?? ''))
    .toSorted((a, b) => (b.width ?? 0) - (a.width ?? 0))[0];
  if (largest === undefined) return [];
  const { url } = largest;
  return [
    {
      kind: 'thumbnail',
      key: url,
      url,
      input: { video: watchUrl(id), alt: snippet.title },
      item: { kind: 'image', url },
    },
  ];
}

/** Keeps a thumbnail, once for all jobs. */
export async function fetchThumbnail(
  { url = '', input: { video, alt } }: Step<ThumbnailInput>,
  { http, files }: Context,
): Promise<StepResult> {
  const limits = { maxBytes: MAX_THUMBNAIL_BYTES, maxWireBytes: MAX_THUMBNAIL_BYTES };
  const response = await http.get(url, { robots: false, accept: 'image/*', limits });
  const file = await files.write('images', response.body, { maxBytes: MAX_THUMBNAIL_BYTES });
  const { type, width, height } = file;
  return {
    items: [
      { kind: 'image', url, page: video, data: { video, alt, type, ...given({ width, height }) }, file },
    ],
  };
}
