import { crawlParams, Type, type Static } from '@magpie/collector-kit';

/** What a job of this source may ask. */
export const Params = Type.Object(
  { ...crawlParams },
  { additionalProperties: false, title: 'web-text', description: 'The main text of the given pages' },
);
export type Params = Static<typeof Params>;

/** What each step of a crawl carries besides its terms. */
export const TextOptions = Type.Object({
  recheck: Type.Optional(Type.Enum(['never', 'ifChanged', 'always'])),
});
export type TextOptions = Static<typeof TextOptions>;

export const textOptions = ({ recheck }: Params): TextOptions =>
  recheck === undefined || recheck === 'never' ? {} : { recheck };

/** What the source says of a page. */
export const TextData = Type.Object(
  {
    title: Type.Optional(Type.String({ description: 'Without the name of the site' })),
    text: Type.String({ description: 'The main text, paragraphs apart by blank lines' }),
    markdown: Type.String({ description: 'The main content as GitHub Flavored Markdown, links absolute' }),
    language: Type.Optional(Type.String({ description: 'BCP 47', examples: ['en'] })),
    byline: Type.Optional(Type.String({ description: 'Who wrote it; names apart by commas' })),
    publishedAt: Type.Optional(Type.String({ description: 'ISO 8601: a day, or an instant in UTC' })),
    modifiedAt: Type.Optional(Type.String({ description: 'ISO 8601: a day, or an instant in UTC' })),
    siteName: Type.Optional(Type.String()),
    excerpt: Type.Optional(Type.String()),
    canonicalUrl: Type.Optional(Type.String({ description: 'The page’s own opinion of its address' })),
    wordCount: Type.Integer({ minimum: 0 }),
    truncated: Type.Optional(Type.Boolean({ description: 'The page was larger than is read or kept' })),
  },
  { title: 'Text' },
);
export type TextData = Static<typeof TextData>;
