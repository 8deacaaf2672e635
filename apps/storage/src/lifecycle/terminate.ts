/**
 * Terminating: the work under way is aborted, and what only this job brought is removed, files included.
 * Everything shared stays: an item goes only when this job brought it and no other job is linked to it.
 */
import type { ControlBody } from '@magpie/contracts';
import { takeBackBatch, type StepDocument, type Store } from '@magpie/store';

const BATCH = 500;

/** Tells collectors to abort what is under way for this job alone. */
export async function abortSteps(
  store: Store,
  jobId: string,
  control: (body: ControlBody) => void,
): Promise<void> {
  const underWay = (await store.steps.collection
    .find({ jobs: [jobId], state: 'leased' } as never, { projection: { _id: 1 } })
    .limit(5000)
    .toArray()) as unknown as StepDocument[];
  if (underWay.length > 0) control({ action: 'abort', steps: underWay.map(({ _id }) => _id) });
}

const isUnderWay = async (store: Store, jobId: string): Promise<boolean> =>
  (await store.steps.collection.findOne({ jobs: jobId } as never, { projection: { _id: 1 } })) !== null;

/**
 * Takes the job out of the frontier. What is under way for it alone stays while `abortsMs` have not passed since
 * `since`, so that the abort, which may be lost, is told again.
 * @returns whether there was anything left to take out
 */
export async function forgetStepsBatch(
  store: Store,
  jobId: string,
  since: Date,
  abortsMs = 1500,
): Promise<boolean> {
  const told = Date.now() - since.getTime() > abortsMs;
  return store.transaction(async (session) => {
    const steps = (await store.steps.collection
      .find({ jobs: jobId, ...(told ? {} : { $nor: [{ jobs: [jobId], state: 'leased' }] }) } as never, {
        session,
        projection: { jobs: 1 },
      })
      .limit(BATCH)
      .toArray()) as unknown as Pick<StepDocument, '_id' | 'jobs'>[];
    if (steps.length === 0) return !told && (await isUnderWay(store, jobId));
    const alone = steps.filter(({ jobs }) => jobs.length === 1).map(({ _id }) => _id);
    const shared = steps.filter(({ jobs }) => jobs.length > 1).map(({ _id }) => _id);
    if (alone.length > 0)
      await store.steps.collection.deleteMany({ _id: { $in: alone } } as never, { session });
    if (shared.length > 0)
      await store.steps.collection.updateMany(
        { _id: { $in: shared } } as never,
        { $pull: { jobs: jobId } } as never,
        {
          session,
        },
      );
    return true;
  });
}

/** Removes a batch of the job's ledger with what hangs on it. Gives whether there was anything left to remove. */
export const removeBatch = (store: Store, jobId: string): Promise<boolean> =>
  store.transaction(async (session) => (await takeBackBatch(store, session, jobId)).links > 0);
