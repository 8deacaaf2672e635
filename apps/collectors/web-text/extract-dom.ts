/** The DOM that pages are read with: domino, the parts of it that this source uses. */
import { createRequire } from 'node:module';
import { elementsThat, selectorTest } from './extract-select.ts';

export interface DomNode {
  readonly nodeType: number;
  readonly nodeName: string;
  textContent: string;
  readonly parentNode: DomElement | null;
  readonly firstChild: DomNode | null;
  readonly lastChild: DomNode | null;
  readonly nextSibling: DomNode | null;
  readonly previousSibling: DomNode | null;
  remove(): void;
}

export interface DomElement extends DomNode {
  readonly localName: string;
  readonly ownerDocument: DomDocument;
  readonly firstElementChild: DomElement | null;
  readonly nextElementSibling: DomElement | null;
  readonly previousElementSibling: DomElement | null;
  innerHTML: string;
  getAttribute(name: string): string | null;
  setAttribute(name: string, value: string): void;
  removeAttribute(name: string): void;
  hasAttribute(name: string): boolean;
  querySelector(selector: string): DomElement | null;
  querySelectorAll(selector: string): ArrayLike<DomElement>;
  appendChild(node: DomNode): DomNode;
  insertBefore(node: DomNode, before: DomNode | null): DomNode;
  replaceChild(node: DomNode, old: DomNode): DomNode;
}

export interface DomDocument extends DomElement {
  readonly documentElement: DomElement;
  readonly body: DomElement;
  createElement(name: string): DomElement;
  createTextNode(text: string): DomNode;
}

export const ELEMENT = 1;
export const TEXT = 3;

const { createDocument } = createRequire(import.meta.url)('@mixmark-io/domino') as {
  createDocument(html: string, force: boolean): DomDocument;
};

makeListsIterable(createDocument('<p>', true));
const htmlElement = htmlElementPrototype(createDocument('<p>', true));
selectInOneWalk(htmlElement);
listChildrenAfresh(htmlElement);

/**
 * Parses a page as the HTML standard says, without running or loading anything. Relative addresses resolve
 * against the page's `<base href>`, else against `url`. The page must be bounded before: deep nesting would
 * overflow the stack.
 */
export function parseDocument(html: string, url: string): DomDocument {
  const document = createDocument(html, true);
  // A page of frames has none.
  if ((document.body as DomElement | null) === null) {
    document.documentElement.appendChild(document.createElement('body'));
  }
  selectInOneWalk(document);
  // Its index of ids breaks when subtrees are moved, and then refuses to remove them; nobody here asks for ids.
  Object.defineProperties(document, { addId: { value: () => {} }, delId: { value: () => {} } });
  const own = document.querySelector('base[href]')?.getAttribute('href');
  const base = URL.parse(own ?? '', url)?.href ?? url;
  Object.defineProperty(document, 'baseURI', { value: base });
  Object.defineProperty(document, 'documentURI', { value: url });
  return document;
}

/** The base of the document's relative addresses. */
export function baseOf(document: DomDocument): string {
  return (document as unknown as { baseURI: string }).baseURI;
}

export function isElement(node: DomNode): node is DomElement {
  return node.nodeType === ELEMENT;
}

/** All elements below `root` that match, as an array that stays as it is when the tree changes. */
export function select(root: DomElement, selector: string): DomElement[] {
  return Array.from(root.querySelectorAll(selector));
}

/** All elements below `root`, in document order. */
export function elementsOf(root: DomElement): DomElement[] {
  return elementsThat(root, () => true);
}

/** Text with runs of white space as one blank, trimmed. */
export function inlineText(node: DomNode): string {
  return node.textContent.replace(/\s+/g, ' ').trim();
}

/** The nearest ancestor, or the element itself, of which `test` holds. */
export function closest(
  element: DomElement,
  test: (ancestor: DomElement) => boolean,
): DomElement | undefined {
  for (let at: DomElement | null = element; at !== null && isElement(at); at = at.parentNode) {
    if (test(at)) return at;
  }
  return undefined;
}

/** A new element in the old one's place, with its attributes kept and its children moved. */
export function rename(element: DomElement, name: string): DomElement {
  const renamed = element.ownerDocument.createElement(name);
  for (const attribute of ['class', 'id']) {
    const value = element.getAttribute(attribute);
    if (value !== null) renamed.setAttribute(attribute, value);
  }
  while (element.firstChild !== null) renamed.appendChild(element.firstChild);
  element.parentNode?.replaceChild(renamed, element);
  return renamed;
}

/** Readability walks element lists with `for … of`, which domino's live lists lack. */
function makeListsIterable(document: DomDocument): void {
  const body = document.body as unknown as Record<string, object> & {
    getElementsByTagName(name: string): object;
  };
  for (const list of [body.getElementsByTagName('p'), body['children'], body['attributes']]) {
    if (list === undefined || Symbol.iterator in list) continue;
    Object.defineProperty(Object.getPrototypeOf(list) as object, Symbol.iterator, {
      value: function* (this: { length: number; item(index: number): unknown }) {
        for (let index = 0; index < this.length; index += 1) yield this.item(index);
      },
    });
  }
}

/**
 * Puts the selection in one walk before domino's, which walks once for each selector of a list and then sorts: a
 * third of Readability's time. Also, nothing found is `null`, as the standard has it.
 */
function selectInOneWalk(target: object): void {
  const { querySelector, querySelectorAll } = target as DomElement;
  Object.defineProperties(target, {
    querySelectorAll: {
      value(this: DomElement, selector: string) {
        const test = selectorTest(selector);
        return test === undefined ? querySelectorAll.call(this, selector) : elementsThat(this, test);
      },
    },
    querySelector: {
      value(this: DomElement, selector: string) {
        const test = selectorTest(selector);
        return (
          (test === undefined ? querySelector.call(this, selector) : elementsThat(this, test, 1)[0]) ?? null
        );
      },
    },
  });
}

/**
 * Lists of children as they are now, in the place of domino's live ones: those show removed children until
 * somebody asks for their length, which Readability doesn't, and make every later removal a search.
 */
function listChildrenAfresh(target: object): void {
  const listed = (parent: DomElement, isListed: (node: DomNode) => boolean): DomNode[] => {
    const list: DomNode[] = [];
    for (let node = parent.firstChild; node !== null; node = node.nextSibling)
      if (isListed(node)) list.push(node);
    return list;
  };
  Object.defineProperties(target, {
    children: {
      get(this: DomElement) {
        return listed(this, isElement);
      },
    },
    childNodes: {
      get(this: DomElement) {
        return listed(this, () => true);
      },
    },
    // Domino's own asks for such a list of every element.
    textContent: {
      get(this: DomElement) {
        return textOf(this);
      },
      set(this: DomElement, text: string) {
        while (this.firstChild !== null) this.firstChild.remove();
        this.appendChild(this.ownerDocument.createTextNode(text));
      },
    },
  });
}

function textOf(element: DomElement): string {
  let text = '';
  for (let node = element.firstChild; node !== null; node = node.nextSibling) {
    if (node.nodeType === TEXT) text += (node as unknown as { data: string }).data;
    else if (node.nodeType === ELEMENT) text += textOf(node as DomElement);
  }
  return text;
}

/** What all HTML elements inherit from, below the class whose methods can't be replaced. */
function htmlElementPrototype(document: DomDocument): object {
  let prototype = Object.getPrototypeOf(document.body) as object;
  for (
    let next = prototype;
    !Object.hasOwn(next, 'querySelectorAll');
    next = Object.getPrototypeOf(next) as object
  ) {
    prototype = next;
  }
  return prototype;
}
