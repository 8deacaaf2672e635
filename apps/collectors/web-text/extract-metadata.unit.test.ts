import { isoDate } from './extract-dates.ts';
import { parseDocument } from './extract-dom.ts';
import { readMetadata } from './extract-metadata.ts';
import { countWords } from './extract-words.ts';
import { languageOf } from './language.ts';

const read = (html: string, url = 'https://www.daily-news.example/a') =>
  readMetadata(parseDocument(html, url), url);

describe('dates', () => {
  it.each([
    ['2024-05-01', '2024-05-01'],
    ['20240501', '2024-05-01'],
    ['2024-05-01T10:00:00+02:00', '2024-05-01T08:00:00.000Z'],
    ['2024-05-01T10:00:00.123456Z', '2024-05-01T10:00:00.000Z'],
    ['2024-05-01 10:00', '2024-05-01T10:00:00.000Z'],
    ['2024-05-01T10:00:00-0500', '2024-05-01T15:00:00.000Z'],
    ['2024-05-01T10:00:00+02', '2024-05-01T08:00:00.000Z'],
    ['Wed, 01 May 2024 10:00:00 GMT', '2024-05-01T10:00:00.000Z'],
    ['Published May 1st, 2024 at noon', '2024-05-01'],
    ['1 September 2024', '2024-09-01'],
    ['01.05.2024', '2024-05-01'],
    ['2024/5/1', '2024-05-01'],
    ['2024年5月1日', '2024-05-01'],
    ['1714557600', '2024-05-01T10:00:00.000Z'],
    ['1714557600000', '2024-05-01T10:00:00.000Z'],
    ['05/01/2024', undefined],
    ['2024-13-01', undefined],
    ['2024-02-30', undefined],
    ['0000-00-00', undefined],
    ['yesterday', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%s', (text, expected) => {
    expect(isoDate(text)).toBe(expected);
  });
});

describe('title', () => {
  it.each([
    ['<title>A long story - Daily News</title>', 'A long story'],
    ['<title>Daily News: A long story</title>', 'A long story'],
    ['<title>A long story | Politics | Daily News</title><h1>A long story</h1>', 'A long story'],
    ['<title>Well-known: a story - told twice</title>', 'Well-known: a story - told twice'],
    ['<title>Anything at all | Some Site</title>', 'Anything at all'],
    ['<title>C | D</title>', 'C | D'],
    [
      '<meta property="og:title" content="The story"><title>The story - X</title><h1>Other words</h1>',
      'The story',
    ],
    ['<title>The Book</title><main><h1>Chapter</h1></main>', 'The Book'],
    ['<h1>Only a heading</h1>', 'Only a heading'],
    ['<title>Chapter - The Book</title><h1>The Book</h1><main><h2>Chapter</h2></main>', 'Chapter'],
    ['<svg><title>icon</title></svg><p>x', 'icon'],
    ['<p>x', undefined],
  ])('%s', (html, expected) => {
    expect(read(html).title).toBe(expected);
  });
});

describe('byline', () => {
  it.each([
    ['<meta name=author content="By Ann Lee">', 'Ann Lee'],
    ['<meta name=author content="Ann Lee"><meta name=author content="Bo Ek">', 'Ann Lee, Bo Ek'],
    [
      '<meta property="article:author" content="https://social.example/ann"><p class=byline>By Ann Lee | 3 May</p>',
      'Ann Lee',
    ],
    [
      '<span itemprop=author itemscope><a itemprop=url href=x><span itemprop=name>Ann Lee</span></a> Editor</span>',
      'Ann Lee',
    ],
    ['<a rel=author href=/ann>Ann Lee</a>', 'Ann Lee'],
    ['<div class=comments><span class=author>troll</span></div>', undefined],
    ['<p class=byline>3 May 2024</p>', undefined],
    [
      '<script type="application/ld+json">{"@type":"NewsArticle","author":[{"name":"Ann Lee"},"Bo Ek"]}</script>',
      'Ann Lee, Bo Ek',
    ],
    [
      '<script type="application/ld+json">{"@type":"NewsArticle","author":{"@type":"Person","name":["Ann Lee"]}}</script>',
      'Ann Lee',
    ],
    ['<script type="application/ld+json">{"@type":"WebSite","author":"Nobody"}</script>', undefined],
    ['<script type="application/ld+json">{broken</script><meta name=author content=王小明>', '王小明'],
  ])('%s', (html, expected) => {
    expect(read(html).byline).toBe(expected);
  });
});

describe('published', () => {
  it.each([
    ['<time datetime=2024-05-01>x</time>', '2024-05-01'],
    [
      '<time class=updated datetime=2024-06-01></time><time class=published datetime=2024-05-01></time>',
      '2024-05-01',
    ],
    ['<aside><time datetime=2023-01-01></time></aside><time datetime=2024-05-01></time>', '2024-05-01'],
    ['<div id=comments><time datetime=2023-01-01></time></div>', undefined],
    ['<meta itemprop=datePublished content=2024-05-01>', '2024-05-01'],
    ['<span itemprop=datePublished>May 1, 2024</span>', '2024-05-01'],
    ['<meta name="DC.date.issued" content="2024-05-01">', '2024-05-01'],
  ])('%s', (html, expected) => {
    expect(read(html).publishedAt).toBe(expected);
  });

  it('is taken from the address last', () => {
    expect(read('<p>x', 'https://a.example/2024/05/01/slug').publishedAt).toBe('2024-05-01');
    expect(read('<p>x', 'https://a.example/2024-05-01-slug').publishedAt).toBe('2024-05-01');
    expect(read('<p>x', 'https://a.example/2024/99/01/slug').publishedAt).toBeUndefined();
  });
});

it('resolves the canonical address and refuses scripts', () => {
  expect(read('<link rel=canonical href=/b>').canonicalUrl).toBe('https://www.daily-news.example/b');
  expect(read('<link rel=canonical href="javascript:0">').canonicalUrl).toBeUndefined();
});

describe('language', () => {
  const english = 'It was a bright cold day in April, and the clocks were striking thirteen. '.repeat(4);
  const german =
    'Als Gregor Samsa eines Morgens aus unruhigen Träumen erwachte, fand er sich verwandelt. '.repeat(4);
  it.each([
    [english, 'en-GB', 'en-GB'],
    [english, 'EN_us', 'en-US'],
    [english, undefined, 'en'],
    [german, 'en', 'de'],
    ['Ein kurzer Satz.', 'en', 'en'],
    ['Ein kurzer Satz.', undefined, undefined],
    [german, 'template', 'de'],
    ['', 'fr', 'fr'],
    ['', undefined, undefined],
    ['吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。', undefined, 'ja'],
    ['const x = 1; foo(bar); '.repeat(30), 'en', 'en'],
  ])('%.20s… declared %s', (text, declared, expected) => {
    expect(languageOf(text, declared)).toBe(expected);
  });
});

it.each([
  ["don't stop, it is 3.5 km", 6],
  ['', 0],
  ['– … !', 0],
  ['吾輩は猫である', 5],
  ['Hello 世界', 2],
  ['Все счастливые семьи', 3],
])('counts the words of %s', (text, expected) => {
  expect(countWords(text)).toBe(expected);
});
