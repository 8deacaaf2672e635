/**
 * Videos as the provider shows them.
 *
 * - A search result: https://developers.google.com/youtube/v3/docs/search#resource
 * - A video: https://developers.google.com/youtube/v3/docs/videos#resource (counts are strings, durations ISO 8601)
 * - Thumbnails default 120×90, medium 320×180, high 480×360: …/docs/videos#snippet.thumbnails
 * - ETags: https://developers.google.com/youtube/v3/getting-started#etags
 */
import { createHash } from 'node:crypto';
import type { DoubleVideo } from './catalogue.ts';

/** Sizes by the file name at the thumbnails' host. */
export const THUMBNAILS = {
  default: { key: 'default', width: 120, height: 90 },
  mqdefault: { key: 'medium', width: 320, height: 180 },
  hqdefault: { key: 'high', width: 480, height: 360 },
  sddefault: { key: 'standard', width: 640, height: 480 },
  maxresdefault: { key: 'maxres', width: 1280, height: 720 },
} as const;
export type ThumbnailFile = keyof typeof THUMBNAILS;

export const etagOf = (value: unknown): string =>
  createHash('sha1').update(JSON.stringify(value)).digest('base64url');

/** RFC 3339 in UTC without a fraction, as the API writes times. */
export const instant = (at: number): string => new Date(at).toISOString().replace('.000Z', 'Z');

/** What titles go through in search results, though not in videos.list. */
const escaped = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');

/** Search results show the beginning of a description only, on one line. */
function cut(description: string, length = 160): string {
  const line = description.replaceAll(/\s+/g, ' ');
  return line.length <= length ? line : `${line.slice(0, line.lastIndexOf(' ', length))} ...`;
}

function thumbnails(
  video: DoubleVideo,
  base: string,
  files: readonly ThumbnailFile[],
): Record<string, unknown> {
  return Object.fromEntries(
    files.map((file) => {
      const { key, width, height } = THUMBNAILS[file];
      return [key, { url: `${base}/vi/${video.id}/${file}.jpg`, width, height }];
    }),
  );
}

const withEtag = (kind: string, value: object): object => ({ kind, etag: etagOf(value), ...value });

export function searchResult(video: DoubleVideo, base: string, snippet: boolean): object {
  return withEtag('youtube#searchResult', {
    id: { kind: 'youtube#video', videoId: video.id },
    ...(snippet && {
      snippet: {
        publishedAt: instant(video.publishedAt),
        channelId: video.channelId,
        title: escaped(video.title),
        description: escaped(cut(video.description)),
        thumbnails: thumbnails(video, base, ['default', 'mqdefault', 'hqdefault']),
        channelTitle: escaped(video.channelTitle),
        liveBroadcastContent: video.live,
        publishTime: instant(video.publishedAt),
      },
    }),
  });
}

/** The video's channel as a search result: there is no `videoId` in it. */
export function channelResult(video: DoubleVideo, snippet: boolean): object {
  const publishedAt = instant(Date.UTC(2015, 0, 1));
  return withEtag('youtube#searchResult', {
    id: { kind: 'youtube#channel', channelId: video.channelId },
    ...(snippet && {
      snippet: {
        publishedAt,
        channelId: video.channelId,
        title: escaped(video.channelTitle),
        description: `All about ${video.topic}`,
        thumbnails: {},
        channelTitle: escaped(video.channelTitle),
        liveBroadcastContent: 'none',
        publishTime: publishedAt,
      },
    }),
  });
}

function duration(seconds: number): string {
  if (seconds === 0) return 'P0D';
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
  return `PT${h > 0 ? `${h}H` : ''}${m > 0 ? `${m}M` : ''}${s > 0 ? `${s}S` : ''}`;
}

/** A video with the wanted parts; parts that the double has nothing for are left out. */
export function videoResource(video: DoubleVideo, base: string, parts: ReadonlySet<string>): object {
  const { title, description } = video;
  return withEtag('youtube#video', {
    id: video.id,
    ...(parts.has('snippet') && {
      snippet: {
        publishedAt: instant(video.publishedAt),
        channelId: video.channelId,
        title,
        description,
        thumbnails: thumbnails(video, base, Object.keys(THUMBNAILS) as ThumbnailFile[]),
        channelTitle: video.channelTitle,
        tags: video.tags,
        categoryId: video.category,
        liveBroadcastContent: video.live,
        localized: { title, description },
        defaultAudioLanguage: video.language,
      },
    }),
    ...(parts.has('contentDetails') && {
      contentDetails: {
        duration: duration(video.seconds),
        dimension: '2d',
        definition: 'hd',
        caption: 'false',
        licensedContent: false,
        ...(video.blocked.length > 0 && { regionRestriction: { blocked: video.blocked } }),
        contentRating: {},
        projection: 'rectangular',
      },
    }),
    ...(parts.has('status') && {
      status: {
        uploadStatus: 'processed',
        privacyStatus: 'public',
        license: 'youtube',
        embeddable: true,
        publicStatsViewable: true,
        madeForKids: false,
      },
    }),
    ...(parts.has('statistics') && {
      statistics: {
        viewCount: String(video.views),
        ...(video.likes !== undefined && { likeCount: String(video.likes) }),
        favoriteCount: '0',
        ...(video.comments !== undefined && { commentCount: String(video.comments) }),
      },
    }),
  });
}
