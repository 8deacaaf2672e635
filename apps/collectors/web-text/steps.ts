import { CrawlTerms, Type, type PageStep, type Static } from '@magpie/collector-kit';
import { TextOptions } from './params.ts';

/** Input of a step `text`. It is shared by all jobs that want the page, so it says nothing of a crawl. */
export const TextInput = Type.Object({ robots: Type.Optional(Type.Boolean()) });
export type TextInput = Static<typeof TextInput>;

/** Input of a step `expand`: the page is there, the crawl goes on from it. */
export const ExpandInput = Type.Object({
  crawl: CrawlTerms,
  options: TextOptions,
  page: Type.String({ description: 'The address that the crawl asked for' }),
  url: Type.String({ description: 'The address that it came from, after redirects' }),
  outlinks: Type.Array(Type.String()),
});
export type ExpandInput = Static<typeof ExpandInput>;

/** Fetches a page for its text, for all jobs that want it; while links may be followed, the job goes on from there. */
export const textStep: PageStep<TextOptions> = (url, crawl, options) => ({
  kind: 'text',
  key: url,
  url,
  input: crawl.robots ? {} : { robots: false },
  item: {
    kind: 'text',
    url,
    ...(options.recheck ? { recheck: options.recheck } : {}),
    ...(crawl.depth > 0 ? { expand: { crawl, options, page: url } } : {}),
  },
});
