/**
 * The director: one loop, in one storage replica at a time (see leader.ts), that brings jobs through their states and
 * dispatches their steps. It runs when it is woken (a job changed, results came in) and by itself a few times a second,
 * so a lost hint costs a moment and nothing else.
 *
 * A turn gives each live job, in order of priority and then of who waited longest, as many steps as its window, its
 * hosts and the claim allow; so one huge job cannot keep a small one waiting.
 * Dies between claim and publish: the dispatch's document is found by the next director, the steps are given back.
 */
import { randomUUID } from 'node:crypto';
import type { StepsMessage, StepWork } from '@magpie/contracts';
import { DISPATCHING } from '@magpie/domain';
import type { JobDocument, Store, StepDocument } from '@magpie/store';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import {
  claimTurn,
  giveBackLease,
  promoteDue,
  reapExpired,
  recoverDispatches,
  type HostCursors,
} from './claim.ts';
import { HostPacer } from './hosts.ts';
import type { Leader } from './leader.ts';
import type { SourceCatalogue } from './sources.ts';

export interface DirectorOptions {
  /** Steps of one job under way at once. */
  window: number;
  /** Steps under way at once on one host, over all replicas. */
  hostConcurrency: number;
  /** How long a dispatched step may wait before it is begun, ms. */
  startMs: number;
  /** How long a begun step may take, ms. */
  workMs: number;
}

export interface OutgoingSteps {
  message: StepsMessage;
  /** A collector died over its step: nothing else is to run beside it. */
  alone: boolean;
  priority: JobDocument['priority'];
  correlationId: string;
}

/** How steps get out: resolves to the messages that no queue took; rejects when the broker is away. */
export type PublishSteps = (messages: OutgoingSteps[]) => Promise<OutgoingSteps[]>;

const IDLE_MS = 250;
const PACE_MS = 15;
const HOUSEKEEPING_MS = 1000;
const JOBS_A_TURN = 100;
const NOTEWORTHY_WAIT_MS = 2000;

type LiveJob = Pick<
  JobDocument,
  '_id' | 'source' | 'priority' | 'state' | 'epoch' | 'waiting' | 'correlationId' | 'rank' | 'retrying'
>;

export interface DirectorDeps {
  store: Store;
  leader: Leader;
  lifecycle: Lifecycle;
  sources: SourceCatalogue;
  publish: PublishSteps;
  /** Removes files that nobody refers to; whether there may be more. */
  releaseOrphans: () => Promise<boolean>;
  onError: (error: unknown) => void;
}

export class Director {
  readonly #deps: DirectorDeps;
  readonly #options: DirectorOptions;
  readonly #pacer: HostPacer;
  readonly #cursors: HostCursors = new Map();
  readonly #servedAt = new Map<string, number>();
  readonly #outstanding = new Set<string>();
  #served = 0;
  #housekeptAt = 0;
  #wake: () => void = () => undefined;
  #woken = false;
  #closing = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(deps: DirectorDeps, options: DirectorOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#pacer = new HostPacer(deps.store, options.hostConcurrency);
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** Says that there may be something to do. */
  wake(): void {
    this.#woken = true;
    this.#wake();
  }

  /** Ends after the turn that is under way, and lets another replica direct. Idempotent. */
  async close(): Promise<void> {
    this.#closing = true;
    this.wake();
    await this.#loop;
    await this.#deps.leader.resign().catch(() => undefined);
  }

  async #run(): Promise<void> {
    while (!this.#closing) {
      let busy = false;
      try {
        if (await this.#deps.leader.leads()) busy = await this.#turn();
      } catch (error) {
        this.#deps.onError(error);
        await this.#rest(500);
      }
      await this.#rest(busy ? PACE_MS : this.#woken ? PACE_MS : IDLE_MS);
    }
  }

  #rest(ms: number): Promise<void> {
    this.#woken = false;
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms);
      const began = Date.now();
      const self = this;
      function done(): void {
        clearTimeout(timer);
        self.#wake = () => undefined;
        resolve();
      }
      this.#wake = () => {
        if (this.#closing || Date.now() - began >= PACE_MS) return done();
        this.#wake = () => undefined;
        setTimeout(done, PACE_MS - (Date.now() - began));
      };
    });
  }

  /** One turn; whether anything was dispatched. */
  async #turn(): Promise<boolean> {
    const { store, lifecycle } = this.#deps;
    const now = new Date();
    await promoteDue(store, now);
    if (now.getTime() - this.#housekeptAt >= HOUSEKEEPING_MS) {
      this.#housekeptAt = now.getTime();
      await reapExpired(store, now);
      await recoverDispatches(store, new Date(now.getTime() - 5000), this.#outstanding);
    }
    let advanced = await lifecycle.advance();
    advanced = (await this.#deps.releaseOrphans()) || advanced;
    await this.#deps.sources.refresh();
    const { byJob, byHost } = await this.#underWay();
    await this.#pacer.refresh(byHost);
    const jobs = await this.#liveJobs();
    const token = randomUUID();
    const lease = {
      token,
      until: new Date(now.getTime() + this.#options.startMs + this.#options.workMs + 5000),
    };
    const out: { job: LiveJob; steps: StepDocument[] }[] = [];
    try {
      for (const job of jobs) {
        if (this.#closing) break;
        if (job.state === 'waiting' && (job.waiting?.until.getTime() ?? 0) > Date.now()) continue;
        const busy = byJob.get(job._id) ?? 0;
        if (busy >= this.#options.window) continue;
        await this.#openDispatch(token, now);
        const turn = await claimTurn(
          store,
          this.#pacer,
          this.#cursors,
          job._id,
          this.#options.window - busy,
          lease,
        );
        if (turn.steps.length > 0) {
          this.#servedAt.set(job._id, ++this.#served);
          out.push({ job, steps: turn.steps });
          if (job.state !== 'running') await lifecycle.run(job._id, job.epoch);
        } else if (busy === 0) {
          if (turn.blockedUntil - Date.now() > NOTEWORTHY_WAIT_MS)
            await lifecycle.wait(job._id, job.epoch, 'host_backoff', new Date(turn.blockedUntil));
          else if (!turn.anyReady && !job.retrying) await lifecycle.completeIfDone(job._id);
        }
      }
      if (out.length > 0) await this.#publish(token, out);
    } catch (error) {
      await giveBackLease(store, token).catch(() => undefined);
      throw error;
    } finally {
      if (this.#outstanding.delete(token))
        await store.dispatches.collection.deleteOne({ _id: token } as never);
    }
    return advanced || out.length > 0;
  }

  async #openDispatch(token: string, at: Date): Promise<void> {
    if (this.#outstanding.has(token)) return;
    this.#outstanding.add(token);
    await this.#deps.store.dispatches.collection.insertOne({ _id: token, at } as never);
  }

  async #underWay(): Promise<{ byJob: Map<string, number>; byHost: Map<string, number> }> {
    const byJob = new Map<string, number>();
    const byHost = new Map<string, number>();
    const leased = this.#deps.store.steps.collection.find(
      { state: 'leased', leaseUntil: { $gte: new Date(0) } } as never,
      { projection: { _id: 0, leasedFor: 1, host: 1 }, hint: 'leased' },
    );
    for await (const row of leased) {
      const { leasedFor, host } = row as unknown as { leasedFor: string; host: string };
      byJob.set(leasedFor, (byJob.get(leasedFor) ?? 0) + 1);
      byHost.set(host, (byHost.get(host) ?? 0) + 1);
    }
    return { byJob, byHost };
  }

  async #liveJobs(): Promise<LiveJob[]> {
    const found = (await this.#deps.store.jobs.collection
      .find({ state: { $in: DISPATCHING } } as never, {
        projection: {
          source: 1,
          priority: 1,
          state: 1,
          epoch: 1,
          waiting: 1,
          correlationId: 1,
          rank: 1,
          retrying: 1,
        },
      })
      .toArray()) as unknown as LiveJob[];
    const live = new Set(found.map(({ _id }) => _id));
    for (const id of this.#servedAt.keys()) if (!live.has(id)) this.#servedAt.delete(id);
    const served = (job: LiveJob): number => this.#servedAt.get(job._id) ?? 0;
    return found.sort((a, b) => a.rank - b.rank || served(a) - served(b)).slice(0, JOBS_A_TURN);
  }

  async #publish(token: string, out: { job: LiveJob; steps: StepDocument[] }[]): Promise<void> {
    const { store, sources, publish } = this.#deps;
    const now = Date.now();
    const { startMs, workMs } = this.#options;
    const messages: OutgoingSteps[] = [];
    for (const { job, steps } of out)
      for (const batch of pack(steps, (source, kind) => sources.batch(source, kind)))
        messages.push({
          message: {
            source: batch[0]!.source,
            startBefore: now + startMs,
            deadline: now + startMs + workMs,
            steps: batch.map((step) => work(step, job, token)),
          },
          alone: batch[0]!.crashes > 0,
          priority: job.priority,
          correlationId: job.correlationId,
        });
    const unroutable = await publish(messages);
    const parked = unroutable.flatMap(({ message }) => message.steps.map(({ id }) => id));
    if (parked.length > 0) await giveBackLease(store, token, 'parked', parked);
  }
}

/** Steps of one source and kind, as many a message as the source says; one that crashed a collector goes alone. */
export function pack(
  steps: StepDocument[],
  size: (source: string, kind: string) => number,
): StepDocument[][] {
  const batches: StepDocument[][] = [];
  const open = new Map<string, StepDocument[]>();
  for (const step of steps) {
    if (step.crashes > 0) {
      batches.push([step]);
      continue;
    }
    const group = `${step.source} ${step.kind}`;
    const batch = open.get(group) ?? [];
    if (batch.length === 0) batches.push(batch);
    batch.push(step);
    if (batch.length >= size(step.source, step.kind)) open.delete(group);
    else open.set(group, batch);
  }
  return batches;
}

const work = (step: StepDocument, job: LiveJob, lease: string): StepWork => ({
  id: step._id,
  lease,
  jobId: job._id,
  epoch: job.epoch,
  kind: step.kind,
  ...(step.url === undefined ? {} : { url: step.url }),
  attempt: step.attempt,
  input: step.input,
  ...(step.etag === undefined ? {} : { etag: step.etag }),
  ...(step.lastModified === undefined ? {} : { lastModified: step.lastModified }),
});
