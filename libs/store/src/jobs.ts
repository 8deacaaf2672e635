/** How a job comes into being, and what a person can do with it. Each is one atomic write. */
import type { Priority } from '@magpie/contracts';
import {
  ACTIONS,
  allowedActions,
  ENDED,
  idOf,
  newId,
  nextOrder,
  nextRunAt,
  TAKEN_BACK_FROM,
  type Action,
  type PlannedSchedule,
  type State,
} from '@magpie/domain';
import type { ClientSession } from 'mongoose';
import type { Store } from './connect.ts';
import type {
  IdempotencyDocument,
  JobDocument,
  LinkDocument,
  StandingJobDocument,
  StepDocument,
} from './documents.ts';
import { findJob, isBeingRemoved } from './lists.ts';
import { QUERIES } from './queries.ts';
import { runOne } from './run-query.ts';
import { adoptTargets, discardTargets, loadTargets } from './targets.ts';

const RANKS = { high: 0, normal: 1, low: 2 } as const satisfies Record<Priority, number>;

/** A job remembers so many of its last transitions. */
export const MAX_HISTORY = 100;

export interface NewJob {
  source: string;
  /** Valid by the source's schema, defaults filled in. */
  params: Record<string, unknown>;
  priority: Priority;
  correlationId: string;
  /** When it runs; the first run with `every` is at once. Without one the job runs once. */
  schedule?: PlannedSchedule | null | undefined;
  /** Stop, rather than wait, when all keys are used up. */
  stopWhenExhausted?: boolean | undefined;
  /** What will not go as it was asked for. */
  warnings?: JobDocument['warnings'] | undefined;
  /** Keys of what it measures, distinct; not among `params`. */
  targets?: readonly string[] | undefined;
  /** So many targets were put in under its id already, by `loadTargetsWithin`. */
  loaded?: number | undefined;
  /** The import that made it. */
  importedBy?: string | undefined;
  /** It is the one job of this name: as long as it has not ended, whoever asks for one gets it. */
  standing?: string | undefined;
  idempotency?: Idempotency | undefined;
}

/** A client's key, already hashed with what it belongs to, and a hash of what was asked for. */
export interface Idempotency {
  key: string;
  bodyHash: string;
}

export interface CreatedJob {
  job: JobDocument;
  /** Whether this job was made by an earlier request with the same key. */
  replayed: boolean;
}

/** The key was used for something else. */
export class IdempotencyConflict extends Error {
  override readonly name = 'IdempotencyConflict';
  constructor() {
    super('the idempotency key was used with another body');
  }
}

/** The job is not in a state that allows this. */
export class InvalidTransition extends Error {
  override readonly name = 'InvalidTransition';
  readonly state: State;
  readonly allowed: readonly string[];
  constructor(state: State, allowed: readonly string[] = allowedActions(state)) {
    super(`a job that is ${state} does not allow this`);
    this.state = state;
    this.allowed = allowed;
  }
}

/**
 * Makes a job with its first step, in one transaction; one with a schedule or with targets gets its first steps with
 * its first run. Of any number of requests with one idempotency key,
 * also at once, one makes the job and all get it.
 * @throws IdempotencyConflict
 */
export async function createJob(store: Store, input: NewJob): Promise<CreatedJob> {
  await store.connected();
  const { targets = [] } = input;
  // Lists by time go by the id: it and `createdAt` are of the same instant.
  const at = new Date();
  const id = newId(at.getTime());
  if (targets.length === 0) return insertJob(store, id, input, at);
  const before = await jobBefore(store, input);
  if (before !== undefined) return { job: before, replayed: true };
  try {
    await loadTargets(store, { id, source: input.source }, targets);
    const created = await insertJob(store, id, input, at);
    if (created.replayed) await discardTargets(store, id);
    return created;
  } catch (error) {
    await discardTargets(store, id).catch(() => undefined);
    throw error;
  }
}

function insertJob(store: Store, id: string, input: NewJob, at: Date): Promise<CreatedJob> {
  return store.transaction(async (session) => {
    const { idempotency, standing } = input;
    const before = await jobBefore(store, input, session);
    if (before !== undefined) return { job: before, replayed: true };
    if (standing !== undefined)
      await store.standingJobs.collection.updateOne(
        { _id: standing } as never,
        { $set: { jobId: id } },
        { session, upsert: true },
      );
    if (idempotency !== undefined) await rememberMade(store, session, idempotency, id, at);
    const [job] = await createJobsWithin(store, session, [{ ...input, id }], at);
    return { job: job as JobDocument, replayed: false };
  });
}

/**
 * Makes jobs with their first steps in a transaction of the caller's, each under an id of his. Those with targets
 * become the owners of what was loaded under their ids.
 */
export async function createJobsWithin(
  store: Store,
  session: ClientSession,
  inputs: readonly (NewJob & { id: string })[],
  at = new Date(),
): Promise<JobDocument[]> {
  const jobs = inputs.map((input) => jobDocument(input.id, input, at));
  for (const { _id, targets } of jobs) if (targets > 0) await adoptTargets(store, session, _id);
  if (jobs.length > 0) await store.jobs.collection.insertMany(jobs as never, { session });
  const first = jobs.filter((job) => !hasRuns(job)).map((job) => [job, firstStep(job)] as const);
  if (first.length === 0) return jobs;
  await store.steps.collection.insertMany(first.map(([, step]) => step) as never, { session });
  await store.links.collection.insertMany(first.map(([job, step]) => firstLink(job, step)) as never, {
    session,
  });
  return jobs;
}

/** The job that was made for the same request, or that stands already. */
async function jobBefore(
  store: Store,
  { idempotency, standing }: NewJob,
  session?: ClientSession,
): Promise<JobDocument | undefined> {
  const known = idempotency && (await jobOfKey(store, idempotency, session));
  return known ?? (standing === undefined ? undefined : findStandingJob(store, standing, session));
}

/** The one job of this name, as long as it has not ended and is not about to. */
export async function findStandingJob(
  store: Store,
  name: string,
  session?: ClientSession,
): Promise<JobDocument | undefined> {
  const standing = await runOne<StandingJobDocument>(store, QUERIES.standingJob(name), session);
  const job = standing && (await runOne<JobDocument>(store, QUERIES.job(standing.jobId), session));
  return job === undefined || isEnding(job) ? undefined : job;
}

const isEnding = (job: JobDocument): boolean =>
  isBeingRemoved(job) || ['stopping', 'terminating', ...ENDED].includes(job.state);

/** The job that this key made; undefined when there is none, or none any more. */
async function jobOfKey(
  store: Store,
  idempotency: Idempotency,
  session: ClientSession | undefined,
): Promise<JobDocument | undefined> {
  const made = await madeBefore(store, idempotency, session);
  return made === undefined ? undefined : runOne<JobDocument>(store, QUERIES.job(made), session);
}

/** The id of what this key made, which may be gone since; undefined when it made nothing. @throws IdempotencyConflict */
export async function madeBefore(
  store: Store,
  { key, bodyHash }: Idempotency,
  session?: ClientSession,
): Promise<string | undefined> {
  const known = await runOne<IdempotencyDocument>(store, QUERIES.idempotency(key), session);
  if (known !== undefined && known.bodyHash !== bodyHash) throw new IdempotencyConflict();
  return known?.made;
}

/**
 * Remembers for a day what a key made. In the transaction that makes it and that found nothing made before: of two at
 * once, one is then made to look again.
 */
export async function rememberMade(
  store: Store,
  session: ClientSession,
  { key, bodyHash }: Idempotency,
  made: string,
  at: Date,
): Promise<void> {
  const document: IdempotencyDocument = { _id: key, bodyHash, made, at };
  await store.idempotency.collection.replaceOne({ _id: key } as never, document, { session, upsert: true });
}

export const jobDocument = (
  id: string,
  {
    source,
    params,
    priority,
    correlationId,
    schedule = null,
    stopWhenExhausted = false,
    warnings = [],
    targets = [],
    loaded = 0,
    importedBy,
  }: NewJob,
  at: Date,
): JobDocument => ({
  _id: id,
  source,
  params,
  priority,
  rank: RANKS[priority],
  state: 'queued',
  epoch: 1,
  rev: 1,
  waiting: null,
  counts: { discovered: 0, stored: 0, shared: 0, skipped: 0, failed: 0, pending: 0 },
  pages: { discovered: 0, done: 0, failed: 0, pending: 0 },
  error: null,
  schedule,
  run: null,
  runs: 0,
  nextRunAt: schedule ? firstRunAt(schedule, id) : targets.length + loaded > 0 ? at : null,
  targets: targets.length + loaded,
  tally: { samples: 0, requests: 0, units: 0 },
  coverage: null,
  stopWhenExhausted,
  warnings,
  history: [{ rev: 1, at, from: null, to: 'queued' }],
  retrying: false,
  ...(importedBy === undefined ? {} : { importedBy }),
  correlationId,
  createdAt: at,
  startedAt: null,
  endedAt: null,
  updatedAt: at,
});

/** What measures targets does so in runs, if only in one. */
const hasRuns = ({ schedule, targets }: JobDocument): boolean => schedule !== null || targets > 0;

function firstRunAt(schedule: PlannedSchedule, id: string): Date | null {
  const at = nextRunAt(schedule, id, schedule.anchor.getTime() - 1);
  return at === null ? null : new Date(at);
}

const firstStep = (job: JobDocument): StepDocument => ({
  _id: idOf(job._id, 'start', 'start'),
  source: job.source,
  kind: 'start',
  key: 'start',
  host: '',
  input: { params: job.params },
  jobs: [job._id],
  state: 'ready',
  order: nextOrder(),
  attempt: 1,
  crashes: 0,
  backoffs: 0,
});

const firstLink = (job: JobDocument, step: StepDocument): LinkDocument => ({
  _id: `${job._id}:${step._id}`,
  jobId: job._id,
  target: step._id,
  of: 'step',
  kind: step.kind,
  url: '',
  state: 'pending',
  order: step.order,
});

/** Of uploads, as `allowedActions` has it. */
const RETRIABLE = {
  $or: [
    { 'transfer.kind': { $ne: 'upload' } },
    { state: 'stopped', 'transfer.options.protocol': 'tus', 'transfer.expiresAt': { $ne: null } },
  ],
};

/** Of imports that have ended, as `allowedActions` has it. */
const CAN_BE_TAKEN_BACK = {
  state: { $in: TAKEN_BACK_FROM },
  'transfer.kind': 'import',
  'transfer.options.dryRun': { $ne: true },
};

/**
 * Pauses, resumes, stops, terminates or retries a job: compare-and-set on its state, so of two that
 * exclude each other one wins. Gives the job as it then is; undefined when there is none.
 * An import is terminated after its end too: that takes back what it brought.
 * @throws InvalidTransition saying where the job is and what can be done
 */
export async function controlJob(
  store: Store,
  id: string,
  action: Action,
  at = new Date(),
): Promise<JobDocument | undefined> {
  await store.connected();
  const live = { state: { $in: ACTIONS[action].from } };
  const when =
    action === 'retry'
      ? { ...live, ...RETRIABLE }
      : action === 'terminate'
        ? { $or: [live, CAN_BE_TAKEN_BACK] }
        : live;
  const changed = await act(store, id, action, when, at);
  if (changed !== null) return changed;
  const job = await findJob(store, id);
  if (job === undefined || isBeingRemoved(job)) return undefined;
  throw new InvalidTransition(job.state, allowedActions(job.state, job.transfer));
}

/**
 * Terminates some of the jobs that an import made, also those that have ended: what they brought goes with them. Those
 * that are on their way there or were removed are left alone. Gives how many there were.
 */
export async function terminateImported(store: Store, importId: string, limit: number): Promise<number> {
  const left = {
    importedBy: importId,
    state: { $in: [...ACTIONS.terminate.from, ...TAKEN_BACK_FROM] },
    removing: { $exists: false },
  };
  const jobs = await store.jobs.collection
    .find(left as never, { projection: { _id: 1 } })
    .limit(limit)
    .toArray();
  await Promise.all(jobs.map(({ _id }) => act(store, String(_id), 'terminate', left, new Date())));
  return jobs.length;
}

/** One atomic write; null when the job is not as it must be. */
async function act(
  store: Store,
  id: string,
  action: Action,
  when: object,
  at: Date,
): Promise<JobDocument | null> {
  const { to, newEpoch } = ACTIONS[action];
  const goesOn = action !== 'pause' && action !== 'stop';
  const rev = { $add: ['$rev', 1] };
  const transition = { rev, at, from: '$state', to, reason: action };
  return (await store.jobs.collection.findOneAndUpdate(
    { _id: id, ...when, removing: { $exists: false } } as never,
    [
      {
        $set: {
          state: to,
          rev,
          updatedAt: at,
          waiting: null,
          history: { $slice: [{ $concatArrays: ['$history', [transition]] }, -MAX_HISTORY] },
          ...(newEpoch ? { epoch: { $add: ['$epoch', 1] } } : {}),
          ...(goesOn ? { endedAt: null } : {}),
          ...(action === 'retry' ? { retrying: true, error: null } : {}),
        },
      },
    ],
    { returnDocument: 'after' },
  )) as unknown as JobDocument | null;
}
