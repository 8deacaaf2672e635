import { Faults, type FaultAnswers, type FaultName, type FaultSetting } from '../faults.ts';
import { backendError, invalidPageToken, keyInvalid, rateLimitExceeded } from './errors.ts';

/** Faults of this provider alone, and its names for shared ones. */
export type YouTubeFaultName =
  | FaultName
  /** The key is refused: 400, API_KEY_INVALID. */
  | 'invalidKey'
  /** Only requests with a page token: 400, invalidPageToken. */
  | 'brokenPageToken'
  /** 403, quotaExceeded, though fewer units were counted. */
  | 'quotaExceeded'
  /** 403 where `429` gives 429. */
  | 'rateLimitExceeded'
  /** A search with `publishedAfter` and a page token gives the first page again, and its token. */
  | 'repeatedFirstPage';

const SHARED: Partial<Record<YouTubeFaultName, FaultName>> = {
  invalidKey: 'expiredToken',
  brokenPageToken: 'brokenCursor',
};
type Own = 'quotaExceeded' | 'rateLimitExceeded' | 'repeatedFirstPage';

export class YouTubeFaults extends Faults {
  /** One switch each. */
  readonly #own: Record<Own, Faults> = {
    quotaExceeded: new Faults(),
    rateLimitExceeded: new Faults(),
    repeatedFirstPage: new Faults(),
  };

  override set(name: YouTubeFaultName, setting: FaultSetting = {}): void {
    this.#switch(name).set(setting);
  }

  override clear(name?: YouTubeFaultName): void {
    if (name !== undefined) return this.#switch(name).clear();
    super.clear();
    for (const own of Object.values(this.#own)) own.clear();
  }

  override take(name: YouTubeFaultName, url: string): FaultSetting | undefined {
    return this.#switch(name).take(url);
  }

  override hits(name: YouTubeFaultName): number {
    return this.#switch(name).hits();
  }

  #switch(name: YouTubeFaultName) {
    const own = this.#own[name as Own] as Faults | undefined;
    if (own !== undefined)
      return {
        set: (setting: FaultSetting) => own.set('5xx', setting),
        clear: () => own.clear(),
        take: (url: string) => own.take('5xx', url),
        hits: () => own.hits('5xx'),
      };
    const shared = SHARED[name] ?? (name as FaultName);
    return {
      set: (setting: FaultSetting) => super.set(shared, setting),
      clear: () => super.clear(shared),
      take: (url: string) => super.take(shared, url),
      hits: () => super.hits(shared),
    };
  }
}

const answer = (error: { statusCode: number; body: unknown }) => ({
  status: error.statusCode,
  body: error.body,
});

/** How this provider words the shared faults. */
export const youtubeAnswers: FaultAnswers = {
  tooMany: () => answer(rateLimitExceeded(429)),
  serverError: () => answer(backendError()),
  expiredToken: () => answer(keyInvalid()),
  brokenCursor: () => answer(invalidPageToken()),
  hasCursor: (request) => new URL(request.url, 'http://double').searchParams.has('pageToken'),
  changeTypes,
};

interface Body {
  readonly kind: string;
  readonly items: readonly Partial<Record<'snippet' | 'statistics', Record<string, unknown>>>[];
}

/** Search: `items` is an object. Videos: times are numbers, counts numbers, titles lists, thumbnails text. */
function changeTypes(body: unknown): unknown {
  const { kind, items, ...rest } = body as Body;
  if (kind === 'youtube#searchListResponse') return { kind, ...rest, items: { ...items } };
  const changed = items.map(({ snippet, statistics, ...item }) => ({
    ...item,
    ...(snippet && {
      snippet: {
        ...snippet,
        publishedAt: Date.parse(String(snippet['publishedAt'])),
        title: [snippet['title']],
        thumbnails: 'none',
      },
    }),
    ...(statistics && {
      statistics: Object.fromEntries(Object.entries(statistics).map(([name, n]) => [name, Number(n)])),
    }),
  }));
  return { kind, ...rest, items: changed };
}
