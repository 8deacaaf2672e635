/** Sitemaps (https://www.sitemaps.org/protocol.html) and feeds, which say what pages a site has. */
import { gunzipSync } from 'node:zlib';
import { canonicalUrl } from '@magpie/domain';
import { Permanent } from '../errors.ts';
import { decodeHtml } from './decode.ts';
import { SitemapReader } from './sitemap-reader.ts';

export interface SitemapUrl {
  /** Canonical http(s) URL. */
  loc: string;
  /** ISO 8601 in UTC; absent when the sitemap has none or it is no date. */
  lastmod?: string;
}

export interface Sitemap {
  kind: 'index' | 'urlset' | 'text' | 'feed';
  /** Pages, in order, each once; at most 50,000. */
  urls: SitemapUrl[];
  /** Further sitemaps of an index; at most 50,000. */
  sitemaps: string[];
}

/** The protocol's bounds of one sitemap. */
export const MAX_SITEMAP_URLS = 50_000;
export const MAX_SITEMAP_BYTES = 52_428_800;

/**
 * Reads a sitemap, a sitemap index, a plain list of URLs, or an RSS, RDF or Atom feed; gzipped or not, whatever
 * its name says. What is broken is left out; what exceeds the protocol's number of URLs is left out too.
 * Entities that a document declares are never expanded.
 *
 * Whether a URL belongs to the site is not judged here: a scope does that.
 *
 * @param url where the sitemap was fetched from, the base of relative addresses
 * @param maxBytes most bytes of the document, after unpacking
 * @throws Permanent `sitemap_too_large`, `sitemap_corrupt` (gzip that doesn't unpack) or `not_a_sitemap`
 */
export function parseSitemap(bytes: Uint8Array, url: string, maxBytes = MAX_SITEMAP_BYTES): Sitemap {
  const document = unpacked(bytes, url, maxBytes);
  const { encoding, text } = decodeHtml(document.subarray(0, 4096));
  const start = text.trimStart();
  if (!start.startsWith('<')) return textSitemap(document, encoding, url);
  const reader = new SitemapReader();
  // Piece by piece: the whole as one string would need several times its size.
  const decoder = new TextDecoder(encoding);
  for (let at = 0; at < document.length && !reader.full; at += 65_536) {
    reader.write(decoder.decode(document.subarray(at, at + 65_536), { stream: true }));
  }
  reader.end();
  const { kind } = reader;
  if (kind === undefined) throw new Permanent('not_a_sitemap', `no sitemap or feed: ${url}`, { url });
  const entries = distinctUrls(reader.entries, url);
  return kind === 'index'
    ? { kind, urls: [], sitemaps: entries.map((entry) => entry.loc) }
    : { kind, urls: entries, sitemaps: [] };
}

function unpacked(bytes: Uint8Array, url: string, maxBytes: number): Uint8Array {
  const tooLarge = (cause?: unknown) =>
    new Permanent('sitemap_too_large', `the sitemap has more than ${maxBytes} bytes`, { url, cause });
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) {
    if (bytes.length > maxBytes) throw tooLarge();
    return bytes;
  }
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(cause);
    throw new Permanent('sitemap_corrupt', 'the sitemap is no valid gzip', { url, cause });
  }
}

/** One absolute URL a line; a document without any is no sitemap. */
function textSitemap(document: Uint8Array, encoding: string, url: string): Sitemap {
  const text = new TextDecoder(encoding).decode(document);
  const entries: { loc: string }[] = [];
  for (const line of text.split(/[\r\n]+/, 4 * MAX_SITEMAP_URLS)) {
    const loc = line.trim();
    if (/^https?:\/\//i.test(loc)) entries.push({ loc });
    if (entries.length === MAX_SITEMAP_URLS) break;
  }
  if (entries.length === 0) throw new Permanent('not_a_sitemap', `no URLs in ${url}`, { url });
  return { kind: 'text', urls: distinctUrls(entries, url), sitemaps: [] };
}

function distinctUrls(entries: readonly { loc: string; lastmod?: string }[], base: string): SitemapUrl[] {
  const urls = new Map<string, SitemapUrl>();
  for (const { loc, lastmod } of entries) {
    let canonical: string;
    try {
      canonical = canonicalUrl(loc, base);
    } catch {
      continue;
    }
    const time = lastmod === undefined ? NaN : Date.parse(lastmod);
    if (urls.has(canonical)) continue;
    urls.set(canonical, {
      loc: canonical,
      ...(Number.isFinite(time) ? { lastmod: new Date(time).toISOString() } : {}),
    });
  }
  return [...urls.values()];
}
