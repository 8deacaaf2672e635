/** How an image was named on the page. */
export type Via =
  | 'img'
  | 'srcset'
  | 'picture'
  | 'lazy'
  | 'noscript'
  | 'style'
  | 'icon'
  | 'preload'
  | 'meta'
  | 'jsonld'
  | 'svg'
  | 'poster'
  | 'input'
  | 'link'
  | 'data';

/** One image of a page. `width` and `height` are what the page declares, in CSS pixels: a hint, not a measure. */
export type FoundImage = { url: string; alt?: string; via: Via; width?: number; height?: number };

export type CollectLimits = { maxImages: number; maxLinks: number; maxUrlLength: number };

type Details = { alt?: string | undefined; width?: number | undefined; height?: number | undefined };
type Resolved = Details & { url: string; via: Via };
type Pending = { raw: string; via: Via; details: Details };

const MAX_ALT = 1_000;
/** Client-side templates that nobody has filled in. */
const TEMPLATE = /\{\{|\$\{|<%/;

/**
 * Gathers addresses as they are written and resolves them at the end, since a `<base>` holds for the whole page.
 * The first to name an address decides its `via` and place; later ones fill in what it left open.
 */
export class Collector {
  private readonly pending = new Map<string, Pending>();
  private readonly rawLinks = new Set<string>();
  private readonly limits: CollectLimits;
  private readonly dataUrls: boolean;
  /** True once anything was left out because of a limit. */
  truncated = false;

  constructor(limits: CollectLimits, dataUrls: boolean) {
    this.limits = limits;
    this.dataUrls = dataUrls;
  }

  /** Notes an image by its address as written. */
  image(raw: string | undefined, via: Via, details: Details = {}): void {
    const address = raw?.trim();
    if (!address || address.startsWith('#')) return;
    if (isDataUrl(address)) {
      if (this.dataUrls && /^data:image\//i.test(address)) {
        this.add({ raw: address.replace(/[\t\n\r]+/g, ''), via: 'data', details: { ...details } });
      }
    } else if (address.length <= this.limits.maxUrlLength && !TEMPLATE.test(address)) {
      this.add({ raw: address, via, details: { ...details } });
    }
  }

  /** Adds what a later element says about an image that is already noted. */
  describe(raw: string, details: Details): void {
    const known = this.pending.get(raw.trim())?.details;
    if (!known) return;
    known.alt ??= details.alt;
    known.width ??= details.width;
    known.height ??= details.height;
  }

  private add(image: Pending): void {
    const known = this.pending.get(image.raw);
    if (known) fill(known.details, image.details);
    else if (this.pending.size >= this.limits.maxImages * 4) this.truncated = true;
    else this.pending.set(image.raw, image);
  }

  /** Notes a link to a page. */
  link(raw: string | undefined): void {
    const address = raw?.trim();
    if (!address || address.startsWith('#') || address.length > this.limits.maxUrlLength) return;
    if (TEMPLATE.test(address)) return;
    if (this.rawLinks.size >= this.limits.maxLinks * 4) this.truncated = true;
    else this.rawLinks.add(address);
  }

  /** The images, resolved, in document order, one for each URL without its fragment. */
  images(base: string): FoundImage[] {
    const found = new Map<string, Resolved>();
    for (const { raw, via, details } of this.pending.values()) {
      const resolved = via === 'data' ? { href: raw, key: raw } : resolveHttp(raw, base);
      if (!resolved) continue;
      const known = found.get(resolved.key);
      if (known) fill(known, details);
      else if (found.size >= this.limits.maxImages) this.truncated = true;
      else found.set(resolved.key, { url: resolved.href, via, ...details });
    }
    return Array.from(found.values(), toFoundImage);
  }

  /** The links, resolved, in document order, one for each URL without its fragment. */
  links(base: string): string[] {
    const found = new Map<string, string>();
    for (const raw of this.rawLinks) {
      const resolved = resolveHttp(raw, base);
      if (!resolved || found.has(resolved.key)) continue;
      if (found.size >= this.limits.maxLinks) {
        this.truncated = true;
        break;
      }
      found.set(resolved.key, resolved.href);
    }
    return [...found.values()];
  }
}

/** Whether an address carries its content in itself. */
export function isDataUrl(address: string): boolean {
  return /^\s*data:/i.test(address);
}

/** The absolute URL, and what makes it the same as another: itself without its fragment. */
function resolveHttp(raw: string, base: string): { href: string; key: string } | undefined {
  const url = URL.parse(raw, base);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) return undefined;
  const { href, hash } = url;
  if (hash === '' && !href.endsWith('#')) return { href, key: href };
  return { href, key: href.slice(0, href.indexOf('#')) };
}

function fill(known: Details, more: Details): void {
  known.alt ??= more.alt;
  if (known.width === undefined && known.height === undefined) {
    known.width = more.width;
    known.height = more.height;
  }
}

function toFoundImage(found: Resolved): FoundImage {
  const alt = found.alt
    ?.slice(0, MAX_ALT * 4)
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, MAX_ALT);
  return {
    url: found.url,
    ...(alt && { alt }),
    via: found.via,
    ...(found.width !== undefined && { width: found.width }),
    ...(found.height !== undefined && { height: found.height }),
  };
}
