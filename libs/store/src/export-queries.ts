/** The queries of an export; see `export-items.ts` for what they are to come to. */
import {
  beyond,
  hadBy,
  HAVING,
  itemFilter,
  type FindQuery,
  type ItemFilter,
  type Owner,
  type PipelineQuery,
  type Place,
} from './queries.ts';

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

  oldestItem: (): FindQuery => ({
    from: 'items',
    filter: {},
    sort: { order: 1, _id: 1 },
    limit: 1,
    projection: { order: 1 },
  }),

  oldestLink: (job: string): FindQuery => ({
    from: 'links',
    filter: { jobId: job, of: 'item', state: { $in: HAVING } },
    sort: { order: 1, _id: 1 },
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

  /** Of a job what `ownerOf` asks for. */
  exportedOwner: (job: string): FindQuery => ({
    from: 'jobs',
    filter: { _id: job },
    limit: 1,
    projection: { 'transfer.checkpoint.rows': 1 },
  }),

  /** Those of a batch that a job has. */
  exportedBatchHad: (owner: Owner, ids: readonly string[], bound: number): PipelineQuery => ({
    from: 'items',
    pipeline: [{ $match: { _id: { $in: ids } } }, ...hadBy(owner, bound), { $project: { _id: 1 } }],
  }),
} as const satisfies Record<string, (...args: never[]) => FindQuery | PipelineQuery>;
