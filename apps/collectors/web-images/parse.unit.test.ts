import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { discoverImages } from './parse.ts';
import type { DiscoverOptions, Discovered } from './parse.ts';

const url = 'https://example.org/dir/page.html?q=1';
const find = (html: string, options: Partial<DiscoverOptions> = {}): Discovered =>
  discoverImages(html, { url, ...options });
const urls = (html: string, options: Partial<DiscoverOptions> = {}): string[] =>
  find(html, options).images.map((image) => image.url);

type Fixture = { options?: Partial<DiscoverOptions>; images: string[]; links?: string[]; base?: string };
const fixtures = new URL('./fixtures/', import.meta.url);
const names = readdirSync(fixtures).filter((name) => name.endsWith('.html'));

test.each(names)('fixture %s', (name) => {
  const html = readFileSync(new URL(name, fixtures), 'utf8');
  const expected = JSON.parse(
    readFileSync(new URL(name.replace('.html', '.json'), fixtures), 'utf8'),
  ) as Fixture;
  const found = find(html, expected.options);
  expect(found.images.map((image) => `${image.via} ${image.url}`)).toEqual(expected.images);
  if (expected.links) expect(found.links).toEqual(expected.links);
  expect(found.base).toBe(expected.base ?? url);
  expect(found.truncated).toBe(false);
});

test('what the page declares about an image comes with it', () => {
  expect(find('<img src=a.jpg alt="  A\n cat " width=640 height="480px">').images).toEqual([
    { url: 'https://example.org/dir/a.jpg', alt: 'A cat', via: 'img', width: 640, height: 480 },
  ]);
  expect(find('<img src=a.jpg alt="" width="100%" height=0>').images).toEqual([
    { url: 'https://example.org/dir/a.jpg', via: 'img' },
  ]);
  expect(find('<img srcset="a.jpg 300w, b.jpg 900w" alt=B width=10>').images).toEqual([
    { url: 'https://example.org/dir/b.jpg', alt: 'B', via: 'srcset', width: 900 },
  ]);
});

test('an image named twice is one, completed by the later mention', () => {
  const html =
    '<link rel=preload as=image href=a.jpg><img src=a.jpg alt=Cat width=3 height=4><img src=./a.jpg alt=Dog>';
  expect(find(html).images).toEqual([
    { url: 'https://example.org/dir/a.jpg', alt: 'Cat', via: 'preload', width: 3, height: 4 },
  ]);
});

test('fragments do not make another image or link', () => {
  expect(urls('<img src=a.svg#x><img src=a.svg#y>')).toEqual(['https://example.org/dir/a.svg#x']);
  expect(find('<a href=b#x>1</a><a href=b#y>2</a><a href=#z>3</a>').links).toEqual([
    'https://example.org/dir/b#x',
  ]);
});

test('all candidates on demand', () => {
  const html =
    '<picture><source type=image/webp srcset="a.webp 1x, b.webp 2x"><img src=c.jpg srcset="d.jpg 2x, c.jpg 1x"></picture>';
  expect(urls(html).map((each) => each.slice(24))).toEqual(['b.webp', 'd.jpg']);
  expect(urls(html, { candidates: 'all' }).map((each) => each.slice(24))).toEqual([
    'a.webp',
    'b.webp',
    'c.jpg',
    'd.jpg',
  ]);
});

test('data: URLs only when asked, whole, and only images', () => {
  const data = `data:image/png;base64,${'A'.repeat(20_000)}`;
  const html = `<img src="${data}"><img src="data:text/html,x"><p style="background:url(${data}B)">`;
  expect(urls(html)).toEqual([]);
  expect(find(html, { dataUrls: true }).images).toEqual([
    { url: data, via: 'data' },
    { url: `${data}B`, via: 'data' },
  ]);
});

test('addresses that cannot be fetched are dropped', () => {
  const addresses = [
    'javascript:x',
    'blob:https://a/b',
    'http://',
    'http://a:99999/',
    'ftp://a/b.png',
    '{{src}}',
    'about:blank',
    ' ',
    '#',
    `/${'a'.repeat(9_000)}`,
  ];
  expect(urls(addresses.map((src) => `<img src="${src}">`).join(''))).toEqual([]);
  expect(find('<a href="mailto:a@b.c">x</a><a href="tel:1">x</a><a href="${x}">x</a>').links).toEqual([]);
});

test('tabs and newlines in an address are nothing, as in a browser', () => {
  expect(urls('<img src=" \n/a\n\tb.jpg\r\n ">')).toEqual(['https://example.org/ab.jpg']);
});

test('the base holds for what comes before it, and an unusable one for nothing', () => {
  expect(urls('<img src=a.jpg><base href="//cdn.example.net/x/"><base href="/no/">')).toEqual([
    'https://cdn.example.net/x/a.jpg',
  ]);
  expect(find('<base href="data:text/plain,"><img src=a.jpg>').base).toBe(url);
  expect(find('<base href="http://["><img src=a.jpg>').base).toBe(url);
  expect(find('<base target=_blank><base href=/x/>').base).toBe('https://example.org/x/');
});

test('a document inside an iframe is read, but not its base, and not without end', () => {
  const inner = (html: string) =>
    `<iframe srcdoc="${html.replaceAll('&', '&amp;').replaceAll('"', '&quot;')}"></iframe>`;
  expect(urls(inner('<base href="/x/"><img src="a.jpg">'))).toEqual(['https://example.org/dir/a.jpg']);
  const deep = find(inner(inner(inner('<img src=a.jpg>'))));
  expect(deep).toMatchObject({ images: [], truncated: true });
});

test('a style in SVG is markup, a script after an unclosed SVG is not', () => {
  const style = '<svg><style>.a { fill: url(&quot;a.png&quot;) }</style></svg>';
  expect(urls(style)).toEqual(['https://example.org/dir/a.png']);
  const html = '<svg><g><p><script>write("<img src=b.jpg>")</script><img src=c.jpg>';
  expect(urls(html)).toEqual(['https://example.org/dir/c.jpg']);
});

test('limits cut and say so', () => {
  const many = Array.from({ length: 30 }, (_, index) => `<img src=${index}.jpg><a href=p${index}>`).join('');
  const images = find(many, { limits: { maxImages: 10 } });
  expect([images.images.length, images.links.length, images.truncated]).toEqual([10, 30, true]);
  const links = find(many, { limits: { maxLinks: 5 } });
  expect([links.images.length, links.links.length, links.truncated]).toEqual([30, 5, true]);
  const short = find(many, { limits: { maxLength: 40 } });
  expect([short.images.length, short.truncated]).toEqual([1, true]);
});

test('a page URL that is none is a TypeError', () => {
  expect(() => discoverImages('', { url: 'page.html' })).toThrow('Invalid URL');
});

const hostile: [string, string][] = [
  ['40,000 nested divs', '<div>'.repeat(40_000)],
  ['a million open elements and as many stray end tags', '<b>'.repeat(500_000) + '</i>'.repeat(500_000)],
  ['500 KB of attributes', `<img ${Array.from({ length: 50_000 }, (_, index) => `a${index}=b`).join(' ')}`],
  ['500 KB of one attribute', '<img data-src=x '.padEnd(500_000, 'data-src=y ')],
  ['open comments', '<!--'.repeat(1_000_000)],
  ['open entities', `<img alt="${'&#x&amp'.repeat(500_000)}">`],
  ['open url()', `<style>${'url(image-set('.repeat(300_000)}`],
  ['backslashes', `<style>a{b:url("${'\\'.repeat(4_000_000)}`],
  ['srcset of commas and parentheses', `<img srcset="${'a (,) '.repeat(700_000)}">`],
  ['deep JSON', `<script type=application/ld+json>${'[{"image":'.repeat(150_000)}`],
  [
    'closed deep JSON',
    `<script type=application/ld+json>${'['.repeat(400_000)}${']'.repeat(400_000)}</script>`,
  ],
  ['addresses like placeholders', `<img data-src=/x.jpg src="${'pixel-'.repeat(1_300)}">`.repeat(500)],
  ['pictures without an image', '<picture><source srcset=a,b>'.repeat(150_000)],
];

test.each(hostile)('%s: read in time linear to the length', (_title, html) => {
  const started = performance.now();
  find(html, { dataUrls: true });
  // Quadratic work on any of these takes minutes; linear work a fraction of a second.
  expect(performance.now() - started).toBeLessThan(10_000);
});

test('no markup makes it throw or report what cannot be fetched', () => {
  const parts = fc.constantFrom(
    ...[
      '<img ',
      '<picture>',
      '</picture>',
      '<source ',
      'srcset="a 1x, b 2x"',
      'src=a.jpg',
      'src="',
      "'",
      '>',
      '/>',
      '</',
      '<',
    ],
    ...[
      '<noscript>',
      '</noscript>',
      '<style>',
      '</style>',
      '<svg>',
      '</svg>',
      '<image href=x>',
      '<![CDATA[',
      ']]>',
      '<!--',
      '-->',
    ],
    ...[
      '<script type="application/ld+json">',
      '</script>',
      '{"image":["x"]}',
      '<base href=',
      '<a href=b.jpg>',
      '<meta property=og:image content=',
    ],
    ...[
      'url(a)',
      'style="b:',
      '&amp;',
      '&#xD800;',
      '&#0',
      ' ',
      'data-src=',
      'data-bg=',
      '//[',
      'http:',
      '<iframe srcdoc="',
      '\u0000',
      '\ud800',
    ],
  );
  const page = fc.array(parts, { maxLength: 40 }).map((each) => each.join(''));
  fc.assert(
    fc.property(fc.oneof(page, fc.string({ unit: 'binary' })), fc.boolean(), (html, dataUrls) => {
      const found = find(html, { dataUrls, candidates: dataUrls ? 'all' : 'largest' });
      for (const image of found.images)
        expect(image.url).toMatch(dataUrls ? /^(https?:|data:image\/)/ : /^https?:/);
      for (const link of found.links) expect(URL.canParse(link)).toBe(true);
      expect(new Set(found.images.map((image) => image.url)).size).toBe(found.images.length);
      expect(new Set(found.links).size).toBe(found.links.length);
    }),
    { numRuns: 500 },
  );
});
