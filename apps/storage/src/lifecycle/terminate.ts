/**
 * Terminating: the work under way is aborted, and what only this job brought is removed, files included.
 * Everything shared stays: an item goes only when this job brought it and no other job is linked to it.
 */
import type { ControlBody } from '@magpie/contracts';
import type { ItemDocument, LinkDocument, StepDocument, Store } from '@magpie/store';
import { recordOrphans } from '../intake/ledger.ts';

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

/**
 * Removes a batch of the job's ledger with what hangs on it.
 * The write to an item's `refs` meets that of a job which links it at the same time, so neither is lost.
 * @returns whether there was anything left to remove
 */
export async function removeBatch(store: Store, jobId: string): Promise<boolean> {
  return store.transaction(async (session) => {
    const links = (await store.links.collection
      .find({ jobId } as never, { session })
      .limit(BATCH)
      .toArray()) as unknown as LinkDocument[];
    if (links.length === 0) return false;
    await store.links.collection.deleteMany({ _id: { $in: links.map(({ _id }) => _id) } } as never, {
      session,
    });

    const held = links
      .filter(({ state }) => state === 'stored' || state === 'shared')
      .map(({ target }) => target);
    if (held.length > 0)
      await store.items.collection.updateMany(
        { _id: { $in: held } } as never,
        { $inc: { refs: -1 } },
        { session },
      );
    const brought = links.filter((link) => link.brought).map(({ target }) => target);
    const mine = (await store.items.collection
      .find({ _id: { $in: brought }, refs: { $lte: 0 } } as never, { session })
      .toArray()) as unknown as ItemDocument[];
    if (mine.length > 0)
      await store.items.collection.deleteMany({ _id: { $in: mine.map(({ _id }) => _id) } } as never, {
        session,
      });

    const failed = links.filter(({ state }) => state === 'failed').map(({ target }) => target);
    if (failed.length > 0) {
      const wanted = new Set(
        (
          await store.links.collection
            .find({ target: { $in: failed } } as never, { session, projection: { target: 1 } })
            .toArray()
        ).map((link) => String(link['target'])),
      );
      await store.steps.collection.deleteMany(
        { _id: { $in: failed.filter((id) => !wanted.has(id)) }, state: 'failed', jobs: [] } as never,
        { session },
      );
    }
    await recordOrphans(store, session, new Set(mine.flatMap(({ file }) => file?.path ?? [])));
    return true;
  });
}
