import { ENDED } from '@magpie/domain';
import type { LinkDocument } from './documents.ts';
import type { Store } from './connect.ts';
import { InvalidTransition } from './jobs.ts';
import { findJob } from './lists.ts';
import { HAVING, QUERIES } from './queries.ts';
import { runQuery } from './run-query.ts';
import { removeRuns } from './runs.ts';
import { moreTargets, removeTargets } from './targets.ts';

/** So many documents a transaction. */
const BATCH = 500;

/**
 * Removes an ended job with its ledger, its runs, steps and targets, in bounded batches; what it collected is kept.
 * The job is marked first and goes last, so that a removal that was cut off is taken up by asking again.
 * Gives whether there was such a job.
 * @throws InvalidTransition when the job has not ended
 */
export async function removeJob(store: Store, id: string): Promise<boolean> {
  await store.connected();
  const marked = await store.jobs.collection.findOneAndUpdate({ _id: id, state: { $in: ENDED } } as never, {
    $set: { removing: true, updatedAt: new Date() },
    $inc: { rev: 1 },
  });
  if (marked === null) {
    const job = await findJob(store, id);
    if (job === undefined) return false;
    throw new InvalidTransition(job.state);
  }
  while ((await removeLinks(store, id)) === BATCH);
  while ((await removeSteps(store, id)) === BATCH);
  await removeRuns(store, id);
  while (moreTargets(await removeTargets(store, id)));
  await store.gaps.collection.deleteMany({ jobId: id } as never);
  await store.jobs.collection.deleteOne({ _id: id } as never);
  return true;
}

/**
 * Items that the job had lose a reference, and stay. What failed leaves its step behind, waiting for nobody; it goes
 * with the last line of a ledger that names it.
 */
const removeLinks = (store: Store, jobId: string): Promise<number> =>
  store.transaction(async (session) => {
    const links = await runQuery<Pick<LinkDocument, '_id' | 'target' | 'of' | 'state'>>(
      store,
      QUERIES.linksOfJob(jobId, BATCH),
      session,
    );
    if (links.length === 0) return 0;
    const had = links.filter(
      ({ of, state }) => of === 'item' && (HAVING as readonly string[]).includes(state),
    );
    const others = links.filter((link) => !had.includes(link)).map(({ target }) => target);
    await store.links.collection.deleteMany({ _id: { $in: links.map(({ _id }) => _id) } } as never, {
      session,
    });
    if (had.length > 0) {
      const items = { _id: { $in: had.map(({ target }) => target) }, refs: { $gt: 0 } };
      await store.items.collection.updateMany(
        { ...items, importedBy: { $ne: jobId } } as never,
        { $inc: { refs: -1 } },
        { session },
      );
      await store.items.collection.updateMany(
        { ...items, importedBy: jobId } as never,
        { $inc: { refs: -1 }, $unset: { importedBy: 1, importedRow: 1 } },
        { session },
      );
    }
    if (others.length > 0) {
      const named = await runQuery<{ target: string }>(store, QUERIES.failedLinksOf(others), session);
      const kept = new Set(named.map(({ target }) => target));
      const left = { _id: { $in: others.filter((id) => !kept.has(id)) }, jobs: { $size: 0 } };
      await store.steps.collection.deleteMany({ ...left, state: { $ne: 'leased' } } as never, { session });
    }
    return links.length;
  });

/** A step that no other job waits for goes too, unless a collector has it now: its result then finds nobody. */
const removeSteps = (store: Store, jobId: string): Promise<number> =>
  store.transaction(async (session) => {
    const steps = await runQuery<{ _id: string }>(store, QUERIES.stepsOfJob(jobId, BATCH), session);
    if (steps.length === 0) return 0;
    const those = { _id: { $in: steps.map(({ _id }) => _id) } };
    await store.steps.collection.updateMany(those as never, { $pull: { jobs: jobId } } as never, { session });
    await store.steps.collection.deleteMany(
      { ...those, jobs: { $size: 0 }, state: { $ne: 'leased' } } as never,
      { session },
    );
    return steps.length;
  });
