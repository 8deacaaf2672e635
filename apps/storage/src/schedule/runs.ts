/** The list of a job's runs: written as they open, are skipped and end; only the newest are kept. */
import type { OpenRun, RunDocument, Store } from '@magpie/store';
import { runId } from '@magpie/store';
import type { Session } from '../intake/ledger.ts';

/** So many runs of a job are listed. */
export const KEPT_RUNS = 10_000;
const PRUNED_EVERY = 100;

const NOTHING: RunDocument['counts'] = {
  discovered: 0,
  stored: 0,
  shared: 0,
  failed: 0,
  samples: 0,
  requests: 0,
  units: 0,
};

export async function insertRun(
  store: Store,
  session: Session,
  jobId: string,
  run: Pick<RunDocument, 'number' | 'state' | 'dueAt' | 'missed'> & Partial<RunDocument>,
): Promise<void> {
  const document: RunDocument = {
    _id: runId(jobId, run.number),
    jobId,
    reason: null,
    startedAt: null,
    endedAt: null,
    counts: NOTHING,
    ...run,
  };
  await store.runs.collection.insertOne(document as never, { session });
  if (run.number % PRUNED_EVERY === 0 && run.number > KEPT_RUNS)
    await store.runs.collection.deleteMany(
      { _id: { $gte: runId(jobId, 0), $lte: runId(jobId, run.number - KEPT_RUNS) } } as never,
      { session },
    );
}

/** Ends the open run of a job, in the transaction that takes it off the job. */
export async function endRun(
  store: Store,
  session: Session,
  jobId: string,
  { number }: OpenRun,
  end: Pick<RunDocument, 'state' | 'reason' | 'counts'> & { endedAt: Date },
): Promise<void> {
  await store.runs.collection.updateOne({ _id: runId(jobId, number) } as never, { $set: end }, { session });
}
