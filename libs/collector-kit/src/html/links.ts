/** Where a page leads. */
import { canonicalUrl } from '@magpie/domain';
import { Parser } from 'htmlparser2';
import { boundHtml } from './bounds.ts';

export interface DiscoveredLinks {
  /** Canonical http(s) URLs of `a` and `area`, in the page's order, each once, without the nofollow ones. */
  links: string[];
  /** Those that only ever appear with `rel=nofollow`. */
  nofollowLinks: string[];
  /** `<link rel=canonical>`, the page's own opinion of its address. */
  canonical?: string;
  /** `<meta name=robots>` asks not to follow any link of the page. */
  nofollow: boolean;
  /** `<meta name=robots>` asks not to keep the page. */
  noindex: boolean;
  /** `<link rel=sitemap>`. */
  sitemaps: string[];
  /** `<link rel=alternate>` of an RSS or Atom type. */
  feeds: string[];
}

/** Links of one page beyond this many are left out. */
export const MAX_LINKS = 20_000;

const FEED_TYPE = /^application\/(rss|atom|rdf)\+xml\b/i;

/**
 * The links of a page, resolved against its `<base href>` if it has one, else against `baseUrl`, the address it
 * was finally served from. Links that are no http(s) URL, carry credentials or are too long are left out, as is
 * everything after {@link MAX_LINKS}. Fragments are dropped, so a link
 * into the page itself appears as the page. Linear in the length of the page, whatever it holds.
 */
export function discoverLinks(html: string, baseUrl: string): DiscoveredLinks {
  const found = new LinkCollector();
  const bounded = boundHtml(html, { maxDepth: 500, maxElements: 200_000, maxBytes: 20_000_000 });
  const parser = new Parser({ onopentag: (name, attributes) => found.tag(name, attributes) });
  parser.end(bounded.html);
  return found.resolved(baseUrl);
}

class LinkCollector {
  #anchors = new Map<string, boolean>();
  #base: string | undefined;
  #canonical: string | undefined;
  #robots = '';
  #sitemaps: string[] = [];
  #feeds: string[] = [];

  tag(name: string, attributes: Record<string, string>): void {
    if (name === 'a' || name === 'area') this.#anchor(attributes);
    else if (name === 'base') this.#base ??= attributes['href'];
    else if (name === 'link') this.#link(attributes);
    else if (name === 'meta' && attributes['name']?.toLowerCase() === 'robots') {
      this.#robots += `,${attributes['content'] ?? ''}`;
    }
  }

  #anchor({ href, rel }: Record<string, string>): void {
    if (href === undefined) return;
    const nofollow = hasWord(rel, 'nofollow');
    const known = this.#anchors.get(href);
    if (known === undefined && this.#anchors.size >= MAX_LINKS) return;
    this.#anchors.set(href, nofollow && known !== false);
  }

  #link({ href, rel, type }: Record<string, string>): void {
    if (href === undefined) return;
    if (hasWord(rel, 'canonical')) this.#canonical ??= href;
    if (hasWord(rel, 'sitemap')) this.#sitemaps.push(href);
    if (hasWord(rel, 'alternate') && FEED_TYPE.test(type ?? '')) this.#feeds.push(href);
  }

  resolved(pageUrl: string): DiscoveredLinks {
    const base = (this.#base === undefined ? undefined : resolve(this.#base, pageUrl)) ?? pageUrl;
    const followed = new Map<string, boolean>();
    for (const [href, nofollow] of this.#anchors) {
      const url = resolve(href, base);
      if (url !== undefined) followed.set(url, nofollow && followed.get(url) !== false);
    }
    const directives = new Set(this.#robots.toLowerCase().split(/[\s,]+/));
    const canonical = this.#canonical === undefined ? undefined : resolve(this.#canonical, base);
    return {
      links: [...followed].filter(([, nofollow]) => !nofollow).map(([url]) => url),
      nofollowLinks: [...followed].filter(([, nofollow]) => nofollow).map(([url]) => url),
      ...(canonical === undefined ? {} : { canonical }),
      nofollow: directives.has('nofollow') || directives.has('none'),
      noindex: directives.has('noindex') || directives.has('none'),
      sitemaps: distinct(this.#sitemaps, base),
      feeds: distinct(this.#feeds, base),
    };
  }
}

function resolve(href: string, base: string): string | undefined {
  try {
    return canonicalUrl(href, base);
  } catch {
    return undefined;
  }
}

function distinct(hrefs: string[], base: string): string[] {
  return [...new Set(hrefs.map((href) => resolve(href, base)).filter((url) => url !== undefined))];
}

function hasWord(list: string | undefined, word: string): boolean {
  return list !== undefined && list.toLowerCase().split(/\s+/).includes(word);
}
