import { Tokenizer } from 'htmlparser2';
import type { TokenizerCallbacks } from 'htmlparser2';
import { Collector } from './parse-collect.ts';
import type { FoundImage } from './parse-collect.ts';
import { ATTRIBUTES, ElementReader } from './parse-elements.ts';
import { LAZY_ATTRIBUTES } from './parse-lazy.ts';

export type { FoundImage, Via } from './parse-collect.ts';

/** Bounds on what one page may cost. Whatever they cut off sets `truncated`. */
export type DiscoverLimits = {
  /** Characters of HTML that are read; default 5,000,000. */
  maxLength?: number;
  /** Images that are reported; default 10,000. */
  maxImages?: number;
  /** Links that are reported; default 10,000. */
  maxLinks?: number;
  /** Characters of an address; longer ones (other than data:) are dropped; default 8,192. */
  maxUrlLength?: number;
  /** How deep documents inside `<iframe srcdoc>` are followed; default 2. */
  maxDepth?: number;
};

export type DiscoverOptions = {
  /** The page's final URL, after redirects. */
  url: string;
  /** Of each srcset, picture and image-set: the largest candidate per type (default), or all of them. */
  candidates?: 'largest' | 'all';
  /** Report `data:image/…` URLs too, whole. */
  dataUrls?: boolean;
  limits?: DiscoverLimits;
};

export type Discovered = {
  /** In document order, one for each URL (fragments don't count). http, https, and data when asked. */
  images: FoundImage[];
  /** Targets of `<a>`, `<area>` and `<link rel=next>`, absolute, in order, each once; those in `images` left out. */
  links: string[];
  /** What relative addresses were resolved against. */
  base: string;
  /** Whether a limit cut anything off. */
  truncated: boolean;
};

/**
 * Finds every image that a page names, in one pass over its tags and without a DOM; README.md lists where it looks.
 *
 * Never throws on any HTML. Time and memory are linear in the length of the input: no stack of open elements is
 * kept, and of each start tag only the attributes that can name an image. `url` must be an absolute URL
 * (a TypeError otherwise).
 */
export function discoverImages(html: string, options: DiscoverOptions): Discovered {
  const { maxLength = 5_000_000, maxImages = 10_000, maxLinks = 10_000 } = options.limits ?? {};
  const { maxUrlLength = 8_192, maxDepth = 2 } = options.limits ?? {};
  const dataUrls = options.dataUrls ?? false;
  const collector = new Collector({ maxImages, maxLinks, maxUrlLength }, dataUrls);
  const reader = new ElementReader(collector, { candidates: options.candidates ?? 'largest', dataUrls });

  const page = new URL(options.url);
  if (html.length > maxLength) collector.truncated = true;
  readDocument(html.length > maxLength ? html.slice(0, maxLength) : html, reader, (srcdoc, depth) => {
    if (depth > maxDepth) collector.truncated = true;
    return depth <= maxDepth;
  });
  const base = baseUrl(reader.base, page);
  const images = collector.images(base);
  const imageUrls = new Set(images.map((image) => image.url));
  const links = collector.links(base).filter((link) => !imageUrls.has(link));
  return { images, links, base, truncated: collector.truncated };
}

/** The document base URL: https://html.spec.whatwg.org/multipage/urls-and-fetching.html#document-base-url */
function baseUrl(href: string | undefined, page: URL): string {
  const base = href === undefined ? null : URL.parse(href, page.href);
  return base && (base.protocol === 'http:' || base.protocol === 'https:') ? base.href : page.href;
}

/** HTML start tags that end an SVG or MathML context: https://html.spec.whatwg.org/multipage/parsing.html#parsing-main-inforeign */
const LEAVES_SVG = new Set(
  (
    'b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li listing menu meta ' +
    'nobr ol p pre ruby s small span strong strike sub sup table tt u ul var foreignobject'
  ).split(' '),
);

/** Feeds the tags, styles and JSON-LD of a document to the reader; `mayEnter` decides about documents inside it. */
function readDocument(
  html: string,
  reader: ElementReader,
  mayEnter: (srcdoc: string, depth: number) => boolean,
  depth = 0,
): void {
  let tag = '';
  let attributes = new Map<string, string>();
  let lazy = false;
  let name = '';
  let isWanted = false;
  let value = '';
  let svgs = 0;
  let raw: 'style' | 'jsonld' | undefined;
  let text = '';

  const endRaw = (): void => {
    if (raw === 'style') reader.css(text);
    else if (raw === 'jsonld') reader.jsonLd(text);
    raw = undefined;
    text = '';
  };

  const endTag = (isSelfClosing: boolean): void => {
    const element = { tag, attributes, lazy };
    if (attributes.size > 0) attributes = new Map();
    lazy = false;
    if (tag === 'svg' || tag === 'math') svgs += isSelfClosing ? 0 : 1;
    else if (svgs > 0 && LEAVES_SVG.has(tag)) svgs = 0;
    if (depth > 0 && tag === 'base') return;
    reader.open(element);
    if (tag === 'style' && !(isSelfClosing && svgs > 0)) {
      endRaw();
      raw = 'style';
    } else if (tag === 'script') {
      endRaw();
      if (/^\s*application\/ld\+json\s*(?:;|$)/i.test(element.attributes.get('type') ?? '')) raw = 'jsonld';
    } else if (tag === 'iframe') {
      const srcdoc = element.attributes.get('srcdoc');
      if (srcdoc && mayEnter(srcdoc, depth + 1)) readDocument(srcdoc, reader, mayEnter, depth + 1);
    }
  };

  const callbacks: TokenizerCallbacks = {
    isInForeignContext: () => svgs > 0,
    onopentagname(start, end) {
      tag = html.slice(start, end).toLowerCase();
    },
    onattribname(start, end) {
      name = html.slice(start, end).toLowerCase();
      isWanted = ATTRIBUTES.has(name);
      value = '';
    },
    onattribdata(start, end) {
      if (isWanted) value += html.slice(start, end);
    },
    onattribentity(codepoint) {
      if (isWanted) value += String.fromCodePoint(codepoint);
    },
    onattribend() {
      if (!isWanted || attributes.has(name)) return;
      attributes.set(name, value);
      if (LAZY_ATTRIBUTES.has(name)) lazy = true;
    },
    onopentagend: () => endTag(false),
    onselfclosingtag: () => endTag(true),
    onclosetag(start, end) {
      const closed = html.slice(start, end).toLowerCase();
      if (closed === 'style' || closed === 'script') endRaw();
      else if (closed === 'svg' || closed === 'math') svgs = Math.max(0, svgs - 1);
      reader.close(closed);
    },
    ontext(start, end) {
      if (raw) text += html.slice(start, end);
    },
    ontextentity(codepoint) {
      if (raw) text += String.fromCodePoint(codepoint);
    },
    oncdata(start, end, offset) {
      if (raw) text += html.slice(start, end - offset);
    },
    oncomment() {},
    ondeclaration() {},
    onprocessinginstruction() {},
    onend() {},
  };

  const tokenizer = new Tokenizer({}, callbacks);
  tokenizer.write(html);
  tokenizer.end();
  endRaw();
  reader.end();
}
