/**
 * Works on the transfers: takes the lease of one that has something to do, brings it on, and to the state that was
 * asked for.
 *
 * Dies on any line: the lease runs out, and another replica goes on from the checkpoint.
 * Two replicas at once: one has the lease; what the other still does it cannot commit.
 * Twice: every transition is a compare-and-set, every commit is bound to the lease.
 */
import { randomUUID } from 'node:crypto';
import type { JobState, TransferKind } from '@magpie/contracts';
import { DISPATCHING, PASSING } from '@magpie/domain';
import {
  dueFilter,
  dueTransfers,
  isUnavailable,
  leaseTransfer,
  LeaseLost,
  moveJob,
  releaseTransfer,
  TRANSFER_LEASE_MS,
  type DueTransfers,
  type JobDocument,
  type Move,
  type Store,
  type TransferChange,
  type TransferDocument,
} from '@magpie/store';
import { commitWork, TransferFault, TransferWait, type Handler, type Work } from './work.ts';

const LOOK_MS = 250;
const RENEW_MS = 2000;
/** A lease that was not renewed for so long may be somebody else's soon. */
const DOUBTFUL_MS = TRANSFER_LEASE_MS - 2000;
/** A transfer that fails for no reason of its own is tried again so often, each time later. */
const MAX_FAILURES = 5;
/** A transfer that its workers do not outlive is not handed from one to the next for good. */
const MAX_DEATHS = 5;
const QUARANTINED = 'transfer_quarantined';
/** What only has to be brought to an end does not wait for those that run, but is bounded too. */
const ENDINGS_AT_ONCE = 8;
/**
 * Uploads are the gateway's, and tus clients come back to theirs: ours is one in one request that has begun and that
 * no gateway holds any more.
 */
const ABANDONED: DueTransfers = {
  kinds: ['upload'],
  states: DISPATCHING,
  when: { 'transfer.options.protocol': 'raw' },
};
const ENDING: DueTransfers = { kinds: ['upload', 'import', 'export'], states: PASSING };
/**
 * After an outage the gateways that still have their senders take their leases back within a second or two, though they
 * ran out long ago: abandoned is an upload only when the database has answered for so long, ms.
 */
const WELL_MS = 10_000;
/** An answer that takes longer counts as none, ms. */
const SLOW_MS = 3000;
const RUNNING: DueTransfers = { kinds: ['import', 'export'], states: DISPATCHING };

type TransferJob = JobDocument & { transfer: TransferDocument };

export interface EngineDeps {
  store: Store;
  handlers: Record<TransferKind, Handler>;
  /** Tells whoever listens that a job changed. */
  changed: (job: JobDocument, event?: 'changed' | 'progress') => void;
  onError: (error: unknown, jobId?: string) => void;
  /** A transfer fails for what was asked, or for its file: no fault of the service. */
  refused: (fault: TransferFault, jobId: string) => void;
  /** How many at once. */
  atOnce: number;
}

export class Engine {
  readonly #deps: EngineDeps;
  readonly #holder = randomUUID();
  /** Those that run, and those that are brought to an end. */
  readonly #running = new Map<string, Promise<void>>();
  readonly #ending = new Map<string, Promise<void>>();
  readonly #closing = new AbortController();
  #looking: Promise<void> = Promise.resolve();
  /** Since when the database answers. */
  #wellSince = performance.now();

  constructor(deps: EngineDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#looking = this.#look();
  }

  /** Leaves what is under way at its last checkpoint, for others to take up at once. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#looking;
    await Promise.all([...this.#running.values(), ...this.#ending.values()]);
  }

  async #look(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const asked = performance.now();
      let answered = false;
      try {
        await this.#takeUp();
        answered = performance.now() - asked < SLOW_MS;
      } catch (error) {
        this.#deps.onError(error);
      }
      if (!answered) this.#wellSince = performance.now();
      await sleep(LOOK_MS, signal);
    }
  }

  async #takeUp(): Promise<void> {
    await this.#takeUpOf(this.#ending, ENDING, ENDINGS_AT_ONCE);
    if (performance.now() - this.#wellSince > WELL_MS)
      await this.#takeUpOf(this.#ending, ABANDONED, ENDINGS_AT_ONCE);
    await this.#takeUpOf(this.#running, RUNNING, this.#deps.atOnce);
  }

  async #takeUpOf(busy: Map<string, Promise<void>>, due: DueTransfers, atOnce: number): Promise<void> {
    const room = atOnce - busy.size;
    if (room <= 0) return;
    const { store } = this.#deps;
    const mine = [...this.#running.keys(), ...this.#ending.keys()];
    for (const id of await dueTransfers(store, due, mine, room)) {
      if (this.#closing.signal.aborted || busy.size >= atOnce) return;
      // As it was found: an upload that was paused and is resumed by now has its bytes to come.
      const job = (await leaseTransfer(
        store,
        id,
        this.#holder,
        undefined,
        dueFilter(due),
      )) as TransferJob | null;
      if (job === null) continue;
      busy.set(
        id,
        this.#workOn(job)
          .catch((error: unknown) => this.#deps.onError(error, id))
          .finally(() => busy.delete(id)),
      );
    }
  }

  /** Brings one transfer as far as it goes now. */
  async #workOn(job: TransferJob): Promise<void> {
    const { store } = this.#deps;
    const leaving = new AbortController();
    const leave = (): void => leaving.abort();
    this.#closing.signal.addEventListener('abort', leave, { once: true });
    const watched = new Watched(this.#deps, this.#holder, job, leaving);
    try {
      while (!leaving.signal.aborted && (await this.#bring(watched)));
    } catch (error) {
      if (!(error instanceof LeaseLost) && !watched.lost) await this.#failed(watched, error);
    } finally {
      this.#closing.signal.removeEventListener('abort', leave);
      await watched.end();
      await releaseTransfer(store, job._id, this.#holder).catch(() => undefined);
    }
  }

  /** Does what the job's state asks for; gives whether to look at it again. */
  async #bring(watched: Watched): Promise<boolean> {
    const handler = this.#deps.handlers[watched.job.transfer.kind];
    await watched.refresh();
    const { state } = watched.job;
    if (state === 'pausing') await this.#move(watched, { from: ['pausing'], to: 'paused' });
    else if (state === 'stopping') {
      await handler.stop(watched);
      await this.#move(watched, { from: ['stopping'], to: 'stopped', set: { endedAt: new Date() } });
    } else if (state === 'terminating') {
      watched.takesBack = true;
      while (await handler.undo(watched)) if (watched.signal.aborted) return false;
      await this.#move(watched, { from: ['terminating'], to: 'terminated', set: { endedAt: new Date() } });
    } else if ((DISPATCHING as readonly JobState[]).includes(state)) return this.#run(watched, handler);
    return false;
  }

  async #run(watched: Watched, handler: Handler): Promise<boolean> {
    if ((watched.job.transfer.deaths ?? 0) >= MAX_DEATHS)
      throw new TransferFault(
        QUARANTINED,
        `${String(MAX_DEATHS)} times in a row the service ended while it worked on this, and got no further`,
      );
    if (watched.job.state !== 'running' || watched.job.retrying) {
      // A retry may begin anew: then its first row is further again.
      const anew = watched.job.retrying ? { 'transfer.furthest': { bytes: 0, rows: 0 } } : {};
      const set = { waiting: null, retrying: false, error: null, ...anew };
      await this.#move(watched, { from: DISPATCHING, to: 'running', set });
    }
    if (!(await handler.run(watched))) return true;
    await watched.refresh();
    await this.#move(watched, {
      from: DISPATCHING,
      to: 'completed',
      set: { endedAt: new Date(), waiting: null },
    });
    // Paused or stopped in the same moment: what is asked for then finds nothing left to do.
    return true;
  }

  async #failed(watched: Watched, error: unknown): Promise<void> {
    const { onError, refused } = this.#deps;
    if (error instanceof TransferWait) {
      const until = new Date(Date.now() + error.afterMs);
      const waiting = { reason: error.reason, until, detail: error.message };
      const move = { from: DISPATCHING, to: 'waiting', set: { waiting }, reason: error.reason } as const;
      // What is being brought to an end has no state to wait in.
      if (!(await this.#move(watched, move))) await sleep(error.afterMs, watched.signal);
      return;
    }
    if (watched.signal.aborted && !(error instanceof TransferFault)) return;
    if (isUnavailable(error)) return onError(error, watched.id);
    if (error instanceof TransferFault && error.code !== QUARANTINED) refused(error, watched.id);
    else onError(error, watched.id);
    const failures = watched.job.transfer.failures + 1;
    if (error instanceof TransferFault || failures >= MAX_FAILURES) {
      const code = error instanceof TransferFault ? error.code : 'internal_error';
      const message =
        error instanceof TransferFault ? error.message : 'Something went wrong; the logs have the details';
      // A retry has all its tries again.
      const anew = { 'transfer.failures': 0, 'transfer.deaths': 0 };
      const set = { endedAt: new Date(), waiting: null, error: { code, message }, ...anew };
      if (!(await this.#move(watched, { from: DISPATCHING, to: 'failed', set })))
        await sleep(200 * 2 ** MAX_FAILURES, watched.signal);
      return;
    }
    await watched.commit({ failures });
    await sleep(200 * 2 ** failures, watched.signal);
  }

  /** Gives whether it was where it had to be. */
  async #move(watched: Watched, move: Omit<Move, 'at'>): Promise<boolean> {
    const job = await moveJob(this.#deps.store, watched.id, {
      ...move,
      at: new Date(),
      when: { 'transfer.lease.holder': this.#holder },
    });
    if (job === null) return false;
    watched.take(job as TransferJob);
    this.#deps.changed(job);
    return true;
  }
}

/** Keeps the lease, looks what is wanted, and counts how fast it goes, while somebody works. */
class Watched implements Work {
  readonly store: Store;
  readonly signal: AbortSignal;
  readonly #deps: EngineDeps;
  readonly #holder: string;
  readonly #leaving: AbortController;
  readonly #timer: NodeJS.Timeout;
  #job: TransferJob;
  #looking: Promise<void> | undefined;
  #renewedAt = performance.now();
  #rates: { at: number; bytes: number; rows: number }[] = [];
  lost = false;
  /** It is terminated already: that is no reason to leave it. */
  takesBack = false;

  constructor(deps: EngineDeps, holder: string, job: TransferJob, leaving: AbortController) {
    this.store = deps.store;
    this.#deps = deps;
    this.#holder = holder;
    this.#job = job;
    this.#leaving = leaving;
    this.signal = leaving.signal;
    this.#timer = setInterval(() => {
      // One at a time: while the database is slow, they would queue up.
      this.#looking ??= this.#look().finally(() => (this.#looking = undefined));
    }, LOOK_MS);
  }

  get id(): string {
    return this.#job._id;
  }

  get job(): TransferJob {
    return this.#job;
  }

  get goesOn(): boolean {
    return !this.signal.aborted && (DISPATCHING as readonly JobState[]).includes(this.#job.state);
  }

  surelyOurs(): void {
    if (this.lost || performance.now() - this.#renewedAt > DOUBTFUL_MS) throw new LeaseLost();
  }

  take(job: TransferJob): void {
    this.#job = job;
  }

  async refresh(): Promise<void> {
    const at = performance.now();
    const job = (await leaseTransfer(this.store, this.id, this.#holder)) as TransferJob | null;
    if (job === null) {
      this.lost = true;
      throw new LeaseLost();
    }
    this.#renewedAt = at;
    this.#job = job;
  }

  async commit(
    change: TransferChange | ((job: JobDocument) => TransferChange),
    options: Parameters<Work['commit']>[1] = {},
  ): Promise<void> {
    const wanted = typeof change === 'function' ? change(this.#job) : change;
    // Only what gets further than any try before counts: one may begin anew, and fail at the same place again.
    const before = this.#job.transfer.furthest ?? this.#job.transfer;
    const now = {
      bytes: Math.max(before.bytes, wanted.bytes ?? 0),
      rows: Math.max(before.rows, wanted.rows ?? 0),
    };
    const further = now.rows > before.rows || now.bytes > before.bytes;
    const all: TransferChange = {
      ...(further ? { failures: 0, deaths: 0 } : {}),
      furthest: now,
      ...wanted,
      rate: this.#rate(wanted),
    };
    await commitWork(this.store, this.id, this.#holder, all, options);
    Object.assign(this.#job.transfer, all);
    if (options.counts) this.#job.counts = options.counts;
    this.#deps.changed(this.#job, 'progress');
  }

  /** Of the last five seconds. */
  #rate({
    bytes = this.#job.transfer.bytes,
    rows = this.#job.transfer.rows,
  }: TransferChange): TransferDocument['rate'] {
    const at = performance.now();
    if (this.#rates.length === 0)
      this.#rates.push({ at, bytes: this.#job.transfer.bytes, rows: this.#job.transfer.rows });
    this.#rates.push({ at, bytes, rows });
    while (this.#rates.length > 2 && at - (this.#rates[1]?.at ?? at) > 5000) this.#rates.shift();
    const first = this.#rates[0] ?? { at, bytes, rows };
    const seconds = Math.max((at - first.at) / 1000, 0.001);
    const per = (much: number): number => Math.max(0, Math.round(much / seconds));
    return { bytes: per(bytes - first.bytes), rows: per(rows - first.rows) };
  }

  async #look(): Promise<void> {
    try {
      const at = performance.now();
      if (at - this.#renewedAt > RENEW_MS) {
        const job = await leaseTransfer(this.store, this.id, this.#holder);
        if (job === null) this.lost = true;
        else {
          this.#renewedAt = at;
          this.#job.state = job.state;
        }
      } else {
        const found = await this.store.jobs.collection.findOne({ _id: this.id } as never, {
          projection: { state: 1, 'transfer.lease.holder': 1 },
        });
        if (found?.['transfer']?.lease?.holder !== this.#holder) this.lost = true;
        else this.#job.state = found['state'] as JobState;
      }
    } catch (error) {
      if (!isUnavailable(error)) this.#deps.onError(error, this.id);
    }
    if (this.lost || (this.#job.state === 'terminating' && !this.takesBack)) this.#leaving.abort();
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }
}

const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
