/** Videos as they are shown. */
import type { Thumbnail, Video } from '@magpie/contracts';
import { canonicalUrl, idOf } from '@magpie/domain';
import { filesOf, type ItemDocument, type Store } from '@magpie/store';

/** By the id of the item that keeps it: the path of its file. */
type Files = ReadonlyMap<string, string>;

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const textOrNull = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' ? value : null;
const count = (value: unknown): number | null =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : null;

const thumbnailsOf = ({ data }: ItemDocument): [name: string, Record<string, unknown>][] => {
  const all = data['thumbnails'];
  return typeof all !== 'object' || all === null
    ? []
    : Object.entries(all as Record<string, unknown>).flatMap(([name, one]) =>
        typeof one === 'object' && one !== null ? [[name, one as Record<string, unknown>]] : [],
      );
};

/** The id of the image that keeps a thumbnail, whether there is one or not. */
function imageId(url: string): string | undefined {
  try {
    return idOf('image', canonicalUrl(url));
  } catch {
    return undefined;
  }
}

function thumbnailView(
  { url, width, height }: Record<string, unknown>,
  files: Files,
  base: string,
): Thumbnail {
  const id = imageId(text(url));
  const path = id === undefined ? undefined : files.get(id);
  return {
    url: text(url),
    static_url: path === undefined ? null : `${base}/files/${path}`,
    width: count(width),
    height: count(height),
  };
}

function statistics(data: ItemDocument['data']): Video['statistics'] {
  const numbers = {
    views: count(data['views']),
    likes: count(data['likes']),
    comments: count(data['comments']),
  };
  return Object.values(numbers).every((one) => one === null) ? null : numbers;
}

const videoView = (video: ItemDocument, files: Files, base: string): Video => {
  const { _id, url, data, storedAt } = video;
  return {
    id: _id,
    video_id: text(data['id']),
    url,
    title: text(data['title']),
    description: text(data['description']),
    channel: { id: text(data['channelId']), title: text(data['channelTitle']) },
    published_at: text(data['publishedAt']),
    duration: textOrNull(data['duration']),
    language: textOrNull(data['language']),
    tags: Array.isArray(data['tags']) ? data['tags'].filter((tag) => typeof tag === 'string') : [],
    statistics: statistics(data),
    thumbnails: Object.fromEntries(
      thumbnailsOf(video).map(([name, one]) => [name, thumbnailView(one, files, base)]),
    ),
    stored_at: storedAt.toISOString(),
  };
};

/** With the files of those thumbnails that are kept. @param base public address of nginx, without a slash at its end */
export async function videoViews(
  store: Store,
  videos: readonly ItemDocument[],
  base: string,
): Promise<Video[]> {
  const ids = videos.flatMap((video) =>
    thumbnailsOf(video).flatMap(([, { url }]) => imageId(text(url)) ?? []),
  );
  const files = await filesOf(store, [...new Set(ids)]);
  return videos.map((video) => videoView(video, files, base));
}
