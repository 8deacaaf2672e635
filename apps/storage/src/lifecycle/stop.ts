import { idOf } from '@magpie/domain';
import type { Store, StepDocument } from '@magpie/store';
import { linkId } from '../intake/discover.ts';
import { Ledger } from '../intake/ledger.ts';
import { recipe, recipeOfOne } from '../intake/unfinished.ts';

const BATCH = 500;

/** The items that a step fetches together. */
const fetched = ({ fetches }: StepDocument): string[] =>
  (fetches?.urls ?? []).map((url) => idOf(fetches?.kind ?? '', url));

/**
 * Takes a stopped job out of the frontier: what it still waited for is given up as `aborted`, so that a retry takes it
 * up again; steps that other jobs wait for stay theirs.
 * @returns whether there was anything left to take out
 */
export async function abandonBatch(store: Store, jobId: string): Promise<boolean> {
  return store.transaction(async (session) => {
    const steps = (await store.steps.collection
      .find({ jobs: jobId } as never, { session })
      .limit(BATCH)
      .toArray()) as unknown as StepDocument[];
    if (steps.length === 0) return false;
    const ledger = new Ledger(store, session);
    const now = new Date();
    await ledger.lock([jobId]);
    const job = ledger.jobs.get(jobId);
    if (job === undefined) return false;
    await ledger.steps.load(steps.map(({ _id }) => _id));
    await ledger.links.load(
      steps.flatMap((step) => [step._id, ...fetched(step)]).map((id) => linkId(jobId, id)),
    );
    for (const step of steps) {
      const others = step.jobs.filter((id) => id !== jobId);
      const link = ledger.links.get(linkId(jobId, step._id));
      const error = {
        code: 'aborted',
        message: 'Stopped before it was done',
        attempt: step.attempt,
        at: now,
        epoch: job.epoch,
      };
      if (link?.state === 'pending') ledger.settle(link, 'failed', { error, step: recipe(step) });
      for (const each of fetched(step)) {
        const member = ledger.links.get(linkId(jobId, each));
        if (member?.state === 'pending')
          ledger.settle(member, 'failed', { error, step: recipeOfOne(step, member.url) });
      }
      if (link === undefined && others.length === 0) ledger.steps.delete(step._id);
      else ledger.steps.put({ ...step, jobs: others, state: others.length === 0 ? 'failed' : step.state });
    }
    await ledger.flush(now);
    return true;
  });
}
