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
import { isUnavailable, type Store, type StepDocument } from '@magpie/store';
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
import { LiveJobs, type LiveJob, type LiveJobsDeps } from './live-jobs.ts';
import { Loop } from './loop.ts';
import { messagesOf, type OutgoingSteps, type PublishSteps } from './outgoing.ts';
import type { SourceCatalogue } from './sources.ts';
import { underWay } from './under-way.ts';

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

const ADVANCE_MS = 50;
const HOUSEKEEPING_MS = 1000;
/** How much longer than its work a lease lasts: clocks differ. */
const LEASE_MARGIN_MS = 10_000;
/** A turn claims for so long at most, and goes on with the other jobs in the next one. */
const CLAIMING_MS = 300;
const PASSED_OVER_MS = 500;
/** A job with nothing ready: what makes something ready is heard of, but for what is lost on the way. */
const NOTHING_READY_MS = 2000;
/** A job of which something went wrong is left alone for so long. */
const TROUBLED_MS = 5000;
/** Leases are looked at only when all has been well for so long: results may be waiting from before. */
const SETTLED_MS = 10_000;
const NOTEWORTHY_WAIT_MS = 2000;

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
  readonly #jobs: LiveJobs;
  readonly #loop: Loop;
  #housekeptAt = 0;
  #advancedAt = 0;
  #wellSince = performance.now();

  constructor(deps: DirectorDeps, options: DirectorOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#pacer = new HostPacer(deps.store, options.hostConcurrency);
    const { store, clock, credentials } = deps;
    const mayServe: LiveJobsDeps['mayServe'] = (source, needs) => credentials.mayServe(source, needs);
    this.#jobs = new LiveJobs({ store, clock, mayServe });
    this.#loop = new Loop(
      () => this.#turnIfLeading(),
      (error) => {
        deps.onError(error);
        this.#wellSince = performance.now();
      },
    );
  }

  start(): void {
    this.#deps.leader.start();
    this.#loop.start();
  }

  /** Says that there may be something to do, for these jobs at least. */
  wake(jobs: Iterable<string> = []): void {
    this.#jobs.hear(jobs);
    this.#loop.wake();
  }

  /** Ends after the turn that is under way, and lets another replica direct. Idempotent. */
  async close(): Promise<void> {
    await this.#loop.close();
    await this.#deps.leader.resign().catch(() => undefined);
  }

  async #turnIfLeading(): Promise<boolean> {
    if (this.#deps.leader.leads) return this.#turn();
    this.#wellSince = performance.now();
    return false;
  }

  /** One turn; whether anything was dispatched. */
  async #turn(): Promise<boolean> {
    const { store, lifecycle, leader, sources, credentials, scheduler, clock } = this.#deps;
    const now = new Date();
    if ((await promoteDue(store, new Date(clock()))) > 0) this.#jobs.hearAll();
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
    this.#jobs.hear(await scheduler.fire());
    await credentials.refresh();
    const { byJob, byHost } = await underWay(store);
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
    let publishing = false;
    try {
      const { due, live } = await this.#jobs.next();
      credentials.retain(live);
      for (const job of due) {
        if (this.#loop.closing || !leader.leads || performance.now() > until) break;
        if (this.#jobs.isPassedOver(job._id)) continue;
        this.#jobs.lookAt(job._id);
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
    this.#jobs.passOver(job._id, TROUBLED_MS);
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
    this.#jobs.passOver(job._id, PASSED_OVER_MS);
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
    this.#jobs.passOver(job._id, anyReady ? PASSED_OVER_MS : NOTHING_READY_MS);
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
