import { Type, type NextStep, type Static } from '@magpie/collector-kit';

/** The two lists of a hashtag's media. */
export const EDGES = ['recent', 'top'] as const;
export type Edge = (typeof EDGES)[number];

const Ms = (description: string) => Type.Integer({ description: `${description}; ms since the epoch` });

/** What all steps of a run share. */
export const Terms = Type.Object({
  tag: Type.String(),
  start: Type.Optional(Ms('Nothing older is wanted')),
  end: Type.Optional(Ms('Nothing newer is wanted')),
  patience: Type.Integer({ minimum: 1 }),
  photos: Type.Boolean(),
  again: Type.Boolean({ description: 'There was a run before: a page without news ends a list' }),
  edges: Type.Array(Type.Enum(EDGES), { minItems: 1 }),
});
export type Terms = Static<typeof Terms>;

/** Input of the step `hashtag`: which number Instagram has for the tag. */
export const HashtagInput = Type.Object({ terms: Terms });
export type HashtagInput = Static<typeof HashtagInput>;

/** Input of a step `media`: one page of a list. */
export const MediaInput = Type.Object({
  terms: Terms,
  hashtag: Type.String({ pattern: '^\\d+$', description: 'Instagram’s identifier' }),
  edge: Type.Enum(EDGES),
  page: Type.Integer({ minimum: 1 }),
  after: Type.Optional(Type.String({ description: 'Cursor of the page before' })),
  outside: Type.Integer({ minimum: 0, description: 'Posts out of the period in a row, so far' }),
  first: Type.Optional(Type.String({ description: 'The first post of the page before' })),
  restarted: Type.Optional(Type.Boolean({ description: 'A cursor was broken: the list is read once more' })),
});
export type MediaInput = Static<typeof MediaInput>;

/** Input of a step `photo`. It is shared by all jobs that want the photo. */
export const PhotoInput = Type.Object({
  page: Type.String({ description: 'The post' }),
  post: Type.String(),
  index: Type.Integer({ minimum: 1 }),
  timestamp: Type.String(),
  caption: Type.Optional(Type.String()),
});
export type PhotoInput = Static<typeof PhotoInput>;

/** Asks for the hashtag's number. `url` is the API's address, whose host is paced. */
export const hashtagStep = (terms: Terms, url: string): NextStep => ({
  kind: 'hashtag',
  key: terms.tag,
  url,
  input: { terms },
  distinct: terms.tag,
});

/** Reads a page of a list. */
export const mediaStep = (
  input: MediaInput,
  url: string,
  options: { onlyIfNew?: boolean } = {},
): NextStep => ({
  kind: 'media',
  key: `${input.edge} ${input.page}${input.restarted === true ? ' restarted' : ''}`,
  url,
  input,
  distinct: input.terms.tag,
  ...(options.onlyIfNew === true ? { onlyIfNew: true } : {}),
});

/** Downloads a photo: soon, since its address is signed for a while. */
export const photoStep = (item: string, signedUrl: string, input: PhotoInput): NextStep => ({
  kind: 'photo',
  key: item,
  url: signedUrl,
  input,
  item: { kind: 'image', url: item },
  urgent: true,
});
