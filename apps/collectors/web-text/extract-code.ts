/** Brings code and tables into the plain form that survives Readability and reads the same on every site. */
import {
  closest,
  inlineText,
  isElement,
  select,
  TEXT,
  type DomDocument,
  type DomElement,
  type DomNode,
} from './extract-dom.ts';

const LANGUAGE =
  /(?:^|\s)(?:language|lang|highlight-source|highlight|brush:|sourceCode|code)[-:\s]+([a-z][\w+#.-]*)/i;
/** Words after those prefixes that name no language. */
const NO_LANGUAGE =
  /^(?:block|box|snippet|wrapper|container|toolbar|highlight|highlighter|source|code|none|text|plaintext|plain|default|line|inline|area|example|copyable|numbers|body|content|header)$/i;
const LINE_NUMBERS =
  '.gutter,.rouge-gutter,.lineno,.linenos,.line-numbers-rows,.line-number,.line-numbers,.hljs-ln-numbers,.copy,.copy-btn,.copy-button,.clipboard-copy,.code-toolbar>.toolbar,.ln,[data-line-number]:empty';

/**
 * Makes every block of code a `<pre><code class="language-x">` of plain text, in the place of the outermost
 * element that holds nothing else: the highlighter's spans, line numbers, copy buttons and layout tables go.
 */
export function normaliseCode(document: DomDocument): void {
  for (const pre of select(document, 'pre')) {
    if (pre.parentNode === null || closest(pre, (at) => at !== pre && at.localName === 'pre') !== undefined)
      continue;
    const frame = frameOf(pre);
    for (const noise of select(pre, LINE_NUMBERS)) noise.remove();
    const source = codeText(pre)
      .replace(/\r\n?/g, '\n')
      .replace(/^\n+|\s+$/g, '');
    if (source === '') {
      // A column of line numbers, or nothing.
      pre.remove();
      continue;
    }
    const code = document.createElement('code');
    const language = languageOf(pre, frame);
    if (language !== undefined) code.setAttribute('class', `language-${language}`);
    code.appendChild(document.createTextNode(source));
    const plain = document.createElement('pre');
    plain.appendChild(code);
    frame.parentNode?.replaceChild(plain, frame);
  }
}

/** The outermost element around a block of code that has, beside it, no more than line numbers and a caption. */
function frameOf(pre: DomElement): DomElement {
  let frame = pre;
  const own = inlineText(pre).length;
  for (let at = pre.parentNode; at !== null && isElement(at); at = at.parentNode) {
    if (!/^(div|figure|table|tbody|tr|td|span|code|section)$/.test(at.localName)) break;
    const others = select(at, 'pre').filter((other) => other !== pre && !/^[\d\s]*$/.test(other.textContent));
    if (others.length > 0 || at.querySelector('p,h1,h2,h3,h4,li,img') !== null) break;
    const extra = inlineText(at).length - own;
    const numbers = at.localName === 'tr' || at.localName === 'tbody' || at.localName === 'table';
    if (extra > (numbers ? own / 2 + 20 : 60)) break;
    frame = at;
  }
  return frame;
}

/** Text with `<br>` and block elements as line ends. */
function codeText(element: DomElement): string {
  let text = '';
  const visit = (node: DomNode): void => {
    if (node.nodeType === TEXT) text += node.textContent;
    if (!isElement(node)) return;
    if (node.localName === 'br') text += '\n';
    const block = /^(div|p|li|tr)$/.test(node.localName);
    if (block && text !== '' && !text.endsWith('\n')) text += '\n';
    for (let child = node.firstChild; child !== null; child = child.nextSibling) visit(child);
    if (block && !text.endsWith('\n')) text += '\n';
  };
  visit(element);
  return text;
}

function languageOf(pre: DomElement, frame: DomElement): string | undefined {
  const holders = [pre.querySelector('code'), pre];
  for (let at: DomElement | null = pre; at !== null && at !== frame.parentNode; at = at.parentNode)
    holders.push(at);
  for (const holder of holders) {
    if (holder === null) continue;
    for (const attribute of ['data-lang', 'data-language', 'data-code-language']) {
      const named = holder.getAttribute(attribute)?.trim();
      if (named !== undefined && /^[a-z][\w+#.-]*$/i.test(named) && !NO_LANGUAGE.test(named))
        return named.toLowerCase();
    }
    const classes = holder.getAttribute('class') ?? '';
    for (const name of classes.split(/\s+/)) {
      const language = LANGUAGE.exec(name)?.[1] ?? /^brush:\s*(\w+)/.exec(classes)?.[1];
      if (language !== undefined && !NO_LANGUAGE.test(language)) return language.toLowerCase();
    }
    const source = /\bsourceCode\s+([a-z][\w+#-]*)/.exec(classes)?.[1];
    if (source !== undefined && !NO_LANGUAGE.test(source)) return source;
  }
  return undefined;
}

/**
 * Marks the tables that hold data, so that Readability keeps them: two rows and two columns or more, no table
 * inside, short cells, not mostly links; never those that a role or a form shows to be layout.
 */
export function markDataTables(document: DomDocument): void {
  for (const table of select(document, 'table')) {
    if (table.getAttribute('role') === 'presentation' || table.querySelector('table,form,input') !== null)
      continue;
    const rows = select(table, 'tr').filter((row) => row.querySelector('td,th') !== null);
    const cells = select(table, 'td,th');
    const widest = Math.max(0, ...rows.slice(0, 50).map((row) => select(row, 'td,th').length));
    if (rows.length < 2 || widest < 2) continue;
    const text = inlineText(table).length;
    const links = select(table, 'a').reduce((sum, link) => sum + inlineText(link).length, 0);
    if (text === 0 || text / cells.length > 300 || links > text * 0.8) continue;
    if (!table.hasAttribute('summary')) table.setAttribute('summary', 'data');
    // Readability strips the attributes that say it.
    for (const cell of cells) {
      const style = /text-align\s*:\s*(right|center)/i.exec(cell.getAttribute('style') ?? '')?.[1];
      const align = (cell.getAttribute('align') ?? style ?? '').toLowerCase();
      if (align === 'right' || align === 'center') cell.setAttribute('data-align', align);
    }
  }
}
