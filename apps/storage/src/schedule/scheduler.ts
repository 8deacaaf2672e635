/**
 * Fires the runs of jobs with a schedule. A job has at most one open run (`job.run`), and `nextRunAt` says when the
 * next is due; both, the run's document and its first steps change in one transaction, which locks the job.
 *
 * Two directors at once: both lock the job; the second finds `nextRunAt` moved on and does nothing.
 * The process dies on any line: the transaction is undone and the run is still due, or all of it has happened.
 * Nothing ran for a while: what was due is made up for by one run, which says how many firings it stands for.
 * A firing while a run is open, or while a job still does what it was to do once, is recorded as skipped (`overlap`).
 * Firings during a pause are not made up for: one skipped run (`paused`) says how many there were, and the next run comes
 * at its own time. That is decided when the job goes on, by its history; until then `nextRunAt` stays at the first firing
 * that fell into the pause.
 */
import type { SourceDescription } from '@magpie/contracts';
import { DISPATCHING, lastRunAt, missedRuns, nextRunAt } from '@magpie/domain';
import type { JobDocument, Store } from '@magpie/store';
import { Ledger, type Session } from '../intake/ledger.ts';
import { firstSteps, openRun, type Firing } from './open-run.ts';
import { endOfPause } from './paused.ts';
import { pruneDone, pruneFailures } from './prune.ts';
import { insertRun } from './runs.ts';

/** So many jobs a turn; the next turn goes on with the others. */
const JOBS_A_TURN = 50;
/** A job whose run could not be opened is passed over for so long, so that it keeps no other from running. */
const PASSED_OVER_MS = 5000;

export interface SchedulerDeps {
  store: Store;
  /** What is known of a source; undefined before it was announced. */
  describe: (source: string) => Pick<SourceDescription, 'targets'> | undefined;
  clock: () => number;
  changed: (job: Pick<JobDocument, '_id' | 'state' | 'rev' | 'correlationId'>) => void;
  onError: (error: unknown) => void;
}

/** A job as it is found to be due. */
type DueJob = JobDocument & { nextRunAt: Date };

export class Scheduler {
  readonly #deps: SchedulerDeps;
  readonly #passedOver = new Map<string, number>();

  constructor(deps: SchedulerDeps) {
    this.#deps = deps;
  }

  /** Fires what is due. Gives the jobs that changed. */
  async fire(): Promise<string[]> {
    const { store, clock, changed, describe, onError } = this.#deps;
    const now = clock();
    const due = (await store.jobs.collection
      .find({ ...dueBy(now), ...this.#others() } as never, { projection: { source: 1, run: 1 } })
      .sort({ nextRunAt: 1 })
      .limit(JOBS_A_TURN)
      .toArray()) as unknown as Pick<JobDocument, '_id' | 'source' | 'run'>[];
    const fired: string[] = [];
    for (const { _id, source, run } of due) {
      try {
        const description = describe(source);
        if (description === undefined) throw new Error(`nothing is known of the source ${source}`);
        // Not under an open run: its own failures are counted from where it began.
        if (run === null && !(await isAtWork(store, _id))) {
          await pruneDone(store, _id);
          await pruneFailures(store, _id);
        }
        const job = await store.transaction((session) => fireOne(store, session, _id, description, now));
        if (job === undefined) continue;
        fired.push(_id);
        changed(job);
      } catch (error) {
        this.#passedOver.set(_id, performance.now() + PASSED_OVER_MS);
        onError(error);
      }
    }
    return fired;
  }

  #others(): object {
    for (const [id, until] of this.#passedOver) if (until < performance.now()) this.#passedOver.delete(id);
    return this.#passedOver.size === 0 ? {} : { _id: { $nin: [...this.#passedOver.keys()] } };
  }
}

/** The type is named because the index holds dates alone: without it the index would not be used. */
export const dueBy = (now: number) => ({
  nextRunAt: { $type: 'date', $lte: new Date(now) },
  state: { $in: DISPATCHING },
  retrying: { $ne: true },
});

const isDue = (job: JobDocument | undefined, now: number): job is DueJob =>
  job !== undefined &&
  (DISPATCHING as readonly string[]).includes(job.state) &&
  !job.retrying &&
  job.removing === undefined &&
  job.nextRunAt !== null &&
  job.nextRunAt.getTime() <= now;

/** Also without an open run: one that was made to run once goes on when it is given a schedule. */
const isAtWork = async (store: Store, jobId: string, session?: Session): Promise<boolean> =>
  (await store.steps.collection.findOne({ jobs: jobId } as never, {
    projection: { _id: 1 },
    ...(session ? { session } : {}),
  })) !== null;

async function fireOne(
  store: Store,
  session: Session,
  id: string,
  description: Pick<SourceDescription, 'targets'>,
  now: number,
): Promise<JobDocument | undefined> {
  const ledger = new Ledger(store, session);
  await ledger.lock([id]);
  const job = ledger.jobs.get(id);
  if (!isDue(job, now)) return undefined;
  const due = job.nextRunAt.getTime();
  const { schedule } = job;
  const resumedAt = schedule === null ? undefined : endOfPause(job.history, due);
  const upTo = resumedAt ?? now;
  const last = (schedule && lastRunAt(schedule, id, upTo)) ?? due;
  const next = schedule && nextRunAt(schedule, id, upTo);
  const firing: Firing = {
    number: job.runs + 1,
    dueAt: new Date(Math.max(due, last)),
    missed: schedule === null ? 0 : missedRuns(schedule, id, due, upTo),
  };
  const nextRunAtDate = next === null ? null : new Date(next);
  Object.assign(job, { runs: firing.number, nextRunAt: nextRunAtDate });
  if (resumedAt !== undefined || job.run !== null || (await isAtWork(store, id, session))) {
    const reason = resumedAt === undefined ? 'overlap' : 'paused';
    await insertRun(store, session, id, { ...firing, state: 'skipped', reason });
    // Who waits for the schedule waits for the next firing; with none to come the job is looked at, and ends.
    if (job.waiting?.reason === 'schedule')
      job.waiting = { reason: 'schedule', until: nextRunAtDate ?? new Date(now) };
  } else {
    const beginning = await firstSteps(store, session, ledger, job, description, firing);
    await openRun(store, session, job, firing, beginning, now);
  }
  await ledger.flush(new Date(now));
  await store.jobs.collection.updateOne(
    { _id: id } as never,
    { $set: { run: job.run, runs: job.runs, nextRunAt: nextRunAtDate } },
    { session },
  );
  return job;
}
