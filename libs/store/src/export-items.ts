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
import type { ItemDocument, LinkDocument } from './documents.ts';
import { EXPORT_QUERIES } from './export-queries.ts';
import type { FindQuery, ItemFilter, Place } from './queries.ts';
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

/** A batch comes to about so much, as MongoDB sends it: a service that reads large items stays small. */
const BATCH_BYTES = 1024 * 1024;
const FIRST_BATCH = 50;
const SAMPLED = 5;

/**
 * Reads what is exported behind a place, in batches of at most `size` items and of about a mebibyte; the next one is on
 * its way while a batch is worked on. A batch may be empty though more follows.
 */
export function exportBatches(
  store: Store,
  selection: ExportSelection,
  { after, size = 1000 }: { after?: Place | undefined; size?: number } = {},
): AsyncGenerator<ExportBatch> {
  const { filter, job, q, bound } = selection;
  const batchSize = new BatchSize(size);
  if (q !== undefined) {
    const { pipeline } = EXPORT_QUERIES.exportedMatches(q, filter, bound, after);
    const cursor = store.items.collection.aggregate(pipeline, { batchSize: size, allowDiskUse: true });
    return byIds<{ _id: string; order: number }>(cursor as never, batchSize, async (found) => {
      const ids = found.map(({ _id }) => _id);
      return itemsInOrder(store, job === undefined ? ids : await hadBy(store, job, ids, bound), {});
    });
  }
  if (job !== undefined)
    return byIds<Pick<LinkDocument, '_id' | 'order' | 'target'>>(
      cursorOf(store, EXPORT_QUERIES.exportedLinks(job, filter, bound, after), size),
      batchSize,
      (links) =>
        itemsInOrder(
          store,
          links.map(({ target }) => target),
          filter,
        ),
    );
  return itemByItem(batchSize, after, (from, size) =>
    cursorOf(store, EXPORT_QUERIES.exportedItems(filter, bound, from), size),
  );
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

/** A cursor over the items themselves, opened anew where its batches are far from what they should be. */
function itemByItem(
  batchSize: BatchSize,
  after: Place | undefined,
  open: (after: Place | undefined, size: number) => Cursor<ItemDocument>,
): AsyncGenerator<ExportBatch> {
  let cursor: Cursor<ItemDocument> | undefined;
  let size = 0;
  let from = after;
  const next = async (): Promise<ExportBatch | undefined> => {
    const { value } = batchSize;
    if (cursor === undefined || value > size * 2 || value < size / 2) {
      await cursor?.close();
      size = value;
      cursor = open(from, size);
    }
    if (!(await cursor.hasNext())) return undefined;
    const items = cursor.readBufferedDocuments();
    batchSize.learn(items);
    const { order, _id } = items.at(-1) as ItemDocument;
    from = [order, _id];
    return { items, place: from };
  };
  return ahead(next, async () => cursor?.close());
}

/** A cursor that says which items, and the items by their ids. */
function byIds<T extends { _id: string; order: number }>(
  cursor: Cursor<T>,
  batchSize: BatchSize,
  itemsOf: (found: T[]) => Promise<ItemDocument[]>,
): AsyncGenerator<ExportBatch> {
  let found: T[] = [];
  const next = async (): Promise<ExportBatch | undefined> => {
    if (found.length === 0) {
      if (!(await cursor.hasNext())) return undefined;
      found = cursor.readBufferedDocuments();
    }
    const some = found.splice(0, batchSize.value);
    const { order, _id } = some.at(-1) as T;
    const items = await itemsOf(some);
    batchSize.learn(items);
    return { items, place: [order, _id] };
  };
  return ahead(next, () => cursor.close());
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
  const links = await runQuery<{ target: string }>(store, EXPORT_QUERIES.exportedBatchLinks(job, ids, bound));
  const had = new Set(links.map(({ target }) => target));
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

/** What is needed of a cursor of the driver. */
interface Cursor<T> {
  hasNext(): Promise<boolean>;
  readBufferedDocuments(): T[];
  close(): Promise<void>;
}

const cursorOf = <T>(store: Store, { from, filter, sort, projection }: FindQuery, size: number): Cursor<T> =>
  store[from].collection.find(filter, {
    ...(sort === undefined ? {} : { sort }),
    ...(projection === undefined ? {} : { projection }),
    batchSize: size,
  }) as unknown as Cursor<T>;

/** MongoDB ended a query that took too long. */
const isTimeUp = (error: unknown): boolean => (error as { code?: unknown } | null)?.code === 50;
