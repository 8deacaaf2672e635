import { Type, type Static } from 'typebox';
import type { NextStep } from '@magpie/contracts';
import { directoryOf } from '@magpie/domain';
import { StepError } from '../errors.ts';
import { parseSitemap, MAX_SITEMAP_BYTES, type Sitemap } from '../html/sitemap.ts';
import { withinLimits } from '../source/limits.ts';
import { step, type StepContext, type StepResult } from '../source/step.ts';
import { canonicalOr, crawlTerms, CrawlTerms, scopeOf, type PageStep } from './crawl.ts';
import { mapInTurns } from './in-turns.ts';
import type { CrawlParams } from './params.ts';

const MAX_LEVEL = 4;

/** Input of a step `sitemap`. */
export const SitemapInput = Type.Object({
  crawl: CrawlTerms,
  options: Type.Record(Type.String(), Type.Unknown()),
  level: Type.Integer({ minimum: 0, description: 'How many sitemap indexes led here' }),
  find: Type.Optional(Type.Boolean({ description: 'Look up which sitemaps the site has' })),
  guessed: Type.Optional(Type.Boolean({ description: 'Nobody named it: that it is missing is no error' })),
  from: Type.Optional(Type.Integer({ minimum: 0, description: 'Where an earlier step left off' })),
});
export type SitemapInput = Static<typeof SitemapInput>;

/** The steps that look for sitemaps of a job's start pages, once a site, or read those that were given. */
export function sitemapSteps(params: CrawlParams, options: Record<string, unknown>): NextStep[] {
  const { sitemaps = false, urls } = params;
  if (sitemaps === false) return [];
  const given = (url: string, root: string, more: Partial<SitemapInput> = {}) =>
    sitemapStep(url, { crawl: sitemapTerms(params, root), options, level: 0, ...more });
  if (Array.isArray(sitemaps)) {
    return sitemaps.map((raw) => {
      const url = canonicalOr(raw, raw);
      const host = URL.parse(url)?.host;
      return given(url, urls.find((page) => URL.parse(page)?.host === host) ?? url);
    });
  }
  const steps = new Map<string, NextStep>();
  for (const raw of urls) {
    const url = canonicalOr(raw, undefined);
    if (url === undefined) continue;
    const place = params.scope === 'prefix' ? directoryOf(url) : new URL('/', url).href;
    if (!steps.has(place))
      steps.set(place, { ...given(url, url, { find: true }), key: `sitemaps of ${place}` });
  }
  return [...steps.values()];
}

/** A sitemap's pages are starts themselves: with the scope `page`, the whole host counts as asked for. */
function sitemapTerms(params: CrawlParams, root: string): CrawlTerms {
  const terms = crawlTerms(params, canonicalOr(root, root));
  return terms.scope === 'page' ? { ...terms, scope: 'host' } : terms;
}

function sitemapStep(url: string, input: SitemapInput): NextStep {
  const { from = 0 } = input;
  return { kind: 'sitemap', key: from > 0 ? `${url}#${from}` : url, url, input };
}

/** The handler of steps `sitemap`: reads sitemaps and indexes of them, and begins their pages that are in scope. */
export function readSitemaps<O>(toPage: PageStep<O>) {
  return step(SitemapInput, async ({ url = '', input }, context): Promise<StepResult> => {
    if (input.find) return findSitemaps(url, input, context);
    const sitemap = await fetchSitemap(url, input, context);
    if (sitemap === undefined) return {};
    const { crawl, options, level, from = 0 } = input;
    const scope = scopeOf(crawl);
    const steps =
      level >= MAX_LEVEL
        ? []
        : sitemap.sitemaps.map((one) => sitemapStep(one, { crawl, options, level: level + 1 }));
    if (level >= MAX_LEVEL && sitemap.sitemaps.length > 0) {
      context.log.warn({ url, sitemaps: sitemap.sitemaps.length }, 'sitemaps are nested too deep');
    }
    const pages = await mapInTurns(sitemap.urls, ({ loc }) =>
      scope.admits(loc) ? toPage(loc, crawl, options as O) : undefined,
    );
    steps.push(...pages);
    const { next, rest } = withinLimits(steps, from);
    if (rest !== undefined) next.push(sitemapStep(url, { ...input, from: rest }));
    return { next };
  });
}

async function findSitemaps(url: string, input: SitemapInput, { http }: StepContext): Promise<StepResult> {
  const { find: _find, ...rest } = input;
  const { sitemaps } = await http.robots(url);
  const named = new Set(
    sitemaps.flatMap((one) => {
      const absolute = URL.parse(one, url)?.href;
      const canonical = absolute === undefined ? undefined : canonicalOr(absolute, undefined);
      return canonical === undefined ? [] : [canonical];
    }),
  );
  if (named.size > 0) return { next: [...named].map((one) => sitemapStep(one, rest)) };
  return { next: [sitemapStep(new URL('/sitemap.xml', url).href, { ...rest, guessed: true })] };
}

async function fetchSitemap(
  url: string,
  input: SitemapInput,
  { http }: StepContext,
): Promise<Sitemap | undefined> {
  try {
    const response = await http.get(url, {
      robots: input.crawl.robots,
      accept: 'application/xml, text/xml, text/plain;q=0.9, */*;q=0.1',
      limits: { maxBytes: MAX_SITEMAP_BYTES },
    });
    return parseSitemap(await response.bytes(), response.url);
  } catch (error) {
    const missing = error instanceof StepError && ['http_status', 'not_a_sitemap'].includes(error.code);
    if (input.guessed === true && missing) return undefined;
    throw error;
  }
}
