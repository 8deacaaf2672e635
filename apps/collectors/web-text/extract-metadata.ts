/** What a page says about itself: JSON-LD first, then meta elements, then marked-up parts of the page. */
import {
  baseOf,
  closest,
  elementsOf,
  inlineText,
  select,
  type DomDocument,
  type DomElement,
} from './extract-dom.ts';
import { isoDate } from './extract-dates.ts';
import { plain, readLinkedData } from './extract-jsonld.ts';
import { readTitle } from './extract-title.ts';

export interface PageMetadata {
  title?: string;
  byline?: string;
  /** ISO 8601: a day or an instant. */
  publishedAt?: string;
  modifiedAt?: string;
  siteName?: string;
  excerpt?: string;
  canonicalUrl?: string;
  /** As declared, not yet compared with the text. */
  language?: string;
}

const AUTHOR_NAMES = [
  'author',
  'article:author',
  'dc.creator',
  'dcterms.creator',
  'parsely-author',
  'sailthru.author',
  'citation_author',
  'byl',
];
const PUBLISHED_NAMES = [
  'article:published_time', 'og:article:published_time', 'article:published', 'og:published_time', 'datepublished',
  'citation_publication_date', 'citation_date', 'parsely-pub-date', 'sailthru.date', 'pubdate', 'publishdate',
  'publish-date', 'publish_date', 'dc.date.issued', 'dcterms.issued', 'dcterms.created', 'dc.date.created', 'dc.date',
  'dcterms.date', 'date', 'article.published', 'cxenseparse:recs:publishtime',
]; // prettier-ignore
const MODIFIED_NAMES = [
  'article:modified_time',
  'og:updated_time',
  'datemodified',
  'dcterms.modified',
  'dc.date.modified',
  'last-modified',
  'lastmod',
  'revised',
];

/** Reads before anything is removed from the document. Never throws. */
export function readMetadata(document: DomDocument, url: string): PageMetadata {
  const meta = metaOf(document);
  const data = readLinkedData(document);
  const clean = (value: string | undefined) => (value === undefined ? undefined : plain(document, value));
  const named = (names: readonly string[]): string[] => names.flatMap((name) => meta.get(name) ?? []);
  const siteName = clean(meta.get('og:site_name')?.[0] ?? data.siteName ?? meta.get('application-name')?.[0]);
  const found: { [K in keyof PageMetadata]: PageMetadata[K] | undefined } = {
    title: readTitle(document, {
      declared: [clean(data.headline), meta.get('og:title')?.[0], meta.get('twitter:title')?.[0]],
      siteName,
      url,
    }),
    byline:
      names(
        data.authors.map((author) => plain(document, author)),
        siteName,
      ) ??
      names(named(AUTHOR_NAMES), siteName) ??
      bylineOfBody(document),
    publishedAt:
      isoDate(data.published) ??
      firstDate(named(PUBLISHED_NAMES)) ??
      dateOfBody(document, 'published') ??
      dateOfUrl(url),
    modifiedAt:
      isoDate(data.modified) ?? firstDate(named(MODIFIED_NAMES)) ?? dateOfBody(document, 'modified'),
    siteName,
    excerpt: clean(meta.get('og:description')?.[0] ?? meta.get('description')?.[0] ?? data.description),
    canonicalUrl: canonicalOf(document) ?? httpUrl(meta.get('og:url')?.[0], baseOf(document)),
    language:
      document.documentElement.getAttribute('lang') ||
      document.documentElement.getAttribute('xml:lang') ||
      meta.get('content-language')?.[0] ||
      data.language ||
      meta.get('og:locale')?.[0]?.replace('_', '-'),
  };
  for (const key of Object.keys(found) as (keyof PageMetadata)[]) if (!found[key]) delete found[key];
  return found as PageMetadata;
}

/** Contents by name, property, itemprop or http-equiv, in lower case. */
function metaOf(document: DomDocument): Map<string, string[]> {
  const all = new Map<string, string[]>();
  for (const element of select(document, 'meta')) {
    const content = element.getAttribute('content')?.replace(/\s+/g, ' ').trim();
    if (content === undefined || content === '' || content.length > 5000) continue;
    // Within the body an itemprop may belong to a part of the page, a comment or an offer.
    const own = closest(element, (ancestor) => ancestor.hasAttribute('itemprop') && ancestor !== element);
    if (own !== undefined) continue;
    for (const attribute of ['name', 'property', 'itemprop', 'http-equiv']) {
      for (const name of (element.getAttribute(attribute) ?? '').toLowerCase().split(/\s+/)) {
        if (name === '') continue;
        const known = all.get(name);
        if (known === undefined) all.set(name, [content]);
        else known.push(content);
      }
    }
  }
  return all;
}

function firstDate(values: readonly string[]): string | undefined {
  return values.map(isoDate).find((date) => date !== undefined);
}

/** `<time>` and microdata, outside of what belongs to comments and to other articles. */
function dateOfBody(document: DomDocument, kind: 'published' | 'modified'): string | undefined {
  const property = kind === 'published' ? 'datePublished' : 'dateModified';
  for (const element of select(document, `[itemprop~="${property}"]`)) {
    const date = dateOf(element);
    if (date !== undefined && !isForeign(element)) return date;
  }
  const times = select(document, 'time').filter((time) => !isForeign(time) && dateOf(time) !== undefined);
  const marked = (time: DomElement, words: RegExp) =>
    words.test(`${classesOf(time)} ${time.parentNode === null ? '' : classesOf(time.parentNode)}`);
  const modified = /updated|modified/i;
  if (kind === 'modified') return dateOf(times.find((time) => marked(time, modified)));
  const published = times.find(
    (time) => time.hasAttribute('pubdate') || marked(time, /publish|\bdt-published|pubdate|date-?line/i),
  );
  const first = times.find((time) => !marked(time, modified));
  return dateOf(published) ?? dateOf(first);
}

function dateOf(element: DomElement | undefined): string | undefined {
  if (element === undefined) return undefined;
  return (
    isoDate(element.getAttribute('datetime') ?? element.getAttribute('content')) ??
    isoDate(inlineText(element))
  );
}

/** Belongs to comments, to teasers of other pages or to the page's frame. */
function isForeign(element: DomElement): boolean {
  return (
    closest(
      element,
      (ancestor) =>
        /^(nav|aside|footer)$/.test(ancestor.localName) ||
        /\b(comments?|related|recommend\w*|teaser|sidebar|widget|popular|trending|reply|replies)\b/i.test(
          classesOf(ancestor),
        ),
    ) !== undefined
  );
}

function classesOf(element: DomElement): string {
  return `${element.getAttribute('class') ?? ''} ${element.getAttribute('id') ?? ''}`.replace(/[_-]+/g, ' ');
}

/** A date in the path, `/2024/05/01/`, as blogs and newspapers have it. */
function dateOfUrl(url: string): string | undefined {
  const match = /\/((?:19|20)\d{2})[/-](\d{2})[/-](\d{2})(?=\/|-|_|$)/.exec(URL.parse(url)?.pathname ?? '');
  return match === null ? undefined : isoDate(`${match[1]}-${match[2]}-${match[3]}`);
}

function bylineOfBody(document: DomDocument): string | undefined {
  for (const element of elementsOf(document.body)) {
    if (!namesAuthor(element)) continue;
    if (isForeign(element)) continue;
    const name =
      element.querySelector('[itemprop~="name"],[rel~="author"],.author,.author-name,.fn,.p-name') ?? element;
    const found = names([name.getAttribute('content') ?? inlineText(name)], undefined);
    if (found !== undefined) return found;
  }
  return undefined;
}

function namesAuthor(element: DomElement): boolean {
  return (
    hasWord(element.getAttribute('itemprop'), /^author$/) ||
    hasWord(element.getAttribute('rel'), /^author$/) ||
    hasWord(
      element.getAttribute('class'),
      /^(byline|byline-name|p-author|author|(author|article|post|entry)-(name|author))$/,
    )
  );
}

function hasWord(value: string | null, word: RegExp): boolean {
  return value !== null && value.split(/\s+/).some((part) => word.test(part));
}

const LEAD_IN =
  /^(?:(?:(?:written|posted|published|reported|words)\s+)?by|von|par|por|di|door|av|af|od|автор|текст|作者|著者|文|بقلم)(?:\s*[::]\s*|\s+)/iu;

/** Names in one line; undefined when nothing of it is a name: addresses, handles of pages, sentences. */
function names(values: readonly string[], siteName: string | undefined): string | undefined {
  const clean = values
    .map((value) =>
      value
        .replace(/\s+/g, ' ')
        .trim()
        .replace(LEAD_IN, '')
        .replace(/\s*(?:[|·•–—]|,?\s+(?:on|am|le)\s+(?=\w+ \d))\s*.*$/, '')
        .trim(),
    )
    .filter(
      (value) =>
        value !== '' && value.length <= 120 && !/^(https?:|www\.|@|\/)/i.test(value) && /^\p{L}/u.test(value),
    );
  const distinct = [...new Set(clean)];
  const people = distinct.filter((name) => name.toLowerCase() !== siteName?.toLowerCase());
  const chosen = people.length > 0 ? people : distinct;
  return chosen.length === 0 ? undefined : chosen.slice(0, 20).join(', ');
}

function canonicalOf(document: DomDocument): string | undefined {
  const link = select(document, 'link[rel][href]').find((element) =>
    (element.getAttribute('rel') ?? '').toLowerCase().split(/\s+/).includes('canonical'),
  );
  return httpUrl(link?.getAttribute('href') ?? undefined, baseOf(document));
}

function httpUrl(value: string | undefined, base: string): string | undefined {
  const url = value === undefined ? null : URL.parse(value.trim(), base);
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' ? url.href : undefined;
}
