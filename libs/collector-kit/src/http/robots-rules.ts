/** robots.txt after RFC 9309: reading it, and asking it. Pure. */
import { normalEscapes } from '@magpie/domain';

/** Only so much of a robots.txt is read (RFC 9309 section 2.5). */
export const MAX_ROBOTS_BYTES = 500 * 1024;
export const MAX_CRAWL_DELAY_MS = 30_000;
const MAX_RULES = 10_000;
const MAX_PATTERN = 2048;
const MAX_SITEMAPS = 1000;

/** What a site's robots.txt says to one crawler. */
export interface RobotsRules {
  /** Whether the path and query of a URL may be fetched. `/robots.txt` always may. */
  allows(url: URL): boolean;
  /** 0 to 30,000; not part of the RFC, but widely used. */
  readonly crawlDelayMs: number;
  /** Absolute or relative URLs as they are written, for any crawler. */
  readonly sitemaps: readonly string[];
  /** Characters kept in memory, roughly. */
  readonly weight: number;
}

interface Rule {
  readonly allow: boolean;
  /** Length of the pattern in octets: the longest match decides. */
  readonly length: number;
  /** The literal pieces between the `*`s. */
  readonly pieces: readonly string[];
  readonly toEnd: boolean;
}

interface Group {
  readonly rules: Rule[];
  delayMs: number;
  named: boolean;
}

export const ALLOW_ALL: RobotsRules = { allows: () => true, crawlDelayMs: 0, sitemaps: [], weight: 0 };

/**
 * Reads the groups for `productToken` (compared without case, all groups of that name together), or if there is
 * none, those for `*`. Lines it does not understand are passed over and end no group; patterns that do not begin
 * with `/` or `*` match nothing.
 */
export function parseRobots(text: string, productToken: string): RobotsRules {
  const token = productToken.toLowerCase();
  const own: Group = { rules: [], delayMs: 0, named: false };
  const anyone: Group = { rules: [], delayMs: 0, named: false };
  const sitemaps: string[] = [];
  let current: Group[] = [];
  let inRules = true;

  for (const line of text.split(/\r\n|\r|\n/)) {
    const field = fieldOf(line);
    if (field === undefined) continue;
    const [name, value] = field;
    switch (name) {
      case 'user-agent': {
        if (inRules) current = [];
        inRules = false;
        const group = /^\*(?:\s|$)/.test(value)
          ? anyone
          : /^[a-z_-]*/i.exec(value)?.[0].toLowerCase() === token
            ? own
            : undefined;
        if (group === undefined) break;
        group.named = true;
        current.push(group);
        break;
      }
      case 'allow':
      case 'disallow': {
        inRules = true;
        const rule = ruleOf(value, name === 'allow');
        if (rule === undefined) break;
        for (const group of current) if (group.rules.length < MAX_RULES) group.rules.push(rule);
        break;
      }
      case 'crawl-delay':
        for (const group of current) group.delayMs = crawlDelay(value) ?? group.delayMs;
        break;
      case 'sitemap':
        if (value !== '' && sitemaps.length < MAX_SITEMAPS) sitemaps.push(value);
        break;
    }
  }
  return new GroupRules(own.named ? own : anyone, sitemaps);
}

class GroupRules implements RobotsRules {
  readonly crawlDelayMs: number;
  readonly sitemaps: readonly string[];
  readonly weight: number;
  readonly #rules: readonly Rule[];

  constructor({ rules, delayMs }: Group, sitemaps: readonly string[]) {
    // The longest first, an allow before a disallow of the same length: the first that matches decides.
    this.#rules = rules.toSorted((a, b) => b.length - a.length || Number(b.allow) - Number(a.allow));
    this.crawlDelayMs = delayMs;
    this.sitemaps = sitemaps;
    this.weight = rules.reduce((sum, rule) => sum + rule.length + 64, sitemaps.join('').length);
  }

  allows({ pathname, search }: URL): boolean {
    if (pathname === '/robots.txt') return true;
    const path = normalEscapes(pathname + search)
      .replaceAll('*', '%2A')
      .replaceAll('$', '%24');
    return this.#rules.find((rule) => matches(rule, path))?.allow ?? true;
  }
}

function fieldOf(line: string): [name: string, value: string] | undefined {
  const comment = line.indexOf('#');
  const content = comment < 0 ? line : line.slice(0, comment);
  const colon = content.indexOf(':');
  if (colon < 0) return undefined;
  return [content.slice(0, colon).trim().toLowerCase(), content.slice(colon + 1).trim()];
}

function ruleOf(pattern: string, allow: boolean): Rule | undefined {
  if (!/^[/*]/.test(pattern) || pattern.length > MAX_PATTERN) return undefined;
  const toEnd = pattern.endsWith('$');
  const pieces = (toEnd ? pattern.slice(0, -1) : pattern).split(/\*+/).map(comparable);
  const length = pieces.reduce((sum, piece) => sum + piece.length, pieces.length - 1 + (toEnd ? 1 : 0));
  return { allow, length, pieces, toEnd };
}

/** The form in which patterns and paths are compared: as the URL standard encodes a path, escapes normalised. */
function comparable(piece: string): string {
  const encoded = piece.replace(/[^\x21-\x7e]+/gu, (text) => encodeURIComponent(text.toWellFormed()));
  return normalEscapes(encoded).replaceAll('$', '%24');
}

function matches({ pieces, toEnd }: Rule, path: string): boolean {
  const [first = '', ...others] = pieces;
  if (!path.startsWith(first)) return false;
  let at = first.length;
  if (others.length === 0) return !toEnd || at === path.length;
  const last = toEnd ? others.pop() : undefined;
  for (const piece of others) {
    const found = path.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return last === undefined || (path.endsWith(last) && path.length - last.length >= at);
}

function crawlDelay(value: string): number | undefined {
  const seconds = /^[+-]?(?:\d+\.?\d*|\.\d+)/.exec(value)?.[0];
  if (seconds === undefined) return undefined;
  return Math.min(MAX_CRAWL_DELAY_MS, Math.max(0, Math.round(Number(seconds) * 1000)));
}
