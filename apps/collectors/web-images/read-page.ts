import {
  Aborted,
  canonicalOr,
  decodeDataUrl,
  fetchDocument,
  linksToFollow,
  mapInTurns,
  movedTerms,
  Permanent,
  scopeOf,
  withinLimits,
  type FoundItem,
  type Step,
  type StepContext,
  type StepResult,
} from '@magpie/collector-kit';
import type { FoundImage } from './parse.ts';
import { parsePage } from './parse-page.ts';
import { imageStep, pageStep, restOfPage, type PageInput } from './steps.ts';

/** Embedded images that one step keeps; the next step goes on from there. */
const EMBEDDED_AT_ONCE = 200;

/** Reads a page: its images become steps, its links too while the crawl may go on. */
export async function readPage(
  { url = '', input }: Step<PageInput>,
  context: StepContext,
): Promise<StepResult> {
  const { crawl, options, from = 0 } = input;
  const document = await fetchDocument(url, context, { robots: crawl.robots });
  if (document.kind === 'image') {
    const direct = imageStep({ url, via: 'direct' }, undefined, input);
    return { next: direct ? [direct] : [] };
  }
  if (document.kind !== 'html') throw new Permanent('not_html', 'the document is plain text', { url });
  const page = { url, finalUrl: document.url };
  if (!scopeOf(movedTerms(crawl, page)).admits(document.url)) {
    context.log.info({ url, finalUrl: document.url }, 'page leads out of scope; left out');
    return {};
  }
  const limits = { maxLength: 8 * 1024 * 1024, maxImages: 50_000, maxLinks: 50_000 };
  const { candidates, dataUrls } = options;
  const found = await parsePage(
    document.text,
    { url: document.url, candidates, dataUrls, limits },
    context.signal,
  );
  if (found.truncated) context.log.warn({ url }, 'page names more than is read; the rest was left out');

  const embedded = found.images.filter(({ via }) => via === 'data');
  const items = await keepEmbedded(
    embedded.slice(from, from + EMBEDDED_AT_ONCE),
    document.url,
    input,
    context,
  );
  if (embedded.length > from + EMBEDDED_AT_ONCE) {
    return { items, next: [restOfPage(url, input, from + EMBEDDED_AT_ONCE)] };
  }
  const steps = await mapInTurns(found.images, (image) =>
    image.via === 'data' ? undefined : imageStep(image, document.url, input),
  );
  const follow = await linksToFollow(found.links, crawl, page);
  for (const link of follow.urls) steps.push(pageStep(link, follow.terms, options));
  const { next, rest } = withinLimits(steps, Math.max(0, from - embedded.length));
  if (rest !== undefined) next.push(restOfPage(url, input, embedded.length + rest));
  return { items, next };
}

/**
 * Keeps images that are written into the page. Their source URL is `data:sha256,` and the hash of their bytes, so
 * that equal ones on any page are one item. One that can't be decoded, or is no image, is left out.
 */
async function keepEmbedded(
  embedded: readonly FoundImage[],
  page: string,
  { options: { maxBytes, accept } }: PageInput,
  { files, log, signal }: StepContext,
): Promise<FoundItem[]> {
  const items = new Map<string, FoundItem>();
  for (const image of embedded) {
    if (signal.aborted) throw new Aborted();
    try {
      const decoded = decodeDataUrl(image.url, { maxBytes });
      if (decoded === undefined) throw new Permanent('not_an_image', 'the data: URL is broken');
      const file = await files.write('images', decoded.bytes, { maxBytes });
      const { sha256, type, width, height } = file;
      const url = `data:sha256,${sha256}`;
      items.set(url, {
        kind: 'image',
        url,
        page: canonicalOr(page, page),
        data: {
          ...(image.alt ? { alt: image.alt } : {}),
          via: 'data',
          type,
          ...(width === undefined ? {} : { width }),
          ...(height === undefined ? {} : { height }),
        },
        file,
        ...(accept ? { accept } : {}),
      });
    } catch (error) {
      if (!(error instanceof Permanent)) throw error;
      log.info({ page, code: error.code, url: image.url.slice(0, 60) }, 'embedded image left out');
    }
  }
  return [...items.values()];
}
