/** Which addresses a crawl may go to. */
import { isSameHost, isSameSite, isUnderPrefix, canonicalUrl, directoryOf } from '@magpie/domain';
import { RE2JS } from 're2js';

export interface ScopeOptions {
  /** The pages that the crawl starts from; they are admitted whatever the other options say. */
  start: readonly string[];
  /**
   * How far from a start page: `page` no other page; `prefix` below the start page's directory; `host` its host
   * and port; `site` its registrable domain.
   */
  scope: 'page' | 'prefix' | 'host' | 'site';
  /** Patterns of which a URL must match one, if there are any. */
  include?: readonly string[];
  /** Patterns of which a URL must match none; they win over `include`. */
  exclude?: readonly string[];
}

export interface Scope {
  /** Whether the crawl may fetch `url`, absolute, in any form. False for what is no http(s) URL. */
  admits(url: string): boolean;
}

/** A pattern that can't be read; `pattern` is the offending one. */
export class ScopeError extends Error {
  readonly code = 'bad_pattern';
  readonly pattern: string;
  constructor(pattern: string, reason: string) {
    super(`pattern ${JSON.stringify(pattern.slice(0, 200))}: ${reason}`);
    this.name = 'ScopeError';
    this.pattern = pattern;
  }
}

export const MAX_PATTERN_LENGTH = 1024;
/** Instructions of a compiled pattern. */
const MAX_PROGRAM = 5000;

/**
 * The scope of a crawl. Patterns are compared with canonical URLs, so case matters in the path and letters
 * beyond ASCII may be written as they are.
 *
 * A glob knows `*` (anything within a path segment), `**` (anything) and `?` (one character, not `/`). With a
 * scheme it describes the whole URL (`https://example.org/gallery/**`); with a leading `/` path and query
 * (`/blog/**`); with a `/` elsewhere what the URL ends with (`archive/*.html`), or contains (`**login**`);
 * without any `/` the last path segment (`*.pdf`). It is tried on the URL with and without its query.
 *
 * `/…/` or `/…/i` is a regular expression searched for in the URL (so a path to be matched that ends in `/` is
 * written with its host, or as `/path/**`). It runs on RE2's engine, whose time is linear in the URL whatever
 * the pattern: no back-references, no look-around.
 *
 * @throws ScopeError when a pattern can't be read; UrlError when a start page is no http(s) URL
 */
export function createScope(options: ScopeOptions): Scope {
  const starts = options.start.map((url) => canonicalUrl(url));
  const startSet = new Set(starts);
  const prefixes = options.scope === 'prefix' ? starts.map((url) => directoryOf(url)) : [];
  const include = (options.include ?? []).map(matcher);
  const exclude = (options.exclude ?? []).map(matcher);
  return {
    admits(input) {
      let url: string;
      try {
        url = canonicalUrl(input);
      } catch {
        return false;
      }
      if (startSet.has(url)) return true;
      if (options.scope === 'page' || !isNear(url)) return false;
      if (include.length > 0 && !include.some((matches) => matches(url))) return false;
      return !exclude.some((matches) => matches(url));
    },
  };

  function isNear(url: string): boolean {
    if (options.scope === 'prefix') return prefixes.some((prefix) => isUnderPrefix(url, prefix));
    const same = options.scope === 'host' ? isSameHost : isSameSite;
    return starts.some((start) => same(url, start));
  }
}

type Matcher = (url: string) => boolean;

function matcher(pattern: string): Matcher {
  if (pattern.trim() === '') throw new ScopeError(pattern, 'is empty');
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw new ScopeError(pattern, `has more than ${MAX_PATTERN_LENGTH} characters`);
  }
  const delimited = /^\/(.+)\/(i?)$/s.exec(pattern);
  if (delimited !== null) {
    const expression = compiled(pattern, delimited[1] ?? '', delimited[2] === 'i');
    return (url) => expression.test(url);
  }
  const glob = compiled(pattern, globSource(pattern.trim()), false);
  return (url) => {
    const query = url.indexOf('?');
    return glob.test(url) || (query >= 0 && glob.test(url.slice(0, query)));
  };
}

/** The expression that a glob stands for, anchored at both ends of the URL. */
function globSource(glob: string): string {
  const whole = /^(?:[a-z][a-z0-9+.-]*|\*):\/\/[^/]*/i.exec(glob);
  if (whole !== null) return `^${body(whole[0].toLowerCase() + glob.slice(whole[0].length))}$`;
  if (glob.startsWith('/')) return `^[a-z]+://[^/]+${body(glob)}$`;
  // Not in the authority: `*.org` is a file, not a host.
  return glob.startsWith('**') ? `^${body(glob)}$` : `^[a-z]+://[^/]+/(?:.*/)?${body(glob)}$`;
}

function body(glob: string): string {
  return glob.replace(/\*\*+|[*?]|[^*?]+/g, (part) => {
    if (part.startsWith('**')) return '.*';
    if (part === '*') return '[^/]*';
    if (part === '?') return '[^/]';
    const ascii = part.replace(/[^\u0021-\u007e]+/gu, (letters) => encodeURI(letters.toWellFormed()));
    return ascii.replace(/[\\$.|+()[\]]/g, '\\$&').replace(/["<>^`{}]/g, written);
  });
}

/** A character that the URL standard encodes in a path and not in a query, in either form. */
function written(character: string): string {
  return `(?:\\${character}|%${character.charCodeAt(0).toString(16).toUpperCase()})`;
}

function compiled(pattern: string, source: string, ignoreCase: boolean): RE2JS {
  let expression: RE2JS;
  try {
    expression = RE2JS.compile(source, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0);
  } catch (error) {
    throw new ScopeError(pattern, `is no regular expression (${(error as Error).message})`);
  }
  // Time is the product of the URL's length and the program's.
  if (expression.programSize() > MAX_PROGRAM)
    throw new ScopeError(pattern, 'stands for too large an expression');
  return expression;
}
