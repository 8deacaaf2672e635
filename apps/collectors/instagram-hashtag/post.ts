/**
 * What the API says of a post.
 * https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-hashtag/recent-media
 */
import {
  canonicalUrl,
  Retryable,
  Type,
  type FoundItem,
  type NextStep,
  type Static,
} from '@magpie/collector-kit';
import type { PostData } from './params.ts';
import { photoUrl } from './fetch-photo.ts';
import { photoStep } from './steps.ts';

export const FIELDS =
  'id,caption,media_type,media_url,permalink,timestamp,like_count,comments_count,children{id,media_type,media_url}';

const Id = Type.String({ pattern: '^\\d+$' });
const Child = Type.Object({
  id: Id,
  media_type: Type.Optional(Type.String()),
  media_url: Type.Optional(Type.String()),
});

/** A post as it is documented; what owners may hide is optional. */
export const Media = Type.Object({
  id: Id,
  permalink: Type.String({ pattern: '^https?://' }),
  timestamp: Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(Z|[+-]\\d\\d:?\\d\\d)$' }),
  media_type: Type.String({ minLength: 1, maxLength: 40 }),
  caption: Type.Optional(Type.String()),
  media_url: Type.Optional(Type.String()),
  like_count: Type.Optional(Type.Integer()),
  comments_count: Type.Optional(Type.Integer()),
  children: Type.Optional(Type.Object({ data: Type.Array(Child) })),
});
export type Media = Static<typeof Media>;

/** One page of a list. */
export const Listing = Type.Object({
  data: Type.Array(Media, { maxItems: 200 }),
  paging: Type.Optional(
    Type.Object({
      cursors: Type.Optional(Type.Object({ after: Type.Optional(Type.String({ maxLength: 4000 })) })),
      next: Type.Optional(Type.String()),
    }),
  ),
});
export type Listing = Static<typeof Listing>;

/** Instagram allows 2,200 characters; what is longer is none. */
const MAX_CAPTION = 10_000;
/** Of the caption that goes with each photo. */
const MAX_PHOTO_CAPTION = 500;
/** Instagram allows 30. */
const MAX_TAGS = 100;
const HASHTAG = /[#\uFF03]([\p{L}\p{M}\p{N}_]{1,100})/gu;

/**
 * When it was published, ms since the epoch.
 * @throws Retryable `invalid_answer` for a time that there is not
 */
export function publishedAt({ id, timestamp }: Pick<Media, 'id' | 'timestamp'>): number {
  const at = Date.parse(timestamp.replace(/([+-]\d\d)(\d\d)$/, '$1:$2'));
  if (Number.isNaN(at)) throw invalid(id, 'timestamp');
  return at;
}

/** The post as an item. */
export function postItem(media: Media, tag: string): FoundItem {
  const { id, media_type: mediaType, like_count: likes = -1, comments_count: comments = -1 } = media;
  const caption = captionOf(media, MAX_CAPTION);
  const children = media.children?.data ?? [];
  const data: PostData = {
    id,
    ...(caption === undefined ? {} : { caption }),
    mediaType,
    timestamp: new Date(publishedAt(media)).toISOString(),
    ...(likes < 0 ? {} : { likes }),
    ...(comments < 0 ? {} : { comments }),
    tags: tagsOf(tag, caption),
    ...(children.length === 0
      ? {}
      : { children: children.map((one) => ({ id: one.id, mediaType: one.media_type ?? 'UNKNOWN' })) }),
  };
  return { kind: 'post', url: permalinkOf(media), data };
}

/** Steps for the post's photos; what is withheld has no address and no step. */
export function photoSteps(media: Media): NextStep[] {
  const page = permalinkOf(media);
  const caption = captionOf(media, MAX_PHOTO_CAPTION);
  const timestamp = new Date(publishedAt(media)).toISOString();
  const children = media.children?.data ?? [];
  return (children.length > 0 ? children : [media]).flatMap((one, i) => {
    const signed = one.media_type === 'IMAGE' ? addressOf(one.media_url) : undefined;
    if (signed === undefined) return [];
    const input = {
      page,
      post: media.id,
      index: i + 1,
      timestamp,
      ...(caption === undefined ? {} : { caption }),
    };
    return [photoStep(photoUrl(page, i + 1), signed, input)];
  });
}

function permalinkOf({ id, permalink }: Media): string {
  const url = addressOf(permalink);
  if (url === undefined) throw invalid(id, 'permalink');
  return url;
}

function addressOf(url: string | undefined): string | undefined {
  if (url === undefined) return undefined;
  try {
    return canonicalUrl(url);
  } catch {
    return undefined;
  }
}

function captionOf({ caption }: Media, length: number): string | undefined {
  return caption === undefined || caption === '' ? undefined : caption.slice(0, length).toWellFormed();
}

function tagsOf(tag: string, caption = ''): string[] {
  const said = [...caption.matchAll(HASHTAG)].map(([, name = '']) => name.normalize('NFC').toLowerCase());
  return [...new Set([tag, ...said])].slice(0, MAX_TAGS);
}

const invalid = (id: string, field: string): Retryable =>
  new Retryable('invalid_answer', `the answer is not as documented: the ${field} of post ${id} is none`);
