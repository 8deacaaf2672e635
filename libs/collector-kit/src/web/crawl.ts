/** How a crawl goes on from page to page. Steps carry what they need; nobody remembers a crawl but its frontier. */
import { Type, type Static } from 'typebox';
import type { NextStep } from '@magpie/contracts';
import { canonicalUrl } from '@magpie/domain';
import { Permanent } from '../errors.ts';
import { createScope, ScopeError, type Scope } from '../html/scope.ts';
import { Recent } from '../run/recent.ts';
import { mapInTurns } from './in-turns.ts';
import { SCOPES, type CrawlParams } from './params.ts';

/** What each step of a crawl carries of its job's terms. */
export const CrawlTerms = Type.Object({
  root: Type.String({ description: 'The start page that led here; the scope is seen from it' }),
  depth: Type.Integer({ minimum: 0, description: 'Links that may still be followed' }),
  scope: Type.Enum([...SCOPES]),
  include: Type.Optional(Type.Array(Type.String())),
  exclude: Type.Optional(Type.Array(Type.String())),
  robots: Type.Boolean(),
});
export type CrawlTerms = Static<typeof CrawlTerms>;

/** The terms of a crawl that begins at `root`. */
export function crawlTerms(params: CrawlParams, root: string): CrawlTerms {
  const { depth = 0, scope = 'host', include = [], exclude = [], robots = true } = params;
  return {
    root,
    depth,
    scope,
    ...(include.length > 0 ? { include } : {}),
    ...(exclude.length > 0 ? { exclude } : {}),
    robots,
  };
}

/**
 * The terms on which each start page of a job is read.
 * @throws Permanent `invalid_pattern`, so that the job says so before anything is fetched
 */
export function startTerms(params: CrawlParams): { url: string; terms: CrawlTerms }[] {
  scopeOf(crawlTerms(params, 'http://any.example/'));
  return params.urls.map((raw) => {
    const url = canonicalOr(raw, raw);
    return { url, terms: crawlTerms(params, url) };
  });
}

const scopes = new Recent<Scope>(100);

/**
 * Which addresses a crawl on these terms may go to.
 * @throws Permanent `invalid_pattern`
 */
export function scopeOf({ root, scope, include = [], exclude = [] }: CrawlTerms): Scope {
  const key = JSON.stringify([root, scope, include, exclude]);
  const known = scopes.get(key);
  if (known) return known;
  try {
    const made = createScope({ start: [root], scope, include, exclude });
    scopes.set(key, made);
    return made;
  } catch (error) {
    if (error instanceof ScopeError) throw new Permanent('invalid_pattern', error.message);
    throw error;
  }
}

/**
 * The links that a crawl follows from a page, canonical, each once, with the terms on which their pages are
 * read: one link less. None when the depth is used up.
 */
export async function linksToFollow(
  links: Iterable<string>,
  terms: CrawlTerms,
  page: { url: string; finalUrl: string },
): Promise<{ urls: string[]; terms: CrawlTerms }> {
  const next = { ...movedTerms(terms, page), depth: Math.max(0, terms.depth - 1) };
  if (terms.depth === 0) return { urls: [], terms: next };
  const scope = scopeOf(next);
  const urls = await mapInTurns(links, (link) => {
    const url = canonicalOr(link, undefined);
    return url !== undefined && url !== page.url && url !== page.finalUrl && scope.admits(url)
      ? url
      : undefined;
  });
  return { urls: [...new Set(urls)], terms: next };
}

/** A start page that redirects (to https, to www) takes its crawl's scope along. */
export function movedTerms(
  terms: CrawlTerms,
  { url, finalUrl }: { url: string; finalUrl: string },
): CrawlTerms {
  return terms.root === url ? { ...terms, root: finalUrl } : terms;
}

/** The canonical form of a URL; `otherwise` for what has none. */
export function canonicalOr<T>(url: string, otherwise: T): string | T {
  try {
    return canonicalUrl(url);
  } catch {
    return otherwise;
  }
}

/** Makes the step that reads a page. */
export type PageStep<O> = (url: string, terms: CrawlTerms, options: O) => NextStep;
