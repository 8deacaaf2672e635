import { DISPATCHING, nextRunAt } from '@magpie/domain';
import type { Store } from '@magpie/store';
import { Ledger } from '../intake/ledger.ts';
import { openRun } from './open-run.ts';

/**
 * All that failed has been put back. A job with a schedule goes on with it, and what was put back makes a run.
 * Done twice: `retrying` is false by then, and nothing happens.
 */
export async function afterRetry(store: Store, jobId: string, now: number): Promise<void> {
  await store.transaction(async (session) => {
    const ledger = new Ledger(store, session);
    await ledger.lock([jobId]);
    const job = ledger.jobs.get(jobId);
    if (!job?.retrying || !(DISPATCHING as readonly string[]).includes(job.state)) return;
    const { schedule } = job;
    if (schedule !== null && job.run === null) {
      const next = nextRunAt(schedule, jobId, now);
      job.nextRunAt = next === null ? null : new Date(next);
      const anyStep = await store.steps.collection.findOne({ jobs: jobId } as never, {
        session,
        projection: { _id: 1 },
      });
      if (anyStep) {
        const firing = { number: job.runs + 1, dueAt: new Date(now), missed: 0 };
        await openRun(store, session, job, firing, { steps: [], resumed: 0 }, now);
        job.runs = firing.number;
      }
      await ledger.flush(new Date(now));
    }
    const { run, runs, nextRunAt: later } = job;
    await store.jobs.collection.updateOne(
      { _id: jobId } as never,
      { $set: { retrying: false, run, runs, nextRunAt: later } },
      { session },
    );
  });
}
