import type { FoundItem, Step, StepContext, StepResult } from '@magpie/collector-kit';
import type { ImageInput } from './steps.ts';

const MAX_ETAG = 1024;
const MAX_LAST_MODIFIED = 128;

/** Fetches one image into the file store. What it is, its bytes say. */
export async function fetchImage(
  { url = '', input, etag, lastModified }: Step<ImageInput>,
  { http, files }: StepContext,
): Promise<StepResult> {
  const { page, alt, via, maxBytes, robots = true } = input;
  const referer = refererOf(page, url);
  const response = await http.get(url, {
    robots,
    accept: 'image/avif, image/webp, image/*, */*;q=0.5',
    limits: { maxBytes, maxWireBytes: maxBytes },
    ...(referer === undefined ? {} : { headers: { referer } }),
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { lastModified }),
  });
  if (response.notModified) {
    response.cancel();
    return { unchanged: true };
  }
  const file = await files.write('images', response.body, { maxBytes });
  const { type, width, height } = file;
  const item: FoundItem = {
    kind: 'image',
    url,
    ...(response.url === url ? {} : { finalUrl: response.url }),
    ...(page === undefined ? {} : { page }),
    data: {
      ...(alt === undefined ? {} : { alt }),
      via,
      type,
      ...(width === undefined ? {} : { width }),
      ...(height === undefined ? {} : { height }),
    },
    file,
    ...(response.etag !== undefined && response.etag.length <= MAX_ETAG ? { etag: response.etag } : {}),
    ...(response.lastModified !== undefined && response.lastModified.length <= MAX_LAST_MODIFIED
      ? { lastModified: response.lastModified }
      : {}),
  };
  return { items: [item] };
}

/**
 * What a browser would send: the page within its origin, the page's origin to others, nothing from https to http
 * (https://w3c.github.io/webappsec-referrer-policy/#referrer-policy-strict-origin-when-cross-origin).
 */
export function refererOf(page: string | undefined, url: string): string | undefined {
  const from = page === undefined ? null : URL.parse(page);
  const to = URL.parse(url);
  if (!from || !to || (from.protocol === 'https:' && to.protocol === 'http:')) return undefined;
  return from.origin === to.origin ? `${from.origin}${from.pathname}${from.search}` : `${from.origin}/`;
}
