import type { Store, StepDocument } from '@magpie/store';
import { linkId } from '../intake/discover.ts';
import { Ledger } from '../intake/ledger.ts';

const BATCH = 500;

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
    await ledger.links.load(steps.map(({ _id }) => linkId(jobId, _id)));
    for (const step of steps) {
      const others = step.jobs.filter((id) => id !== jobId);
      const link = ledger.links.get(linkId(jobId, step._id));
      if (link?.state === 'pending')
        ledger.settle(link, 'failed', {
          error: {
            code: 'aborted',
            message: 'Stopped before it was done',
            attempt: step.attempt,
            at: now,
            epoch: job.epoch,
          },
          step: { kind: step.kind, key: step.key, ...(step.url ? { url: step.url } : {}), input: step.input },
        });
      ledger.steps.put({ ...step, jobs: others, state: others.length === 0 ? 'failed' : step.state });
    }
    await ledger.flush(now);
    return true;
  });
}
