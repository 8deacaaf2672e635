/**
 * The `fields` parameter and the media it shapes.
 *
 * Field lists and nested fields: https://developers.facebook.com/docs/graph-api/guides/field-expansion
 * What hashtagged media have:
 * https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-hashtag/recent-media
 * (top_media has the same list; `username` may not be asked for; like_count is left out when hidden; media_url is not
 * returned for albums; children only for albums).
 */
import { fieldUnknown, GraphRefusal, parameterInvalid } from '../graph/errors.ts';
import type { InstagramPost, Medium } from './feed.ts';
import type { MediaSigner } from './media.ts';

/** Field name → fields asked of it, empty for none. */
export type FieldTree = Map<string, FieldTree>;

/** `id,children{id,media_url}` as a tree; throws GraphRefusal on unbalanced braces. */
export function parseFields(text: string): FieldTree {
  const root: FieldTree = new Map();
  const stack = [root];
  let last: FieldTree | undefined;
  for (const part of text.match(/[^,{}\s]+|[{}]/g) ?? []) {
    if (part === '{' && last !== undefined) stack.push(last);
    else if (part === '}' && stack.length > 1) stack.pop();
    else if (part === '{' || part === '}') throw new GraphRefusal(parameterInvalid('Syntax error in fields'));
    else (stack.at(-1) as FieldTree).set(part, (last = new Map()));
    if (part === '{' || part === '}') last = undefined;
  }
  if (stack.length > 1) throw new GraphRefusal(parameterInvalid('Syntax error in fields'));
  return root;
}

type Value = string | number | { data: Record<string, unknown>[] } | undefined;
type Reader<T> = (of: T, signer: MediaSigner, asked: FieldTree) => Value;

const CHILD: Record<string, Reader<Medium & { permalink: string; at: number }>> = {
  id: ({ id }) => id,
  media_type: ({ type }) => type,
  media_url: (medium, signer) => signer.url(medium),
  permalink: ({ permalink }) => permalink,
  timestamp: ({ at }) => timestamp(at),
};

const MEDIA: Record<string, Reader<InstagramPost>> = {
  id: ({ id }) => id,
  caption: ({ caption }) => caption,
  comments_count: ({ comments }) => comments,
  like_count: ({ likes }) => likes,
  media_type: ({ type }) => type,
  media_url: (post, signer) => signer.url(post),
  permalink: ({ permalink }) => permalink,
  timestamp: ({ at }) => timestamp(at),
  children: ({ children, permalink, at }, signer, asked) =>
    children.length === 0
      ? undefined
      : { data: children.map((child) => read({ ...child, permalink, at }, CHILD, asked, signer)) },
};

/** A post with the fields asked for, `id` always; throws GraphRefusal for one that there is not. */
export const readPost = (
  post: InstagramPost,
  asked: FieldTree,
  signer: MediaSigner,
): Record<string, unknown> => read(post, MEDIA, asked, signer);

/** Throws GraphRefusal for a field that there is not, also when no media are listed. */
export function checkFields(asked: FieldTree): void {
  for (const field of asked.keys()) if (!Object.hasOwn(MEDIA, field)) refuse(field);
  for (const field of asked.get('children')?.keys() ?? []) if (!Object.hasOwn(CHILD, field)) refuse(field);
}

function refuse(field: string): never {
  throw new GraphRefusal(fieldUnknown(field, 'ShadowIGMedia'));
}

function read<T>(
  of: T,
  readers: Record<string, Reader<T>>,
  asked: FieldTree,
  signer: MediaSigner,
): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [field, inner] of [...asked, ...(asked.has('id') ? [] : [['id', new Map()] as const])]) {
    const value = readers[field]?.(of, signer, inner as FieldTree);
    if (value !== undefined) out[field] = value;
  }
  return out;
}

/** ISO 8601 as Graph writes it: `2026-11-21T14:00:00+0000`. */
export const timestamp = (at: number): string => new Date(at).toISOString().replace(/\.\d{3}Z$/, '+0000');
