/**
 * 30 distinct hashtags a user in a rolling week: the first query starts a tag's seven days, further ones are free and
 * don't prolong them.
 * https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-user/recently_searched_hashtags
 */
const WEEK = 7 * 86_400_000;

export class HashtagQuota {
  readonly #limit: number;
  readonly #now: () => number;
  readonly #firstAsked = new Map<string, Map<string, number>>();

  constructor({ limit, now }: { limit: number; now: () => number }) {
    this.#limit = limit;
    this.#now = now;
  }

  /** Counts a query of a hashtag; false when it would be one too many, and is not counted. */
  take(userId: string, hashtagId: string): boolean {
    const asked = this.#of(userId);
    if (asked.has(hashtagId)) return true;
    if (asked.size >= this.#limit) return false;
    asked.set(hashtagId, this.#now());
    return true;
  }

  /** Identifiers asked for in the last seven days, the latest first. */
  recent(userId: string): string[] {
    return [...this.#of(userId).keys()].reverse();
  }

  #of(userId: string): Map<string, number> {
    let asked = this.#firstAsked.get(userId);
    if (asked === undefined) this.#firstAsked.set(userId, (asked = new Map()));
    for (const [hashtag, at] of asked) if (at <= this.#now() - WEEK) asked.delete(hashtag);
    return asked;
  }
}
