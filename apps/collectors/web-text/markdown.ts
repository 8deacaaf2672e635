/** The content of a page as GitHub Flavored Markdown (https://github.github.com/gfm/). */
import { isElement, type DomElement, type DomNode } from './extract-dom.ts';
import { InlineMarkdown } from './markdown-inline.ts';
import { isDataTable, tableMarkdown } from './markdown-table.ts';

const BLOCK = new Set(
  (
    'address article aside blockquote body center dd details dialog dir div dl dt fieldset figcaption figure footer form ' +
    'h1 h2 h3 h4 h5 h6 header hgroup hr iframe li main menu nav ol p pre section summary table tbody td tfoot th thead tr ul video'
  ).split(' '),
);

/**
 * Markdown of everything below `root`: headings, nested lists, tables, code with its language, quotes, links
 * and images with absolute addresses. Text that would read as markup is escaped. One line a paragraph, one blank
 * line between blocks. A table that only lays out the page becomes the blocks in its cells.
 *
 * @param base what relative addresses resolve against
 */
export function toMarkdown(root: DomElement, base: string): string {
  return new BlockMarkdown(base).blocks(root).join('\n\n');
}

class BlockMarkdown {
  #base: string;
  #inline: InlineMarkdown;
  #holdsBlock = new Map<DomElement, boolean>();

  constructor(base: string) {
    this.#base = base;
    this.#inline = new InlineMarkdown(base);
  }

  /** Blocks of an element's content, none of them empty; inline content between blocks is a paragraph. */
  blocks(container: DomElement): string[] {
    const blocks: string[] = [];
    let run: DomNode[] = [];
    const flush = (): void => {
      const paragraph = this.#inline.paragraph(run);
      if (paragraph !== '') blocks.push(paragraph);
      run = [];
    };
    for (let node = container.firstChild; node !== null; node = node.nextSibling) {
      if (isElement(node) && this.#isBlock(node)) {
        flush();
        for (const block of this.#block(node)) if (block !== '') blocks.push(block);
      } else {
        run.push(node);
      }
    }
    flush();
    return blocks;
  }

  #block(element: DomElement): string[] {
    switch (element.localName) {
      case 'h1':
      case 'h2':
      case 'h3':
      case 'h4':
      case 'h5':
      case 'h6': {
        const text = this.#inline.line(element);
        return text === '' ? [] : [`${'#'.repeat(Number(element.localName[1]))} ${text}`];
      }
      case 'pre':
        return [fenced(element)];
      case 'hr':
        return ['---'];
      case 'blockquote': {
        const inner = this.blocks(element).join('\n\n');
        return inner === '' ? [] : [inner.replace(/^/gm, '> ').replace(/^> $/gm, '>')];
      }
      case 'ul':
      case 'ol':
      case 'menu':
      case 'dir':
        return [this.#list(element)];
      case 'dl':
        return [this.#definitions(element)];
      case 'table':
        return this.#table(element);
      case 'summary':
        return [bold(this.#inline.line(element))];
      case 'iframe':
      case 'video':
        return [this.#embedded(element)];
      case 'a':
        return this.#linkedBlocks(element);
      default:
        return this.blocks(element);
    }
  }

  #isBlock(element: DomElement): boolean {
    if (BLOCK.has(element.localName)) return true;
    const known = this.#holdsBlock.get(element);
    if (known !== undefined) return known;
    let holds = false;
    for (let child = element.firstElementChild; child !== null && !holds; child = child.nextElementSibling) {
      holds = this.#isBlock(child);
    }
    this.#holdsBlock.set(element, holds);
    return holds;
  }

  #list(list: DomElement): string {
    const items: { marker: string; blocks: string[] }[] = [];
    const first = Number.parseInt(list.getAttribute('start') ?? '1', 10);
    let number = Number.isSafeInteger(first) && first >= 0 && first < 1e9 ? first : 1;
    for (let child = list.firstElementChild; child !== null; child = child.nextElementSibling) {
      const last = items.at(-1);
      if (child.localName !== 'li' && last !== undefined) {
        // A list directly in a list belongs to the item before it.
        last.blocks.push(...(this.#isBlock(child) ? this.#block(child) : [this.#inline.paragraph([child])]));
        continue;
      }
      const blocks = child.localName === 'li' ? this.blocks(child) : this.#block(child);
      if (blocks.length === 0) continue;
      items.push({ marker: list.localName === 'ol' ? `${number}. ` : '- ', blocks });
      number += 1;
    }
    return joinItems(items);
  }

  #definitions(list: DomElement): string {
    const items: { marker: string; blocks: string[] }[] = [];
    const visit = (parent: DomElement): void => {
      for (let child = parent.firstElementChild; child !== null; child = child.nextElementSibling) {
        if (child.localName === 'div') visit(child);
        if (child.localName === 'dt') items.push({ marker: '- ', blocks: [bold(this.#inline.line(child))] });
        if (child.localName !== 'dd') continue;
        const blocks = this.blocks(child);
        const term = items.at(-1);
        if (term === undefined) {
          items.push({ marker: '- ', blocks });
        } else if (
          term.blocks.length === 1 &&
          !term.blocks[0]?.includes('**: ') &&
          !/^([-*+>#|`]|\d+\.)/.test(blocks[0] ?? '-')
        ) {
          term.blocks = [`${term.blocks[0] ?? ''}: ${blocks[0] ?? ''}`, ...blocks.slice(1)];
        } else {
          term.blocks.push(...blocks);
        }
      }
    };
    visit(list);
    return joinItems(items);
  }

  #table(table: DomElement): string[] {
    if (!isDataTable(table)) return this.blocks(table);
    const cell = (element: DomElement): string =>
      this.blocks(element)
        .map((block) => (block.startsWith('```') ? codeLines(block) : block))
        .join('\n');
    return tableMarkdown(table, cell, (caption) => this.#inline.line(caption));
  }

  #embedded(element: DomElement): string {
    const source = element.getAttribute('src') ?? element.querySelector('source[src]')?.getAttribute('src');
    const url = source ? URL.parse(source, this.#base) : null;
    if (url === null || !/^https?:$/.test(url.protocol)) return '';
    const title = element.getAttribute('title')?.replace(/\s+/g, ' ').trim() || 'Video';
    return this.#inline.link(title.replace(/[[\]\\]/g, '\\$&'), url.href);
  }

  /** A link around blocks: around one line it stays a link. */
  #linkedBlocks(link: DomElement): string[] {
    const blocks = this.blocks(link);
    const only = blocks.length === 1 ? /^(#{1,6} )?([^\n]+)$/.exec(blocks[0] ?? '') : null;
    const url = this.#inline.address(link.getAttribute('href'));
    if (only === null || url === undefined || /]\(/.test(only[2] ?? '')) return blocks;
    return [`${only[1] ?? ''}${this.#inline.link(only[2] ?? '', url)}`];
  }
}

function joinItems(items: readonly { marker: string; blocks: string[] }[]): string {
  // Tight when no item has more than its line and a list below it.
  const tight = items.every(({ blocks }) => blocks.slice(1).every((block) => /^(- |\d+\. )/.test(block)));
  return items
    .map(({ marker, blocks }) => {
      const body = blocks.join(tight ? '\n' : '\n\n');
      return marker + body.replace(/\n(?=[^\n])/g, `\n${' '.repeat(marker.length)}`);
    })
    .join(tight ? '\n' : '\n\n');
}

function bold(text: string): string {
  return text === '' || /^\*\*.*\*\*$/.test(text) ? text : `**${text}**`;
}

function fenced(pre: DomElement): string {
  const code = pre.textContent.replace(/^\n+|\s+$/g, '');
  if (code === '') return '';
  const language =
    /(?:^|\s)language-(\S+)/.exec(pre.querySelector('code')?.getAttribute('class') ?? '')?.[1] ?? '';
  const longest = Math.max(2, ...(code.match(/`{3,}/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language.replace(/`/g, '')}\n${code}\n${fence}`;
}

/** A block of code as lines of inline code, for a table's cell. */
function codeLines(block: string): string {
  return block
    .split('\n')
    .slice(1, -1)
    .filter((line) => line.trim() !== '')
    .map((line) => `\`${line.trim().replace(/`/g, "'")}\``)
    .join('\n');
}
