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
import { WAIT_REASONS } from '@magpie/contracts';
import { DISPATCHING } from '@magpie/domain';
import { isUnavailable, type JobDocument, type Store, type StepDocument } from '@magpie/store';
import type { Credentials, KeyWait, Leased } from '../credentials/credentials.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import type { Scheduler } from '../schedule/scheduler.ts';
import {
  claimTurn,
  findExpired,
  giveBackLease,
  markPublishing,
  promoteDue,
  recoverDispatches,
  type HostCursors,
  type Turn,
} from './claim.ts';
import { HostPacer } from './hosts.ts';
import type { Leader } from './leader.ts';
import { messagesOf, type OutgoingSteps, type PublishSteps } from './outgoing.ts';
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

const IDLE_MS = 250;
const PACE_MS = 15;
const ADVANCE_MS = 50;
const HOUSEKEEPING_MS = 1000;
/** How much longer than its work a lease lasts: clocks differ. */
const LEASE_MARGIN_MS = 10_000;
/** A turn claims for so long at most, and goes on with the other jobs in the next one. */
const CLAIMING_MS = 300;
const PASSED_OVER_MS = 500;
/** A job of which something went wrong is left alone for so long. */
const TROUBLED_MS = 5000;
/** A job of a lower priority that was passed over for so many turns comes first. */
const TURNS_A_RANK = 5;
/** Leases are looked at only when all has been well for so long: results may be waiting from before. */
const SETTLED_MS = 10_000;
const NOTEWORTHY_WAIT_MS = 2000;

type LiveJob = Pick<
  JobDocument,
  | '_id'
  | 'source'
  | 'priority'
  | 'state'
  | 'epoch'
  | 'waiting'
  | 'correlationId'
  | 'rank'
  | 'retrying'
  | 'stopWhenExhausted'
  | 'warnings'
>;

/**
 * Jobs that may have something to do: of those that wait, the ones whose time has come, and the ones that may go on
 * earlier. There may be thousands that wait for their schedule, of which none is read before its time.
 */
export const liveBy = (now: number) => ({
  $or: [
    { state: { $in: DISPATCHING.filter((state) => state !== 'waiting') } },
    { state: 'waiting', 'waiting.reason': 'host_backoff' },
    {
      state: 'waiting',
      'waiting.reason': { $in: ['keys_exhausted', 'rate_limited'] },
      'waiting.needs': { $exists: true },
    },
    {
      state: 'waiting',
      'waiting.reason': { $in: WAIT_REASONS },
      'waiting.until': { $lte: new Date(now) },
    },
  ],
});

interface Dispatched {
  job: LiveJob;
  steps: StepDocument[];
  leased: Leased['granted'];
}

export interface DirectorDeps {
  store: Store;
  leader: Leader;
  lifecycle: Lifecycle;
  scheduler: Scheduler;
  /** Of jobs and their steps; leases go by the real time. */
  clock: () => number;
  sources: SourceCatalogue;
  credentials: Credentials;
  publish: PublishSteps;
  /** Removes files that nobody refers to. */
  releaseOrphans: () => Promise<void>;
  /** Moves samples that were left behind, removes targets that no job came for. */
  tidySamples: () => Promise<void>;
  /** Takes in that leases ran out. */
  expire: (steps: StepDocument[]) => Promise<void>;
  /** Whether results are on their way in: then a lease that has run out may just not have been settled yet. */
  isCatchingUp: () => boolean;
  onError: (error: unknown) => void;
}

export class Director {
  readonly #deps: DirectorDeps;
  readonly #options: DirectorOptions;
  readonly #pacer: HostPacer;
  readonly #cursors: HostCursors = new Map();
  readonly #lookedAt = new Map<string, number>();
  /** Jobs that had nothing to do, and until when they are passed over unless something is heard of them. */
  readonly #idleUntil = new Map<string, number>();
  #turns = 0;
  #housekeptAt = 0;
  #advancedAt = 0;
  #wellSince = performance.now();
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
    this.#deps.leader.start();
    this.#loop = this.#run();
  }

  /** Says that there may be something to do, for these jobs at least. */
  wake(jobs: Iterable<string> = []): void {
    for (const id of jobs) this.#idleUntil.delete(id);
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
        if (this.#deps.leader.leads) busy = await this.#turn();
        else this.#wellSince = performance.now();
      } catch (error) {
        this.#deps.onError(error);
        this.#wellSince = performance.now();
        await this.#rest(500);
      }
      await this.#rest(busy || this.#woken ? PACE_MS : IDLE_MS);
    }
  }

  /** Waits so long, or until woken, but no less than `PACE_MS`. */
  #rest(ms: number): Promise<void> {
    this.#woken = false;
    return new Promise((resolve) => {
      const began = Date.now();
      const done = (): void => {
        clearTimeout(timer);
        this.#wake = () => undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#wake = () => {
        const early = PACE_MS - (Date.now() - began);
        if (this.#closing || early <= 0) return done();
        this.#wake = () => undefined;
        setTimeout(done, early);
      };
    });
  }

  /** One turn; whether anything was dispatched. */
  async #turn(): Promise<boolean> {
    const { store, lifecycle, leader, sources, credentials, scheduler, clock } = this.#deps;
    const now = new Date();
    if ((await promoteDue(store, new Date(clock()))) > 0) this.#idleUntil.clear();
    if (now.getTime() - this.#housekeptAt >= HOUSEKEEPING_MS) {
      this.#housekeptAt = now.getTime();
      await this.#housekeep(now);
    }
    let advanced = false;
    if (now.getTime() - this.#advancedAt >= ADVANCE_MS) {
      this.#advancedAt = now.getTime();
      advanced = await lifecycle.advance();
    }
    await sources.refresh();
    for (const id of await scheduler.fire()) this.#idleUntil.delete(id);
    await credentials.refresh();
    const { byJob, byHost } = await this.#underWay();
    await this.#pacer.refresh(byHost);
    const { startMs, workMs, window } = this.#options;
    const token = randomUUID();
    const lease = { token, until: new Date(now.getTime() + startMs + workMs + LEASE_MARGIN_MS) };
    const out: Dispatched[] = [];
    let opened = false;
    const open = async (): Promise<void> => {
      if (opened) return;
      await store.dispatches.collection.insertOne({ _id: token, state: 'claimed', at: now } as never);
      opened = true;
    };
    const until = performance.now() + CLAIMING_MS;
    this.#turns++;
    let publishing = false;
    try {
      for (const job of await this.#liveJobs()) {
        if (this.#closing || !leader.leads || performance.now() > until) break;
        if ((this.#idleUntil.get(job._id) ?? 0) > performance.now()) continue;
        this.#lookedAt.set(job._id, this.#turns);
        const busy = byJob.get(job._id) ?? 0;
        if (busy >= window) continue;
        try {
          const held = credentials.held(job);
          const room = window - busy;
          const turn = await claimTurn(
            store,
            this.#pacer,
            this.#cursors,
            job._id,
            room,
            lease,
            open,
            held?.without,
          );
          const leased = await credentials.lease(job, turn.steps, token);
          if (leased.refused.length > 0) await giveBackLease(store, token, 'ready', leased.refused);
          const refused = new Set(leased.refused);
          const steps = turn.steps.filter(({ _id }) => !refused.has(_id));
          const wait = leased.wait ?? held?.wait;
          if (steps.length > 0) {
            out.push({ job, steps, leased: leased.granted });
            if (job.state !== 'running') await lifecycle.run(job._id, job.epoch);
          } else if (busy === 0 && wait) await this.#withoutKey(job, wait);
          else if (busy === 0) await this.#idle(job, turn);
        } catch (error) {
          await this.#troubled(job, token, out.at(-1)?.job === job, error);
        }
      }
      if (out.length > 0 && leader.leads && (await markPublishing(store, token))) {
        publishing = true;
        await this.#publish(token, now, out);
      } else if (out.length > 0) await this.#giveBack(token, out);
    } catch (error) {
      if (publishing) await giveBackLease(store, token).catch(() => undefined);
      else await this.#giveBack(token, out).catch(() => undefined);
      throw error;
    } finally {
      if (opened) await store.dispatches.collection.deleteOne({ _id: token } as never);
    }
    return advanced || out.length > 0;
  }

  /** What goes wrong with one job keeps no other from being served; without the database nothing goes on. */
  async #troubled(job: LiveJob, token: string, goesOut: boolean, error: unknown): Promise<void> {
    if (isUnavailable(error)) throw error;
    this.#idleUntil.set(job._id, performance.now() + TROUBLED_MS);
    if (!goesOut) await giveBackLease(this.#deps.store, token, 'ready', undefined, job._id);
    this.#deps.onError(error);
  }

  /** Nothing of it went out: all comes back, with what was taken from the quotas. */
  async #giveBack(token: string, out: readonly Dispatched[]): Promise<void> {
    await giveBackLease(this.#deps.store, token);
    await this.#deps.credentials.giveBack(
      out.flatMap(({ leased }) => [...leased.values()].map(({ charge }) => charge)),
    );
  }

  /** A job of which nothing is under way, and what is ready needs a key that there is not. */
  async #withoutKey(job: LiveJob, { reason, until, detail, needs }: KeyWait): Promise<void> {
    const { lifecycle, store, clock } = this.#deps;
    this.#idleUntil.set(job._id, performance.now() + PASSED_OVER_MS);
    const ready = { jobs: job._id, state: 'ready' } as never;
    if ((await store.steps.collection.findOne(ready, { projection: { _id: 1 } })) === null)
      return this.#idle(job, { steps: [], blockedUntil: 0, anyReady: false });
    if (reason === 'keys_exhausted' && job.stopWhenExhausted)
      return lifecycle.stopExhausted(job._id, job.epoch, [
        ...job.warnings,
        { code: 'quota_exhausted', message: detail },
      ]);
    if (reason === 'rate_limited' && until.getTime() - clock() <= NOTEWORTHY_WAIT_MS) return;
    const told = job.state === 'waiting' && job.waiting?.reason === reason ? job.waiting.until.getTime() : 0;
    if (Math.abs(told - until.getTime()) > 500)
      await lifecycle.wait(job._id, job.epoch, reason, until, { detail, needs });
  }

  /** A job of which nothing is under way and nothing could be claimed. */
  async #idle(job: LiveJob, { blockedUntil, anyReady }: Turn): Promise<void> {
    const { lifecycle } = this.#deps;
    this.#idleUntil.set(job._id, performance.now() + PASSED_OVER_MS);
    if (blockedUntil - Date.now() > NOTEWORTHY_WAIT_MS) {
      const told = job.state === 'waiting' ? (job.waiting?.until.getTime() ?? 0) : 0;
      if (Math.abs(told - blockedUntil) > 500)
        await lifecycle.wait(job._id, job.epoch, 'host_backoff', new Date(blockedUntil));
    } else if (!anyReady && !job.retrying) await lifecycle.completeIfDone(job._id);
  }

  async #housekeep(now: Date): Promise<void> {
    const { store, releaseOrphans, tidySamples, expire, isCatchingUp, onError } = this.#deps;
    await recoverDispatches(store, new Date(now.getTime() - 5000));
    if (!isCatchingUp() && performance.now() - this.#wellSince > SETTLED_MS) {
      const expired = await findExpired(store, now);
      if (expired.length > 0) await expire(expired);
    }
    await releaseOrphans().catch(onError);
    await tidySamples().catch(onError);
  }

  async #underWay(): Promise<{ byJob: Map<string, number>; byHost: Map<string, number> }> {
    const byJob = new Map<string, number>();
    const byHost = new Map<string, number>();
    const groups = this.#deps.store.steps.collection.aggregate<{
      _id: { job: string; host: string };
      count: number;
    }>(
      [
        { $match: { state: 'leased', leaseUntil: { $gte: new Date(0) } } },
        { $group: { _id: { job: '$leasedFor', host: '$host' }, count: { $sum: 1 } } },
      ],
      { hint: 'leased' },
    );
    for await (const { _id, count } of groups) {
      byJob.set(_id.job, (byJob.get(_id.job) ?? 0) + count);
      byHost.set(_id.host, (byHost.get(_id.host) ?? 0) + count);
    }
    return { byJob, byHost };
  }

  /** Jobs that may have something to do, those first that were not looked at for longest. */
  async #liveJobs(): Promise<LiveJob[]> {
    const found = (await this.#deps.store.jobs.collection
      .find(liveBy(this.#deps.clock()) as never, {
        projection: {
          source: 1,
          priority: 1,
          state: 1,
          epoch: 1,
          waiting: 1,
          correlationId: 1,
          rank: 1,
          retrying: 1,
          stopWhenExhausted: 1,
          warnings: 1,
        },
      })
      .toArray()) as unknown as LiveJob[];
    const live = new Set(found.map(({ _id }) => _id));
    this.#deps.credentials.retain(live);
    for (const id of this.#lookedAt.keys())
      if (!live.has(id)) {
        this.#lookedAt.delete(id);
        this.#idleUntil.delete(id);
      }
    const turn = (job: LiveJob): number => (this.#lookedAt.get(job._id) ?? 0) + job.rank * TURNS_A_RANK;
    return found.filter((job) => this.#isDue(job)).sort((a, b) => turn(a) - turn(b));
  }

  /** A job that waits for a key is looked at when its time has come, or when there may be one earlier. */
  #isDue({ state, waiting, source }: LiveJob): boolean {
    if (state !== 'waiting' || waiting?.needs === undefined) return true;
    return (
      waiting.until.getTime() <= this.#deps.clock() || this.#deps.credentials.mayServe(source, waiting.needs)
    );
  }

  async #publish(token: string, began: Date, out: readonly Dispatched[]): Promise<void> {
    const { store, sources, credentials, publish, onError } = this.#deps;
    const startBefore = began.getTime() + this.#options.startMs;
    const times = { startBefore, deadline: startBefore + this.#options.workMs };
    const claimed = out.map(({ job, steps, leased }) => ({
      job,
      steps,
      credentials: new Map([...leased].map(([id, { credential }]) => [id, credential])),
    }));
    const messages = messagesOf(claimed, token, times, (source, kind) => sources.batch(source, kind));
    const { unroutable, failed } = await publish(messages);
    const ids = (of: OutgoingSteps[]): string[] =>
      of.flatMap(({ message }) => message.steps.map(({ id }) => id));
    if (unroutable.length > 0) {
      const parked = ids(unroutable);
      await giveBackLease(store, token, 'parked', parked);
      const charges = out.flatMap(({ leased }) => parked.flatMap((id) => leased.get(id)?.charge ?? []));
      await credentials.giveBack(charges);
    }
    if (failed.length > 0) {
      await giveBackLease(store, token, 'ready', ids(failed));
      onError(new Error(`${failed.length} of ${messages.length} messages of steps could not be published`));
    }
  }
}
