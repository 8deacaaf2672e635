import type { StepDocument } from './documents.ts';
import type { Store } from './connect.ts';
import { QUERIES } from './queries.ts';
import { runQuery } from './run-query.ts';

/**
 * Puts steps that were set aside back into the frontier, to be tried as if they had crashed nobody.
 * Gives the ids of the jobs that wait for them.
 */
export async function unparkSteps(
  store: Store,
  ids: readonly string[],
): Promise<{ steps: number; jobs: string[] }> {
  const parked = await runQuery<StepDocument>(store, QUERIES.parkedSteps(ids));
  const { modifiedCount } = await store.steps.collection.updateMany(
    QUERIES.parkedSteps(ids).filter as never,
    {
      $set: { state: 'ready', crashes: 0, attempt: 1 },
      $unset: { expiries: 1, notBefore: 1, lease: 1, leasedFor: 1, leaseUntil: 1 },
    },
  );
  return { steps: modifiedCount, jobs: [...new Set(parked.flatMap(({ jobs }) => jobs))] };
}

/** Gives whether there was such a dead letter. */
export async function removeDeadLetter(store: Store, id: string): Promise<boolean> {
  await store.connected();
  return (await store.deadLetters.collection.deleteOne({ _id: id } as never)).deletedCount === 1;
}
