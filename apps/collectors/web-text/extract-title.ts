/** The title of a page without the name of its site. */
import { closest, inlineText, select, type DomDocument } from './extract-dom.ts';

export interface TitleSources {
  /** What the page calls itself in metadata, best first: JSON-LD headline, og:title, … */
  declared: readonly (string | undefined)[];
  siteName?: string | undefined;
  url: string;
}

const SEPARATOR = /\s+[|\-–—·•»«:~/\\>]+\s+|\s*[|｜»::]{1,2}\s+|\s*[|｜]\s*|:\s+/;

/**
 * A heading of the first rank is the title where the declared title (metadata, else `<title>`) agrees with it;
 * else the declared title without the site's name; else that heading. The name of the site is known from
 * metadata or the host, or is what is behind the last `|` or `»`.
 */
export function readTitle(document: DomDocument, sources: TitleSources): string | undefined {
  const element = document.querySelector('head title') ?? document.querySelector('title');
  const declared = [...sources.declared, element === null ? undefined : inlineText(element)]
    .map((title) => title?.replace(/\s+/g, ' ').trim())
    .filter((title): title is string => title !== undefined && title !== '' && title.length <= 1000);
  const all = headingsOf(document);
  // A heading of the page's frame that every title ends with.
  const frame = all.find(
    ({ text, inner }) => !inner && declared.some((title) => endsWithSite(title, text)),
  )?.text;
  const siteName = sources.siteName ?? frame;
  const stripped = declared.map((title) => withoutSite(title, siteName, sources.url));
  const headings = all
    .map(({ text }) => text)
    .filter((text) => !isSiteName(text, siteName, sources.url) && text !== frame);
  const agreeing = headings.find((heading) => {
    const key = normal(heading);
    return declared.some((title, index) => {
      if (normal(stripped[index] ?? '') === key) return true;
      const parts = segments(title).map(normal);
      return parts.includes(key) || (key.length >= 12 && parts[0]?.startsWith(key) === true);
    });
  });
  return agreeing ?? stripped[0] ?? headings[0];
}

/** Texts of the first-rank headings, those within the content before those of the page's frame. */
function headingsOf(document: DomDocument): { text: string; inner: boolean }[] {
  const headings = select(document, 'h1').map((heading) => ({
    text: inlineText(heading).replace(/\s*[¶#§]$/, ''),
    inner: closest(heading, ({ localName }) => localName === 'main' || localName === 'article') !== undefined,
  }));
  return headings
    .sort((a, b) => Number(b.inner) - Number(a.inner))
    .filter(({ text }) => normal(text) !== '' && text.length <= 300);
}

function endsWithSite(title: string, name: string): boolean {
  const parts = segments(title).map(normal);
  return parts.length > 1 && parts.at(-1) === normal(name) && parts[0] !== normal(name);
}

/** Takes the site's name off either end of a title. */
export function withoutSite(title: string, siteName: string | undefined, url: string): string {
  const parts = segments(title);
  if (parts.length < 2) return title;
  const last = parts.at(-1) ?? '';
  const first = parts[0] ?? '';
  if (isSiteName(last, siteName, url))
    return withoutSite(
      title.slice(0, title.lastIndexOf(last)).replace(/[\s|｜\-–—·•»«:~/\\>]+$/u, ''),
      siteName,
      url,
    );
  if (isSiteName(first, siteName, url))
    return title.slice(first.length).replace(/^[\s|｜\-–—·•»«:~/\\>]+/u, '');
  const bar = Math.max(title.lastIndexOf(' | '), title.lastIndexOf(' » '), title.lastIndexOf(' :: '));
  const rest = bar < 0 ? '' : title.slice(0, bar).trim();
  return rest.length >= 8 || /[^\u0000-\u024f]/.test(rest) ? rest : title;
}

function segments(title: string): string[] {
  return title
    .split(SEPARATOR)
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function isSiteName(text: string, siteName: string | undefined, url: string): boolean {
  const key = normal(text);
  if (key === '') return false;
  if (siteName !== undefined && normal(siteName) === key) return true;
  const host = URL.parse(url)?.hostname.replace(/^www\./, '') ?? '';
  const compact = key.replaceAll(' ', '');
  return (
    compact === host.replace(/[^a-z0-9]/g, '') ||
    compact === (host.split('.').at(-2) ?? '').replaceAll('-', '')
  );
}

function normal(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}
