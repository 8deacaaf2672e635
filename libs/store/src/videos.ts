/** Videos: the newest, and those that a search finds, ranked. */
import { idOf, searchTerms } from '@magpie/domain';
import type { Store } from './connect.ts';
import { decodeCursor, encodeCursor, InvalidCursor } from './cursor.ts';
import type { ItemDocument } from './documents.ts';
import { page, type PageOf, type PageRequest } from './lists.ts';
import type { Owner, Query } from './queries.ts';
import { runOne, runQuery } from './run-query.ts';
import {
  RANKED,
  VIDEO_QUERIES,
  type SearchScope,
  type VideoFilter,
  type VideoPlace,
} from './video-queries.ts';

/** The items of a job up to this many are looked up by their ids. */
const MANY_ITEMS = 20_000;

type VideosQuery = (filter: VideoFilter, limit: number, past?: VideoPlace) => Query;

const publishedAt = ({ data }: ItemDocument): string => data['publishedAt'] as string;

/** Videos, those published last first; of a job, if one is named. @throws InvalidCursor */
export async function listVideos(
  store: Store,
  { owner, ...filter }: VideoFilter & { owner?: Owner | undefined },
  request: PageRequest,
): Promise<PageOf<ItemDocument>> {
  const videos = owner === undefined ? VIDEO_QUERIES.videos : await videosOf(store, owner);
  return page<ItemDocument, VideoPlace>(store, request, {
    name: 'videos',
    parts: ['text', 'text'],
    keyOf: (video) => [publishedAt(video), video._id],
    query: (limit, past) => videos(filter, limit, past),
  });
}

/** By their ids, unless the job has a good part of all videos. */
async function videosOf(store: Store, owner: Owner): Promise<VideosQuery> {
  const items = await runQuery<{ target: string }>(
    store,
    VIDEO_QUERIES.itemsOfJob(owner.jobId, MANY_ITEMS + 1),
  );
  if (items.length <= MANY_ITEMS) {
    const ids = items.map(({ target }) => target);
    return (...page) => VIDEO_QUERIES.videosAmong(ids, ...page);
  }
  return (...page) => VIDEO_QUERIES.videosOfLargeJob(owner, ...page);
}

interface Candidate {
  _id: string;
  title: string;
  publishedAt: string;
  order: number;
  exact: boolean[];
}
type Ranked = Candidate & { score: number };

/** Where a page ends: the last row, and what the first page saw and how. */
type SearchKey = [score: number, publishedAt: string, id: string, upTo: number, scope: string];

/** Before the rarest word in a cursor; a floor begins with a digit. */
const WORD = 'word ';

/**
 * Videos in whose title or description every one of the words begins a word. First those with more of the words as
 * they stand, then with more of these in the title, then with more beginnings in the title, then those published
 * last. Pages that follow show what was there when the first was read.
 * @param words of `searchTerms`, at least one
 * @throws InvalidCursor
 */
export async function searchVideos(
  store: Store,
  words: readonly string[],
  { limit, cursor }: PageRequest,
): Promise<PageOf<ItemDocument>> {
  const list = `video-search-${idOf(...[...words].sort()).slice(0, 12)}`;
  const past = decodeCursor<SearchKey>(list, ['number', 'text', 'text', 'number', 'text'], cursor);
  const scope = await scopeOf(store, words, past);
  if (scope === undefined) return { rows: [], next: null };
  const candidates = await runQuery<Candidate>(store, VIDEO_QUERIES.videosWith(words, scope));
  const ranked = candidates
    .map((video) => ({ ...video, score: score(words, video) }))
    .filter(
      (video) =>
        past === undefined || byRank(video, { score: past[0], publishedAt: past[1], _id: past[2] }) > 0,
    )
    .sort(byRank);
  const chosen = ranked.slice(0, limit);
  const last = chosen.at(-1);
  const found = await runQuery<ItemDocument>(store, VIDEO_QUERIES.videosByIds(chosen.map(({ _id }) => _id)));
  const byId = new Map(found.map((video) => [video._id, video]));
  const upTo = scope.upTo ?? candidates.reduce((most, { order }) => Math.max(most, order), 0);
  return {
    rows: chosen.flatMap(({ _id }) => byId.get(_id) ?? []),
    next:
      ranked.length > limit && last !== undefined
        ? encodeCursor(list, [
            last.score,
            last.publishedAt,
            last._id,
            upTo,
            'floor' in scope ? scope.floor : WORD + scope.rarest,
          ])
        : null,
  };
}

/** Where to look; undefined when there is nothing to find. */
async function scopeOf(
  store: Store,
  words: readonly string[],
  past: SearchKey | undefined,
): Promise<SearchScope | undefined> {
  if (past !== undefined) {
    const [, , , upTo, scope] = past;
    if (!scope.startsWith(WORD)) return { floor: scope, upTo };
    const rarest = scope.slice(WORD.length);
    if (!words.includes(rarest)) throw new InvalidCursor();
    return { rarest, upTo };
  }
  const counts = await Promise.all(
    words.map(async (word) => {
      const found = await runOne<{ count: number }>(store, VIDEO_QUERIES.countVideosWith(word, RANKED + 1));
      return { word, count: found?.count ?? 0 };
    }),
  );
  const least = counts.reduce((a, b) => (b.count < a.count ? b : a));
  if (least.count === 0) return undefined;
  if (least.count <= RANKED) return { rarest: least.word };
  const oldest = await runOne<{ publishedAt: string }>(store, VIDEO_QUERIES.videoFloor());
  return { floor: oldest?.publishedAt ?? '0' };
}

function score(words: readonly string[], { title, exact }: Candidate): number {
  const inTitle = searchTerms(title);
  return words.reduce(
    (sum, word, i) =>
      sum +
      (exact[i] ? 10_000 : 0) +
      (inTitle.includes(word) ? 100 : 0) +
      (inTitle.some((term) => term.startsWith(word)) ? 1 : 0),
    0,
  );
}

type Rank = Pick<Ranked, 'score' | 'publishedAt' | '_id'>;

const byRank = (a: Rank, b: Rank): number =>
  b.score - a.score || compare(b.publishedAt, a.publishedAt) || compare(a._id, b._id);

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Paths below /files/ of those of these items that have a file. */
export async function filesOf(store: Store, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const found = await runQuery<Pick<ItemDocument, '_id' | 'file'>>(store, VIDEO_QUERIES.filesOfItems(ids));
  return new Map(found.flatMap(({ _id, file }) => (file === undefined ? [] : [[_id, file.path]])));
}
