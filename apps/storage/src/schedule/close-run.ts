/**
 * The end of a run: all of its steps are gone. In one transaction the run gets its numbers and the job goes on to wait
 * for the next firing, or ends when there is none.
 *
 * Done twice, or by two replicas at once: the job's `rev` has moved on, so the second changes nothing.
 * Dies on any line: the transaction is undone, and the job is looked at again.
 */
import { DISPATCHING } from '@magpie/domain';
import { MAX_HISTORY, runId, type JobDocument, type LinkDocument, type Store } from '@magpie/store';
import type { Session } from '../intake/ledger.ts';
import { countOwnFailures, grownBy, numbersOf, ownFailures } from './counts.ts';
import { endRun } from './runs.ts';

/** @param job as it was read before it was found to have no step; gives it as it is then, if it was still so */
export async function finishRun(store: Store, job: JobDocument, now: Date): Promise<JobDocument | undefined> {
  return store.transaction(async (session) => {
    const locked = await store.jobs.collection.findOneAndUpdate(
      {
        _id: job._id,
        rev: job.rev,
        epoch: job.epoch,
        state: { $in: DISPATCHING },
        retrying: { $ne: true },
      } as never,
      { $inc: { rev: 1 } },
      { session, projection: { _id: 1 } },
    );
    if (locked === null) return undefined;
    const rev = job.rev + 1;
    if (job.run) await closeRun(store, session, job, now);
    const set: Partial<JobDocument> = { run: null, updatedAt: now };
    if (job.nextRunAt !== null) {
      set.state = 'waiting';
      set.waiting = { reason: 'schedule', until: job.nextRunAt };
    } else {
      const first = (await hasWorked(store, session, job))
        ? undefined
        : await firstFailure(store, session, job);
      set.state = first ? 'failed' : 'completed';
      set.waiting = null;
      set.endedAt = now;
      set.error = first?.error ? { code: first.error.code, message: first.error.message } : null;
    }
    if (set.state !== job.state) {
      const reason = set.state === 'waiting' ? { reason: 'schedule' } : {};
      set.history = [...job.history, { rev, at: now, from: job.state, to: set.state, ...reason }].slice(
        -MAX_HISTORY,
      );
    }
    await store.jobs.collection.updateOne({ _id: job._id } as never, { $set: set }, { session });
    return { ...job, ...set, rev };
  });
}

/** `failed` when a step or page of it was given up: then the next run takes those up. */
async function closeRun(store: Store, session: Session, job: JobDocument, now: Date): Promise<void> {
  const { run } = job;
  if (run === null) return;
  const ownFailed = await countOwnFailures(store, session, job._id);
  const [latest] =
    ownFailed > run.ownFailed
      ? ((await store.links.collection
          .find(ownFailures(job._id) as never, { session })
          .sort({ order: -1 })
          .limit(1)
          .toArray()) as unknown as LinkDocument[])
      : [];
  await endRun(store, session, job._id, run, {
    state: latest ? 'failed' : 'completed',
    reason: latest ? (latest.error?.code ?? 'source_error') : null,
    endedAt: now,
    counts: grownBy(numbersOf(job, ownFailed), run.before),
  });
}

/** Ends the open run of a job that was stopped, in the transaction that stops it. */
export async function stopRun(store: Store, session: Session, job: JobDocument, now: Date): Promise<void> {
  if (job.run === null) return;
  const ownFailed = await countOwnFailures(store, session, job._id);
  await endRun(store, session, job._id, job.run, {
    state: 'stopped',
    reason: null,
    endedAt: now,
    counts: grownBy(numbersOf(job, ownFailed), job.run.before),
  });
  await store.jobs.collection.updateOne({ _id: job._id } as never, { $set: { run: null } }, { session });
}

/** A job has failed only if nothing of it ever worked: no item, no page, no sample, and no run to its end. */
async function hasWorked(store: Store, session: Session, { _id, counts, pages, tally }: JobDocument) {
  if (counts.stored + counts.shared + counts.skipped + pages.done + tally.samples > 0) return true;
  const completed = await store.runs.collection.findOne(
    { _id: { $gte: runId(_id, 0), $lt: `${_id};` }, state: 'completed' } as never,
    { session, projection: { _id: 1 } },
  );
  return completed !== null;
}

async function firstFailure(
  store: Store,
  session: Session,
  { _id }: JobDocument,
): Promise<LinkDocument | undefined> {
  const found = await store.links.collection.findOne(
    { jobId: _id, of: { $in: ['item', 'page', 'step'] }, state: 'failed' } as never,
    { session, sort: { order: 1 } },
  );
  return (found as unknown as LinkDocument | null) ?? undefined;
}
