import {
  fetchDocument,
  Permanent,
  type FoundItem,
  type Step,
  type StepContext,
  type StepResult,
} from '@magpie/collector-kit';
import { countWords } from './extract-words.ts';
import { languageOf } from './language.ts';
import { readLinks } from './links.ts';
import type { TextData } from './params.ts';
import type { TextInput } from './steps.ts';
import { extractInWorker } from './worker-pool.ts';

const MAX_OUTLINKS = 2_000;
const MAX_OUTLINKS_LENGTH = 256 * 1024;
/** Characters of a text, and of its markdown, that are kept. */
const MAX_TEXT = 400_000;
const MAX_ETAG = 1024;
const MAX_LAST_MODIFIED = 128;

/** Fetches a page and finds its main text. Plain text is taken as it is. */
export async function readText(
  { url = '', input, etag, lastModified }: Step<TextInput>,
  context: StepContext,
): Promise<StepResult> {
  const document = await fetchDocument(url, context, { robots: input.robots ?? true, etag, lastModified });
  if (document.kind === 'unchanged') return { unchanged: true };
  if (document.kind === 'image') {
    throw new Permanent('not_html', `the document is ${document.type}`, { url: document.url });
  }
  const isHtml = document.kind === 'html';
  const outlinks = isHtml ? await outlinksOf(document.text, document.url, input, context.signal) : [];
  const read = isHtml ? await readHtml(document.text, document.url, context.signal) : plain(document.text);
  if (read.text === '' && outlinks.length === 0) {
    throw new Permanent('no_text', 'no main text was found', { url: document.url });
  }
  const item: FoundItem = {
    kind: 'text',
    url,
    ...(document.url === url ? {} : { finalUrl: document.url }),
    data: withinSize(read),
    outlinks,
    ...(document.etag !== undefined && document.etag.length <= MAX_ETAG ? { etag: document.etag } : {}),
    ...(document.lastModified !== undefined && document.lastModified.length <= MAX_LAST_MODIFIED
      ? { lastModified: document.lastModified }
      : {}),
  };
  return { items: [item] };
}

async function readHtml(html: string, url: string, signal: AbortSignal): Promise<TextData> {
  const { via: _via, cut, ...data } = await extractInWorker(html, url, { signal });
  return { ...data, ...(cut?.bytes || cut?.elements ? { truncated: true } : {}) };
}

function plain(raw: string): TextData {
  const text = raw.replace(/\r\n?/g, '\n').trim();
  const language = languageOf(text, undefined);
  return {
    text,
    markdown: text,
    ...(language === undefined ? {} : { language }),
    wordCount: countWords(text),
  };
}

/** Where the page leads, as far as it wants to be followed. */
async function outlinksOf(
  html: string,
  url: string,
  { robots = true }: TextInput,
  signal: AbortSignal,
): Promise<string[]> {
  const { links, nofollow } = await readLinks(html, url, signal);
  if (nofollow && robots) return [];
  const kept: string[] = [];
  let length = 0;
  for (const link of links) {
    length += link.length;
    if (kept.length >= MAX_OUTLINKS || length > MAX_OUTLINKS_LENGTH) break;
    kept.push(link);
  }
  return kept;
}

function withinSize(data: TextData): TextData {
  const truncated = data.text.length > MAX_TEXT || data.markdown.length > MAX_TEXT;
  return {
    ...data,
    text: data.text.slice(0, MAX_TEXT).toWellFormed(),
    markdown: data.markdown.slice(0, MAX_TEXT).toWellFormed(),
    ...(truncated ? { truncated } : {}),
  };
}
