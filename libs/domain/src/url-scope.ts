/** How far a crawl may go from a page: the same host, the same site, or below a prefix. */
import { getDomain } from 'tldts';
import { canonicalUrl, normalEscapes, parseHttpUrl } from './url.ts';

/**
 * Equal host names and equal ports; http and https on their default ports count as one host.
 * @throws UrlError when either is no http(s) URL
 */
export function isSameHost(a: string, b: string): boolean {
  return hostsEqual(parseHttpUrl(a), parseHttpUrl(b));
}

/**
 * The same registrable domain by the Public Suffix List, private suffixes (`github.io`) included; any port.
 * Addresses, `localhost` and names without a registrable domain are their own site: same host only.
 * @throws UrlError when either is no http(s) URL
 */
export function isSameSite(a: string, b: string): boolean {
  const first = parseHttpUrl(a);
  const second = parseHttpUrl(b);
  const site = registrableDomain(first.hostname);
  if (site === null) return hostsEqual(first, second);
  return site === registrableDomain(second.hostname);
}

/**
 * Whether `url` lies below `prefix`: the same host, and its path is the prefix's path or continues it at a
 * segment boundary. `/docs` covers `/docs`, `/docs/a` and `/docs?p=1`, not `/docs2`. Both are compared in
 * canonical form; the prefix's query is ignored.
 * @throws UrlError when either is no http(s) URL
 */
export function isUnderPrefix(url: string, prefix: string): boolean {
  const inner = parseHttpUrl(url);
  const outer = parseHttpUrl(prefix);
  if (!hostsEqual(inner, outer)) return false;
  const path = normalEscapes(inner.pathname);
  const start = normalEscapes(outer.pathname);
  return path === start || path.startsWith(start.endsWith('/') ? start : `${start}/`);
}

/**
 * The canonical URL up to and including the last `/` of its path: the prefix that a start page stands for
 * (`https://a.example/docs/index.html` → `https://a.example/docs/`).
 * @throws UrlError
 */
export function directoryOf(url: string): string {
  const canonical = canonicalUrl(url);
  const query = canonical.indexOf('?');
  const path = query < 0 ? canonical : canonical.slice(0, query);
  return path.slice(0, path.lastIndexOf('/') + 1);
}

function registrableDomain(hostname: string): string | null {
  return getDomain(hostname.endsWith('.') ? hostname.slice(0, -1) : hostname, { allowPrivateDomains: true });
}

function hostsEqual(a: URL, b: URL): boolean {
  return a.hostname === b.hostname && a.port === b.port;
}
