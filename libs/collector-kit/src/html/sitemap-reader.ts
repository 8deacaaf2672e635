/** Reads sitemaps and feeds as a stream of XML events; nothing but what is asked for is kept. */
import { Parser } from 'htmlparser2';

/** The most entries of one document, by the sitemap protocol. */
const MAX_ENTRIES = 50_000;
/** The protocol allows URLs below 2,048 characters; longer values are noise. */
const MAX_VALUE = 8192;

interface Entry {
  loc: string;
  lastmod?: string;
}

const KINDS: Readonly<Record<string, 'index' | 'urlset' | 'feed'>> = {
  sitemapindex: 'index',
  urlset: 'urlset',
  rss: 'feed',
  RDF: 'feed',
  feed: 'feed',
};
/** Element that holds one entry, by its local name. */
const ENTRY = new Set(['url', 'sitemap', 'item', 'entry']);
const DATES = new Set(['lastmod', 'pubDate', 'date', 'updated', 'published']);

export class SitemapReader {
  kind: 'index' | 'urlset' | 'feed' | undefined;
  readonly entries: Entry[] = [];
  #parser = new Parser(
    {
      onopentag: (name, attributes) => this.#open(name, attributes),
      ontext: (text) => this.#text(text),
      onclosetag: (name) => this.#close(name),
    },
    // Only XML's five entities and character references are known: declared ones stay as they are written.
    { xmlMode: true, decodeEntities: true },
  );
  #depth = 0;
  #prefix = '';
  #entry: { depth: number; loc?: string; guid?: string; lastmod?: string } | undefined;
  #field: { name: string; depth: number; text: string } | undefined;

  /** As many entries as a sitemap may have: the rest need not be read. */
  get full(): boolean {
    return this.entries.length >= MAX_ENTRIES || this.#depth > 100;
  }

  write(text: string): void {
    this.#parser.write(text);
  }

  end(): void {
    this.#parser.end();
  }

  #open(name: string, attributes: Record<string, string>): void {
    this.#depth += 1;
    if (this.kind === undefined) {
      if (this.#depth > 1) return;
      this.kind = KINDS[localName(name)];
      this.#prefix = prefixOf(name);
      return;
    }
    if (this.#entry === undefined) {
      if (this.#isOwn(name) && ENTRY.has(localName(name))) this.#entry = { depth: this.#depth };
      return;
    }
    // `image:loc`, `media:link` and the like belong to something within the entry.
    if (this.#depth !== this.#entry.depth + 1) return;
    const local = localName(name);
    if (this.#isOwn(name) && local === 'link' && attributes['href'] !== undefined) {
      const rel = attributes['rel'] ?? 'alternate';
      if (rel === 'alternate') this.#entry.loc ??= attributes['href'];
    } else if (this.#isOwn(name) && (local === 'loc' || local === 'link')) {
      this.#field = { name: 'loc', depth: this.#depth, text: '' };
    } else if (local === 'guid' && attributes['isPermaLink'] !== 'false') {
      this.#field = { name: 'guid', depth: this.#depth, text: '' };
    } else if (DATES.has(local) && (this.#isOwn(name) || prefixOf(name) === 'dc')) {
      this.#field = { name: local === 'published' ? 'published' : 'lastmod', depth: this.#depth, text: '' };
    }
  }

  #text(text: string): void {
    if (this.#field === undefined || this.#field.depth !== this.#depth) return;
    if (this.#field.text.length + text.length <= MAX_VALUE) this.#field.text += text;
  }

  #close(name: string): void {
    const entry = this.#entry;
    const field = this.#field;
    if (entry !== undefined && field?.depth === this.#depth) {
      const value = field.text.trim();
      if (value !== '') {
        if (field.name === 'loc') entry.loc ??= value;
        else if (field.name === 'guid') entry.guid ??= value;
        else if (field.name === 'lastmod' || entry.lastmod === undefined) entry.lastmod = value;
      }
      this.#field = undefined;
    }
    if (entry?.depth === this.#depth && ENTRY.has(localName(name))) {
      const loc = entry.loc ?? (/^https?:/i.test(entry.guid ?? '') ? entry.guid : undefined);
      if (loc !== undefined && this.entries.length < MAX_ENTRIES) {
        this.entries.push(entry.lastmod === undefined ? { loc } : { loc, lastmod: entry.lastmod });
      }
      this.#entry = undefined;
    }
    this.#depth -= 1;
  }

  /** In the document's own namespace, judged by the root's prefix; RDF's items have none. */
  #isOwn(name: string): boolean {
    const prefix = prefixOf(name);
    return prefix === this.#prefix || (this.kind === 'feed' && prefix === '');
  }
}

function prefixOf(name: string): string {
  const colon = name.indexOf(':');
  return colon < 0 ? '' : name.slice(0, colon);
}

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1);
}
