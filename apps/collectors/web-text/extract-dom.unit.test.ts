import { readdirSync, readFileSync } from 'node:fs';
import { decodeHtml } from '@magpie/collector-kit/html';
import { Readability } from '@mozilla/readability';
import fc from 'fast-check';
import { baseOf, parseDocument, select } from './extract-dom.ts';

const folder = new URL('./fixtures/', import.meta.url);
const pages = readdirSync(folder).filter((name) => name.endsWith('.html'));
const AT = 'https://example.org/a/b';

it.each(pages)('Readability reads %s from this DOM', (name) => {
  const html = decodeHtml(readFileSync(new URL(name, folder))).text;
  const article = new Readability(parseDocument(html, AT) as never).parse();
  expect(article?.textContent?.trim().length).toBeGreaterThan(40);
});

it('Readability bears whatever the parser makes of odd pieces', () => {
  const tags = [
    'div',
    'p',
    'span',
    'table',
    'tr',
    'td',
    'ul',
    'li',
    'a',
    'article',
    'section',
    'h2',
    'form',
    'b',
    'noscript',
    'font',
  ];
  const piece = fc.oneof(
    fc.constantFrom(...tags).map((tag) => `<${tag} id=a class=b>`),
    fc.constantFrom(...tags).map((tag) => `</${tag}>`),
    fc.constantFrom('Words, with a comma, and more of them. '.repeat(5), '<br><br>', '<img src=a>', ' '),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 80 }), (pieces) => {
      new Readability(parseDocument(pieces.join(''), AT) as never).parse();
    }),
    { numRuns: 500 },
  );
});

it('resolves the base as the standard does', () => {
  expect(baseOf(parseDocument('<base href="/c/"><p>', AT))).toBe('https://example.org/c/');
  expect(baseOf(parseDocument('<base href="http://["><p>', AT))).toBe(AT);
  expect(baseOf(parseDocument('<p>', AT))).toBe(AT);
});

it.each([
  ['p', ['1', '2', '3']],
  ['P,a', ['1', '2', '3', '4']],
  ['.x', ['1', '3']],
  ['p.x[title]', ['3']],
  ['[title="t"],a[href]', ['3', '4']],
  ['[rel~="me"]', ['4']],
  ['[class*="y"]', ['3']],
  ['[href^="#"]', ['4']],
  ['div > p', ['1', '2', '3']],
  ['em', []],
])('selects %s', (selector, ids) => {
  const html =
    '<div><p id=1 class=x>a<p id=2>b<p id=3 class="x y" title=t>c <a id=4 href=# rel="you me">d</a></div>';
  const document = parseDocument(html, AT);
  expect(select(document, selector).map((element) => element.getAttribute('id'))).toEqual(ids);
  expect(document.body.querySelector(selector)?.getAttribute('id') ?? undefined).toBe(ids[0]);
});
