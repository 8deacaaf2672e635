/**
 * Every read that the gateway sends to MongoDB, by name. A query is data (collection, filter, sort, limit), made
 * here and run by `lists.ts`; nothing else in the gateway reads the database. A test explains each of them and
 * fails for one without an index, or without an entry in its table.
 */
import type { JobState, TransferKind } from '@magpie/contracts';
import { newId } from '@magpie/domain';
import type { JobDocument } from './documents.ts';
import type { Models } from './models.ts';
import { CREDENTIAL_QUERIES } from './credential-queries.ts';
import { RUN_QUERIES } from './run-queries.ts';
import { VIDEO_QUERIES } from './video-queries.ts';

export interface FindQuery {
  from: keyof Models;
  filter: Record<string, unknown>;
  sort?: Record<string, 1 | -1>;
  limit?: number;
  projection?: Record<string, 0 | 1>;
  /** Name of the index to go by, where the planner could choose a worse one. */
  hint?: string;
}

export interface PipelineQuery {
  from: keyof Models;
  pipeline: Record<string, unknown>[];
  /** Name of the index to go by, where the planner could choose a worse one. */
  hint?: string;
}

export type Query = FindQuery | PipelineQuery;

/** From `from` on, and before `to`. */
export interface Period {
  from?: Date | undefined;
  to?: Date | undefined;
}

export interface JobFilter extends Period {
  source?: string | undefined;
  state?: JobState | undefined;
}

export interface ItemFilter extends Period {
  kind?: string | undefined;
  source?: string | undefined;
  /** `host` or `host:port`; without a port, the default ports. */
  host?: string | undefined;
}

/** States of a link with which a job has the item. */
export const HAVING = ['stored', 'shared'] as const;

/** Identifiers begin with the time they were made, so a period of time is a range of them. */
const idAt = (at: Date): string => newId(Math.max(0, at.getTime())).slice(0, 10);

/** `nextOrder()` of an instant, at least. */
const orderAt = (at: Date): number => at.getTime() * 4096;

const range = <T>(from: T | undefined, before: T | undefined): Record<string, T> | undefined =>
  from === undefined && before === undefined
    ? undefined
    : { ...(from === undefined ? {} : { $gte: from }), ...(before === undefined ? {} : { $lt: before }) };

const given = (filter: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));

const earlier = (a: string | undefined, b: string | undefined): string | undefined =>
  a === undefined || (b !== undefined && b < a) ? b : a;

const hosts = (host: string | undefined): unknown =>
  host === undefined ? undefined : /:\d+$/.test(host) ? host : { $in: [host, `${host}:443`, `${host}:80`] };

/** The filter of `items` that is meant. */
export const itemFilter = ({ kind, source, host, from, to }: ItemFilter) =>
  given({ kind, source, host: hosts(host), order: range(from && orderAt(from), to && orderAt(to)) });

/** Place in a list by order of arrival. Two processes may give the same order, so the id decides between them. */
export type Place = readonly [order: number, id: string];

/** What comes after this place; a range of the index on `order`, then the id. */
export const beyond = (past: Place | undefined, direction: 1 | -1): Record<string, unknown>[] => {
  if (past === undefined) return [];
  const [order, id] = past;
  const [further, from] = direction === 1 ? ['$gt', '$gte'] : ['$lt', '$lte'];
  return [
    { order: { [from as string]: order } },
    { $or: [{ order: { [further as string]: order } }, { _id: { [further as string]: id } }] },
  ];
};

const all = (filter: Record<string, unknown>, more: Record<string, unknown>[]): Record<string, unknown> =>
  more.length === 0 ? filter : { ...filter, $and: more };

/** Under another name: what an item's filter is once it hangs below a link. */
const below = (name: string, filter: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(filter).map(([key, value]) => [`${name}.${key}`, value]));

const joinItem = (extra: Record<string, unknown>) => [
  { $lookup: { from: 'items', localField: 'target', foreignField: '_id', as: 'item' } },
  { $unwind: '$item' },
  ...(Object.keys(extra).length > 0 ? [{ $match: extra }] : []),
];

/** A job that has items; of an import also how many rows are committed. */
export interface Owner {
  jobId: string;
  rows: number | undefined;
}

export const ownerOf = ({ _id, transfer }: Pick<JobDocument, '_id' | 'transfer'>): Owner => ({
  jobId: _id,
  rows: transfer?.checkpoint?.['rows'] as number | undefined,
});

/**
 * Of items, those that a job has. What an import brought says so itself, with its row: its line of the ledger is not
 * found by item.
 * @param bound highest order of the line, where it is found
 */
export const hadBy = ({ jobId, rows }: Owner, bound?: number): Record<string, unknown>[] => {
  const line = given({ state: { $in: HAVING }, order: bound === undefined ? undefined : { $lte: bound } });
  const linked = { link: { $elemMatch: line } };
  const brought = { importedBy: jobId, importedRow: { $lte: rows } };
  return [
    { $set: { link: { $concat: [jobId, ':', '$_id'] } } },
    { $lookup: { from: 'links', localField: 'link', foreignField: '_id', as: 'link' } },
    { $match: rows === undefined ? linked : { $or: [brought, linked] } },
    { $unset: 'link' },
  ];
};

export const QUERIES = {
  ...RUN_QUERIES,
  ...CREDENTIAL_QUERIES,
  ...VIDEO_QUERIES,
  job: (id: string): FindQuery => ({ from: 'jobs', filter: { _id: id }, limit: 1 }),

  jobsByIds: (ids: readonly string[]): FindQuery => ({ from: 'jobs', filter: { _id: { $in: ids } } }),

  /** Newest first. */
  jobs: ({ source, state, from, to }: JobFilter, limit: number, before?: string): FindQuery => ({
    from: 'jobs',
    filter: given({ source, state, _id: range(from && idAt(from), earlier(to && idAt(to), before)) }),
    sort: { _id: -1 },
    limit,
  }),

  /** Of one kind, newest first: their jobs bear it as their source. */
  transfers: (
    kind: TransferKind,
    { state, from, to }: Omit<JobFilter, 'source'>,
    limit: number,
    before?: string,
  ): FindQuery => ({
    from: 'jobs',
    filter: given({
      source: kind,
      state,
      'transfer.kind': kind,
      _id: range(from && idAt(from), earlier(to && idAt(to), before)),
    }),
    sort: { _id: -1 },
    limit,
  }),

  /** Jobs that an import made, in the order in which it did. */
  jobsImportedBy: (importId: string, limit: number, after?: string): FindQuery => ({
    from: 'jobs',
    filter: given({ importedBy: importId, _id: after === undefined ? undefined : { $gt: after } }),
    sort: { _id: 1 },
    limit,
  }),

  /** What a job has, in the order in which it came to it (or the other way round), with the items. */
  jobItems: (
    jobId: string,
    filter: ItemFilter,
    direction: 1 | -1,
    limit: number,
    past?: Place,
  ): PipelineQuery => ({
    from: 'links',
    pipeline: [
      {
        $match: all(
          given({ jobId, of: 'item', state: { $in: HAVING }, kind: filter.kind }),
          beyond(past, direction),
        ),
      },
      { $sort: { order: direction, _id: direction } },
      ...joinItem(below('item', itemFilter({ ...filter, kind: undefined }))),
      { $limit: limit },
    ],
  }),

  /** An item, if this job has it. */
  jobItem: (owner: Owner, itemId: string): PipelineQuery => ({
    from: 'items',
    pipeline: [{ $match: { _id: itemId } }, ...hadBy(owner)],
  }),

  /** What a job gave up or left out, in the order in which it was found. */
  jobErrors: (jobId: string, state: 'failed' | 'skipped', limit: number, past?: Place): FindQuery => ({
    from: 'links',
    filter: all({ jobId, of: { $in: ['item', 'page', 'step'] }, state }, beyond(past, 1)),
    sort: { order: 1, _id: 1 },
    limit,
  }),

  item: (id: string): FindQuery => ({ from: 'items', filter: { _id: id }, limit: 1 }),

  /** Newest first. */
  items: (filter: ItemFilter, limit: number, past?: Place): FindQuery => ({
    from: 'items',
    filter: all(itemFilter(filter), beyond(past, -1)),
    sort: { order: -1, _id: -1 },
    limit,
    projection: { outlinks: 0 },
  }),

  /** Best match first; only the best `limit` of what matches are ever held in memory. */
  search: (
    text: string,
    filter: ItemFilter,
    owner: Owner | undefined,
    limit: number,
    past?: readonly [score: number, id: string],
  ): PipelineQuery => ({
    from: 'items',
    pipeline: [
      { $match: { $text: { $search: text }, ...itemFilter(filter) } },
      { $project: { outlinks: 0 } },
      { $set: { score: { $meta: 'textScore' } } },
      ...(past === undefined
        ? []
        : [{ $match: { $or: [{ score: { $lt: past[0] } }, { score: past[0], _id: { $gt: past[1] } }] } }]),
      ...(owner === undefined ? [] : hadBy(owner)),
      { $sort: { score: -1, _id: 1 } },
      { $limit: limit },
    ],
  }),

  source: (id: string): FindQuery => ({ from: 'sources', filter: { _id: id }, limit: 1 }),

  sources: (limit: number, after?: string): FindQuery => ({
    from: 'sources',
    filter: given({ _id: after === undefined ? undefined : { $gt: after } }),
    sort: { _id: 1 },
    limit,
  }),

  deadLetter: (id: string): FindQuery => ({ from: 'deadLetters', filter: { _id: id }, limit: 1 }),

  /** Newest first. */
  deadLetters: (limit: number, past?: readonly [at: Date, id: string]): FindQuery => ({
    from: 'deadLetters',
    filter:
      past === undefined
        ? {}
        : { at: { $lte: past[0] }, $or: [{ at: { $lt: past[0] } }, { _id: { $lt: past[1] } }] },
    sort: { at: -1, _id: -1 },
    limit,
  }),

  idempotency: (id: string): FindQuery => ({ from: 'idempotency', filter: { _id: id }, limit: 1 }),

  standingJob: (name: string): FindQuery => ({ from: 'standingJobs', filter: { _id: name }, limit: 1 }),

  /** Of the steps that a message names, those that were set aside. */
  parkedSteps: (ids: readonly string[]): FindQuery => ({
    from: 'steps',
    filter: { _id: { $in: ids }, state: 'parked' },
  }),

  /** A batch of a job's ledger. */
  linksOfJob: (jobId: string, limit: number): FindQuery => ({
    from: 'links',
    filter: { jobId },
    limit,
    projection: { _id: 1, target: 1, of: 1, state: 1 },
  }),

  /** The lines of all ledgers in which one of these has failed. */
  failedLinksOf: (targets: readonly string[]): FindQuery => ({
    from: 'links',
    filter: { target: { $in: targets }, state: 'failed' },
    projection: { target: 1 },
  }),

  /** A batch of the steps that a job waits for. */
  stepsOfJob: (jobId: string, limit: number): FindQuery => ({
    from: 'steps',
    filter: { jobs: jobId },
    limit,
    projection: { _id: 1 },
  }),
} as const satisfies Record<string, (...args: never[]) => Query>;
