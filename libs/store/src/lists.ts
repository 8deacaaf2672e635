/** The lists and single things that the gateway shows, as documents; pages by cursor, never by skip. */
import type { TransferKind } from '@magpie/contracts';
import type {
  DeadLetterDocument,
  ItemDocument,
  JobDocument,
  LinkDocument,
  SourceDocument,
} from './documents.ts';
import type { Store } from './connect.ts';
import { decodeCursor, encodeCursor, type Key, type KeyPart } from './cursor.ts';
import { QUERIES, type ItemFilter, type JobFilter, type Owner, type Place, type Query } from './queries.ts';
import { runOne, runQuery } from './run-query.ts';

export interface PageRequest {
  /** At most so many. */
  limit: number;
  /** `next` of the page before. */
  cursor?: string | undefined;
}

export interface PageOf<T> {
  rows: T[];
  /** The cursor of the following page; null at the end. */
  next: string | null;
}

interface ListPlan<T, K extends Key> {
  name: string;
  parts: readonly KeyPart[];
  keyOf(row: T): K;
  query(limit: number, past: K | undefined): Query;
}

/** One more than asked for is read: whether it is there says whether a page follows. */
export async function page<T, K extends Key>(
  store: Store,
  { limit, cursor }: PageRequest,
  { name, parts, keyOf, query }: ListPlan<T, K>,
): Promise<PageOf<T>> {
  const found = await runQuery<T>(store, query(limit + 1, decodeCursor<K>(name, parts, cursor)));
  const rows = found.slice(0, limit);
  const last = rows.at(-1);
  return { rows, next: found.length > limit && last !== undefined ? encodeCursor(name, keyOf(last)) : null };
}

const placeOf = ({ order, _id }: { order: number; _id: string }): Place => [order, _id];

export const findJob = (store: Store, id: string): Promise<JobDocument | undefined> =>
  runOne(store, QUERIES.job(id));

export const findJobs = (store: Store, ids: readonly string[]): Promise<JobDocument[]> =>
  runQuery(store, QUERIES.jobsByIds(ids));

/** Marked before the first batch of its removal goes: it can then only be removed. */
export const isBeingRemoved = (job: JobDocument & { removing?: boolean }): boolean => job.removing === true;

/** Jobs, newest first. @throws InvalidCursor */
export const listJobs = (
  store: Store,
  filter: JobFilter,
  request: PageRequest,
): Promise<PageOf<JobDocument>> =>
  page<JobDocument, [string]>(store, request, {
    name: 'jobs',
    parts: ['text'],
    keyOf: ({ _id }) => [_id],
    query: (limit, past) => QUERIES.jobs(filter, limit, past?.[0]),
  });

/** Transfers of one kind, newest first. @throws InvalidCursor */
export const listTransfers = (
  store: Store,
  kind: TransferKind,
  filter: Omit<JobFilter, 'source'>,
  request: PageRequest,
): Promise<PageOf<JobDocument>> =>
  page<JobDocument, [string]>(store, request, {
    name: `${kind}s`,
    parts: ['text'],
    keyOf: ({ _id }) => [_id],
    query: (limit, past) => QUERIES.transfers(kind, filter, limit, past?.[0]),
  });

/** Jobs that an import made, in the order in which it did. @throws InvalidCursor */
export const listJobsImportedBy = (
  store: Store,
  importId: string,
  request: PageRequest,
): Promise<PageOf<JobDocument>> =>
  page<JobDocument, [string]>(store, request, {
    name: 'jobs-imported',
    parts: ['text'],
    keyOf: ({ _id }) => [_id],
    query: (limit, past) => QUERIES.jobsImportedBy(importId, limit, past?.[0]),
  });

/** An item with the line of a job's ledger that says the job has it. */
export type LinkedItem = LinkDocument & { item: ItemDocument };

/**
 * The items of a job: in the order in which the job came to them, or the last one first.
 * @throws InvalidCursor
 */
export const listJobItems = (
  store: Store,
  jobId: string,
  filter: ItemFilter,
  request: PageRequest,
  direction: 1 | -1 = 1,
): Promise<PageOf<LinkedItem>> =>
  page<LinkedItem, Place>(store, request, {
    name: direction === 1 ? 'job-items' : 'job-items-latest',
    parts: ['number', 'text'],
    keyOf: placeOf,
    query: (limit, past) => QUERIES.jobItems(jobId, filter, direction, limit, past),
  });

/** An item, if this job has it. */
export const findJobItem = (store: Store, owner: Owner, itemId: string): Promise<ItemDocument | undefined> =>
  runOne(store, QUERIES.jobItem(owner, itemId));

/** What a job gave up (`failed`) or left out (`skipped`). @throws InvalidCursor */
export const listJobErrors = (
  store: Store,
  jobId: string,
  state: 'failed' | 'skipped',
  request: PageRequest,
): Promise<PageOf<LinkDocument>> =>
  page<LinkDocument, Place>(store, request, {
    name: `job-errors-${state}`,
    parts: ['number', 'text'],
    keyOf: placeOf,
    query: (limit, past) => QUERIES.jobErrors(jobId, state, limit, past),
  });

export const findItem = (store: Store, id: string): Promise<ItemDocument | undefined> =>
  runOne(store, QUERIES.item(id));

/** Everything kept, newest first. @throws InvalidCursor */
export const listItems = (
  store: Store,
  filter: ItemFilter,
  request: PageRequest,
): Promise<PageOf<ItemDocument>> =>
  page<ItemDocument, Place>(store, request, {
    name: 'items',
    parts: ['number', 'text'],
    keyOf: placeOf,
    query: (limit, past) => QUERIES.items(filter, limit, past),
  });

/**
 * Items whose title, description or text match, best first, by MongoDB's text search (words, "phrases", -without).
 * @throws InvalidCursor
 */
export const searchItems = (
  store: Store,
  text: string,
  { owner, ...filter }: ItemFilter & { owner?: Owner | undefined },
  request: PageRequest,
): Promise<PageOf<ItemDocument>> =>
  page<ItemDocument & { score: number }, [number, string]>(store, request, {
    name: 'search',
    parts: ['number', 'text'],
    keyOf: ({ score, _id }) => [score, _id],
    query: (limit, past) => QUERIES.search(text, filter, owner, limit, past),
  });

export const findSource = (store: Store, id: string): Promise<SourceDocument | undefined> =>
  runOne(store, QUERIES.source(id));

/** Sources by name. @throws InvalidCursor */
export const listSources = (store: Store, request: PageRequest): Promise<PageOf<SourceDocument>> =>
  page<SourceDocument, [string]>(store, request, {
    name: 'sources',
    parts: ['text'],
    keyOf: ({ _id }) => [_id],
    query: (limit, past) => QUERIES.sources(limit, past?.[0]),
  });

export const findDeadLetter = (store: Store, id: string): Promise<DeadLetterDocument | undefined> =>
  runOne(store, QUERIES.deadLetter(id));

/** Dead letters, newest first. @throws InvalidCursor */
export const listDeadLetters = (store: Store, request: PageRequest): Promise<PageOf<DeadLetterDocument>> =>
  page<DeadLetterDocument, [number, string]>(store, request, {
    name: 'dead-letters',
    parts: ['number', 'text'],
    keyOf: ({ at, _id }) => [at.getTime(), _id],
    query: (limit, past) => QUERIES.deadLetters(limit, past && [new Date(past[0]), past[1]]),
  });
