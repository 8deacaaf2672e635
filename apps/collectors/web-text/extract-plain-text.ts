/** The text of an article as plain text. */
import { isElement, TEXT, type DomElement, type DomNode } from './extract-dom.ts';

const BLOCK = new Set(
  (
    'address article aside blockquote body center dd details dialog dir div dl dt fieldset figcaption figure footer form ' +
    'h1 h2 h3 h4 h5 h6 header hgroup hr li main menu nav ol p pre section summary table tbody tfoot thead tr caption ul'
  ).split(' '),
);
const SKIPPED = new Set(['script', 'style', 'noscript', 'template', 'head', 'svg', 'rp', 'rt']);

/**
 * Blocks are apart by one blank line; items of a list and rows of a table stand on lines of their own, cells
 * apart by tabs; code keeps its white space; everywhere else runs of white space are one blank.
 */
export function plainText(root: DomElement): string {
  const writer = new TextWriter();
  writer.element(root);
  return writer.text();
}

class TextWriter {
  #parts: string[] = [];
  /** Line ends owed before the next text. */
  #owed = 0;
  #blank = false;

  text(): string {
    return this.#parts.join('').trim();
  }

  element(element: DomElement): void {
    const name = element.localName;
    if (SKIPPED.has(name)) return;
    if (name === 'br') return this.#lineEnd(1);
    if (name === 'pre') {
      this.#lineEnd(2);
      this.#write(element.textContent.replace(/^\n+|\s+$/g, ''));
      return this.#lineEnd(2);
    }
    const gap = lineEnds(element);
    this.#lineEnd(gap);
    if (name === 'td' || name === 'th') this.#cell(element);
    else for (let node = element.firstChild; node !== null; node = node.nextSibling) this.#node(node);
    this.#lineEnd(gap);
  }

  #node(node: DomNode): void {
    if (isElement(node)) return this.element(node);
    if (node.nodeType !== TEXT) return;
    const text = node.textContent.replace(/[\s\u00a0]+/g, ' ');
    const trimmed = text.trim();
    if (text.startsWith(' ')) this.#blank = true;
    if (trimmed === '') return;
    this.#write(trimmed);
    if (text.endsWith(' ')) this.#blank = true;
  }

  /** A cell is one line, whatever it holds. */
  #cell(cell: DomElement): void {
    const writer = new TextWriter();
    for (let node = cell.firstChild; node !== null; node = node.nextSibling) writer.#node(node);
    const text = writer.text().replace(/\s+/g, ' ');
    if (cell.previousElementSibling !== null && this.#owed === 0) this.#parts.push('\t');
    this.#blank = false;
    if (text !== '') this.#write(text);
  }

  #write(text: string): void {
    const last = this.#parts.at(-1);
    if (last !== undefined) {
      if (this.#owed > 0) this.#parts.push('\n'.repeat(this.#owed));
      else if (this.#blank && !/\s$/.test(last)) this.#parts.push(' ');
    }
    this.#owed = 0;
    this.#blank = false;
    this.#parts.push(text);
  }

  #lineEnd(count: number): void {
    if (count === 0) return;
    while (this.#parts.at(-1) === '\t') this.#parts.pop();
    this.#owed = Math.max(this.#owed, count);
    this.#blank = false;
  }
}

function lineEnds(element: DomElement): number {
  const name = element.localName;
  if (!BLOCK.has(name)) return 0;
  if (name === 'li' || name === 'tr' || name === 'dt' || name === 'dd') return 1;
  if (/^(thead|tbody|tfoot)$/.test(name)) return 1;
  // A list within a list goes on with its lines.
  return (name === 'ul' || name === 'ol') && element.parentNode?.localName === 'li' ? 1 : 2;
}
