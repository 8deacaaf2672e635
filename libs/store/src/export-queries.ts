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
import type { Store } from './connect.ts';
import type { ItemDocument, LinkDocument } from './documents.ts';
import {
  beyond,
  HAVING,
  itemFilter,
  type FindQuery,
  type ItemFilter,
  type PipelineQuery,
  type Place,
} from './queries.ts';
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

const SHOWN = { outlinks: 0, terms: 0 } as const;

const within = (bound: number, after: Place | undefined): Record<string, unknown>[] => [
  { order: { $lte: bound } },
  ...beyond(after, 1),
];

export const EXPORT_QUERIES = {
  newestItem: (): FindQuery => ({
    from: 'items',
    filter: {},
    sort: { order: -1, _id: -1 },
    limit: 1,
    projection: { order: 1 },
  }),

  newestLink: (job: string): FindQuery => ({
    from: 'links',
    filter: { jobId: job, of: 'item', state: { $in: HAVING } },
    sort: { order: -1, _id: -1 },
    limit: 1,
    projection: { order: 1 },
  }),

  exportedItems: (filter: ItemFilter, bound: number, after?: Place): FindQuery => ({
    from: 'items',
    filter: { ...itemFilter(filter), $and: within(bound, after) },
    sort: { order: 1, _id: 1 },
    projection: SHOWN,
  }),

  /** Of a job's ledger: which items, and where to go on. Read from the index and the line alone. */
  exportedLinks: (
    job: string,
    { kind }: Pick<ItemFilter, 'kind'>,
    bound: number,
    after?: Place,
  ): FindQuery => ({
    from: 'links',
    filter: {
      jobId: job,
      of: 'item',
      state: { $in: HAVING },
      ...(kind === undefined ? {} : { kind }),
      $and: within(bound, after),
    },
    sort: { order: 1, _id: 1 },
    projection: { target: 1, order: 1 },
  }),

  /** What a search finds, by order of arrival: of each only where it is, so that little is sorted. */
  exportedMatches: (q: string, filter: ItemFilter, bound: number, after?: Place): PipelineQuery => ({
    from: 'items',
    pipeline: [
      { $match: { $text: { $search: q }, ...itemFilter(filter), $and: within(bound, after) } },
      { $project: { order: 1 } },
      { $sort: { order: 1, _id: 1 } },
    ],
  }),

  /** Those of a batch that the filter lets through. */
  exportedBatch: (ids: readonly string[], filter: ItemFilter): FindQuery => ({
    from: 'items',
    filter: { ...itemFilter(filter), _id: { $in: ids } },
    projection: SHOWN,
  }),

  /** Those of a batch that a job has. */
  exportedBatchLinks: (job: string, ids: readonly string[], bound: number): FindQuery => ({
    from: 'links',
    filter: {
      _id: { $in: ids.map((id) => `${job}:${id}`) },
      of: 'item',
      state: { $in: HAVING },
      order: { $lte: bound },
    },
    projection: { target: 1 },
  }),
} as const satisfies Record<string, (...args: never[]) => FindQuery | PipelineQuery>;

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
 * Reads what is exported behind a place, in batches of at most `size`; the next one is on its way while a batch is
 * worked on. A batch may be empty though more follows.
 */
export function exportBatches(
  store: Store,
  selection: ExportSelection,
  { after, size = 1000 }: { after?: Place | undefined; size?: number } = {},
): AsyncGenerator<ExportBatch> {
  const { filter, job, q, bound } = selection;
  if (q !== undefined) return searched(store, { ...selection, q }, size, after);
  if (job !== undefined)
    return batched<Pick<LinkDocument, '_id' | 'order' | 'target'>>(
      cursorOf(store, EXPORT_QUERIES.exportedLinks(job, filter, bound, after), size),
      (links) =>
        itemsInOrder(
          store,
          links.map(({ target }) => target),
          filter,
        ),
    );
  return batched<ItemDocument>(
    cursorOf(store, EXPORT_QUERIES.exportedItems(filter, bound, after), size),
    (items) => items,
  );
}

function searched(
  store: Store,
  { filter, job, q, bound }: ExportSelection & { q: string },
  size: number,
  after: Place | undefined,
): AsyncGenerator<ExportBatch> {
  const { pipeline } = EXPORT_QUERIES.exportedMatches(q, filter, bound, after);
  const cursor = store.items.collection.aggregate(pipeline, { batchSize: size, allowDiskUse: true });
  return batched<{ _id: string; order: number }>(cursor as never, async (found) => {
    const ids = found.map(({ _id }) => _id);
    if (job === undefined) return itemsInOrder(store, ids, {});
    const links = await runQuery<{ target: string }>(
      store,
      EXPORT_QUERIES.exportedBatchLinks(job, ids, bound),
    );
    const had = new Set(links.map(({ target }) => target));
    return itemsInOrder(
      store,
      ids.filter((id) => had.has(id)),
      {},
    );
  });
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

async function* batched<T extends { _id: string; order: number }>(
  cursor: Cursor<T>,
  itemsOf: (found: T[]) => ItemDocument[] | Promise<ItemDocument[]>,
): AsyncGenerator<ExportBatch> {
  let more = cursor.hasNext();
  try {
    while (await more) {
      const found = cursor.readBufferedDocuments();
      const last = found.at(-1);
      more = cursor.hasNext();
      // Waited for at the next turn; unless nobody comes back for it.
      more.catch(() => undefined);
      if (last !== undefined) yield { items: await itemsOf(found), place: [last.order, last._id] };
    }
  } finally {
    await more.catch(() => undefined);
    await cursor.close();
  }
}

/** MongoDB ended a query that took too long. */
const isTimeUp = (error: unknown): boolean => (error as { code?: unknown } | null)?.code === 50;
