/** Text within a block as markdown: emphasis, code, links, images, line breaks. */
import { isElement, TEXT, type DomElement, type DomNode } from './extract-dom.ts';

const SKIPPED = new Set([
  'script',
  'style',
  'noscript',
  'template',
  'head',
  'svg',
  'button',
  'input',
  'select',
  'textarea',
  'rt',
  'rp',
  'wbr',
]);
const CODE = new Set(['code', 'kbd', 'samp', 'tt']);
const MARKS: Readonly<Record<string, string>> = {
  b: '**',
  strong: '**',
  em: '*',
  i: '*',
  cite: '*',
  dfn: '*',
  del: '~~',
  s: '~~',
  strike: '~~',
};
/** Stands for `<br>` until the block knows what a line break is. */
const BREAK = '\u0001';

export class InlineMarkdown {
  #base: string;

  constructor(base: string) {
    this.#base = base;
  }

  /** Nodes as one paragraph; a `<br>` is a hard line break. */
  paragraph(nodes: readonly DomNode[]): string {
    const text = this.#tidy(nodes.map((node) => this.#node(node, '')).join(''));
    return text
      .split(BREAK)
      .map((line) => escapeLineStart(line.trim()))
      .join('\\\n');
  }

  /** An element's content on one line; links of a heading to itself are only its text. */
  line(element: DomElement): string {
    return this.#tidy(this.#children(element, /^h[1-6]$/.test(element.localName) ? '|heading|' : ''))
      .replaceAll(BREAK, ' ')
      .replace(/ {2,}/g, ' ');
  }

  /** An absolute address fit for a link's destination; undefined for scripts and the like. */
  address(href: string | null): string | undefined {
    if (href === null) return undefined;
    const url = URL.parse(href.trim(), this.#base);
    if (url === null || !/^(https?|mailto|ftp|tel):$/.test(url.protocol)) return undefined;
    return url.href;
  }

  link(text: string, url: string): string {
    return `[${text}](${destination(url)})`;
  }

  #tidy(text: string): string {
    return text
      .replace(/ +/g, ' ')
      .replace(new RegExp(` ?${BREAK} ?`, 'g'), BREAK)
      .replace(new RegExp(`^[ ${BREAK}]+|[ ${BREAK}]+$`, 'g'), '')
      .replace(new RegExp(`${BREAK}{2,}`, 'g'), BREAK);
  }

  #children(element: DomElement, within: string): string {
    let text = '';
    for (let node = element.firstChild; node !== null; node = node.nextSibling)
      text += this.#node(node, within);
    return text;
  }

  /** `within` lists the marks that are open, so that none is opened twice. */
  #node(node: DomNode, within: string): string {
    if (node.nodeType === TEXT) return escapeText(node.textContent.replace(/[\s\u00a0\u0001]+/g, ' '));
    if (!isElement(node)) return '';
    const name = node.localName;
    if (SKIPPED.has(name)) return '';
    if (name === 'br') return BREAK;
    if (name === 'img') return this.#image(node);
    if (name === 'a') return this.#link(node, within);
    if (name === 'math') return mathText(node);
    if (CODE.has(name))
      return within.includes('`') ? this.#children(node, within) : codeSpan(node.textContent);
    if (name === 'q') return `“${this.#children(node, within)}”`;
    const mark = MARKS[name];
    if (mark !== undefined && !within.includes(`|${mark}|`)) {
      return surrounded(this.#children(node, `${within}|${mark}|`), mark, mark);
    }
    const inner = this.#children(node, within);
    if ((name === 'sup' || name === 'sub') && !inner.includes('<'))
      return surrounded(inner, `<${name}>`, `</${name}>`);
    return inner;
  }

  #image(image: DomElement): string {
    const source = [
      image.getAttribute('src'),
      image.getAttribute('data-src'),
      image.getAttribute('data-original'),
    ].find((candidate) => candidate !== null && candidate.trim() !== '' && !/^data:/i.test(candidate.trim()));
    const url = this.address(source ?? null);
    if (url === undefined) return '';
    const alt = (image.getAttribute('alt') ?? '').replace(/\s+/g, ' ').trim();
    return `![${escapeText(alt).replace(/[[\]]/g, '\\$&')}](${destination(url)})`;
  }

  #link(link: DomElement, within: string): string {
    if (within.includes('|a|')) return this.#children(link, within);
    const inner = this.#children(link, `${within}|a|`);
    const text = inner.replaceAll(BREAK, ' ').trim();
    // Marks beside headings that only lead to themselves.
    if (/^[#¶§🔗\u200b\s]*$/u.test(text)) return '';
    const href = link.getAttribute('href');
    const url = this.address(href);
    if (url === undefined || (within.includes('|heading|') && href?.startsWith('#'))) return inner;
    const balanced = text.includes('![') ? text : text.replace(/(?<!\\)[[\]]/g, '\\$&');
    const before = /^\s/.test(inner) ? ' ' : '';
    const after = /\s$/.test(inner) ? ' ' : '';
    return `${before}${this.link(balanced, url)}${after}`;
  }
}

/** Marks stand next to the text: blanks go outside. */
function surrounded(inner: string, open: string, close: string): string {
  const match = new RegExp(`^([ ${BREAK}]*)([^]*?)([ ${BREAK}]*)$`).exec(inner);
  const text = match?.[2] ?? '';
  if (text === '') return inner;
  return `${match?.[1] ?? ''}${open}${text}${close}${match?.[3] ?? ''}`;
}

function codeSpan(content: string): string {
  const code = content.replace(/\s+/g, ' ').trim();
  if (code === '') return '';
  const longest = Math.max(0, ...(code.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(longest + 1);
  const pad = code.startsWith('`') || code.endsWith('`') ? ' ' : '';
  return `${fence}${pad}${code}${pad}${fence}`;
}

function mathText(math: DomElement): string {
  const tex =
    math.querySelector('annotation[encoding="application/x-tex"]')?.textContent ??
    math.getAttribute('alttext');
  const source = tex?.replace(/\s+/g, ' ').trim() ?? '';
  return source === '' ? escapeText(math.textContent.replace(/\s+/g, ' ')) : `$${source}$`;
}

/** Escapes what would be markup; lone brackets and underscores inside of words would not. */
function escapeText(text: string): string {
  return text
    .replace(/[\\`*]/g, '\\$&')
    .replace(/(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, '\\_')
    .replace(/~(?=~)/g, '\\~')
    .replace(/\](?=[([:])/g, '\\]')
    .replace(/<(?=[a-z/!?])/gi, '\\<')
    .replace(/&(?=#?\w+;)/g, '\\&');
}

function escapeLineStart(line: string): string {
  return line
    .replace(/^(\d{1,9})([.)])(?=\s|$)/, '$1\\$2')
    .replace(/^(?:#{1,6}(?=\s|$)|[-+](?=\s|$)|>|={3,}$|-{3,}$)/, '\\$&');
}

/** Parentheses and blanks would end a destination. */
function destination(url: string): string {
  return url.replace(/[()\s<>]/g, (character) =>
    character === '(' ? '%28' : character === ')' ? '%29' : encodeURIComponent(character),
  );
}
