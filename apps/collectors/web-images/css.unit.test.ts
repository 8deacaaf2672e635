import fc from 'fast-check';
import { cssImages } from './css.ts';

const table: [title: string, css: string, expected: string[]][] = [
  ['unquoted', 'a { background: url(a.png) }', ['a.png']],
  ['quoted', `a { background: url("a.png"), url('b.png') }`, ['a.png', 'b.png']],
  ['white space inside', 'a{background:url( \n a.png\t)}', ['a.png']],
  ['white space around a quoted address', 'a{background:url(  "a.png"  )}', ['a.png']],
  ['upper case', 'a{BACKGROUND:URL(a.png)}', ['a.png']],
  ['a style attribute', 'background-image:url(a.png);color:red', ['a.png']],
  ['in the middle of a shorthand', 'background:#fff url(a.png) no-repeat 0 0/2x', ['a.png']],
  ['an escaped name', String.raw`background:u\72 l(a.png)`, ['a.png']],
  ['escapes in an unquoted address', String.raw`background:url(a\(1\)\ b.png)`, ['a(1) b.png']],
  ['hex escapes', String.raw`background:url("\61\000062 \1F600.png")`, ['ab\u{1f600}.png']],
  ['a hex escape of no character', String.raw`background:url("a\0 b\d800 c")`, ['a\ufffdb\ufffdc']],
  ['a string over two lines', 'background:url("a\\\nb.png")', ['ab.png']],
  ['a string broken by a newline', 'background:url("a\n); mask:url(c.png)', ['c.png']],
  ['a second string after a broken one', 'background:url("a\nb.png"); mask:url(c.png)', []],
  ['commented out', 'a{/* background:url(a.png) */ background:url(b.png)}', ['b.png']],
  ['a comment that never ends', 'a{} /* url(a.png)', []],
  ['no comment inside an address', 'background:url(/*a*/b.png)', ['/*a*/b.png']],
  ['a bad URL', 'background:url(a b.png), url(c.png)', ['c.png']],
  ['a quote in an unquoted address', `background:url(a'b.png), url(c.png)`, ['c.png']],
  ['text in a string', 'a::before{content:"url(a.png)"}', []],
  ['end of input inside url(', 'background:url(a.png', ['a.png']],
  ['end of input inside a string', 'background:url("a.png', ['a.png']],
  ['an empty address', 'background:url(), url(""), url( )', []],
  ['only a fragment', 'clip-path:url(#clip);fill:url("#g")', []],
  ['a name that merely ends in url', 'a{background:-x-url(a.png) xurl(b.png)}', []],
  ['a hash that looks like a function', 'a{color:#url(a.png)}', []],
  ['@import', '@import url(a.css) screen; @import "b.css"; a{background:url(c.png)}', ['c.png']],
  ['@import without an end', '@import url(a.css)', []],
  ['@namespace', '@namespace svg url(http://www.w3.org/2000/svg); a{background:url(a.png)}', ['a.png']],
  [
    '@font-face',
    '@font-face{font-family:x;src:url(a.woff2) format("woff2")} a{background:url(b.png)}',
    ['b.png'],
  ],
  [
    '@font-face in @media',
    '@media print{@font-face{src:url(a.woff)} a{background:url(b.png)}} c{x:url(c.png)}',
    ['b.png', 'c.png'],
  ],
  ['@media', '@media (min-width: 1px) { a { background: url(a.png) } }', ['a.png']],
  ['behaviour', 'a{behavior:url(x.htc);background:url(a.png)}', ['a.png']],
  ['custom property', ':root{--hero:url(a.png)}', ['a.png']],
  [
    'inside other functions',
    'background:cross-fade(url(a.png), url("b.png"), 50%), var(--x, url(c.png))',
    ['a.png', 'b.png', 'c.png'],
  ],
  ['src()', 'background:src("a.png")', ['a.png']],
  ['a data: URL', 'background:url(data:image/png;base64,AA==)', ['data:image/png;base64,AA==']],
  [
    'list-style, cursor, content, border-image',
    'a{list-style:url(a.gif);cursor:url(b.cur),auto;content:url(c.png);border-image:url(d.png) 1}',
    ['a.gif', 'b.cur', 'c.png', 'd.png'],
  ],
  ['image-set of strings', 'background:image-set("a.png" 1x, "b.png" 2x)', ['b.png']],
  [
    'image-set of URLs',
    'background:-webkit-image-set(url(a.png) 1x, url("b.png") 2x, url(c.png) 1.5x)',
    ['b.png'],
  ],
  ['image-set in dpi', 'background:image-set("a.png" 192dpi, "b.png" 1x)', ['a.png']],
  [
    'image-set by type',
    'background:image-set("a.avif" type("image/avif"), "a.png" type("image/png") 1x, "b.png" 2x type("image/png"))',
    ['a.avif', 'b.png'],
  ],
  ['image-set that never closes', 'background:image-set("a.png" 1x, "b.png" 3x', ['b.png']],
  [
    'image-set ended by its declaration',
    'a{background:image-set("a.png" 1x} b{background:url(b.png)}',
    ['a.png', 'b.png'],
  ],
  ['CDO and CDC', '<!-- a{background:url(a.png)} -->', ['a.png']],
  ['too many braces', '}}}a{background:url(a.png)}', ['a.png']],
];

test.each(table)('css: %s', (_title, css, expected) => {
  expect(cssImages(css)).toEqual(expected);
});

test('every option of an image-set on demand', () => {
  expect(cssImages('a{b:image-set("a.png" 1x, url(b.png) 2x)}', { candidates: 'all' })).toEqual([
    'a.png',
    'b.png',
  ]);
});

test('any address survives being quoted with escapes', () => {
  const escaped = (text: string) =>
    Array.from(text, (char) => `\\${(char.codePointAt(0) as number).toString(16)} `).join('');
  const address = fc
    .string({ unit: 'binary', minLength: 1 })
    .filter((text) => text.trim() === text && !text.startsWith('#') && !text.includes('\0'));
  fc.assert(
    fc.property(address, (text) => {
      expect(cssImages(`a{b:url("${escaped(text)}")}`)).toEqual([text]);
      expect(cssImages(`a{b:url(${escaped(text)})}`)).toEqual([text]);
    }),
  );
});

test('no string makes it throw or find what is not there', () => {
  const soup = fc.array(
    fc.constantFrom(
      'url(',
      ')',
      '"',
      "'",
      '\\',
      '\n',
      '{',
      '}',
      ';',
      ':',
      ',',
      '@font-face',
      '@import ',
      'image-set(',
      'type(',
      '/*',
      '*/',
      'a.png',
      ' ',
      '1x',
      '#',
      '-',
      '-->',
      'u\\72l(',
    ),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(soup, fc.constantFrom('all' as const, 'largest' as const), (parts, candidates) => {
      for (const address of cssImages(parts.join(''), { candidates })) {
        expect(address.trim()).not.toBe('');
        expect(address.startsWith('#')).toBe(false);
      }
    }),
  );
});
