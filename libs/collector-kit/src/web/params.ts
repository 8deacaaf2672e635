import { Type, type Static, type TObject } from 'typebox';
import { HttpUrl, Recheck } from '@magpie/contracts';

const Pattern = Type.String({
  minLength: 1,
  maxLength: 500,
  examples: ['https://example.org/gallery/**', '*.pdf'],
});

/** How far to follow links, from the narrowest. */
export const SCOPES = ['page', 'prefix', 'host', 'site'] as const;

/** Parameters of every source that reads web pages. Spread them into the source's own. */
export const crawlParams = {
  urls: Type.Array(HttpUrl, {
    title: 'Pages',
    description: 'The pages to begin with',
    minItems: 1,
    maxItems: 10_000,
    examples: [['https://example.org/gallery']],
  }),
  depth: Type.Optional(
    Type.Integer({
      title: 'Depth',
      description: 'How many links to follow from a start page; 0 reads the start pages alone',
      minimum: 0,
      maximum: 10,
      default: 0,
      examples: [2],
    }),
  ),
  scope: Type.Optional(
    Type.Enum([...SCOPES], {
      title: 'Scope',
      description:
        'Which links are followed, seen from the start page that led to them: none (page), below its folder (prefix), on its host, or on its site (registrable domain)',
      default: 'host',
      examples: ['prefix'],
    }),
  ),
  include: Type.Optional(
    Type.Array(Pattern, {
      title: 'Include',
      description: 'Follow a link only if its URL matches one of these patterns',
      maxItems: 50,
      default: [],
      examples: [['https://example.org/gallery/**']],
    }),
  ),
  exclude: Type.Optional(
    Type.Array(Pattern, {
      title: 'Exclude',
      description: 'Follow no link whose URL matches one of these patterns',
      maxItems: 50,
      default: [],
      examples: [['**/login**']],
    }),
  ),
  maxPages: Type.Optional(
    Type.Integer({
      title: 'Most pages',
      description: 'Read at most so many pages',
      minimum: 1,
      maximum: 10_000_000,
      examples: [1000],
    }),
  ),
  maxItems: Type.Optional(
    Type.Integer({
      title: 'Most items',
      description: 'Collect at most so many items',
      minimum: 1,
      maximum: 10_000_000,
      examples: [5000],
    }),
  ),
  sitemaps: Type.Optional(
    Type.Union([Type.Boolean(), Type.Array(HttpUrl, { minItems: 1, maxItems: 100 })], {
      title: 'Sitemaps',
      description:
        'Begin with the pages of sitemaps too: true takes those that robots.txt names, else /sitemap.xml; or give their URLs',
      default: false,
      examples: [true],
    }),
  ),
  recheck: Type.Optional(Recheck),
  robots: Type.Optional(
    Type.Boolean({
      title: 'Honour robots.txt',
      description: 'Leave out what robots.txt (RFC 9309) disallows, and keep its crawl delay',
      default: true,
      examples: [true],
    }),
  ),
} as const;

export type CrawlParams = Static<TObject<typeof crawlParams>>;
