/** What a page says of itself in JSON-LD (https://schema.org). */
import { inlineText, select, type DomDocument } from './extract-dom.ts';

type Json = Record<string, unknown>;

export interface LinkedData {
  headline?: string;
  authors: string[];
  published?: string;
  modified?: string;
  siteName?: string;
  description?: string;
  language?: string;
}

const MAX_BYTES = 500_000;
const MAX_NODES = 5000;

/** Types that describe the page's main thing, best first. */
const MAIN_TYPES = [
  /(Article|BlogPosting|Report|AnalysisNewsArticle|LiveBlogPosting)$/,
  /^(DiscussionForumPosting|SocialMediaPosting|Question|Recipe|HowTo|Product|Review|Course|Event|JobPosting|Book|PodcastEpisode|VideoObject|APIReference)$/,
  /^(WebPage|AboutPage|ItemPage|QAPage|CollectionPage|MedicalWebPage|FAQPage)$/,
];

/** Reads all blocks, forgiving: broken ones are left out, references by `@id` are followed within the page. */
export function readLinkedData(document: DomDocument): LinkedData {
  const nodes = collectNodes(blocks(document));
  const byId = new Map<string, Json>();
  for (const node of nodes) {
    const id = node['@id'];
    // A bare reference must not hide the node that it means.
    if (typeof id === 'string' && Object.keys(node).length > 1 && !byId.has(id)) byId.set(id, node);
  }
  const follow = (value: unknown): unknown => {
    const id = isJson(value) && Object.keys(value).length === 1 ? value['@id'] : undefined;
    return typeof id === 'string' ? (byId.get(id) ?? value) : value;
  };
  const ranked = MAIN_TYPES.flatMap((pattern) =>
    nodes.filter((node) => typesOf(node).some((type) => pattern.test(type))),
  );
  const first = <T>(read: (node: Json) => T | undefined): T | undefined => {
    for (const node of ranked) {
      const value = read(node);
      if (value !== undefined) return value;
    }
    return undefined;
  };
  const authorsOf = (node: Json): string[] | undefined => {
    const names = list(node['author'] ?? node['creator']).map((author) => nameOf(follow(author)));
    const known = [...new Set(names.filter((name) => name !== undefined))];
    return known.length > 0 ? known : undefined;
  };
  const site = nodes.find((node) => typesOf(node).includes('WebSite'));
  return withoutUndefined({
    headline: first((node) => text(node['headline']) ?? (isWebPage(node) ? undefined : text(node['name']))),
    authors: first(authorsOf) ?? [],
    published: first(
      (node) => text(node['datePublished']) ?? text(node['uploadDate']) ?? text(node['dateCreated']),
    ),
    modified: first((node) => text(node['dateModified'])),
    siteName: nameOf(site) ?? first((node) => nameOf(follow(list(node['publisher'])[0]))),
    description: first((node) => text(node['description'])),
    language: first((node) => text(node['inLanguage'])),
  });
}

function blocks(document: DomDocument): unknown[] {
  const parsed: unknown[] = [];
  let bytes = 0;
  for (const script of select(document, 'script')) {
    if (!/^application\/ld\+json\b/i.test(script.getAttribute('type')?.trim() ?? '')) continue;
    const source = script.textContent;
    bytes += source.length;
    if (bytes > MAX_BYTES) break;
    const value = parse(source);
    if (value !== undefined) parsed.push(value);
  }
  return parsed;
}

function parse(source: string): unknown {
  // Wrapped in comments or CDATA, or with raw line breaks inside of strings: seen often, meant well.
  const bare = source
    .trim()
    .replace(/^(?:<!--|(?:\/\/\s*|\/\*\s*)?<!\[CDATA\[(?:\s*\*\/)?)/, '')
    .replace(/(?:-->|(?:\/\/\s*|\/\*\s*)?\]\]>(?:\s*\*\/)?)$/, '');
  for (const candidate of [
    bare,
    bare.replace(/[\u0000-\u001f]+/g, ' '),
    bare.replace(/,(\s*[}\]])/g, '$1'),
  ]) {
    try {
      return JSON.parse(candidate);
    } catch {
      continue;
    }
  }
  return undefined;
}

/** All objects that may be nodes, breadth first, so that the outer ones come before what they mention. */
function collectNodes(roots: unknown[]): Json[] {
  const nodes: Json[] = [];
  const queue: unknown[] = [...roots];
  for (let at = 0; at < queue.length && nodes.length < MAX_NODES; at += 1) {
    const value = queue[at];
    if (Array.isArray(value)) {
      queue.push(...value.slice(0, MAX_NODES));
    } else if (isJson(value)) {
      nodes.push(value);
      for (const key of ['@graph', 'mainEntity', 'mainEntityOfPage', 'hasPart']) {
        if (value[key] !== undefined) queue.push(value[key]);
      }
      // Authors and publishers may be referred to by other nodes.
      for (const key of ['author', 'publisher']) if (isJson(value[key])) queue.push(value[key]);
    }
  }
  return nodes;
}

function typesOf(node: Json): string[] {
  return list(node['@type'])
    .filter((type) => typeof type === 'string')
    .map((type) => type.replace(/^.*[/#:]/, ''));
}

function isWebPage(node: Json): boolean {
  return typesOf(node).some((type) => /Page$/.test(type));
}

function nameOf(value: unknown): string | undefined {
  return isJson(value) ? text(list(value['name'])[0]) : text(value);
}

function text(value: unknown): string | undefined {
  if (typeof value !== 'string') return isJson(value) ? text(value['@value']) : undefined;
  const trimmed = value.replace(/\s+/g, ' ').trim();
  return trimmed === '' || trimmed.length > 5000 ? undefined : trimmed;
}

function list(value: unknown): unknown[] {
  return value === undefined || value === null ? [] : Array.isArray(value) ? value : [value];
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function withoutUndefined(data: { [K in keyof LinkedData]: LinkedData[K] | undefined }): LinkedData {
  return Object.fromEntries(
    Object.entries(data).filter(([, value]) => value !== undefined),
  ) as unknown as LinkedData;
}

/** JSON-LD often holds HTML entities, or markup, in its strings. */
export function plain(document: DomDocument, value: string): string {
  if (!/[<&]/.test(value)) return value;
  const holder = document.createElement('div');
  holder.innerHTML = value.slice(0, 5000);
  return inlineText(holder);
}
