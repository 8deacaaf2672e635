import type { LinkDocument, Store } from '@magpie/store';
import { ownFailures } from './counts.ts';

/** A job with a schedule keeps so many of the steps and pages that failed, the newest. */
export const KEPT_FAILURES = 1000;
const BATCH = 500;

/**
 * Takes the steps and pages that were done off the ledger of a job that has no run open: the next run does them again
 * under other ids, so nobody asks for these any more.
 */
export async function pruneDone(store: Store, jobId: string): Promise<void> {
  await store.links.collection.deleteMany({ jobId, of: { $in: ['step', 'page'] }, state: 'done' } as never);
}

/**
 * Takes the oldest failures of a job off its ledger, beyond those that are kept; what they count for stays counted.
 * Each batch is a transaction of its own.
 */
export async function pruneFailures(store: Store, jobId: string, keep = KEPT_FAILURES): Promise<void> {
  for (;;) {
    const old = (await store.links.collection
      .find(ownFailures(jobId) as never, { projection: { target: 1 } })
      .sort({ order: -1 })
      .skip(keep)
      .limit(BATCH)
      .toArray()) as unknown as Pick<LinkDocument, '_id' | 'target'>[];
    if (old.length === 0) return;
    await store.transaction(async (session) => {
      await store.links.collection.deleteMany(
        { _id: { $in: old.map(({ _id }) => _id) }, state: 'failed' } as never,
        { session },
      );
      await store.steps.collection.deleteMany(
        { _id: { $in: old.map(({ target }) => target) }, state: 'failed', jobs: [] } as never,
        { session },
      );
    });
  }
}
