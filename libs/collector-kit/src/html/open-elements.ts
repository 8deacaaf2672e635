/**
 * The stack of open elements that an HTML parser would have, near enough to know how deep a tag nests.
 * https://html.spec.whatwg.org/multipage/parsing.html#the-stack-of-open-elements
 *
 * It holds also the elements that were dropped for their depth, so that their end tags are dropped with them
 * instead of closing something else.
 */

/** Where a search for an open element stops, so that no step takes more than this. */
const MAX_LOOK = 512;
/** Formatting elements left open are opened anew in every later block: a few unclosed ones multiply a page. */
const MAX_FORMATTING = 12;

const words = (list: string): ReadonlySet<string> => new Set(list.split(' '));

const VOID = words(
  'area base br col embed hr img input link meta param source track wbr basefont bgsound frame keygen',
);
const UNCOUNTED = words('html head body');
const FORMATTING = words('a b big code em font i nobr s small strike strong tt u');
/** Formatting elements of which a start tag closes an open one. */
const SINGLE = words('a nobr');
const FOREIGN = words('svg math');
/** An end tag does not reach through these. */
const SCOPE = words(
  'applet caption table td th marquee object template foreignobject desc mi mo mn ms mtext annotation-xml',
);
/** Nor do those of these through what is named beside. */
const SCOPE_OF: Readonly<Record<string, ReadonlySet<string>>> = {
  li: SCOPE.union(words('ol ul')),
  p: SCOPE.union(words('button')),
};
const TABLE_PARTS = words('table caption colgroup thead tbody tfoot tr td th');
const HEADINGS = words('h1 h2 h3 h4 h5 h6');
/** The standard's "special" elements: an end tag of an ordinary one does not reach through them. */
const SPECIAL = words(
  'address applet article aside blockquote body button caption center col colgroup dd details dir div dl dt ' +
    'fieldset figcaption figure footer form frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html iframe li ' +
    'listing main marquee menu nav noembed noframes noscript object ol p pre script search section select ' +
    'style summary table tbody td template textarea tfoot th thead title tr ul xmp ' +
    'foreignobject desc mi mo mn ms mtext annotation-xml',
);
/** Start tags that close an open paragraph. */
const CLOSES_P = words(
  'address article aside blockquote center details dialog dir div dl fieldset figcaption figure footer form h1 ' +
    'h2 h3 h4 h5 h6 header hgroup hr li dd dt listing main menu nav ol p plaintext pre search section summary ' +
    'table ul xmp',
);
/** Start tags that close an open one of the named kinds, looking no further than the named containers. */
const CLOSES: Readonly<Record<string, { closes: ReadonlySet<string>; within: ReadonlySet<string> }>> = {
  li: { closes: words('li'), within: words('ul ol menu dir') },
  dt: { closes: words('dt dd'), within: words('dl') },
  dd: { closes: words('dt dd'), within: words('dl') },
  td: { closes: words('td th'), within: words('tr table template') },
  th: { closes: words('td th'), within: words('tr table template') },
  tr: { closes: words('tr caption colgroup'), within: words('table template') },
  tbody: { closes: words('thead tbody tfoot caption colgroup'), within: words('table template') },
  thead: { closes: words('thead tbody tfoot caption colgroup'), within: words('table template') },
  tfoot: { closes: words('thead tbody tfoot caption colgroup'), within: words('table template') },
  option: { closes: words('option'), within: words('select optgroup datalist') },
  optgroup: { closes: words('optgroup option'), within: words('select') },
  rt: { closes: words('rt rp'), within: words('ruby') },
  rp: { closes: words('rt rp'), within: words('ruby') },
};

const TABLE_SCOPE = words('table template');
const PARAGRAPH = words('p');
const BUTTON = words('button');

interface Open {
  name: string;
  dropped: boolean;
}

export class OpenElements {
  #stack: Open[] = [];
  #count = new Map<string, number>();
  #dropped = 0;
  #formatting = 0;
  #foreign = 0;
  #maxDepth: number;

  constructor(maxDepth: number) {
    this.#maxDepth = maxDepth;
  }

  /** Inside of SVG or MathML, where other rules hold. */
  get inForeign(): boolean {
    return this.#foreign > 0;
  }

  /**
   * A start tag: whether it stays. `self-closed` stays and needs an end tag put behind it, because `/>` closes
   * an element in foreign content only, and what follows must nest the same wherever the parser thinks it is.
   */
  start(name: string, selfClosing: boolean): 'kept' | 'dropped' | 'self-closed' {
    if (VOID.has(name) || UNCOUNTED.has(name)) return 'kept';
    if (!this.inForeign) {
      if (this.#isStray(name)) return 'kept';
      this.#closeImplied(name);
    }
    const formatting = FORMATTING.has(name) && !SINGLE.has(name);
    const dropped =
      this.#stack.length - this.#dropped >= this.#maxDepth ||
      (formatting && this.#formatting >= MAX_FORMATTING);
    if (selfClosing && (this.inForeign || FOREIGN.has(name))) return dropped ? 'dropped' : 'self-closed';
    if (formatting && !dropped) this.#formatting += 1;
    if (FOREIGN.has(name)) this.#foreign += 1;
    if (dropped) this.#dropped += 1;
    this.#stack.push({ name, dropped });
    this.#count.set(name, (this.#count.get(name) ?? 0) + 1);
    return dropped ? 'dropped' : 'kept';
  }

  /** An end tag: whether it stays. */
  close(name: string): boolean {
    if (UNCOUNTED.has(name)) return true;
    const at = this.#find(name);
    // Without anything dropped a parser ignores it by itself.
    if (at === undefined) return this.#dropped === 0;
    const kept = this.#stack[at]?.dropped === false;
    if (FORMATTING.has(name)) {
      if (kept && !SINGLE.has(name)) this.#formatting -= 1;
      this.#removeAt(at);
    } else {
      this.#popTo(at);
    }
    return kept;
  }

  #find(name: string): number | undefined {
    if ((this.#count.get(name) ?? 0) === 0) return undefined;
    const heading = HEADINGS.has(name);
    const stops = TABLE_PARTS.has(name)
      ? TABLE_SCOPE
      : FORMATTING.has(name) || SPECIAL.has(name) || FOREIGN.has(name)
        ? (SCOPE_OF[name] ?? SCOPE)
        : SPECIAL;
    const least = Math.max(0, this.#stack.length - MAX_LOOK);
    for (let at = this.#stack.length - 1; at >= least; at -= 1) {
      const open = this.#stack[at]?.name ?? '';
      if (open === name || (heading && HEADINGS.has(open))) return at;
      if (stops.has(open)) return undefined;
    }
    return undefined;
  }

  /** A part of a table outside of any: a parser ignores it. */
  #isStray(name: string): boolean {
    if (name === 'table' || !TABLE_PARTS.has(name)) return false;
    return !TABLE_SCOPE.values().some((scope) => (this.#count.get(scope) ?? 0) > 0);
  }

  #closeImplied(name: string): void {
    if (SINGLE.has(name)) {
      const at = this.#find(name);
      if (at !== undefined && this.#stack[at]?.dropped === false) this.#removeAt(at);
    }
    const rule = CLOSES[name];
    if (rule !== undefined) this.#closeNearest(rule.closes, rule.within, TABLE_PARTS.has(name));
    if (CLOSES_P.has(name)) this.#closeNearest(PARAGRAPH, BUTTON, false);
  }

  /** Pops to the nearest of `closes`, unless one of `within`, or another scope, is nearer. */
  #closeNearest(closes: ReadonlySet<string>, within: ReadonlySet<string>, table: boolean): void {
    if (!closes.values().some((name) => (this.#count.get(name) ?? 0) > 0)) return;
    const least = Math.max(0, this.#stack.length - MAX_LOOK);
    for (let at = this.#stack.length - 1; at >= least; at -= 1) {
      const open = this.#stack[at]?.name ?? '';
      if (closes.has(open)) return this.#popTo(at);
      if (within.has(open) || (!table && SCOPE.has(open)) || FOREIGN.has(open)) return;
      // Any other special element between keeps an item open, a paragraph is closed through it.
      if (closes !== PARAGRAPH && !table && SPECIAL.has(open) && open !== 'p' && open !== 'div') return;
    }
  }

  #popTo(at: number): void {
    while (this.#stack.length > at) {
      const open = this.#stack.pop();
      if (open !== undefined) this.#forget(open);
    }
  }

  #removeAt(at: number): void {
    const [open] = this.#stack.splice(at, 1);
    if (open !== undefined) this.#forget(open);
  }

  #forget(open: Open): void {
    this.#count.set(open.name, (this.#count.get(open.name) ?? 1) - 1);
    if (open.dropped) this.#dropped -= 1;
    if (FOREIGN.has(open.name)) this.#foreign -= 1;
  }
}
