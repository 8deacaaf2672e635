import {
  canonicalOr,
  CrawlTerms,
  Type,
  type NextStep,
  type PageStep,
  type Static,
} from '@magpie/collector-kit';
import { ImageOptions } from './params.ts';
import type { FoundImage } from './parse.ts';

/** Input of a step `page`. */
export const PageInput = Type.Object({
  crawl: CrawlTerms,
  options: ImageOptions,
  from: Type.Optional(Type.Integer({ minimum: 0, description: 'Where an earlier step left off' })),
});
export type PageInput = Static<typeof PageInput>;

/** Input of a step `image`. */
export const ImageInput = Type.Object({
  page: Type.Optional(Type.String()),
  alt: Type.Optional(Type.String()),
  via: Type.String(),
  maxBytes: Type.Integer({ minimum: 1 }),
  robots: Type.Optional(Type.Boolean()),
});
export type ImageInput = Static<typeof ImageInput>;

/** Reads a page for its images and links. */
export const pageStep: PageStep<ImageOptions> = (url, crawl, options) => ({
  kind: 'page',
  key: url,
  url,
  input: { crawl, options },
});

/** Reads the rest of a page that names more than one step may bring. It is no further page. */
export const restOfPage = (url: string, input: PageInput, from: number): NextStep => ({
  kind: 'rest',
  key: `${url}#${from}`,
  url,
  input: { ...input, from },
});

/** Fetches an image, for all jobs that want it; undefined when its address is none. */
export function imageStep(
  found: Pick<FoundImage, 'url' | 'alt'> & { via: string },
  page: string | undefined,
  { options, crawl }: PageInput,
): NextStep | undefined {
  const url = canonicalOr(found.url, undefined);
  if (url === undefined) return undefined;
  const input: ImageInput = {
    ...(page === undefined ? {} : { page }),
    ...(found.alt ? { alt: found.alt } : {}),
    via: found.via,
    maxBytes: options.maxBytes,
    ...(crawl.robots ? {} : { robots: false }),
  };
  const { accept, recheck } = options;
  return {
    kind: 'image',
    key: url,
    url,
    input,
    item: { kind: 'image', url, ...(accept ? { accept } : {}), ...(recheck ? { recheck } : {}) },
  };
}
