/** A retry of a job with a schedule is a run of its own. */
import { DISPATCHING, nextRunAt } from '@magpie/domain';
import type { JobDocument, Store } from '@magpie/store';
import { Ledger, type Session } from '../intake/ledger.ts';
import { failedBefore } from '../lifecycle/retry.ts';
import { openRun } from './open-run.ts';

const isRetrying = (job: JobDocument | undefined): job is JobDocument =>
  job?.retrying === true && (DISPATCHING as readonly string[]).includes(job.state);

/**
 * Opens the run, before anything is put back: what is put back may be done before the rest is.
 * Done twice: the run is open by then. Nothing to put back: there is no run.
 */
export async function beforeRetry(store: Store, jobId: string, now: number): Promise<void> {
  await locked(store, jobId, async (session, ledger, job) => {
    if (job.schedule === null || job.run !== null) return;
    const failed = await store.links.collection.findOne(failedBefore(jobId, job.epoch) as never, {
      session,
      projection: { _id: 1 },
    });
    if (failed === null) return;
    const firing = { number: job.runs + 1, dueAt: new Date(now), missed: 0 };
    await openRun(store, session, job, firing, { steps: [], resumed: 0 }, now);
    await ledger.flush(new Date(now));
    await store.jobs.collection.updateOne(
      { _id: jobId } as never,
      { $set: { run: job.run, runs: firing.number } },
      { session },
    );
  });
}

/**
 * All that failed has been put back: a job with a schedule goes on with it.
 * Done twice: `retrying` is false by then, and nothing happens.
 */
export async function afterRetry(store: Store, jobId: string, now: number): Promise<void> {
  await locked(store, jobId, async (session, _ledger, job) => {
    const next = job.schedule && nextRunAt(job.schedule, jobId, now);
    const later = job.schedule === null ? {} : { nextRunAt: next === null ? null : new Date(next) };
    await store.jobs.collection.updateOne(
      { _id: jobId } as never,
      { $set: { retrying: false, ...later } },
      { session },
    );
  });
}

const locked = (
  store: Store,
  jobId: string,
  work: (session: Session, ledger: Ledger, job: JobDocument) => Promise<void>,
): Promise<void> =>
  store.transaction(async (session) => {
    const ledger = new Ledger(store, session);
    await ledger.lock([jobId]);
    const job = ledger.jobs.get(jobId);
    if (isRetrying(job)) await work(session, ledger, job);
  });
