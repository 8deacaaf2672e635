/**
 * Brings jobs through their states. Each step of it is a compare-and-set or a transaction that may be done twice;
 * what a death interrupts, the next director goes on with, because the state in the database says where the job is.
 */
import type { ControlBody, JobState, WaitReason } from '@magpie/contracts';
import { DISPATCHING, PASSING } from '@magpie/domain';
import {
  COLLECTED,
  moveJob,
  removeRuns,
  type JobDocument,
  type LinkDocument,
  type Store,
} from '@magpie/store';
import { removeMeasuredBatch } from '../samples/remove-samples.ts';
import { finishRun, stopRun } from '../schedule/close-run.ts';
import { afterRetry, beforeRetry } from '../schedule/retry-run.ts';
import { retryBatch } from './retry.ts';
import { abandonBatch } from './stop.ts';
import { abortSteps, forgetStepsBatch, removeBatch } from './terminate.ts';

export interface LifecycleDeps {
  store: Store;
  /** Tells every collector replica; a hint that is repeated until it has had its effect. */
  control: (body: ControlBody) => void;
  onError: (error: unknown) => void;
  /** Tells whoever listens that a job changed. */
  changed: (job: Pick<JobDocument, '_id' | 'state' | 'rev' | 'correlationId'>) => void;
  clock: () => number;
}

export class Lifecycle {
  readonly #deps: LifecycleDeps;

  constructor(deps: LifecycleDeps) {
    this.#deps = deps;
  }

  /** Does the next bit for every job on its way to another state; whether there is more to do at once. */
  async advance(): Promise<boolean> {
    const { store } = this.#deps;
    const passing = (await store.jobs.collection
      .find({ state: { $in: PASSING }, ...COLLECTED } as never)
      .toArray()) as unknown as JobDocument[];
    const retrying = (await store.jobs.collection
      .find({ retrying: true, state: { $in: DISPATCHING }, ...COLLECTED } as never)
      .toArray()) as unknown as JobDocument[];
    let more = false;
    for (const job of [...passing, ...retrying]) {
      try {
        more = (await this.#bring(job)) || more;
      } catch (error) {
        this.#deps.onError(error);
      }
    }
    return more;
  }

  #bring(job: JobDocument): Promise<boolean> {
    if (job.state === 'pausing') return this.#pause(job);
    if (job.state === 'stopping') return this.#stop(job);
    if (job.state === 'terminating') return this.#terminate(job);
    return this.#retry(job);
  }

  /** `queued` or `waiting` → `running`. */
  async run(id: string, epoch: number): Promise<void> {
    await this.#move(id, ['queued', 'waiting'], 'running', { epoch }, { waiting: null });
  }

  /** → `waiting`, with the reason and the time when it is looked at again. */
  async wait(
    id: string,
    epoch: number,
    reason: WaitReason,
    until: Date,
    more: Pick<NonNullable<JobDocument['waiting']>, 'detail' | 'needs'> = {},
  ): Promise<void> {
    await this.#move(id, DISPATCHING, 'waiting', { epoch }, { waiting: { reason, until, ...more } }, reason);
  }

  /** → `stopping`, because the keys are used up and the job is not to wait for more. */
  async stopExhausted(id: string, epoch: number, warnings: JobDocument['warnings']): Promise<void> {
    await this.#move(id, DISPATCHING, 'stopping', { epoch }, { waiting: null, warnings }, 'keys_exhausted');
  }

  /**
   * Ends a job that has no step left: `failed` when nothing of it worked, else `completed`. One that has runs ends its
   * run, and waits for the next if there is one.
   * A result that takes a job's last step away brings its next ones in the same transaction, so none left means done.
   */
  async completeIfDone(id: string): Promise<void> {
    const { store } = this.#deps;
    const anyStep = () => store.steps.collection.findOne({ jobs: id } as never, { projection: { _id: 1 } });
    if (await anyStep()) return;
    const job = (await store.jobs.collection.findOne({ _id: id } as never)) as unknown as JobDocument | null;
    if (job === null || !(DISPATCHING as readonly JobState[]).includes(job.state) || job.retrying) return;
    // Looked at once more: what was retried since the first look has another `rev`.
    if (await anyStep()) return;
    if (job.schedule !== null || job.run !== null || job.nextRunAt !== null || job.runs > 0) {
      if (isBetweenRuns(job)) return;
      const ended = await finishRun(store, job, new Date(this.#deps.clock()));
      if (ended) this.#deps.changed(ended);
      return;
    }
    const { counts, pages } = job;
    const worked = counts.stored + counts.shared + counts.skipped + pages.done > 0;
    const [first] = worked ? [] : await this.#firstFailure(id);
    await this.#move(
      id,
      DISPATCHING,
      first ? 'failed' : 'completed',
      { epoch: job.epoch, rev: job.rev, retrying: { $ne: true } },
      {
        waiting: null,
        endedAt: this.#now(),
        error: first?.error ? { code: first.error.code, message: first.error.message } : null,
      },
    );
  }

  async #firstFailure(id: string): Promise<LinkDocument[]> {
    return (await this.#deps.store.links.collection
      .find({ jobId: id, of: { $in: ['item', 'page', 'step'] }, state: 'failed' } as never)
      .sort({ order: 1 })
      .limit(1)
      .toArray()) as unknown as LinkDocument[];
  }

  async #pause(job: JobDocument): Promise<boolean> {
    this.#deps.control({ action: 'hold', jobId: job._id, epoch: job.epoch });
    if (!(await this.#hasUnderWay(job._id))) await this.#move(job._id, ['pausing'], 'paused');
    return false;
  }

  async #stop(job: JobDocument): Promise<boolean> {
    this.#deps.control({ action: 'hold', jobId: job._id, epoch: job.epoch });
    if (await this.#hasUnderWay(job._id)) return false;
    if (await abandonBatch(this.#deps.store, job._id)) return true;
    const now = this.#now();
    const stopped = await this.#deps.store.transaction(async (session) => {
      const ended = { endedAt: now, waiting: null, nextRunAt: null };
      const found = await moveJob(
        this.#deps.store,
        job._id,
        { from: ['stopping'], to: 'stopped', at: now, set: ended },
        session,
      );
      if (found) await stopRun(this.#deps.store, session, found, now);
      return found;
    });
    if (stopped) this.#deps.changed(stopped);
    return false;
  }

  async #terminate(job: JobDocument): Promise<boolean> {
    const { store, control } = this.#deps;
    control({ action: 'hold', jobId: job._id, epoch: job.epoch });
    await abortSteps(store, job._id, control);
    const since = job.history.findLast(({ to }) => to === 'terminating')?.at ?? job.updatedAt;
    if (await forgetStepsBatch(store, job._id, since)) return true;
    if (await removeBatch(store, job._id)) return true;
    await removeRuns(store, job._id);
    if (await removeMeasuredBatch(store, job._id)) return true;
    const none = { discovered: 0, stored: 0, shared: 0, skipped: 0, failed: 0, pending: 0 };
    const pages = { discovered: 0, done: 0, failed: 0, pending: 0 };
    await this.#move(
      job._id,
      ['terminating'],
      'terminated',
      {},
      { endedAt: this.#now(), waiting: null, counts: none, pages, run: null, nextRunAt: null },
    );
    return false;
  }

  async #retry(job: JobDocument): Promise<boolean> {
    const { store, clock } = this.#deps;
    if (job.schedule !== null && job.run === null) await beforeRetry(store, job._id, clock());
    if (await retryBatch(store, job._id, job.epoch)) return true;
    await afterRetry(store, job._id, clock());
    return false;
  }

  async #hasUnderWay(id: string): Promise<boolean> {
    const found = await this.#deps.store.steps.collection.findOne(
      { state: 'leased', leaseUntil: { $gte: new Date(0) }, leasedFor: id } as never,
      { projection: { _id: 1 }, hint: 'leased' },
    );
    return found !== null;
  }

  #now(): Date {
    return new Date(this.#deps.clock());
  }

  async #move(
    id: string,
    from: readonly JobState[],
    to: JobState,
    when: object = {},
    set: Partial<JobDocument> = {},
    reason?: string,
  ): Promise<boolean> {
    const job = await moveJob(this.#deps.store, id, { from, to, at: this.#now(), when, set, reason });
    if (job) this.#deps.changed(job);
    return job !== null;
  }
}

/** It waits for its next run already. */
const isBetweenRuns = ({ state, run, waiting, nextRunAt }: JobDocument): boolean =>
  state === 'waiting' &&
  run === null &&
  nextRunAt !== null &&
  waiting?.reason === 'schedule' &&
  waiting.until.getTime() === nextRunAt.getTime();
