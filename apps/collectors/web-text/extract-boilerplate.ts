/** Takes away what surrounds the content of a page: navigation, banners, share bars, comments, teasers. */
import {
  closest,
  elementsOf,
  inlineText,
  isElement,
  rename,
  select,
  TEXT,
  type DomDocument,
  type DomElement,
  type DomNode,
} from './extract-dom.ts';

/** Characters of text, and of text inside of links, by element. */
export type TextSizes = Map<DomElement, { text: number; links: number }>;

const words = (list: string): ReadonlySet<string> => new Set(list.split(' '));

/** Elements that hold no prose of the page. */
const TAGS = words(
  'script style template svg canvas object embed applet nav dialog input select textarea button option datalist ' +
    'progress meter audio track map',
);
const ROLES = words('navigation banner contentinfo search menu menubar toolbar tablist dialog alertdialog');

/** Kinds of boilerplate by a word of an element's class or id, and what else must be so. */
const KINDS: readonly { words: ReadonlySet<string>; when: (size: Candidate) => boolean }[] = [
  {
    words: words(
      'cookie cookies consent gdpr ccpa onetrust cookiebot cookieconsent cookiebanner cookiebar cmp',
    ),
    when: ({ element, text, classes }) =>
      text < 4000 &&
      (/banner|notice|consent|popup|modal|overlay|dialog|bar$|onetrust|gdpr|ccpa|cmp/.test(classes) ||
        hasControl(element)),
  },
  {
    words: words(
      'share sharing sharebar sharebuttons sharedaddy social socials addtoany addthis sociallinks',
    ),
    when: ({ text, links }) => text < 300 || links > text / 2,
  },
  {
    words: words(
      'related recommended recommendations recommendation recirculation outbrain taboola trending popular mostread ' +
        'morestories readmore readnext upnext yarpp teaser teasers promoted',
    ),
    when: ({ text, links }) => links > text * 0.4 || text < 200,
  },
  {
    words: words(
      'newsletter subscribe subscription signup promo promotion advert advertisement ads ad adslot sponsor sponsored',
    ),
    when: ({ element, text, links }) => text < 500 && (hasControl(element) || text < 250 || links > text / 2),
  },
  {
    words: words(
      'breadcrumb breadcrumbs pagination pager pagenav postnav nav navbar navigation menu sitemap toc tableofcontents tags tagcloud',
    ),
    when: ({ text, links }) => links > text / 2,
  },
  {
    words: words(
      'sidebar masthead topbar toolbar skip skiplink footer modal popup overlay lightbox tooltip sronly visuallyhidden screenreader noprint',
    ),
    when: ({ text, links }) => links > text / 2 || text < 400,
  },
  {
    words: words('printonly editsection headerlink headinganchor permalink'),
    when: ({ text }) => text < 100,
  },
];

/** Words of comment sections; whether they go depends on what else the page has. */
const COMMENTS = words('comments commentlist commentslist commentsection disqus respond commentarea');

/** Texts of headings that open a list of other pages. */
const TEASER_HEADING =
  /^(?:related|recommended|read more|read next|more (?:from|on|in|like|stories|articles)|you (?:may|might) (?:also )?(?:like|enjoy)|popular|most read|trending|latest|don.t miss|up next|share this|weitere artikel|mehr zum thema|das könnte|à lire aussi|lire aussi|sur le même|artículos relacionados|te puede interesar|lea también|leggi anche|читайте также|похожие|関連記事|おすすめ|相关(?:文章|阅读)|推荐阅读|اقرأ أيضا|مقالات ذات صلة)/iu;

interface Candidate {
  element: DomElement;
  classes: string;
  text: number;
  links: number;
}

/**
 * Removes boilerplate from the document. What holds most of the page's text stays, whatever it is called, and
 * so does everything that holds the main element, an article or the first heading.
 */
export function removeBoilerplate(document: DomDocument): void {
  keepNotes(document);
  const kept = keepers(document);
  for (const element of elementsOf(document.body)) {
    if (kept.has(element) || !isUnseen(element) || isDetached(element, document) || isMath(element)) continue;
    element.remove();
  }
  // A frame of the page, not the head or foot of an article.
  for (const element of select(document, 'header,footer')) {
    const inner = closest(
      element,
      ({ localName }) => localName === 'article' || localName === 'main' || localName === 'blockquote',
    );
    if (inner === undefined && !kept.has(element)) element.remove();
  }
  removeByClass(document, kept);
  removeTeasers(document);
}

/** Never part of the content: controls, frames of the page, what is not shown. */
function isUnseen(element: DomElement): boolean {
  return (
    TAGS.has(element.localName) ||
    ROLES.has(element.getAttribute('role') ?? '') ||
    element.hasAttribute('hidden') ||
    element.getAttribute('aria-hidden') === 'true' ||
    element.getAttribute('aria-modal') === 'true' ||
    /display\s*:\s*none|visibility\s*:\s*hidden/i.test(element.getAttribute('style') ?? '')
  );
}

function removeByClass(document: DomDocument, kept: ReadonlySet<DomElement>): void {
  const sizes = measure(document.body);
  const whole = sizes.get(document.body)?.text ?? 0;
  for (const element of elementsOf(document.body)) {
    if (!element.hasAttribute('class') && !element.hasAttribute('id')) continue;
    if (kept.has(element) || isDetached(element, document)) continue;
    const size = sizes.get(element) ?? { text: 0, links: 0 };
    if (size.text > whole * 0.5) continue;
    if (closest(element, ({ localName }) => /^(pre|code|table|math)$/.test(localName)) !== undefined)
      continue;
    const classes = `${element.getAttribute('class') ?? ''} ${element.getAttribute('id') ?? ''}`;
    const found = tokens(classes);
    const candidate = { element, classes: classes.toLowerCase(), ...size };
    if (KINDS.some((kind) => found.some((token) => kind.words.has(token)) && kind.when(candidate))) {
      element.remove();
    } else if (found.some((token) => COMMENTS.has(token)) && whole - size.text >= 250) {
      element.remove();
    }
  }
}

/** The words of class names and ids, also joined in pairs: `cookieBanner`, `cookie-banner` → cookie, banner, cookiebanner. */
export function tokens(classes: string): string[] {
  const found: string[] = [];
  for (const name of classes.split(/\s+/).slice(0, 40)) {
    const parts = name
      .replace(/([a-z])([A-Z])/g, '$1-$2')
      .toLowerCase()
      .split(/[^a-z]+/)
      .filter((part) => part !== '');
    found.push(...parts);
    for (let at = 1; at < parts.length; at += 1) found.push(`${parts[at - 1]}${parts[at]}`);
  }
  return found;
}

/** Main element, articles, headings of the first rank, and all that these are in. */
function keepers(document: DomDocument): Set<DomElement> {
  const kept = new Set<DomElement>([document.documentElement, document.body]);
  const main = select(document, 'main,[role="main"]');
  const articles = select(document, 'article');
  const headings = select(document, 'h1');
  for (const element of [
    ...main.slice(0, 1),
    ...(articles.length === 1 ? articles : []),
    ...headings.slice(0, 1),
  ]) {
    // A heading keeps its section, not a page header that repeats the site's name.
    const stop = element.localName === 'h1' && (main.length > 0 || articles.length > 0);
    for (let at: DomElement | null = element; at !== null && isElement(at); at = stop ? null : at.parentNode)
      kept.add(at);
  }
  return kept;
}

/** Notes and warnings of manuals stand in `aside` too, which Readability drops. */
function keepNotes(document: DomDocument): void {
  for (const aside of select(document, 'aside')) {
    const names = tokens(aside.getAttribute('class') ?? '');
    if (
      names.some((name) =>
        /^(note|notice|tip|warning|caution|important|hint|admonition|callout|danger|info)s?$/.test(name),
      )
    ) {
      rename(aside, 'div');
    }
  }
}

/** A heading such as "Related articles" with the list of links behind it. */
export function removeTeasers(root: DomElement): void {
  for (const heading of select(root, 'h2,h3,h4,h5,h6,p,strong')) {
    const text = inlineText(heading);
    if (text.length > 60 || !TEASER_HEADING.test(text)) continue;
    const first =
      heading.parentNode !== null && heading.localName === 'strong' ? heading.parentNode : heading;
    if (inlineText(first) !== text) continue;
    const doomed: DomElement[] = [];
    for (
      let next = first.nextElementSibling;
      next !== null && doomed.length < 10;
      next = next.nextElementSibling
    ) {
      const size = sizeOf(next);
      if (/^h[1-6]$/.test(next.localName) || (size.text > 0 && size.links < size.text * 0.6)) break;
      doomed.push(next);
    }
    if (doomed.length === 0) continue;
    for (const element of doomed) element.remove();
    first.remove();
  }
}

/** Text and link text of every element below and with `root`, white space not counted. */
export function measure(root: DomElement): TextSizes {
  const sizes: TextSizes = new Map();
  visit(root, false);
  return sizes;

  function visit(element: DomElement, inLink: boolean): { text: number; links: number } {
    const linked = inLink || element.localName === 'a';
    const size = { text: 0, links: 0 };
    for (let node: DomNode | null = element.firstChild; node !== null; node = node.nextSibling) {
      if (node.nodeType === TEXT) {
        const length = node.textContent.replace(/\s+/g, '').length;
        size.text += length;
        if (linked) size.links += length;
      } else if (isElement(node)) {
        const inner = visit(node, linked);
        size.text += inner.text;
        size.links += inner.links;
      }
    }
    sizes.set(element, size);
    return size;
  }
}

export function sizeOf(element: DomElement): { text: number; links: number } {
  return measure(element).get(element) ?? { text: 0, links: 0 };
}

function hasControl(element: DomElement): boolean {
  // Buttons are gone by now; what was a form or is made to be clicked remains.
  return element.querySelector('form,[role="button"],[class*="btn"],[class*="button"],[onclick]') !== null;
}

function isMath(element: DomElement): boolean {
  return (
    closest(element, ({ localName }) => localName === 'math') !== undefined ||
    /\bkatex|mathjax|fallback-image/i.test(element.getAttribute('class') ?? '')
  );
}

function isDetached(element: DomElement, document: DomDocument): boolean {
  let at: DomElement | null = element;
  while (at !== null && at !== document.documentElement) at = at.parentNode;
  return at === null;
}
