import { parseDocument } from './extract-dom.ts';
import { plainText } from './extract-plain-text.ts';
import { toMarkdown } from './markdown.ts';

const body = (html: string) => parseDocument(html, 'https://example.org/a/b').body;
const md = (html: string) => toMarkdown(body(html), 'https://example.org/a/b');

describe('markdown', () => {
  it.each([
    ['<h2>A <em>b</em></h2>', '## A *b*'],
    ['<h3><a href="#a">A</a> <a href="#a">#</a></h3>', '### A'],
    ['<p>one</p>two<p>three', 'one\n\ntwo\n\nthree'],
    ['<p>a <b> b </b>c</p>', 'a **b** c'],
    ['<b><strong>x</strong></b>', '**x**'],
    ['<b></b><em> </em>x', 'x'],
    ['a<br>b<br><br>c', 'a\\\nb\\\nc'],
    ['<p>x <del>y</del> H<sub>2</sub>O <q>z</q></p>', 'x ~~y~~ H<sub>2</sub>O “z”'],
    ['<code>a`b</code> <kbd>Ctrl</kbd>', '``a`b`` `Ctrl`'],
    ['<a href="/x y(1)">t</a>', '[t](https://example.org/x%20y%281%29)'],
    ['<a href="c"><h4>Card</h4></a>', '#### [Card](https://example.org/a/c)'],
    [
      '<a href="c"><img src="i.png" alt="A [b]"></a>',
      '[![A \\[b\\]](https://example.org/a/i.png)](https://example.org/a/c)',
    ],
    ['<a href="javascript:0">t</a>', 't'],
    ['<img src="data:image/gif;base64,x" data-src="/real.png" alt="">', '![](https://example.org/real.png)'],
    ['<blockquote><p>a</p><p>b</p></blockquote>', '> a\n>\n> b'],
    ['<hr>', '---'],
    ['<ul><li>a</li><li>b<ul><li>c</ul></ul>', '- a\n- b\n  - c'],
    ['<ul><li>a</li><ul><li>b</li></ul></ul>', '- a\n  - b'],
    ['<ol start=9><li>a<li><p>b</p><p>c</p></ol>', '9. a\n\n10. b\n\n    c'],
    ['<ul><li><pre>x\n\n  y</pre></li></ul>', '- ```\n  x\n\n    y\n  ```'],
    ['<pre>``` in\n</pre>', '````\n``` in\n````'],
    ['<pre><code class="language-c++">x</code></pre>', '```c++\nx\n```'],
    ['<dl><dt>T</dt><dd>one</dd><dd>two</dd></dl>', '- **T**: one\n\n  two'],
    ['<details><summary>S</summary>text</details>', '**S**\n\ntext'],
    ['<iframe src="https://video.example/1" title="Film"></iframe>', '[Film](https://video.example/1)'],
    ['<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp></ruby>', '漢'],
    ['<math alttext="x^2"><mi>x</mi></math>', '$x^2$'],
    ['<table><tr><th>a<th>b<tr><td>1<td>2|3</table>', '| a | b |\n| --- | --- |\n| 1 | 2\\|3 |'],
    ['<table><tr><td>a<td>b<tr><td colspan=2>c</table>', '|  |  |\n| --- | --- |\n| a | b |\n| c |  |'],
    ['<table><tr><td><p>layout</p><p>only</p></table>', 'layout\n\nonly'],
    ['<table><tr><td><table><tr><td>a<td>b</table><td>c</table>', '|  |  |\n| --- | --- |\n| a | b |\n\nc'],
  ])('%s', (html, expected) => {
    expect(md(html)).toBe(expected);
  });

  it.each([
    ['1. no list', '1\\. no list'],
    ['# no heading', '\\# no heading'],
    ['- no item', '\\- no item'],
    ['2024 - a year', '2024 - a year'],
    ['snake_case and _emphasis_', 'snake_case and \\_emphasis\\_'],
    ['a * b ` c \\ d', 'a \\* b \\` c \\\\ d'],
    ['&lt;b> 1 &lt; 2 &amp;amp;', '\\<b> 1 < 2 \\&amp;'],
    ['[1] and [a](b)', '[1] and [a\\](b)'],
  ])('escapes %s', (html, expected) => {
    expect(md(`<p>${html}</p>`)).toBe(expected);
  });
});

describe('plain text', () => {
  it.each([
    ['<p>a\n  b</p><p>c', 'a b\n\nc'],
    ['a<br>b', 'a\nb'],
    ['<ul><li>a<li>b<ul><li>c</ul><li>d</ul>e', 'a\nb\nc\nd\n\ne'],
    ['<table><tr><td>a<td>b<tr><td><p>c</p><p>d</p><td></table>', 'a\tb\nc d'],
    ['<pre>x\n\n  y\n</pre>', 'x\n\n  y'],
    ['<b>a</b><i>b</i> c', 'ab c'],
    ['<div>a<div>b</div>c</div>', 'a\n\nb\n\nc'],
  ])('%s', (html, expected) => {
    expect(plainText(body(html))).toBe(expected);
  });
});
