/** Reads of videos: in order of publication, and by the beginnings of their words. */
import { hadBy, HAVING, type FindQuery, type Owner, type PipelineQuery } from './queries.ts';

/** Times of publication are kept as ISO 8601 texts in UTC, which sort as the times do. */
export interface VideoFilter {
  channel?: string | undefined;
  /** At this time or later. */
  after?: string | undefined;
  /** At this time or earlier. */
  before?: string | undefined;
}

/** Place in the list of videos, newest first. */
export type VideoPlace = readonly [publishedAt: string, id: string];

/** Where a search looks for what it ranks. */
export type SearchScope = (
  | { /** The word of fewest videos: goes through those in which it begins one. */ rarest: string }
  | { /** Goes through the videos published since, newest first. */ floor: string }
) & {
  /** Only items that came up to this order: pages that follow the first see what it saw. */
  upTo?: number | undefined;
};

/** So many matches of a search are ranked, the newest. */
export const RANKED = 5000;
/** So many of the newest videos are gone through where every word is in more than `RANKED`. */
export const SCANNED = 20_000;

const videoFilter = ({ channel, after, before }: VideoFilter, past: VideoPlace | undefined) => {
  const until = past === undefined || (before !== undefined && before < past[0]) ? before : past[0];
  return {
    kind: 'video',
    ...(channel === undefined ? {} : { 'data.channelId': channel }),
    'data.publishedAt': { $gte: after ?? '', ...(until === undefined ? {} : { $lte: until }) },
    ...(past === undefined
      ? {}
      : { $or: [{ 'data.publishedAt': { $lt: past[0] } }, { _id: { $lt: past[1] } }] }),
  };
};

const NEWEST = { 'data.publishedAt': -1, _id: -1 } as const;
const SHOWN = { outlinks: 0, terms: 0 } as const;

/** No text that begins so comes after this one. */
const begins = (word: string) => ({ $elemMatch: { $gte: word, $lt: `${word}\u{10ffff}` } });

/**
 * Every word begins one, said so that no index is used for it: there is one way to run a search then, and the planner
 * tries no others.
 */
const haveAll = (words: readonly string[]) =>
  words.length === 0 ? {} : { $nor: words.map((word) => ({ terms: { $not: begins(word) } })) };

export const VIDEO_QUERIES = {
  /** Newest first. */
  videos: (filter: VideoFilter, limit: number, past?: VideoPlace): FindQuery => ({
    from: 'items',
    filter: videoFilter(filter, past),
    sort: NEWEST,
    limit,
    projection: SHOWN,
  }),

  /** Newest first, of those with these ids. */
  videosAmong: (
    ids: readonly string[],
    filter: VideoFilter,
    limit: number,
    past?: VideoPlace,
  ): FindQuery => ({
    from: 'items',
    filter: { ...videoFilter(filter, past), _id: { $in: ids } },
    sort: NEWEST,
    limit,
    projection: SHOWN,
  }),

  /** Which items a job has. */
  itemsOfJob: (jobId: string, limit: number): FindQuery => ({
    from: 'links',
    filter: { jobId, of: 'item', state: { $in: HAVING } },
    limit,
    projection: { _id: 0, target: 1 },
  }),

  /** Newest first, of a job that has a good part of all videos: goes through them until the page is full. */
  videosOfLargeJob: (owner: Owner, filter: VideoFilter, limit: number, past?: VideoPlace): PipelineQuery => ({
    from: 'items',
    pipeline: [
      { $match: videoFilter(filter, past) },
      { $sort: NEWEST },
      ...hadBy(owner),
      { $limit: limit },
      { $project: SHOWN },
    ],
  }),

  /**
   * How many videos have a word that begins so, counted up to `limit`. Words are letters and digits alone
   * (`searchTerms`), so no character of them means anything here; an anchored expression is read from the index alone.
   */
  countVideosWith: (word: string, limit: number): PipelineQuery => ({
    from: 'items',
    pipeline: [
      { $match: { kind: 'video', terms: { $regex: `^${word}` } } },
      { $limit: limit },
      { $count: 'count' },
    ],
  }),

  /** When the last of the newest `SCANNED` videos was published; nothing where there are fewer. */
  videoFloor: (): PipelineQuery => ({
    from: 'items',
    pipeline: [
      { $match: videoFilter({}, undefined) },
      { $sort: NEWEST },
      { $skip: SCANNED - 1 },
      { $limit: 1 },
      { $project: { publishedAt: '$data.publishedAt' } },
    ],
  }),

  /**
   * The videos in which every word begins one, at most `RANKED`, with what ranks them: `exact`, which of the words
   * they have as they stand.
   */
  videosWith: (words: readonly string[], scope: SearchScope): PipelineQuery => {
    const came = scope.upTo === undefined ? {} : { order: { $lte: scope.upTo } };
    const kept = [
      { $limit: RANKED },
      {
        $project: {
          title: '$data.title',
          publishedAt: '$data.publishedAt',
          order: 1,
          exact: words.map((word) => ({ $in: [word, '$terms'] })),
        },
      },
    ];
    if ('floor' in scope) {
      const since = videoFilter({ after: scope.floor }, undefined);
      return {
        from: 'items',
        pipeline: [{ $match: { ...since, ...came, ...haveAll(words) } }, { $sort: NEWEST }, ...kept],
        hint: 'videos',
      };
    }
    const { rarest } = scope;
    const others = words.filter((word) => word !== rarest);
    return {
      from: 'items',
      pipeline: [{ $match: { kind: 'video', terms: begins(rarest), ...came, ...haveAll(others) } }, ...kept],
    };
  },

  videosByIds: (ids: readonly string[]): FindQuery => ({
    from: 'items',
    filter: { _id: { $in: ids } },
    projection: SHOWN,
  }),

  /** Of these items, those that have a file. */
  filesOfItems: (ids: readonly string[]): FindQuery => ({
    from: 'items',
    filter: { _id: { $in: ids } },
    projection: { 'file.path': 1 },
  }),
} as const satisfies Record<string, (...args: never[]) => FindQuery | PipelineQuery>;
