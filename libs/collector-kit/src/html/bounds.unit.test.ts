import { createRequire } from 'node:module';
import fc from 'fast-check';
import { boundHtml } from './bounds.ts';

interface Element {
  firstElementChild: Element | null;
  nextElementSibling: Element | null;
  querySelectorAll(selector: string): { length: number };
}
// A parser that follows the HTML standard; its own types are no module.
const { createDocument } = createRequire(import.meta.url)('@mixmark-io/domino') as {
  createDocument(html: string, force: boolean): Element & { body: Element };
};

/** The depth that a real HTML parser makes of it, below the body. */
function depthOf(html: string): number {
  let deepest = 0;
  const pending: { node: Element; depth: number }[] = [{ node: createDocument(html, true).body, depth: 0 }];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    deepest = Math.max(deepest, at.depth);
    for (let child = at.node.firstElementChild; child !== null; child = child.nextElementSibling) {
      pending.push({ node: child, depth: at.depth + 1 });
    }
  }
  return deepest;
}

describe('boundHtml leaves honest pages as they are', () => {
  it.each([
    ['omitted end tags', `<ul>${'<li>one<p>two'.repeat(500)}</ul><p>${'a<p>'.repeat(500)}`],
    ['rows without end tags', `<table>${'<tr><td>a<td>b'.repeat(500)}</table>`],
    ['definitions', `<dl>${'<dt>a<dd>b'.repeat(500)}</dl>`],
    ['options', `<select>${'<option>a'.repeat(500)}</select>`],
    ['anchors without end tags', '<p><a name=x>a'.repeat(500)],
    ['void elements', '<br><img src=a><hr/>'.repeat(500)],
    ['inline SVG', '<svg viewBox="0 0 1 1"><g><path d="M0"></path></g></svg>'.repeat(500)],
    ['markup in scripts', `<script>${'"<div>"'.repeat(500)}</script><p>a</p>`],
    ['markup in comments', `<!-- ${'<div>'.repeat(500)} --><p>a</p>`],
    ['markup in attributes', `<p title="${'<div>'.repeat(500)}">a</p>`],
    ['a lone less-than sign', '<p>1 < 2 <3 </ >'.repeat(500)],
  ])('%s', (_, html) => {
    expect(boundHtml(html)).toEqual({ html, cut: {} });
  });
});

describe('boundHtml cuts', () => {
  it('nesting beyond the depth, keeping the text', () => {
    const html = `${'<div>'.repeat(40_000)}deep${'</div>'.repeat(40_000)}<p>after</p>`;
    const bounded = boundHtml(html, { maxDepth: 100, maxElements: 50_000 });
    expect(bounded.html).toBe(`${'<div>'.repeat(100)}deep${'</div>'.repeat(100)}<p>after</p>`);
    expect(bounded.cut).toEqual({ depth: 2 * 39_900 });
  });

  it('a raw element beyond the depth with its content', () => {
    const html = `${'<div>'.repeat(5)}<script>if (a<b) x()</script>text`;
    expect(boundHtml(html, { maxDepth: 5 }).html).toBe(`${'<div>'.repeat(5)}text`);
  });

  it('attributes that are too large, keeping the small ones', () => {
    const html = `<p id="a" data-x="${'y'.repeat(500_000)}" class="b">text</p>`;
    expect(boundHtml(html)).toEqual({ html: '<p id="a" class="b">text</p>', cut: { attributes: 1 } });
  });

  it('attributes that are too many', () => {
    const html = `<p ${Array.from({ length: 50_000 }, (_, n) => `a${n}`).join(' ')}>text</p>`;
    const bounded = boundHtml(html);
    expect(bounded.html).toMatch(/^<p a0 .* a127>text<\/p>$/);
    expect(bounded.cut).toEqual({ attributes: 50_000 - 128 });
  });

  it('the page at its size and at its number of elements', () => {
    expect(boundHtml('<p>abc</p>', { maxBytes: 5 })).toEqual({ html: '<p>ab', cut: { bytes: 5 } });
    const many = boundHtml('<b>a</b>'.repeat(10), { maxElements: 3 });
    expect(many).toEqual({ html: '<b>a</b>'.repeat(3), cut: { elements: true } });
  });

  it('a tag whose quote nothing closes, with what is behind it', () => {
    expect(boundHtml('<p>a</p><p title="b>c').html).toBe('<p>a</p>');
  });

  it('formatting that is never closed, which a parser would open again in every block', () => {
    const html = Array.from({ length: 2000 }, (_, n) => `<p><b class=c${n}>a`).join('');
    const elements = createDocument(boundHtml(html).html, true).querySelectorAll('b').length;
    expect(elements).toBeLessThan(2000 * 13);
  });
});

describe('a parser agrees about the depth', () => {
  it.each([
    ['end tags that a table cell keeps out', '<div><table><tr><td></div>'],
    ['end tags of ordinary elements over special ones', '<span><div></span>'],
    ['end tags within foreign content', '<svg><foreignObject></svg>'],
    ['self-closed elements outside of foreign content', '<svg><p><g/><x/>'],
    ['self-closed divs', '<div/>'],
    ['buttons and objects', '<button><object></button>'],
    ['formatting around blocks', '<b><div></b><i></div>'],
    ['cells outside of tables', '<div><td><div><div>'],
    ['cells in foreign content', '<svg><td><td>'],
    ['lists in items', '<ul><li>'],
    ['ends of items that an inner list keeps out', '<ul></li><li><div><div>'],
    ['ends of paragraphs that a button keeps out', '<p><button></p><div>'],
    ['headings', '<h1><div><h2>'],
    ['unknown elements', '<x-a>'],
    ['templates', '<template><p>'],
  ])('%s', (_, unit) => {
    const bounded = boundHtml(unit.repeat(3000), { maxDepth: 60 });
    expect(depthOf(bounded.html)).toBeLessThanOrEqual(150);
  });

  it('on anything made of tags, about', () => {
    const names = [
      'div',
      'p',
      'b',
      'a',
      'span',
      'table',
      'tr',
      'td',
      'ul',
      'li',
      'svg',
      'g',
      'button',
      'h1',
      'select',
    ];
    const tag = fc.tuple(fc.constantFrom(...names), fc.constantFrom('<', '</'), fc.constantFrom('>', '/>'));
    const unit = fc.array(tag, { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(unit, (tags) => {
        const html = tags
          .map(([name, open, close]) => `${open}${name}${close}`)
          .join('')
          .repeat(40);
        expect(depthOf(boundHtml(html, { maxDepth: 20 }).html)).toBeLessThanOrEqual(200);
      }),
      { numRuns: 300 },
    );
  });
});

it('never throws, and changes nothing when nothing is cut', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('<', '>', '/', 'a', 'p', '"', "'", '=', ' ', '!', '-', '?') }),
      (html) => {
        const bounded = boundHtml(html);
        if (Object.keys(bounded.cut).length === 0 && !/["']/.test(html)) expect(bounded.html).toBe(html);
      },
    ),
  );
});
