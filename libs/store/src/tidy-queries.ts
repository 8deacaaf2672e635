/** What the transfer service looks for to remove it: files that have expired, and those of jobs that are gone. */
import { DISPATCHING, ENDED, PASSING } from '@magpie/domain';
import type { Store } from './connect.ts';
import type { JobDocument, TransferDocument } from './documents.ts';
import type { FindQuery } from './queries.ts';
import { runQuery } from './run-query.ts';
import { leaseTransfer } from './transfers.ts';

/** What is to be known of a job before something of it is removed. */
export type TidiedJob = Pick<JobDocument, '_id' | 'state' | 'endedAt'> & {
  transfer?: Pick<TransferDocument, 'kind' | 'file' | 'expiresAt' | 'checkpoint' | 'options' | 'lease'>;
};

const LIVE = [...DISPATCHING, ...PASSING, 'paused'] as const;
const LOOKED_AT = {
  state: 1,
  endedAt: 1,
  'transfer.kind': 1,
  'transfer.file': 1,
  'transfer.expiresAt': 1,
  'transfer.checkpoint': 1,
  'transfer.options': 1,
  'transfer.lease': 1,
} as const;

const nobodyWorks = (now: Date): object => ({
  $or: [{ 'transfer.lease': null }, { 'transfer.lease.until': { $lte: now } }],
});

export const TIDY_QUERIES = {
  /** Over, worked on by nobody, and past its time; the longest first. */
  expiredTransfers: (now: Date, limit: number): FindQuery => ({
    from: 'jobs',
    filter: {
      'transfer.expiresAt': { $type: 'date', $lte: now },
      state: { $in: ENDED },
      ...nobodyWorks(now),
    },
    sort: { 'transfer.expiresAt': 1 },
    limit,
    hint: 'expiring',
    projection: LOOKED_AT,
  }),

  /** Uploads that nobody began or goes on with: past their time, and not over; the longest first. */
  abandonedUploads: (now: Date, limit: number): FindQuery => ({
    from: 'jobs',
    filter: {
      'transfer.expiresAt': { $type: 'date', $lte: now },
      'transfer.kind': 'upload',
      state: { $in: [...DISPATCHING, 'pausing', 'paused', 'stopping'] },
      ...nobodyWorks(now),
    },
    sort: { 'transfer.expiresAt': 1 },
    limit,
    hint: 'expiring',
  }),

  jobsOfFiles: (ids: readonly string[]): FindQuery => ({
    from: 'jobs',
    filter: { _id: { $in: ids } },
    projection: LOOKED_AT,
  }),

  /** Imports that have not ended, of one upload. */
  readersOfUpload: (upload: string): FindQuery => ({
    from: 'jobs',
    filter: { 'transfer.kind': 'import', state: { $in: LIVE }, 'transfer.options.upload': upload },
    limit: 1,
    projection: { _id: 1 },
  }),
} as const satisfies Record<string, (...args: never[]) => FindQuery>;

export const expiredTransfers = (
  store: Store,
  now: Date,
  limit: number,
): Promise<Pick<JobDocument, '_id'>[]> => runQuery(store, TIDY_QUERIES.expiredTransfers(now, limit));

/** Takes the lease of an ended transfer whose time is over still, and that nobody works on; null of any other. */
export const leaseExpired = async (
  store: Store,
  id: string,
  holder: string,
): Promise<(TidiedJob & { transfer: NonNullable<TidiedJob['transfer']> }) | null> =>
  (await leaseTransfer(store, id, holder, ENDED, {
    'transfer.expiresAt': { $type: 'date', $lte: new Date() },
  })) as Awaited<ReturnType<typeof leaseExpired>>;

export const abandonedUploads = (
  store: Store,
  now: Date,
  limit: number,
): Promise<(JobDocument & { transfer: TransferDocument })[]> =>
  runQuery(store, TIDY_QUERIES.abandonedUploads(now, limit));

/** Those of these jobs that there are. */
export const jobsOfFiles = (store: Store, ids: readonly string[]): Promise<TidiedJob[]> =>
  runQuery(store, TIDY_QUERIES.jobsOfFiles(ids));

/** Whether an import that has not ended may still read it. */
export const uploadIsRead = async (store: Store, upload: string): Promise<boolean> =>
  (await runQuery(store, TIDY_QUERIES.readersOfUpload(upload))).length > 0;

/**
 * The file of an ended transfer is gone: its report says so, and others may work on it. An export can be made anew by a
 * retry. Does nothing when this one's lease went to somebody else.
 */
export async function forgetFile(
  store: Store,
  { _id, transfer }: { _id: string; transfer: Pick<TransferDocument, 'kind'> },
  holder: string,
): Promise<void> {
  await store.jobs.collection.updateOne({ _id, 'transfer.lease.holder': holder } as never, {
    $set: {
      'transfer.file': null,
      'transfer.expiresAt': null,
      'transfer.lease': null,
      'transfer.report.expired': true,
      ...(transfer.kind === 'export' ? { 'transfer.checkpoint': null } : {}),
      updatedAt: new Date(),
    },
    $inc: { rev: 1 },
  });
}
