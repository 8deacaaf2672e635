import { Permanent } from '../errors.ts';
import { decodeHtml } from '../html/decode.ts';
import type { HttpResponse } from '../http/index.ts';
import type { StepContext } from '../source/step.ts';

/** What an address turned out to be. */
export type FetchedDocument =
  | {
      readonly kind: 'html' | 'plain';
      /** Where redirects led, canonical. */
      readonly url: string;
      readonly text: string;
      readonly etag?: string;
      readonly lastModified?: string;
    }
  /** Its bytes were not read. */
  | { readonly kind: 'image'; readonly url: string; readonly type: string }
  | { readonly kind: 'unchanged'; readonly url: string };

export interface FetchDocumentOptions {
  readonly robots: boolean;
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
  /** A larger document is refused; default 8 MiB, decompressed. */
  readonly maxBytes?: number;
}

const MAX_BYTES = 8 * 1024 * 1024;
const HTML_TYPES = new Set(['text/html', 'application/xhtml+xml']);
/** Types that say little: what it is, its first bytes tell. */
const VAGUE_TYPES = new Set([
  'application/octet-stream',
  'binary/octet-stream',
  'application/xml',
  'text/xml',
  'unknown/unknown',
]);
const HTML_START =
  /^[\s\ufeff]*(?:<\?xml[^>]*>\s*)?(?:<!--[\s\S]{0,2000}?-->\s*)*<(?:!doctype\s+html|html|head|body|title|meta|link|script|style|table|div|h[1-6]|p|a|font|br|iframe)[\s/>]/i;
/** PNG, JPEG, GIF, WebP, BMP, AVIF and HEIC by their first bytes. */
const IMAGE_START =
  /^(?:\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|RIFF[\s\S]{4}WEBP|BM[\s\S]{4}\0\0\0\0|[\s\S]{4}ftyp(?:avif|avis|heic|mif1))/;

/**
 * Fetches an address that should be a page. The Content-Type decides what it is; where there is none, or a vague
 * one, the first bytes do.
 * @throws Permanent `not_html` when it is neither HTML nor text nor an image; `body_too_large` or
 * `decompressed_too_large` when it is larger than `maxBytes`; and what `http.get` throws
 */
export async function fetchDocument(
  url: string,
  { http }: Pick<StepContext, 'http'>,
  { robots, etag, lastModified, maxBytes = MAX_BYTES }: FetchDocumentOptions,
): Promise<FetchedDocument> {
  const response = await http.get(url, {
    robots,
    accept: 'text/html, application/xhtml+xml, */*;q=0.5',
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { lastModified }),
  });
  const { contentType: type = 'application/octet-stream' } = response;
  if (response.notModified) {
    response.cancel();
    return { kind: 'unchanged', url: response.url };
  }
  if (type.startsWith('image/')) {
    response.cancel();
    return { kind: 'image', url: response.url, type };
  }
  const isVague = VAGUE_TYPES.has(type);
  if (!HTML_TYPES.has(type) && type !== 'text/plain' && !isVague) {
    response.cancel();
    throw new Permanent('not_html', `the document is ${type}`, { url: response.url });
  }
  const bytes = await wholeBody(response, maxBytes, (first) => isVague && IMAGE_START.test(latin1(first)));
  if (bytes === undefined) return { kind: 'image', url: response.url, type };
  const { text } = decodeHtml(bytes, response.charset);
  const kind = HTML_TYPES.has(type) || (isVague && HTML_START.test(text.slice(0, 4096))) ? 'html' : 'plain';
  if (isVague && kind !== 'html') {
    throw new Permanent('not_html', `the document is ${response.contentType ?? 'of no declared type'}`, {
      url: response.url,
    });
  }
  return {
    kind,
    url: response.url,
    text,
    ...(response.etag === undefined ? {} : { etag: response.etag }),
    ...(response.lastModified === undefined ? {} : { lastModified: response.lastModified }),
  };
}

/** All bytes; undefined when `refuse` says so of the first piece. */
async function wholeBody(
  response: HttpResponse,
  max: number,
  refuse: (first: Uint8Array) => boolean,
): Promise<Uint8Array | undefined> {
  const pieces: Uint8Array[] = [];
  let total = 0;
  for await (const piece of response.body) {
    if (total === 0 && piece.length > 0 && refuse(piece)) return undefined;
    pieces.push(piece);
    total += piece.length;
    if (total > max) {
      const code = response.headers['content-encoding'] ? 'decompressed_too_large' : 'body_too_large';
      throw new Permanent(code, `the document has more than ${max} bytes`, { url: response.url });
    }
  }
  return Buffer.concat(pieces);
}

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(0, 64)).toString('latin1');
