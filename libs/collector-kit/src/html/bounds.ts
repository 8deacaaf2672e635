/** Makes a hostile page safe for a DOM, in one pass over its text. */
import { OpenElements } from './open-elements.ts';

export interface HtmlLimits {
  /** Elements inside one another; tags of deeper ones are dropped, their text stays. Default 200. */
  maxDepth?: number;
  /** Characters of all attributes of one tag; attributes that don't fit are dropped. Default 16384. */
  maxAttributesBytes?: number;
  /** Characters of the page; the rest is cut off. Default 5,000,000. */
  maxBytes?: number;
  /** Start tags of the page; the page is cut off at the next one. Default 30,000. */
  maxElements?: number;
}

export interface BoundedHtml {
  html: string;
  /** What was cut, by kind; a page within the limits has none and comes back as it was. */
  cut: {
    /** Tags dropped for their depth. */
    depth?: number;
    /** Attributes dropped for their size or number. */
    attributes?: number;
    /** Characters cut off the end. */
    bytes?: number;
    /** True when the page had more elements than allowed. */
    elements?: true;
  };
}

const MAX_ATTRIBUTES = 128;
/** Elements whose content is text up to their own end tag. */
const RAW = new Set(['script', 'style', 'title', 'textarea', 'xmp', 'iframe', 'noembed', 'noframes']);
const TAG_NAME = /[a-z][^\s/>]*/iy;
/** One attribute with the blanks before it; the group is a quote that nothing closes. */
const ATTRIBUTE = /[\s/]*[^\s/>][^\s/>=]*(?:\s*=\s*(?:"[^"]*"|'[^']*'|(["'])|[^\s>"'][^\s>]*))?/y;

/**
 * Bounds nesting, attributes, elements and size of a page so that building its DOM takes little time and
 * memory, whatever it holds. Linear in the length of the page. It follows the nesting rules of the HTML
 * standard closely enough not to hurt honest pages; a page made to deceive it may nest somewhat deeper than
 * asked, so a parser of untrusted pages still runs under a time limit.
 */
export function boundHtml(html: string, limits: HtmlLimits = {}): BoundedHtml {
  const { maxDepth = 200, maxAttributesBytes = 16_384, maxBytes = 5_000_000, maxElements = 30_000 } = limits;
  const cut: BoundedHtml['cut'] = {};
  const text = html.length > maxBytes ? html.slice(0, maxBytes) : html;
  if (text.length < html.length) cut.bytes = html.length - text.length;
  const open = new OpenElements(maxDepth);
  const kept = new KeptText(text);
  let elements = 0;
  let at = text.indexOf('<');
  while (at >= 0) {
    const next = text.charCodeAt(at + 1);
    if (next === 0x2f /* / */) {
      TAG_NAME.lastIndex = at + 2;
      const name = TAG_NAME.exec(text)?.[0].toLowerCase();
      const end = endOf(text, '>', at + 2);
      if (name !== undefined && !open.close(name)) {
        kept.drop(at, end);
        cut.depth = (cut.depth ?? 0) + 1;
      }
      at = end;
    } else if (isLetter(next)) {
      if (elements === maxElements) {
        kept.drop(at, text.length);
        cut.elements = true;
        break;
      }
      elements += 1;
      at = startTag(at);
    } else if (next === 0x21 /* ! */ || next === 0x3f /* ? */) {
      at = text.startsWith('<!--', at) ? endOfComment(text, at) : endOf(text, '>', at + 1);
    } else {
      at += 1;
    }
    at = text.indexOf('<', at);
  }
  return { html: kept.text(), cut };

  /** Handles the start tag at `from`; answers where to go on. */
  function startTag(from: number): number {
    TAG_NAME.lastIndex = from + 1;
    const name = (TAG_NAME.exec(text)?.[0] ?? '').toLowerCase();
    const attributes = boundAttributes(text, from + 1 + name.length, maxAttributesBytes, kept);
    if (attributes.dropped > 0) cut.attributes = (cut.attributes ?? 0) + attributes.dropped;
    if (attributes.end === undefined) {
      // A quote that nothing closes: no parser finds an element here or behind.
      kept.drop(from, text.length);
      return text.length;
    }
    const end = attributes.end;
    const verdict = open.start(name, text.charCodeAt(end - 2) === 0x2f);
    if (verdict === 'dropped') {
      kept.drop(from, end);
      cut.depth = (cut.depth ?? 0) + 1;
    } else if (verdict === 'self-closed') {
      kept.insert(end, `</${name}>`);
    }
    if (name === 'plaintext') return text.length;
    if (!RAW.has(name) || open.inForeign) return end;
    const rawEnd = startOfEndTag(text, name, end);
    if (verdict === 'dropped') kept.drop(from, rawEnd);
    return rawEnd;
  }
}

/** Drops the attributes from `at` on that exceed the budget of one tag; `end` is behind the tag's `>`, or undefined. */
function boundAttributes(
  text: string,
  at: number,
  budget: number,
  kept: KeptText,
): { end: number | undefined; dropped: number } {
  let used = 0;
  let count = 0;
  let dropped = 0;
  for (;;) {
    ATTRIBUTE.lastIndex = at;
    const match = ATTRIBUTE.exec(text);
    if (match === null) break;
    if (match[1] !== undefined) return { end: undefined, dropped };
    const end = ATTRIBUTE.lastIndex;
    count += 1;
    if (used + end - at > budget || count > MAX_ATTRIBUTES) {
      kept.drop(at, end);
      dropped += 1;
    } else {
      used += end - at;
    }
    at = end;
  }
  return { end: endOf(text, '>', at), dropped };
}

/** The text in ranges, without what was dropped. Positions must not go back behind what was dropped whole. */
class KeptText {
  #text: string;
  #parts: string[] = [];
  #from = 0;
  #edits: { from: number; to: number; insert: string }[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  drop(from: number, to: number): void {
    // A tag dropped whole takes the drops of its attributes with it.
    while ((this.#edits.at(-1)?.from ?? -1) >= from) this.#edits.pop();
    this.#edits.push({ from, to, insert: '' });
  }

  insert(at: number, insert: string): void {
    this.#edits.push({ from: at, to: at, insert });
  }

  text(): string {
    if (this.#edits.length === 0) return this.#text;
    for (const edit of this.#edits) {
      this.#parts.push(this.#text.slice(this.#from, edit.from), edit.insert);
      this.#from = edit.to;
    }
    this.#parts.push(this.#text.slice(this.#from));
    return this.#parts.join('');
  }
}

function isLetter(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a);
}

function endOf(text: string, mark: string, from: number): number {
  const at = text.indexOf(mark, from);
  return at < 0 ? text.length : at + mark.length;
}

function endOfComment(text: string, at: number): number {
  if (text.startsWith('>', at + 4)) return at + 5;
  if (text.startsWith('->', at + 4)) return at + 6;
  const end = /--!?>/g;
  end.lastIndex = at + 4;
  return end.test(text) ? end.lastIndex : text.length;
}

/** Where `</name` followed by a blank, `/` or `>` begins, or the end of the text. */
function startOfEndTag(text: string, name: string, from: number): number {
  const end = new RegExp(`</${name}(?=[\\s/>])`, 'gi');
  end.lastIndex = from;
  const match = end.exec(text);
  return match === null ? text.length : match.index;
}
