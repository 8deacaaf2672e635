/**
 * From page to page of a search, newest first.
 *
 * A *window* is what one run of page tokens can reach: about 500 results. Behind its end goes another window, of
 * videos published before a *boundary*; windows overlap, since results are not strictly in order, and the ids decide
 * what is new. Tokens that are refused, or that bring a page again, end a window too, and from then on each window is
 * one page.
 */
import { createHash } from 'node:crypto';
import { Type, type Static } from '@magpie/collector-kit';

const Ms = Type.Integer({ minimum: 0 });

/** Where a search is. Times are ms since the epoch. */
export const Place = Type.Object({
  /** Of the run, from 1. */
  page: Type.Integer({ minimum: 1 }),
  /** Of the run, from 1. */
  window: Type.Integer({ minimum: 1 }),
  /** The window's end: nothing that was published later. */
  before: Type.Optional(Ms),
  token: Type.Optional(Type.String()),
  /** Entries of earlier pages of the window. */
  count: Type.Integer({ minimum: 0 }),
  /** Where the next window would begin, as of the page before. */
  boundary: Type.Optional(Ms),
  /** What the pages of the window were, so that one that comes again is known. */
  seen: Type.Array(Type.String()),
  /** Tokens are of no use in this run. */
  tokenless: Type.Optional(Type.Boolean()),
});
export type Place = Static<typeof Place>;

export const FIRST: Place = { page: 1, window: 1, count: 0, seen: [] };

export interface Page {
  readonly ids: readonly string[];
  /** How many entries it had, those that are no videos too. */
  readonly entries: number;
  /** When its videos were published, as they stand in it. */
  readonly times: readonly number[];
  readonly nextToken?: string | undefined;
  /** How many results the provider says there are; a guess of its own. */
  readonly total?: number | undefined;
}

export interface Onward {
  readonly place: Place;
  /** Whether to go there only if this page brought something new. */
  readonly onlyIfNew: boolean;
}

/** Results from which on a window is taken to have ended for lack of tokens, not of results. */
const FULL_WINDOW = 400;
/** One that ended earlier, but not on its first page, is taken so too when there should be more. */
const LONG_WINDOW = 50;

/**
 * Where to go from a page, or undefined when that was all.
 * @param page undefined: the token of the place was refused
 */
export function onward(place: Place, page: Page | undefined): Onward | undefined {
  if (page === undefined) return nextWindow(place, place.boundary, true);
  if (page.times.length === 0 && page.nextToken === undefined) return undefined;
  const print = fingerprint(page.ids);
  if (place.seen.includes(print)) return nextWindow(place, place.boundary, true);
  const share = place.tokenless ? 0.5 : 0.25;
  const boundary = boundaryOf(page.times, share, place.before) ?? place.boundary;
  const count = place.count + page.entries;
  if (place.tokenless) {
    return page.nextToken === undefined ? undefined : nextWindow(place, boundary, false);
  }
  if (page.nextToken === undefined) {
    const cutShort = count >= FULL_WINDOW || (count >= LONG_WINDOW && (page.total ?? 0) > count);
    return cutShort ? nextWindow(place, boundary, false) : undefined;
  }
  const { before, window } = place;
  return {
    onlyIfNew: true,
    place: {
      page: place.page + 1,
      window,
      ...(before === undefined ? {} : { before }),
      token: page.nextToken,
      count,
      ...(boundary === undefined ? {} : { boundary }),
      seen: [...place.seen, print],
    },
  };
}

/** @param broken the tokens led nowhere: what came last says nothing of whether there is news */
function nextWindow(place: Place, boundary: number | undefined, broken: boolean): Onward | undefined {
  if (boundary === undefined) return undefined;
  if (place.before !== undefined && boundary >= place.before) return undefined;
  return {
    onlyIfNew: !broken,
    place: {
      page: place.page + 1,
      window: place.window + 1,
      before: boundary,
      count: 0,
      seen: [],
      ...(broken || place.tokenless ? { tokenless: true } : {}),
    },
  };
}

/**
 * A time within a page, so that the next window brings part of it again and a few results out of place do no harm,
 * but never all of it; the oldest where that would lead nowhere.
 * @param share how much of the page is newer than it
 */
function boundaryOf(times: readonly number[], share: number, before = Infinity): number | undefined {
  const newestFirst = times.toSorted((a, b) => b - a);
  const boundary = newestFirst[Math.floor(newestFirst.length * share)];
  return boundary === undefined || boundary < before ? boundary : newestFirst.at(-1);
}

const fingerprint = (ids: readonly string[]): string =>
  createHash('sha256').update(ids.join(' ')).digest('base64url').slice(0, 12);
