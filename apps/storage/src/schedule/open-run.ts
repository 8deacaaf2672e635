import type { SourceDescription } from '@magpie/contracts';
import { idOf, nextOrder } from '@magpie/domain';
import { MAX_HISTORY, runId, type JobDocument, type StepDocument, type Store } from '@magpie/store';
import type { Ledger, Session } from '../intake/ledger.ts';
import { targetSteps } from '../samples/target-steps.ts';
import { countOwnFailures, numbersOf } from './counts.ts';
import { resumeFailed } from './resume.ts';
import { insertRun } from './runs.ts';

export interface Firing {
  number: number;
  /** The last of the firings that this one stands for. */
  dueAt: Date;
  /** How many there were before it. */
  missed: number;
}

export interface Beginning {
  /** To be put in. */
  steps: StepDocument[];
  /** How many failures of runs before were taken up. */
  resumed: number;
}

/**
 * What a run begins with: the steps that measure the job's targets; or nothing new, when it goes on where the run before
 * was cut off; or the `start` step.
 */
export async function firstSteps(
  store: Store,
  session: Session,
  ledger: Ledger,
  job: JobDocument,
  description: Pick<SourceDescription, 'targets'>,
  firing: Firing,
): Promise<Beginning> {
  const { number, dueAt } = firing;
  const next = job.nextRunAt;
  const intervalMs = next === null ? 0 : next.getTime() - dueAt.getTime();
  if (description.targets) {
    const steps = await targetSteps(store, session, job, description, { number, dueAt, intervalMs });
    return { steps, resumed: 0 };
  }
  const resumed = await resumeFailed(store, session, ledger, job);
  if (resumed.onward) return { steps: [], resumed: resumed.count };
  const before = (await store.runs.collection.findOne(
    { _id: { $gte: runId(job._id, 0), $lt: runId(job._id, number) }, state: { $ne: 'skipped' } } as never,
    { session, sort: { _id: -1 }, projection: { dueAt: 1 } },
  )) as { dueAt: Date } | null;
  const run = {
    number,
    at: dueAt.getTime(),
    ...(before ? { previousAt: before.dueAt.getTime() } : {}),
    ...(next === null ? { last: true } : {}),
  };
  return { steps: [startStep(job, run)], resumed: resumed.count };
}

/**
 * Opens a run of a locked job that has none open: writes it down with its steps, and changes `job`, which the caller
 * flushes (`run` and `runs` it writes itself). The run's own numbers count from here.
 */
export async function openRun(
  store: Store,
  session: Session,
  job: JobDocument,
  firing: Firing,
  { steps, resumed }: Beginning,
  now: number,
): Promise<void> {
  const at = new Date(now);
  // What was put back is not flushed yet: in the database it still has failed.
  const ownFailed = (await countOwnFailures(store, session, job._id)) - resumed;
  await insertRun(store, session, job._id, { ...firing, state: 'running', startedAt: at });
  if (steps.length > 0)
    await store.steps.collection.insertMany(steps as never[], { session, ordered: false });
  job.run = {
    number: firing.number,
    dueAt: firing.dueAt,
    startedAt: at,
    before: numbersOf(job, ownFailed),
    ownFailed,
  };
  if (job.state === 'running') return;
  job.history = [
    ...job.history,
    { rev: job.rev, at, from: job.state, to: 'running' as const, reason: 'schedule' },
  ].slice(-MAX_HISTORY);
  job.state = 'running';
  job.waiting = null;
  job.startedAt ??= at;
}

/** In no ledger while all goes well; its id is the run's, so a start that failed keeps no other run from starting. */
const startStep = (job: JobDocument, run: { number: number; at: number }): StepDocument => {
  const key = `run:${String(run.number)}`;
  return {
    _id: idOf(job._id, 'start', key),
    source: job.source,
    kind: 'start',
    key,
    host: '',
    input: { params: job.params, run },
    jobs: [job._id],
    state: 'ready',
    order: nextOrder(),
    attempt: 1,
    crashes: 0,
    backoffs: 0,
  };
};
