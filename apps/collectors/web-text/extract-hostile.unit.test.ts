import fc from 'fast-check';
import { extractText } from './extract.ts';

const AT = 'https://example.org/page';
const PROSE = '<p>A plain sentence, with a comma, that says a little about nothing in particular.</p>';

describe('hostile pages end, and still give their text', () => {
  it.each([
    ['40,000 nested divs', `${PROSE}${'<div>'.repeat(40_000)}deep${'</div>'.repeat(40_000)}`],
    [
      '500 KB of attributes',
      `<div ${Array.from({ length: 60_000 }, (_, n) => `a${n}="x"`).join(' ')}>${PROSE}</div>`,
    ],
    ['one attribute of 500 KB', `<div class="${'comment '.repeat(60_000)}">${PROSE}</div>`],
    ['nested inline elements', `${PROSE}${'<b><i><a href=x>'.repeat(10_000)}text`],
    [
      'unclosed formatting',
      `${PROSE}${Array.from({ length: 3000 }, (_, n) => `<p><font c=${n}>x`).join('')}`,
    ],
    ['nested lists', `${PROSE}${'<ul><li>x'.repeat(5000)}`],
    ['nested tables', `${PROSE}${'<table><tr><td>x'.repeat(3000)}`],
    ['nested quotes', `${PROSE}${'<blockquote>'.repeat(5000)}x`],
    ['nested foreign content', `${PROSE}${'<svg><foreignObject>'.repeat(3000)}`],
    [
      'a table that claims a billion columns',
      `${PROSE}<table><tr><th colspan=1000000000>a<th>b<tr><td rowspan=1000000000>c<td>d</table>`,
    ],
    ['a list that starts at a billion', `${PROSE}<ol start=99999999999999999999><li>x</ol>`],
    ['many breaks and blanks', `${PROSE}<p>${'<br> \u00a0\n'.repeat(20_000)}x`],
    ['one endless line of marks', `${PROSE}<p>${'*_`[]<>#&'.repeat(20_000)}`],
    ['backticks in code', `${PROSE}<pre>${'`'.repeat(50_000)}</pre>`],
    [
      'JSON-LD that is nested',
      `<script type="application/ld+json">${'[{"@graph":'.repeat(5000)}1${'}]'.repeat(5000)}</script>${PROSE}`,
    ],
    [
      'JSON-LD with __proto__',
      `<script type="application/ld+json">{"@type":"Article","__proto__":{"x":1},"author":{"__proto__":null}}</script>${PROSE}`,
    ],
    [
      'many JSON-LD nodes',
      `<script type="application/ld+json">[${'{"@type":"Article","author":{"@id":"a"}},'.repeat(20_000)}1]</script>${PROSE}`,
    ],
    ['an endless title', `<title>${'a | '.repeat(50_000)}</title>${PROSE}`],
    ['an endless heading', `<h1>${'word '.repeat(50_000)}</h1>${PROSE}`],
    [
      'endless class names',
      `<div class="${Array.from({ length: 900 }, () => 'aB').join('')}">${PROSE}</div>`,
    ],
    ['an unclosed script', `${PROSE}<script>${'<div>'.repeat(50_000)}`],
    ['an unclosed comment', `${PROSE}<!--${'-'.repeat(100_000)}`],
    ['an unclosed attribute', `${PROSE}<a href="${'x'.repeat(100_000)}`],
    [
      'two elements with one id, moved about',
      `<div id=a class=share><div id=a>x</div></div><div id=a>${PROSE}</div>`,
    ],
    ['a base that is a script', `<base href="javascript:alert(1)"><p><a href=x>link</a></p>${PROSE}`],
  ])('%s', (_, html) => {
    const found = extractText(html, AT);
    expect(found.text).toContain('says a little about nothing');
    expect(found.markdown.length).toBeLessThan(2_000_000);
  });

  it.each([
    ['nothing', ''],
    ['blanks', ' \n\t '],
    ['no elements', 'just words'],
    ['a frameset', '<frameset cols="50%,50%"><frame src=a><frame src=b></frameset>'],
    ['an empty body', '<html><head><title>T</title></head><body></body></html>'],
    ['only boilerplate', '<nav><a href=/>Home</a></nav><footer>©</footer>'],
    ['only a plaintext', '<plaintext>words </body>'],
    ['lone surrogates', '<p>\ud800 and \udfff</p>'],
    ['NUL', '<p>a\0b</p>'],
  ])('%s has an answer', (_, html) => {
    const found = extractText(html, AT);
    expect(typeof found.text).toBe('string');
    expect(found.wordCount).toBeGreaterThanOrEqual(0);
  });

  it('says what it cut', () => {
    expect(extractText(`${PROSE}${'<div>'.repeat(1000)}`, AT).cut).toEqual({ depth: 850 });
    expect(extractText(PROSE, AT).cut).toBeUndefined();
  });

  it('never links to scripts', () => {
    const html = `<p>${[
      'javascript:alert(1)',
      ' jAvAscript:x',
      'data:text/html,x',
      'vbscript:x',
      'file:///etc/passwd',
    ]
      .map((href) => `<a href="${href}">text of a link</a><img src="${href}" alt="image">`)
      .join(' ')} and some words</p>`;
    const { markdown } = extractText(html, AT);
    expect(markdown).toContain('text of a link');
    expect(markdown).not.toMatch(/\]\(/);
  });
});

it('never throws on pages made of odd pieces', () => {
  const piece = fc.constantFrom(
    '<p>', '</p>', '<div class=share>', '</div>', '<table>', '<tr>', '<td>', '</table>', '<ul>', '<li>', '</ul>', '<pre>', '</pre>', '<code>',
    '<a href=x>', '</a>', '<b>', '</b>', '<h1>', '</h1>', '<svg>', '</svg>', '<main>', '<article id=a>', '</article>', '<noscript>', '<img src=a>',
    '<br>', '<time datetime=2024-01-01>', '<dl><dt>', '<dd>', '<blockquote>', '<select>', '<template>', '<math>', '<form>', '<body>', '</body>',
    '<script>', '</script>', 'words, and more words. ', '<title>', '</title>', '<!--', '-->', '&amp;', '<', '>',
  ); // prettier-ignore
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      const found = extractText(pieces.join(''), AT);
      expect(found.text).not.toMatch(/\n{3}/);
    }),
    { numRuns: 300 },
  );
});
