/** Jobs that move data in or out: how they come to be, and who works on them. */
import type { JobState, Priority, TransferKind } from '@magpie/contracts';
import { newId } from '@magpie/domain';
import type { ClientSession } from 'mongoose';
import type { Store } from './connect.ts';
import type { JobDocument, TransferDocument } from './documents.ts';
import { jobDocument, madeBefore, rememberMade, type Idempotency } from './jobs.ts';
import { QUERIES, type FindQuery } from './queries.ts';
import { runOne, runQuery } from './run-query.ts';

/** A lease is good for so long unless it is renewed, ms. */
export const TRANSFER_LEASE_MS = 10_000;

export interface NewTransfer {
  kind: TransferKind;
  options: Record<string, unknown>;
  correlationId: string;
  priority?: Priority;
  totalBytes?: number | null;
  totalRows?: number | null;
  expiresAt?: Date | null;
  idempotency?: Idempotency | undefined;
  /** It is worked on by this one from the beginning. */
  holder?: string;
}

/** Makes the job of a transfer, once for each idempotency key. @throws IdempotencyConflict */
export async function createTransfer(
  store: Store,
  { kind, options, correlationId, priority = 'normal', idempotency, holder, ...rest }: NewTransfer,
): Promise<{ job: JobDocument; replayed: boolean }> {
  await store.connected();
  const at = new Date();
  const transfer: TransferDocument = {
    kind,
    options,
    bytes: 0,
    totalBytes: rest.totalBytes ?? null,
    rows: 0,
    totalRows: rest.totalRows ?? null,
    rate: { bytes: 0, rows: 0 },
    file: null,
    expiresAt: rest.expiresAt ?? null,
    report: {},
    checkpoint: null,
    lease: holder === undefined ? null : { holder, until: new Date(at.getTime() + TRANSFER_LEASE_MS) },
    failures: 0,
  };
  return store.transaction(async (session) => {
    const made = idempotency && (await madeBefore(store, idempotency, session));
    const before =
      made === undefined ? undefined : await runOne<JobDocument>(store, QUERIES.job(made), session);
    if (before !== undefined) return { job: before, replayed: true };
    const job: JobDocument = {
      ...jobDocument(newId(at.getTime()), { source: kind, params: {}, priority, correlationId }, at),
      transfer,
    };
    if (idempotency !== undefined) await rememberMade(store, session, idempotency, job._id, at);
    await store.jobs.collection.insertOne(job as never, { session });
    return { job, replayed: false };
  });
}

/** Transfers that somebody is to work on. */
export interface DueTransfers {
  kinds: readonly TransferKind[];
  states: readonly JobState[];
  /** What else must hold. */
  when?: Record<string, unknown>;
}

/** As a filter of jobs. */
export const dueFilter = ({ kinds, states, when = {} }: DueTransfers): Record<string, unknown> => ({
  'transfer.kind': { $in: kinds },
  state: { $in: states },
  ...when,
});

/**
 * Those that nobody works on, and that do not wait: by priority, then the oldest first. Their index has each state in
 * this order, so none is sorted, and what has ended is not looked at.
 */
export const dueQuery = (
  due: DueTransfers,
  except: readonly string[],
  limit: number,
  now: Date,
): FindQuery => ({
  from: 'jobs',
  filter: {
    ...dueFilter(due),
    _id: { $nin: except },
    $and: [
      { $or: [{ 'transfer.lease': null }, { 'transfer.lease.until': { $lte: now } }] },
      { $or: [{ state: { $ne: 'waiting' } }, { 'waiting.until': { $lte: now } }] },
    ],
  },
  sort: { rank: 1, _id: 1 },
  limit,
  hint: 'dueTransfers',
  projection: { _id: 1 },
});

/** Ids of transfers that have something to do and that nobody works on. */
export const dueTransfers = async (
  store: Store,
  due: DueTransfers,
  except: readonly string[],
  limit: number,
): Promise<string[]> =>
  (await runQuery<{ _id: string }>(store, dueQuery(due, except, limit, new Date()))).map(({ _id }) => _id);

/** What somebody who works on a transfer may write of it. */
export type TransferChange = Partial<Omit<TransferDocument, 'kind' | 'lease'>>;

/** The lease went to somebody else: what was not committed is not to be. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
  constructor() {
    super('somebody else works on this transfer');
  }
}

/** Whoever had it went without giving it back: his process died, or was cut off from the database. */
const diedOn = (holder: string): object => ({
  $and: [
    { $ne: [{ $ifNull: ['$transfer.lease', null] }, null] },
    { $ne: ['$transfer.lease.holder', { $literal: holder }] },
  ],
});

/**
 * Takes the lease of a transfer, or renews one's own: one atomic update by the server's clock, so of any number one
 * has it. A lease that was taken over and not given back counts as a death. Gives the job; null when somebody else
 * works on it, or it is not in one of these states.
 * @param when what else must hold of the job, as it is before
 */
export async function leaseTransfer(
  store: Store,
  id: string,
  holder: string,
  states?: readonly JobDocument['state'][],
  when: object = {},
): Promise<JobDocument | null> {
  return (await store.jobs.collection.findOneAndUpdate(
    {
      _id: id,
      'transfer.kind': { $exists: true },
      ...(states ? { state: { $in: states } } : {}),
      $and: [when],
      $expr: {
        $or: [
          { $lte: [{ $ifNull: ['$transfer.lease.until', new Date(0)] }, '$$NOW'] },
          { $eq: ['$transfer.lease.holder', { $literal: holder }] },
        ],
      },
    } as never,
    [
      {
        $set: {
          'transfer.lease': { holder: { $literal: holder }, until: { $add: ['$$NOW', TRANSFER_LEASE_MS] } },
          'transfer.deaths': {
            $add: [{ $ifNull: ['$transfer.deaths', 0] }, { $cond: [diedOn(holder), 1, 0] }],
          },
        },
      },
    ],
    { returnDocument: 'after' },
  )) as unknown as JobDocument | null;
}

/** Lets others work on it. Does nothing when the lease is not one's own. */
export async function releaseTransfer(store: Store, id: string, holder: string): Promise<void> {
  await store.jobs.collection.updateOne({ _id: id, 'transfer.lease.holder': holder } as never, {
    $set: { 'transfer.lease': null },
  });
}

/**
 * Writes of a transfer what changed, if the lease is still one's own; within a transaction with what it stands for.
 * @throws LeaseLost
 */
export async function changeTransfer(
  store: Store,
  id: string,
  holder: string,
  change: TransferChange,
  {
    counts,
    session,
  }: { counts?: JobDocument['counts'] | undefined; session?: ClientSession | undefined } = {},
): Promise<void> {
  const set = Object.fromEntries(Object.entries(change).map(([key, value]) => [`transfer.${key}`, value]));
  const { matchedCount } = await store.jobs.collection.updateOne(
    { _id: id, 'transfer.lease.holder': holder } as never,
    { $set: { ...set, ...(counts ? { counts } : {}), updatedAt: new Date() }, $inc: { rev: 1 } },
    session ? { session } : {},
  );
  if (matchedCount === 0) throw new LeaseLost();
}
