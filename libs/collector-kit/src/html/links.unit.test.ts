import { discoverLinks } from './links.ts';

const BASE = 'https://example.org/dir/page.html';

it('finds anchors and areas, absolute, in order, each once', () => {
  const found = discoverLinks(
    `<a href="b">b</a> <A HREF='/c?x=1&amp;y=2#part'>c</A> <map><area href="//other.example/d"></map>
     <a href="  b#again ">b</a> <a name="none">none</a> <a href="">self</a> <a href="../up/./x">up</a>`,
    BASE,
  );
  expect(found.links).toEqual([
    'https://example.org/dir/b',
    'https://example.org/c?x=1&y=2',
    'https://other.example/d',
    BASE,
    'https://example.org/up/x',
  ]);
});

it('leaves out what is no http(s) page', () => {
  const hrefs = [
    'mailto:a@b.c',
    'javascript:void(0)',
    'tel:1',
    'data:text/html,x',
    'ftp://a.b/',
    'https://u:p@a.b/',
    'http://',
    `/${'x'.repeat(9000)}`,
  ];
  const html = hrefs.map((href) => `<a href="${href}">x</a>`).join('');
  expect(discoverLinks(html, BASE).links).toEqual([]);
});

it('ignores links in comments, scripts and attributes', () => {
  const html = `<!-- <a href=a> --><script>"<a href=b>"</script><p title="<a href=c>">`;
  expect(discoverLinks(html, BASE).links).toEqual([]);
});

it('honours the first base, wherever it stands', () => {
  const html = '<a href="a">a</a><base target=_blank><base href="/other/"><base href="/third/">';
  expect(discoverLinks(html, BASE).links).toEqual(['https://example.org/other/a']);
  expect(discoverLinks('<base href="javascript:0"><a href="a">', BASE).links).toEqual([
    'https://example.org/dir/a',
  ]);
});

it('sets nofollow links apart, unless another link to the page follows', () => {
  const html =
    '<a rel="noopener NoFollow" href=a></a><a rel=nofollow href=b></a><a href=b#x></a><a href=c></a>';
  const found = discoverLinks(html, BASE);
  expect(found.links).toEqual(['https://example.org/dir/b', 'https://example.org/dir/c']);
  expect(found.nofollowLinks).toEqual(['https://example.org/dir/a']);
});

it.each([
  ['<meta name="robots" content="index, nofollow">', true, false],
  ['<META NAME=ROBOTS CONTENT=NONE>', true, true],
  ['<meta name=robots content=noindex>', false, true],
  ['<meta name=robots content="max-snippet:-1">', false, false],
  ['', false, false],
])('reads robots from %s', (html, nofollow, noindex) => {
  expect(discoverLinks(html, BASE)).toMatchObject({ nofollow, noindex });
});

it('reads canonical, sitemaps and feeds', () => {
  const found = discoverLinks(
    `<link rel="canonical" href="/p"><link rel=sitemap type=application/xml href=/sitemap.xml>
     <link rel="alternate" type="application/rss+xml" href="feed"><link rel=alternate hreflang=de href=/de>`,
    BASE,
  );
  expect(found.canonical).toBe('https://example.org/p');
  expect(found.sitemaps).toEqual(['https://example.org/sitemap.xml']);
  expect(found.feeds).toEqual(['https://example.org/dir/feed']);
});

it('bears hostile pages', () => {
  const nested = `${'<div>'.repeat(40_000)}<a href=deep>x</a>`;
  expect(discoverLinks(`<a href=first></a>${nested}`, BASE).links).toEqual(['https://example.org/dir/first']);
  const many = Array.from({ length: 30_000 }, (_, n) => `<a href=${n}>`).join('');
  expect(discoverLinks(many, BASE).links).toHaveLength(20_000);
});
