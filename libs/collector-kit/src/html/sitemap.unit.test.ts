import { gzipSync } from 'node:zlib';
import iconv from 'iconv-lite';
import { MAX_SITEMAP_URLS, parseSitemap } from './sitemap.ts';

const AT = 'https://example.org/sitemap.xml';
const parse = (text: string) => parseSitemap(Buffer.from(text), AT);
const code = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return undefined;
};

const URLSET = `<?xml version="1.0" encoding="UTF-8"?>
<!-- made by hand -->
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
  <url><loc>https://example.org/a?x=1&amp;y=2</loc><lastmod>2024-05-01</lastmod><priority>0.5</priority></url>
  <url><loc> <![CDATA[https://EXAMPLE.org/b]]> </loc><lastmod>2024-05-01T10:00:00+02:00</lastmod>
    <image:image><image:loc>https://example.org/i.png</image:loc></image:image></url>
  <url><lastmod>yesterday</lastmod><loc>https://example.org/c</loc></url>
  <url><loc>https://example.org/c</loc></url><url><loc>javascript:0</loc></url><url></url>
</urlset>`;

it('reads a urlset', () => {
  expect(parse(URLSET)).toEqual({
    kind: 'urlset',
    urls: [
      { loc: 'https://example.org/a?x=1&y=2', lastmod: '2024-05-01T00:00:00.000Z' },
      { loc: 'https://example.org/b', lastmod: '2024-05-01T08:00:00.000Z' },
      { loc: 'https://example.org/c' },
    ],
    sitemaps: [],
  });
});

it('reads one that is gzipped, and one with a prefix', () => {
  expect(parseSitemap(gzipSync(URLSET), `${AT}.gz`)).toEqual(parse(URLSET));
  const prefixed =
    '<s:urlset xmlns:s="x"><s:url><s:loc>https://example.org/</s:loc><loc>/no</loc></s:url></s:urlset>';
  expect(parse(prefixed).urls).toEqual([{ loc: 'https://example.org/' }]);
});

it('reads an index', () => {
  const index = `<sitemapindex><sitemap><loc>/one.xml.gz</loc><lastmod>2024-01-01</lastmod></sitemap>
    <sitemap><loc>https://example.org/two.xml</loc></sitemap></sitemapindex>`;
  expect(parse(index)).toEqual({
    kind: 'index',
    urls: [],
    sitemaps: ['https://example.org/one.xml.gz', 'https://example.org/two.xml'],
  });
});

it('reads plain text in any encoding, with a byte order mark', () => {
  const text = 'https://example.org/a\r\n\n  https://example.org/b  \n# note\nnot a url\n';
  const urls = [{ loc: 'https://example.org/a' }, { loc: 'https://example.org/b' }];
  expect(parse(text)).toEqual({ kind: 'text', urls, sitemaps: [] });
  expect(parse(`\ufeff${text}`).urls).toEqual(urls);
  expect(parseSitemap(iconv.encode(text, 'utf-16le', { addBOM: true }), AT).urls).toEqual(urls);
});

it('reads RSS, RDF and Atom', () => {
  const rss = `<rss version="2.0" xmlns:media="m" xmlns:atom="a"><channel><title>t</title><link>https://example.org/</link>
    <atom:link href="https://example.org/feed" rel="self"/>
    <item><title>A</title><link>https://example.org/1</link><pubDate>Wed, 01 May 2024 10:00:00 GMT</pubDate>
      <media:content><link>https://example.org/no</link></media:content></item>
    <item><guid>https://example.org/2</guid></item><item><guid isPermaLink="false">https://example.org/3</guid></item>
    </channel></rss>`;
  expect(parse(rss)).toEqual({
    kind: 'feed',
    urls: [
      { loc: 'https://example.org/1', lastmod: '2024-05-01T10:00:00.000Z' },
      { loc: 'https://example.org/2' },
    ],
    sitemaps: [],
  });
  const atom = `<feed xmlns="http://www.w3.org/2005/Atom"><link href="/"/><entry><link rel="self" href="/self"/>
    <link rel="alternate" href="/1"/><published>2024-01-01T00:00:00Z</published><updated>2024-02-01T00:00:00Z</updated></entry>
    <entry><link href="/2"/><updated>2024-03-01T00:00:00Z</updated><published>2023-01-01T00:00:00Z</published></entry></feed>`;
  expect(parse(atom).urls).toEqual([
    { loc: 'https://example.org/1', lastmod: '2024-02-01T00:00:00.000Z' },
    { loc: 'https://example.org/2', lastmod: '2024-03-01T00:00:00.000Z' },
  ]);
  const rdf = `<rdf:RDF xmlns:rdf="r" xmlns="http://purl.org/rss/1.0/" xmlns:dc="d"><channel><link>/</link></channel>
    <item rdf:about="x"><link>/1</link><dc:date>2024-01-01</dc:date></item></rdf:RDF>`;
  expect(parse(rdf).urls).toEqual([{ loc: 'https://example.org/1', lastmod: '2024-01-01T00:00:00.000Z' }]);
});

it('reads other encodings', () => {
  const xml = '<?xml version="1.0" encoding="windows-1251"?><urlset><url><loc>/страница</loc></url></urlset>';
  expect(parseSitemap(iconv.encode(xml, 'windows-1251'), AT).urls[0]?.loc).toBe(
    encodeURI('https://example.org/страница'),
  );
});

it('stops at the number of URLs that the protocol allows', () => {
  const many = Array.from({ length: MAX_SITEMAP_URLS + 10 }, (_, n) => `<url><loc>/${n}</loc></url>`).join(
    '',
  );
  expect(parse(`<urlset>${many}</urlset>`).urls).toHaveLength(MAX_SITEMAP_URLS);
});

it('refuses what is too large, packed or not', () => {
  const bomb = gzipSync(Buffer.alloc(1_000_000, 0x20));
  expect(code(() => parseSitemap(bomb, AT, 100_000))).toBe('sitemap_too_large');
  expect(code(() => parseSitemap(Buffer.alloc(2000), AT, 1000))).toBe('sitemap_too_large');
});

it.each([
  ['nothing', ''],
  ['a page', '<!doctype html><html><body><a href="/">x</a></body></html>'],
  ['text without URLs', 'User-agent: *'],
  ['other XML', '<svg><a/></svg>'],
])('refuses %s', (_, text) => {
  expect(code(() => parse(text))).toBe('not_a_sitemap');
});

it('refuses gzip that does not unpack', () => {
  expect(code(() => parseSitemap(gzipSync(URLSET).subarray(0, 100), AT))).toBe('sitemap_corrupt');
});

it('never expands declared entities', () => {
  const bomb = `<?xml version="1.0"?><!DOCTYPE u [<!ENTITY a "https://example.org/x"><!ENTITY b "&a;&a;&a;&a;">
    <!ENTITY f SYSTEM "file:///etc/passwd">]>
    <urlset><url><loc>&a;</loc></url><url><loc>https://example.org/&b;</loc></url><url><loc>/&f;</loc></url></urlset>`;
  const text = JSON.stringify(parse(bomb));
  expect(text).not.toContain('example.org/x');
  expect(text).not.toContain('root');
});

it('bears deep nesting', () => {
  expect(parse(`<urlset><url><loc>/a</loc></url>${'<x>'.repeat(100_000)}`).urls).toHaveLength(1);
});
