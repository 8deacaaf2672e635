/** Simple selectors in one walk over the tree, whatever their number; domino's own walks once for each. */
import type { DomElement } from './extract-dom.ts';

type Test = (element: DomElement) => boolean;

const COMPOUND = /^([a-z][a-z0-9]*|\*)?((?:\.[\w-]+|\[[\w:-]+(?:[~*^]?="[^"\\]*")?\])*)$/i;
const PART = /\.([\w-]+)|\[([\w:-]+)(?:([~*^]?)="([^"\\]*)")?\]/g;

const compiled = new Map<string, Test | undefined>();

/**
 * A test for a list of compound selectors made of a tag, classes and attributes (`a[href],.byline,[rel~="author"]`);
 * undefined for anything more, which is left to the DOM.
 */
export function selectorTest(selector: string): Test | undefined {
  if (!compiled.has(selector)) {
    // Only the selectors of this program come here, not those of a page; still, keep none for ever.
    if (compiled.size > 500) compiled.clear();
    compiled.set(selector, compile(selector));
  }
  return compiled.get(selector);
}

/** All elements below `root` that pass, in document order. */
export function elementsThat(root: DomElement, test: Test, limit = Infinity): DomElement[] {
  const found: DomElement[] = [];
  let at: DomElement | null = firstElement(root);
  while (at !== null) {
    if (test(at)) {
      found.push(at);
      if (found.length >= limit) break;
    }
    let next: DomElement | null = at.firstElementChild ?? null;
    while (next === null && at !== null && at !== root) {
      next = at.nextElementSibling ?? null;
      if (next === null) at = at.parentNode;
    }
    at = next;
  }
  return found;
}

/** A document's first element; domino's documents lack `firstElementChild`. */
function firstElement(root: DomElement): DomElement | null {
  const document = root as { documentElement?: DomElement };
  return document.documentElement ?? root.firstElementChild ?? null;
}

function compile(selector: string): Test | undefined {
  const tags = new Set<string>();
  const others: Test[] = [];
  for (const part of selector.split(',')) {
    const match = COMPOUND.exec(part.trim());
    if (match === null || match[0] === '') return undefined;
    const tag = match[1]?.toLowerCase();
    const conditions = [...(match[2] ?? '').matchAll(PART)].map(condition);
    if (conditions.length === 0 && tag !== undefined && tag !== '*') tags.add(tag);
    else
      others.push(
        (element) =>
          (tag === undefined || tag === '*' || element.localName === tag) &&
          conditions.every((test) => test(element)),
      );
  }
  return (element) => tags.has(element.localName) || others.some((test) => test(element));
}

function condition([, className, name, operator, value]: RegExpMatchArray): Test {
  if (className !== undefined) {
    return (element) => element.getAttribute('class')?.split(/\s+/).includes(className) ?? false;
  }
  const attribute = name ?? '';
  if (value === undefined) return (element) => element.hasAttribute(attribute);
  if (operator === '~')
    return (element) => element.getAttribute(attribute)?.split(/\s+/).includes(value) ?? false;
  if (operator === '*') return (element) => element.getAttribute(attribute)?.includes(value) ?? false;
  if (operator === '^') return (element) => element.getAttribute(attribute)?.startsWith(value) ?? false;
  return (element) => element.getAttribute(attribute) === value;
}
