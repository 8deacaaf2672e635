/**
 * What an export reads: a snapshot by order of arrival.
 *
 * An item gets its order once, from the clock of the process that stores it, shortly before it is stored. The bound of an
 * export is fixed when it is asked for, at the highest order that is stored by then or the order of that instant,
 * whichever is higher. So:
 * - everything stored before is in, whatever its writer's clock said;
 * - nothing is in that got its order after that instant, by clocks that agree. What was being stored at that very
 *   moment, or by a clock that is behind, is in when it is stored before the export comes to its place, else out;
 * - an item is one document, so it is in as a whole, as it is when the export comes to it, or not at all; one that is
 *   removed before that is not in.
 */
import { mongo } from 'mongoose';
import type { Store } from './connect.ts';
import type { ItemDocument, JobDocument, LinkDocument } from './documents.ts';
import { EXPORT_QUERIES } from './export-queries.ts';
import { isTimeUp, Reading, type Cursor, type Found } from './export-reading.ts';
import { ownerOf, type FindQuery, type ItemFilter, type Place } from './queries.ts';
import { runOne, runQuery } from './run-query.ts';

/** Which items are exported. */
export interface ExportSelection {
  filter: ItemFilter;
  /** Only what this job has, in the order in which it came to it. */
  job?: string | undefined;
  /** Only what MongoDB's text search finds. */
  q?: string | undefined;
  /** Nothing of a higher order. */
  bound: number;
}

/** The bound of an export that is asked for at this instant. */
export async function exportBound(store: Store, job: string | undefined, at: Date): Promise<number> {
  const newest = [
    EXPORT_QUERIES.newestItem(),
    ...(job === undefined ? [] : [EXPORT_QUERIES.newestLink(job)]),
  ];
  const found = await Promise.all(newest.map((query) => runOne<{ order: number }>(store, query)));
  return Math.max(at.getTime() * 4096, ...found.map((one) => one?.order ?? 0));
}

/** So many items, where counting them takes no longer than this; null where it would. */
export async function countExport(
  store: Store,
  { filter, job, q, bound }: ExportSelection,
  maxTimeMS = 3000,
): Promise<number | null> {
  const { kind, ...further } = filter;
  await store.connected();
  const narrowed = Object.values(further).some((value) => value !== undefined);
  if (job !== undefined && (q !== undefined || narrowed)) return null;
  try {
    if (q !== undefined) {
      const { pipeline } = EXPORT_QUERIES.exportedMatches(q, filter, bound);
      const [found] = await store.items.collection
        .aggregate<{ count: number }>([...pipeline.slice(0, 1), { $count: 'count' }], { maxTimeMS })
        .toArray();
      return found?.count ?? 0;
    }
    const query =
      job === undefined
        ? EXPORT_QUERIES.exportedItems(filter, bound)
        : EXPORT_QUERIES.exportedLinks(job, { kind }, bound);
    return await store[query.from].collection.countDocuments(query.filter, { maxTimeMS });
  } catch (error) {
    if (isTimeUp(error)) return null;
    throw error;
  }
}

export interface ExportBatch {
  items: ItemDocument[];
  /** Everything up to here was read; where to go on. */
  place: Place;
}

/**
 * A batch comes to about so much, as MongoDB sends it. What is made of it then fits into V8's room for new objects and
 * goes with it: with four times as much, twice the CPU goes into collecting garbage.
 */
const BATCH_BYTES = 128 * 1024;
const FIRST_BATCH = 5;
const SAMPLED = 5;

/** A query may take so long before it is asked in parts, ms; a search cannot be. Less than a connection waits. */
const QUERY_MS = 10_000;
const SEARCH_MS = 25_000;

export interface ReadOptions {
  after?: Place | undefined;
  /** Of a batch, at most. */
  size?: number;
  /** Of one query, and of the whole of a search. */
  queryMs?: number;
  searchMs?: number;
}

/**
 * Reads what is exported behind a place, in batches of at most `size` items and of about 128 KiB; the next one is on
 * its way while a batch is worked on. A batch may be empty though more follows.
 * @throws ExportTooBroad
 */
export function exportBatches(
  store: Store,
  { filter, job, q, bound }: ExportSelection,
  { after, size = 1000, queryMs = QUERY_MS, searchMs = SEARCH_MS }: ReadOptions = {},
): AsyncGenerator<ExportBatch> {
  const batchSize = new BatchSize(size);
  const common = { after, bound, queryMs };
  if (q !== undefined) {
    const matches = new Reading<Found>({
      ...common,
      open: (from, until, batchSize) =>
        store.items.collection.aggregate(EXPORT_QUERIES.exportedMatches(q, filter, until, from).pipeline, {
          batchSize,
          allowDiskUse: true,
          maxTimeMS: searchMs,
        }) as unknown as Cursor<Found>,
    });
    return byIds(matches, batchSize, size, async (found) => {
      const ids = found.map(({ _id }) => _id);
      return itemsInOrder(store, job === undefined ? ids : await hadBy(store, job, ids, bound), {});
    });
  }
  const first = async (query: FindQuery): Promise<number> =>
    (await runOne<{ order: number }>(store, query))?.order ?? bound;
  if (job !== undefined) {
    const links = new Reading<Pick<LinkDocument, '_id' | 'order' | 'target'>>({
      ...common,
      open: (from, until, batchSize) =>
        cursorOf(store, EXPORT_QUERIES.exportedLinks(job, filter, until, from), batchSize, queryMs),
      first: () => first(EXPORT_QUERIES.oldestLink(job)),
    });
    return byIds(links, batchSize, size, (found) =>
      itemsInOrder(
        store,
        found.map(({ target }) => target),
        filter,
      ),
    );
  }
  const items = new Reading<ItemDocument>({
    ...common,
    open: (from, until, batchSize) =>
      cursorOf(store, EXPORT_QUERIES.exportedItems(filter, until, from), batchSize, queryMs),
    first: () => first(EXPORT_QUERIES.oldestItem()),
  });
  return itemByItem(items, batchSize);
}

/** How many items a batch is to have, by what the last ones came to. */
class BatchSize {
  readonly #most: number;
  value: number;

  constructor(most: number) {
    this.#most = most;
    this.value = Math.min(FIRST_BATCH, most);
  }

  learn(items: readonly ItemDocument[]): void {
    if (items.length === 0) return;
    const every = Math.max(1, Math.floor(items.length / SAMPLED));
    const sample = items.filter((_, i) => i % every === 0);
    const bytes = sample.reduce((sum, item) => sum + mongo.BSON.calculateObjectSize(item), 0);
    const fitting = Math.floor((BATCH_BYTES * sample.length) / bytes);
    this.value = Math.min(this.#most, Math.max(1, fitting));
  }
}

/** The items themselves, as many at a time as they are small. */
function itemByItem(reading: Reading<ItemDocument>, batchSize: BatchSize): AsyncGenerator<ExportBatch> {
  const next = async (): Promise<ExportBatch | undefined> => {
    const read = await reading.next(batchSize.value);
    if (read === undefined) return undefined;
    batchSize.learn(read.found);
    return { items: read.found, place: read.place };
  };
  return ahead(next, () => reading.close());
}

/** First which items, and then these by their ids. */
function byIds<T extends Found>(
  reading: Reading<T>,
  batchSize: BatchSize,
  size: number,
  itemsOf: (found: T[]) => Promise<ItemDocument[]>,
): AsyncGenerator<ExportBatch> {
  let found: T[] = [];
  const next = async (): Promise<ExportBatch | undefined> => {
    if (found.length === 0) {
      const read = await reading.next(size);
      if (read === undefined) return undefined;
      if (read.found.length === 0) return { items: [], place: read.place };
      found = read.found;
    }
    const some = found.splice(0, batchSize.value);
    const { order, _id } = some.at(-1) as T;
    const items = await itemsOf(some);
    batchSize.learn(items);
    return { items, place: [order, _id] };
  };
  return ahead(next, () => reading.close());
}

/** One is on its way while another is worked on. */
async function* ahead<T>(next: () => Promise<T | undefined>, close: () => Promise<void>): AsyncGenerator<T> {
  let coming = next();
  try {
    for (;;) {
      const batch = await coming;
      if (batch === undefined) return;
      coming = next();
      // Waited for at the next turn; unless nobody comes back for it.
      coming.catch(() => undefined);
      yield batch;
    }
  } finally {
    await coming.catch(() => undefined);
    await close();
  }
}

async function hadBy(
  store: Store,
  job: string,
  ids: readonly string[],
  bound: number,
): Promise<readonly string[]> {
  const owner = await runOne<Pick<JobDocument, '_id' | 'transfer'>>(store, EXPORT_QUERIES.exportedOwner(job));
  const query = EXPORT_QUERIES.exportedBatchHad(ownerOf(owner ?? { _id: job }), ids, bound);
  const found = await runQuery<{ _id: string }>(store, query);
  const had = new Set(found.map(({ _id }) => _id));
  return ids.filter((id) => had.has(id));
}

async function itemsInOrder(
  store: Store,
  ids: readonly string[],
  filter: ItemFilter,
): Promise<ItemDocument[]> {
  if (ids.length === 0) return [];
  const found = await runQuery<ItemDocument>(store, EXPORT_QUERIES.exportedBatch(ids, filter));
  const byId = new Map(found.map((item) => [item._id, item]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

const cursorOf = <T>(
  store: Store,
  { from, filter, sort, projection }: FindQuery,
  batchSize: number,
  maxTimeMS: number,
): Cursor<T> =>
  store[from].collection.find(filter, {
    ...(sort === undefined ? {} : { sort }),
    ...(projection === undefined ? {} : { projection }),
    batchSize,
    maxTimeMS,
  }) as unknown as Cursor<T>;
