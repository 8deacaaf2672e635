/**
 * Cursor paging: https://developers.facebook.com/docs/graph-api/results
 * A cursor marks an item of the list, not a number of items; the last page has no `next`, and only that tells the
 * end: a page may be short, or empty, and still have one. `next` is the whole address of the following page, the
 * access token in it.
 */
const MARK = 'QVFIU';

export const encodeCursor = (position: string): string =>
  `${MARK}${Buffer.from(position).toString('base64url')}ZD`;

/** The position, or undefined for what never was a cursor of ours. */
export function decodeCursor(cursor: string): string | undefined {
  if (!cursor.startsWith(MARK) || !cursor.endsWith('ZD')) return;
  return Buffer.from(cursor.slice(MARK.length, -2), 'base64url').toString();
}

export interface Paging {
  cursors: { after: string };
  next?: string;
}

/**
 * @param base scheme, host and port of the API
 * @param url path with query of this request
 * @param after cursor of the page's last item
 * @param token put into `next`, also when it came in a header
 */
export function pagingOf(
  { base, url, token }: { base: string; url: string; token: string },
  { after, more }: { after: string; more: boolean },
): Paging {
  if (!more) return { cursors: { after } };
  const next = new URL(url, base);
  next.searchParams.set('access_token', token);
  next.searchParams.set('after', after);
  return { cursors: { after }, next: next.href };
}

/** `limit` of a request: default 25, at most `max`. */
export function limitOf(text: string | undefined, max: number, fallback = 25): number {
  const limit = Number(text ?? fallback);
  return Number.isSafeInteger(limit) && limit > 0 ? Math.min(limit, max) : Math.min(fallback, max);
}
