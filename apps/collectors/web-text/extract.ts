/** The main text of a page, and what the page says about it. */
import { boundHtml, type BoundedHtml } from '@magpie/collector-kit/html/bounds';
import { Readability } from '@mozilla/readability';
import { measure, removeBoilerplate, removeTeasers, sizeOf } from './extract-boilerplate.ts';
import { markDataTables, normaliseCode } from './extract-code.ts';
import {
  baseOf,
  inlineText,
  parseDocument,
  select,
  type DomDocument,
  type DomElement,
} from './extract-dom.ts';
import { readMetadata, type PageMetadata } from './extract-metadata.ts';
import { plainText } from './extract-plain-text.ts';
import { countWords } from './extract-words.ts';
import { languageOf } from './language.ts';
import { toMarkdown } from './markdown.ts';

export interface ExtractedText {
  /** Without the name of the site. */
  title?: string;
  /** Paragraphs apart by blank lines. */
  text: string;
  /** GitHub Flavored Markdown, links and images absolute. */
  markdown: string;
  /** BCP 47. */
  language?: string;
  /** Names, apart by commas. */
  byline?: string;
  /** ISO 8601: a day where the page names a day, an instant in UTC where it names a time. */
  publishedAt?: string;
  modifiedAt?: string;
  siteName?: string;
  excerpt?: string;
  /** The page's own opinion of its address; absolute, http or https. */
  canonicalUrl?: string;
  wordCount: number;
  /** How the content was found: `fallback` is the main element, or the body, without its boilerplate. */
  via: 'readability' | 'fallback';
  /** What was cut off a page beyond the bounds; absent on honest pages. */
  cut?: BoundedHtml['cut'];
}

/** Bounds under which building and reading the DOM stays below about 64 MB and two seconds. */
const BOUNDS = { maxDepth: 150, maxElements: 20_000, maxBytes: 3_000_000, maxAttributesBytes: 8192 };

/** Three line breaks say no more than two, and thousands would keep Readability busy for a minute. */
const BREAKS = /(?:<br\s*\/?>(?:\s|&nbsp;)*){3,}/gi;

/** Characters, white space not counted: below it Readability's choice is no better than the whole body. */
const SHORT = 250;

/**
 * Extracts the main text of a page. Scripts are not run, nothing is loaded. Takes tens of milliseconds on
 * ordinary pages; use it through `extractInWorker` where a hostile page must not hold up anything else.
 *
 * Readability chooses the content. Its choice is dropped for the main element (or the body) without
 * boilerplate when it found nothing, or less than half of that element's own text: short pages, threads of a
 * forum, pages made of many equal parts.
 *
 * @param url where the page was finally served from
 */
export function extractText(html: string, url: string): ExtractedText {
  const bounded = boundHtml(html, BOUNDS);
  const document = cleanDocument(bounded.html, url);
  const { metadata } = document;
  const article = readArticle(document.page);
  const chosen =
    article !== undefined &&
    sizeOf(article).text >= Math.min(document.expected, Math.max(SHORT, document.expected / 2))
      ? { root: article, via: 'readability' as const }
      : { root: contentRoot(cleanDocument(bounded.html, url).page), via: 'fallback' as const };
  removeTeasers(chosen.root);
  removeTitle(chosen.root, metadata.title);
  const text = plainText(chosen.root);
  const language = languageOf(text, metadata.language);
  const { language: _declared, excerpt, ...about } = metadata;
  const summary = excerpt ?? firstParagraph(text);
  return {
    ...about,
    text,
    markdown: toMarkdown(chosen.root, baseOf(document.page)),
    ...(language === undefined ? {} : { language }),
    ...(summary === undefined ? {} : { excerpt: summary }),
    wordCount: countWords(text),
    via: chosen.via,
    ...(Object.keys(bounded.cut).length === 0 ? {} : { cut: bounded.cut }),
  };
}

/** A document that is plain text already: its language and its words; the markdown is the text itself. */
export function describeText(raw: string): ExtractedText {
  const text = raw.replace(/\r\n?/g, '\n').trim();
  const language = languageOf(text, undefined);
  return {
    text,
    markdown: text,
    ...(language === undefined ? {} : { language }),
    wordCount: countWords(text),
    via: 'fallback',
  };
}

/** The page without boilerplate, its metadata, and how much text its content should have. */
function cleanDocument(
  html: string,
  url: string,
): { page: DomDocument; metadata: PageMetadata; expected: number } {
  const page = parseDocument(html.replace(BREAKS, '<br><br>'), url);
  const metadata = readMetadata(page, url);
  normaliseCode(page);
  removeBoilerplate(page);
  markDataTables(page);
  const size = measure(page.body).get(contentRoot(page)) ?? { text: 0, links: 0 };
  return { page, metadata, expected: size.text - size.links };
}

/** The one main element or article, if it has some text; else the body. */
function contentRoot(page: DomDocument): DomElement {
  for (const selector of ['main,[role="main"]', 'article', '[itemprop="articleBody"]']) {
    const found = select(page, selector);
    const only = found.length === 1 ? found[0] : undefined;
    if (only !== undefined && inlineText(only).length >= 50) return only;
  }
  return page.body;
}

function readArticle(page: DomDocument): DomElement | undefined {
  const reader = new Readability<DomElement>(page as never, {
    keepClasses: true,
    disableJSONLD: true,
    serializer: (node) => node as unknown as DomElement,
  });
  try {
    return reader.parse()?.content ?? undefined;
  } catch {
    // The body without boilerplate is better than nothing. The tests ask Readability itself, where this would show.
    return undefined;
  }
}

/** A first heading that says the title again. */
function removeTitle(root: DomElement, title: string | undefined): void {
  const heading = root.querySelector('h1,h2');
  if (heading === null || title === undefined || inlineText(heading) !== title) return;
  const before = plainText(root).indexOf(title);
  if (before >= 0 && before < 200) heading.remove();
}

function firstParagraph(text: string): string | undefined {
  const paragraph = text
    .split('\n\n')
    .find((part) => part.length >= 40)
    ?.replace(/\s+/g, ' ');
  if (paragraph === undefined || paragraph.length <= 300) return paragraph;
  return `${paragraph.slice(0, 300).replace(/\s+\S*$/, '')}…`;
}
