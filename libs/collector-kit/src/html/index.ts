// What every collector of web pages needs: from bytes to text, links, sitemaps and the bounds of a crawl.
export * from './bounds.ts';
export * from './decode.ts';
export { charsetOf } from './encoding-prescan.ts';
export * from './links.ts';
export * from './scope.ts';
export * from './sitemap.ts';
