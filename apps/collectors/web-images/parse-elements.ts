import { isDataUrl } from './parse-collect.ts';
import type { Collector, Via } from './parse-collect.ts';
import { cssImages } from './css.ts';
import { jsonLdImages } from './parse-jsonld.ts';
import {
  hasImageExtension,
  isLikelyAddress,
  isPlaceholder,
  LAZY_ATTRIBUTES,
  LAZY_BACKGROUND,
  LAZY_SRC,
  LAZY_SRCSET,
} from './parse-lazy.ts';
import { largestCandidate, parseSrcset, sourceSet } from './srcset.ts';
import type { SrcsetCandidate } from './srcset.ts';

/** The attributes of one start tag that matter here, by lower-case name; `lazy` when any is a lazy loader's. */
export type Element = { tag: string; attributes: ReadonlyMap<string, string>; lazy: boolean };

type Hints = { alt?: string | undefined; width?: number | undefined; height?: number | undefined };

/** Every attribute that any element is asked for; all others are dropped unread. */
export const ATTRIBUTES: ReadonlySet<string> = new Set([
  ...[
    'src',
    'srcset',
    'href',
    'xlink:href',
    'style',
    'background',
    'poster',
    'data',
    'srcdoc',
    'imagesrcset',
  ],
  ...['alt', 'width', 'height', 'sizes', 'type', 'rel', 'as', 'property', 'name', 'content', 'itemprop'],
  ...LAZY_ATTRIBUTES,
]);

const IMG_TAGS = new Set(['img', 'image', 'amp-img', 'amp-anim']);
const ICON_RELS = new Set([
  ...['icon', 'apple-touch-icon', 'apple-touch-icon-precomposed', 'apple-touch-startup-image'],
  ...['mask-icon', 'fluid-icon'],
]);
const META_IMAGE =
  /^(?:og:image(?::url|:secure_url)?|twitter:image(?::src|\d)?|image|thumbnail|thumbnailurl|parsely-image-url|sailthru\.image\.(?:full|thumb)|msapplication-(?:tileimage|(?:square|wide)\d+x\d+logo))$/;
const ITEMPROP_IMAGE = /(?:^|\s)(?:image|thumbnailurl|logo)(?:\s|$)/i;
/** Elements whose data-src is not a picture. */
const NEVER_LAZY = new Set(['script', 'iframe', 'link', 'meta', 'audio', 'track']);

/** Reads start and end tags as they come and tells the collector of the images and links in them. */
export class ElementReader {
  private readonly collector: Collector;
  private readonly candidates: 'largest' | 'all';
  private readonly dataUrls: boolean;
  private noscripts = 0;
  /** The `<source>` candidates of the open `<picture>`, by type; there is one while it is open. */
  private picture: Map<string, { via: Via; candidates: SrcsetCandidate[] }> | undefined;
  private openGraph: string | undefined;
  /** The `href` of the first `<base>` that has one. */
  base: string | undefined;

  constructor(collector: Collector, options: { candidates: 'largest' | 'all'; dataUrls: boolean }) {
    this.collector = collector;
    this.candidates = options.candidates;
    this.dataUrls = options.dataUrls;
  }

  open(element: Element): void {
    const { tag, attributes } = element;
    if (tag === 'noscript') this.noscripts += 1;
    else if (tag === 'picture') this.openPicture();
    if (attributes.size === 0) return;

    if (IMG_TAGS.has(tag)) this.img(element);
    else if (tag === 'source') this.source(element);
    else if (tag === 'a' || tag === 'area') this.anchor(attributes);
    else if (tag === 'link') this.linkElement(attributes);
    else if (tag === 'meta') this.meta(attributes);
    else if (tag === 'base') this.base ??= attributes.get('href');
    else if (tag === 'input') this.input(attributes);
    else if (tag === 'object') this.embedded(attributes.get('data'), attributes);
    else if (tag === 'embed') this.embedded(attributes.get('src'), attributes);
    else if (tag === 'feimage') this.image(attributes.get('href') ?? attributes.get('xlink:href'), 'svg');
    if (attributes.has('poster')) this.image(attributes.get('poster'), 'poster', hints(attributes));
    if (attributes.has('background')) this.image(attributes.get('background'), 'style');
    const style = attributes.get('style');
    if (style) this.css(style);
    if (element.lazy) this.lazyAnywhere(element);
  }

  close(tag: string): void {
    if (tag === 'noscript') this.noscripts = Math.max(0, this.noscripts - 1);
    else if (tag === 'picture') this.closePicture();
  }

  end(): void {
    this.closePicture();
  }

  css(text: string): void {
    for (const url of cssImages(text, { candidates: this.candidates })) this.image(url, 'style');
  }

  jsonLd(text: string): void {
    for (const { url, ...details } of jsonLdImages(text)) this.collector.image(url, 'jsonld', details);
  }

  private image(raw: string | undefined, via: Via, details?: Hints): void {
    this.collector.image(raw, this.noscripts > 0 ? 'noscript' : via, details);
  }

  private img(element: Element): void {
    const { attributes, lazy } = element;
    const details = hints(attributes);
    if (this.picture) this.flushPicture(details);
    const svg = attributes.get('href') ?? attributes.get('xlink:href');
    if (svg !== undefined && element.tag === 'image') this.image(svg, 'svg', details);

    const lazySrcs = lazy ? values(attributes, LAZY_SRC).filter(isLikelyAddress) : [];
    const lazySrcsets = lazy ? values(attributes, LAZY_SRCSET) : [];
    const isLazy = lazySrcs.length > 0 || lazySrcsets.length > 0;
    const src = attributes.get('src');
    const isStandIn = isLazy && src !== undefined && isPlaceholder(src);
    this.set(
      attributes.get('srcset'),
      isStandIn ? undefined : src,
      { src: 'img', srcset: 'srcset' },
      details,
      isLazy,
    );
    this.set(lazySrcsets.shift(), lazySrcs.shift(), { src: 'lazy', srcset: 'lazy' }, details);
    for (const url of lazySrcs) this.image(url, 'lazy', details);
    for (const srcset of lazySrcsets) this.set(srcset, undefined, { src: 'lazy', srcset: 'lazy' }, details);
  }

  /** Reports a source set: its largest candidate, or all of them. `isLazy` makes data: candidates placeholders. */
  private set(
    srcset: string | undefined,
    src: string | undefined,
    via: { src: Via; srcset: Via },
    details: Hints,
    isLazy = false,
  ): void {
    if (!srcset) {
      this.image(src, via.src, details);
      return;
    }
    const listed = this.usable(parseSrcset(srcset), isLazy);
    if (this.candidates === 'all') {
      this.image(src, via.src, details);
      for (const candidate of listed) this.candidate(candidate, via.srcset, details);
      return;
    }
    const best = largestCandidate(sourceSet(listed, src));
    if (best) this.candidate(best, listed.includes(best) ? via.srcset : via.src, details);
  }

  private candidate(candidate: SrcsetCandidate, via: Via, details: Hints): void {
    const { width } = candidate;
    this.image(candidate.url, via, width === undefined ? details : { alt: details.alt, width });
  }

  private usable(candidates: SrcsetCandidate[], isLazy: boolean): SrcsetCandidate[] {
    if (this.dataUrls && !isLazy) return candidates;
    return candidates.filter((candidate) => !isDataUrl(candidate.url));
  }

  private source(element: Element): void {
    const { attributes, lazy } = element;
    const type = attributes.get('type')?.trim().toLowerCase() ?? '';
    const lazySrcsets = lazy ? values(attributes, LAZY_SRCSET) : [];
    const listed = this.usable(parseSrcset(attributes.get('srcset') ?? ''), lazySrcsets.length > 0);
    this.addToPicture('picture', type, listed);
    for (const srcset of lazySrcsets) this.addToPicture('lazy', type, parseSrcset(srcset));
  }

  private addToPicture(via: Via, type: string, candidates: SrcsetCandidate[]): void {
    if (candidates.length === 0) return;
    const groups = (this.picture ??= new Map());
    const group = groups.get(`${via} ${type}`);
    if (group) for (const candidate of candidates) group.candidates.push(candidate);
    else groups.set(`${via} ${type}`, { via, candidates });
  }

  private openPicture(): void {
    this.closePicture();
    this.picture = new Map();
  }

  private closePicture(): void {
    this.flushPicture({});
    this.picture = undefined;
  }

  private flushPicture({ alt }: Hints): void {
    for (const { via, candidates } of this.picture?.values() ?? []) {
      const best = largestCandidate(candidates);
      const chosen = this.candidates === 'all' || !best ? candidates : [best];
      for (const candidate of chosen) this.candidate(candidate, via, { alt });
    }
    this.picture?.clear();
  }

  private anchor(attributes: ReadonlyMap<string, string>): void {
    const href = attributes.get('href');
    if (href === undefined) return;
    const isImage = hasImageExtension(href.trim()) || ITEMPROP_IMAGE.test(attributes.get('itemprop') ?? '');
    if (isImage) this.image(href, 'link');
    else this.collector.link(href);
  }

  private linkElement(attributes: ReadonlyMap<string, string>): void {
    const href = attributes.get('href');
    const rels = (attributes.get('rel') ?? '').toLowerCase().split(/\s+/);
    if (rels.some((rel) => ICON_RELS.has(rel))) this.image(href, 'icon', iconSize(attributes.get('sizes')));
    else if (rels.includes('image_src')) this.image(href, 'link');
    else if (rels.includes('preload') || rels.includes('prefetch')) {
      if (attributes.get('as')?.trim().toLowerCase() === 'image') {
        this.set(attributes.get('imagesrcset'), href, { src: 'preload', srcset: 'preload' }, {});
      }
    } else if (ITEMPROP_IMAGE.test(attributes.get('itemprop') ?? '')) this.image(href, 'meta');
    if (rels.includes('next')) this.collector.link(href);
  }

  private meta(attributes: ReadonlyMap<string, string>): void {
    const content = attributes.get('content');
    const key = (attributes.get('property') ?? attributes.get('name') ?? '').trim().toLowerCase();
    if (!content) return;
    if (META_IMAGE.test(key) || ITEMPROP_IMAGE.test(attributes.get('itemprop') ?? '')) {
      this.image(content, 'meta');
      if (key.startsWith('og:')) this.openGraph = content;
    } else if (this.openGraph !== undefined && key.startsWith('og:image:')) {
      // The properties after an og:image are its own: https://ogp.me/#structured
      if (key === 'og:image:width') this.collector.describe(this.openGraph, { width: pixels(content) });
      if (key === 'og:image:height') this.collector.describe(this.openGraph, { height: pixels(content) });
      if (key === 'og:image:alt') this.collector.describe(this.openGraph, { alt: content });
    }
  }

  private input(attributes: ReadonlyMap<string, string>): void {
    if (attributes.get('type')?.trim().toLowerCase() !== 'image') return;
    this.image(attributes.get('src'), 'input', hints(attributes));
  }

  private embedded(url: string | undefined, attributes: ReadonlyMap<string, string>): void {
    if (url === undefined) return;
    const type = attributes.get('type')?.trim();
    if (type ? /^image\//i.test(type) : hasImageExtension(url.trim()))
      this.image(url, 'link', hints(attributes));
  }

  /** Lazy backgrounds of any element, and lazy addresses of elements that are not pictures themselves. */
  private lazyAnywhere({ tag, attributes }: Element): void {
    if (NEVER_LAZY.has(tag)) return;
    for (const value of values(attributes, LAZY_BACKGROUND)) {
      const urls = /\(/.test(value) ? cssImages(value, { candidates: this.candidates }) : [];
      if (urls.length > 0) for (const url of urls) this.image(url, 'lazy');
      else if (isLikelyAddress(value)) this.image(value, 'lazy');
    }
    if (IMG_TAGS.has(tag) || tag === 'source') return;
    for (const value of values(attributes, LAZY_SRC)) {
      if (hasImageExtension(value.trim())) this.image(value, 'lazy');
    }
    for (const srcset of values(attributes, LAZY_SRCSET)) {
      this.set(srcset, undefined, { src: 'lazy', srcset: 'lazy' }, {});
    }
  }
}

function values(attributes: ReadonlyMap<string, string>, names: readonly string[]): string[] {
  const found: string[] = [];
  for (const name of names) {
    const value = attributes.get(name);
    if (value !== undefined && value.trim() !== '') found.push(value);
  }
  return found;
}

function hints(attributes: ReadonlyMap<string, string>): Hints {
  const alt = attributes.get('alt');
  const width = pixels(attributes.get('width'));
  const height = pixels(attributes.get('height'));
  return { alt, width, height };
}

/** A length in pixels; percentages and other units are none. */
function pixels(value: string | undefined): number | undefined {
  if (value === undefined || value.length > 40) return undefined;
  const match = /^\s*\+?(\d{1,6})(?:\.\d*)?(?:px)?\s*$/i.exec(value);
  return match && Number(match[1]) > 0 ? Number(match[1]) : undefined;
}

/** The largest of an icon's sizes, such as `16x16 32x32`. */
function iconSize(sizes: string | undefined): Hints {
  let best: { width: number; height: number } | undefined;
  for (const [, width, height] of (sizes ?? '').slice(0, 500).matchAll(/(\d{1,5})x(\d{1,5})/gi)) {
    if (!best || Number(width) > best.width) best = { width: Number(width), height: Number(height) };
  }
  return best ?? {};
}
