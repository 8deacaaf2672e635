/** The runs of jobs with a schedule, and changes of a schedule. */
import { allowedActions, ENDED, nextFiring, nextRunAt, PASSING, type PlannedSchedule } from '@magpie/domain';
import type { RunState } from '@magpie/contracts';
import type { ClientSession } from 'mongoose';
import type { Store } from './connect.ts';
import type { JobDocument, RunDocument } from './documents.ts';
import { InvalidTransition } from './jobs.ts';
import { findJob, isBeingRemoved, page, type PageOf, type PageRequest } from './lists.ts';
import { QUERIES } from './queries.ts';
import { runId } from './run-queries.ts';

/** Runs of a job, newest first. @throws InvalidCursor */
export const listRuns = (
  store: Store,
  jobId: string,
  filter: { state?: RunState | undefined },
  request: PageRequest,
): Promise<PageOf<RunDocument>> =>
  page<RunDocument, [number]>(store, request, {
    name: 'runs',
    parts: ['number'],
    keyOf: ({ number }) => [number],
    query: (limit, past) => QUERIES.runs(jobId, filter, limit, past?.[0]),
  });

/** Removes all runs of a job. */
export async function removeRuns(store: Store, jobId: string): Promise<void> {
  await store.runs.collection.deleteMany({ _id: { $gte: runId(jobId, 0), $lt: `${jobId};` } } as never);
}

export interface JobChange {
  /** Null: no run follows; the one that is open ends, and then the job. */
  schedule?: PlannedSchedule | null;
  /** Valid by the source's schema; in force from the next run on. */
  params?: Record<string, unknown>;
  stopWhenExhausted?: boolean;
  warnings?: JobDocument['warnings'];
}

const FIXED: readonly string[] = [...ENDED, ...PASSING.filter((state) => state !== 'pausing')];

/**
 * Changes a job that has not ended, at once: the next run is counted anew from `now` (ms), in the same phase unless
 * `every` becomes another. One transaction that locks the job, so of two changes, or a change and a run that begins,
 * one comes after the other. Gives the job as it then is; undefined when there is none.
 * @throws InvalidTransition when the job has ended, or is about to
 */
export async function changeJob(
  store: Store,
  id: string,
  change: JobChange,
  now = Date.now(),
): Promise<JobDocument | undefined> {
  await store.connected();
  return store.transaction(async (session) => {
    const at = new Date(now);
    const locked = (await store.jobs.collection.findOneAndUpdate(
      { _id: id, state: { $nin: FIXED }, removing: { $exists: false } } as never,
      { $inc: { rev: 1 }, $set: { updatedAt: at } },
      { session, returnDocument: 'after' },
    )) as unknown as JobDocument | null;
    if (locked === null) {
      const job = await findJob(store, id);
      if (job === undefined || isBeingRemoved(job)) return undefined;
      throw new InvalidTransition(job.state, allowedActions(job.state));
    }
    const { schedule, ...rest } = change;
    const set: Partial<JobDocument> = { ...rest };
    if (schedule !== undefined) Object.assign(set, rescheduled(locked, schedule, now));
    if (set.schedule && set.nextRunAt)
      await drawTogether(store, session, locked, { schedule: set.schedule, nextRunAt: set.nextRunAt }, now);
    if (Object.keys(set).length > 0)
      await store.jobs.collection.updateOne({ _id: id } as never, { $set: set }, { session });
    return { ...locked, ...set };
  });
}

/**
 * What is left of a round that is spread over a longer interval than runs now have is spread over such a one: the round
 * would else keep runs from beginning for as long as the interval was.
 */
async function drawTogether(
  store: Store,
  session: ClientSession,
  job: JobDocument,
  { schedule, nextRunAt: next }: { schedule: PlannedSchedule; nextRunAt: Date },
  now: number,
): Promise<void> {
  if (job.run === null || job.targets === 0) return;
  const following = nextRunAt(schedule, job._id, next.getTime()) ?? next.getTime();
  const intervalMs = following - next.getTime() || next.getTime() - now;
  const at = new Date(now);
  const left = { $max: [0, { $subtract: ['$notBefore', at] }] };
  const share = { $divide: [intervalMs, '$input.run.intervalMs'] };
  await store.steps.collection.updateMany(
    {
      jobs: job._id,
      state: 'later',
      // Not what failed and is tried again on the source's terms.
      attempt: 1,
      backoffs: 0,
      'input.run.intervalMs': { $gt: intervalMs },
    } as never,
    [
      { $set: { notBefore: { $add: [at, { $floor: { $multiply: [left, share] } }] } } },
      { $set: { 'input.run.intervalMs': intervalMs } },
    ],
    { session },
  );
}

/** Whoever waits for the schedule now waits for the new one; with no run to come it is looked at, and ends. */
function rescheduled(
  job: JobDocument,
  wanted: PlannedSchedule | null,
  now: number,
): Pick<JobDocument, 'schedule' | 'nextRunAt'> & Partial<Pick<JobDocument, 'waiting'>> {
  const before = job.schedule;
  const samePhase =
    wanted !== null && before !== null && wanted.every !== null && wanted.every === before.every;
  const schedule = samePhase ? { ...wanted, anchor: before.anchor } : wanted;
  // A new interval's first run is an interval away: the firing that begins it has none, however late jitter puts it.
  const begins = schedule !== null && schedule.every !== null && !samePhase;
  const after = begins ? (nextFiring(schedule, now) ?? Infinity) - 1 : now;
  const next = schedule === null || after === Infinity ? null : nextRunAt(schedule, job._id, after);
  const nextAt = next === null ? null : new Date(next);
  return {
    schedule,
    nextRunAt: nextAt,
    ...(job.waiting?.reason === 'schedule'
      ? { waiting: { reason: 'schedule' as const, until: nextAt ?? new Date(now) } }
      : {}),
  };
}
