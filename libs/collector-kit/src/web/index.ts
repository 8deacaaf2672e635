/** What sources that read web pages have in common. */
export { crawlParams, SCOPES, type CrawlParams } from './params.ts';
export {
  canonicalOr,
  crawlTerms,
  CrawlTerms,
  linksToFollow,
  movedTerms,
  scopeOf,
  startTerms,
  type PageStep,
} from './crawl.ts';
export { readSitemaps, sitemapSteps } from './sitemaps.ts';
export { mapInTurns } from './in-turns.ts';
export { serveSideThread, SideThread, type SideThreadOptions } from './side-thread.ts';
export { fetchDocument, type FetchedDocument } from './fetch-document.ts';
