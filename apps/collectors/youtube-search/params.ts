import { Type, type Static } from '@magpie/collector-kit';

/** What a job of this source may ask. */
export const Params = Type.Object(
  {
    q: Type.String({
      title: 'Search for',
      description: 'Words that are all wanted; `|` between words means either, `-` before a word means not',
      minLength: 1,
      maxLength: 500,
      examples: ['cricket', 'boating|sailing -fishing'],
    }),
    publishedAfter: Type.Optional(
      Type.String({
        format: 'date-time',
        title: 'Published after',
        description: 'Only videos published at this instant or later; RFC 3339 with a time zone',
        examples: ['2026-05-01T00:00:00Z'],
      }),
    ),
    region: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z]{2}$',
        title: 'Region',
        description: 'Only videos that can be watched in this country; ISO 3166-1 alpha-2',
        examples: ['IN'],
      }),
    ),
    language: Type.Optional(
      Type.String({
        pattern: '^[a-z]{2}(-[A-Z][a-z]{3})?$',
        title: 'Language',
        description:
          'Prefers videos of this language, without leaving others out; ISO 639-1, or zh-Hans, zh-Hant',
        examples: ['en'],
      }),
    ),
    every: Type.Optional(
      Type.String({
        minLength: 2,
        maxLength: 40,
        title: 'Every',
        description: 'How often to look for new videos: ISO 8601, or a number with s, m, h or d',
        default: '30s',
        examples: ['30s', 'PT10M'],
      }),
    ),
    maxPages: Type.Optional(
      Type.Integer({
        title: 'Pages at most',
        description: 'How many pages of 50 results one run reads at most; it ends at the first without news',
        minimum: 1,
        maximum: 200,
        default: 10,
        examples: [3],
      }),
    ),
    thumbnails: Type.Optional(
      Type.Boolean({
        title: 'Keep thumbnails',
        description: 'Keeps the largest thumbnail of each video as a file',
        default: false,
        examples: [true],
      }),
    ),
  },
  { additionalProperties: false, title: 'youtube-search', description: 'New videos that a search finds' },
);
export type Params = Static<typeof Params>;

const Count = (description: string) => Type.Optional(Type.Integer({ minimum: 0, description }));

/** What the source says of a video. */
export const VideoData = Type.Object(
  {
    id: Type.String({ examples: ['dQw4w9WgXcQ'] }),
    title: Type.String(),
    description: Type.String(),
    channelId: Type.String(),
    channelTitle: Type.String(),
    publishedAt: Type.String({ format: 'date-time', description: 'In UTC' }),
    thumbnails: Type.Record(
      Type.String(),
      Type.Object({
        url: Type.String(),
        width: Count('Pixels'),
        height: Count('Pixels'),
      }),
      { description: 'By the provider’s names: default, medium, high …' },
    ),
    tags: Type.Optional(Type.Array(Type.String())),
    categoryId: Type.Optional(Type.String()),
    language: Type.Optional(Type.String({ description: 'Of what is spoken; BCP 47' })),
    duration: Type.Optional(Type.String({ description: 'ISO 8601', examples: ['PT4M13S'] })),
    live: Type.Optional(Type.String({ description: 'none, live or upcoming' })),
    views: Count('When it was fetched'),
    likes: Count('When it was fetched; not there when they are hidden'),
    comments: Count('When it was fetched; not there when there can be none'),
  },
  { title: 'Video' },
);
export type VideoData = Static<typeof VideoData>;

/** What the source says of a thumbnail that is kept. */
export const ThumbnailData = Type.Object(
  {
    video: Type.String({ description: 'The address of its video' }),
    alt: Type.String({ description: 'The title of its video' }),
    type: Type.String({ description: 'Media type, sniffed from the bytes' }),
    width: Count('Pixels'),
    height: Count('Pixels'),
  },
  { title: 'Thumbnail' },
);
