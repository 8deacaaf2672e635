import { setTimeout as sleep } from 'node:timers/promises';
import type { ControlBody, Outcome, StepsMessage, StepWork } from '@magpie/contracts';
import type { Logger } from '@magpie/service-kit';
import type { StepContext } from '../context/context.ts';
import type { StepRun } from '../context/create-contexts.ts';
import { StepLedger } from '../context/step-ledger.ts';
import type { Source } from '../source/define-source.ts';
import { deferred, type Deferred } from './deferred.ts';
import { Holds } from './holds.ts';
import { Recent } from './recent.ts';
import type { ReplicaMetrics } from './replica-metrics.ts';
import { stepOutcome, stopped, type StopReason } from './step-outcome.ts';

/** How long a handler may take to notice that its signal has aborted; then its step is over without it. */
const DEAF_MS = 1_000;

export interface ReplicaOptions {
  readonly source: Source;
  /** Steps that run at once. */
  readonly concurrency: number;
  readonly createContext: (work: StepWork, run: StepRun) => StepContext;
  /** Resolves when the outcome is confirmed. */
  readonly answer: (outcome: Outcome) => Promise<void>;
  readonly log: Logger;
  readonly metrics: ReplicaMetrics;
}

/** How a message came to this replica. */
export interface Delivery {
  /** It was in somebody's hands before, who did not ack it. */
  readonly redelivered: boolean;
  readonly correlationId?: string | undefined;
  /** It may be what killed a collector: nothing else runs in this replica while it does. */
  readonly alone?: boolean;
}

/** Where steps wait that run alone; no kind of step has this name. */
const ALONE = '';

/** One step in this replica: waiting, running, or ended and not yet confirmed. */
interface Held {
  readonly work: StepWork;
  readonly startBefore: number;
  readonly deadline: number;
  readonly correlationId: string | undefined;
  readonly stop: AbortController;
  readonly settled: Deferred<void>;
  running: boolean;
}

/**
 * The steps of one process. It begins at most `concurrency` at once, of a kind no more than the source allows,
 * in the order in which they came; what waits can still be given back.
 *
 * Invariant: each step that was taken settles exactly once, at its deadline plus a second at the latest (while
 * outcomes can be published), and its message is acked when all of its steps have settled.
 */
export class Replica {
  readonly #options: ReplicaOptions;
  readonly #holds = new Holds();
  readonly #held = new Map<string, Held>();
  readonly #byId = new Map<string, Set<Held>>();
  readonly #answered = new Recent<true>(5_000);
  readonly #waiting = new Map<string, Held[]>();
  readonly #runningByKind = new Map<string, number>();
  #running = 0;
  /** What runs, runs alone. */
  #alone = false;
  #ending = false;

  constructor(options: ReplicaOptions) {
    this.#options = options;
  }

  /** Steps taken and not settled: waiting, running, unconfirmed. */
  get held(): number {
    return this.#held.size;
  }

  get running(): number {
    return this.#running;
  }

  /** Resolves when the message may be acked: the outcomes of all its steps are confirmed, or none is wanted. */
  async take(message: StepsMessage, delivery: Delivery): Promise<void> {
    const { redelivered, correlationId, alone = false } = delivery;
    const late = Date.now() > message.startBefore;
    const settled = message.steps.map((work) => {
      // A redelivered step that is still here, or was answered from here, did not lose its replica: only its channel.
      const here = this.#held.get(dispatchOf(work));
      if (here) return here.settled.promise;
      if (this.#answered.has(dispatchOf(work))) return undefined;
      if (redelivered) {
        this.#stepLog(work, correlationId).warn('step was interrupted: the collector that had it is gone');
        return this.#answer(work, { id: work.id, lease: work.lease, outcome: 'interrupted' });
      }
      if (late) {
        this.#stepLog(work, correlationId).info('step came too late');
        this.#options.metrics.late.inc();
        return undefined;
      }
      if (this.#ending) return this.#answer(work, stopped(work, 'shutdown'));
      if (this.#holds.covers(work)) return this.#answer(work, stopped(work, 'held'));
      return this.#queue(work, message, correlationId, alone);
    });
    this.#pump();
    await Promise.all(settled);
  }

  control(body: ControlBody): void {
    if (body.action === 'hold') {
      this.#holds.add(body.jobId, body.epoch);
      this.#giveBack(({ work }) => work.jobId === body.jobId && work.epoch <= body.epoch, 'held');
    } else {
      for (const id of body.steps) for (const held of this.#byId.get(id) ?? []) this.#abort(held);
    }
  }

  /** Controls may have been missed while the broker was away: what has not begun is given back, to be safe. */
  missedControls(): void {
    this.#giveBack(() => true, 'held');
  }

  /**
   * Begins nothing any more, gives back what waits, lets what runs go on for `graceMs`, then aborts it.
   * Resolves when every step has ended; their outcomes may still be on their way.
   */
  async end(graceMs: number): Promise<void> {
    this.#ending = true;
    this.#giveBack(() => true, 'shutdown');
    const over = Date.now() + graceMs;
    while (this.#running > 0 && Date.now() < over) await sleep(Math.min(20, graceMs));
    for (const held of this.#held.values()) held.stop.abort('shutdown' satisfies StopReason);
    while (this.#running > 0) await sleep(5);
  }

  #queue(
    work: StepWork,
    { startBefore, deadline }: StepsMessage,
    correlationId: string | undefined,
    alone: boolean,
  ): Promise<void> {
    const held: Held = {
      work,
      startBefore,
      deadline,
      correlationId,
      stop: new AbortController(),
      settled: deferred(),
      running: false,
    };
    held.settled.promise.catch(() => {});
    this.#held.set(dispatchOf(work), held);
    const same = this.#byId.get(work.id);
    if (same) same.add(held);
    else this.#byId.set(work.id, new Set([held]));
    const lane = alone ? ALONE : work.kind;
    const waiting = this.#waiting.get(lane);
    if (waiting) waiting.push(held);
    else this.#waiting.set(lane, [held]);
    return held.settled.promise;
  }

  /** Begins what may begin. Kinds take turns, so that many images do not keep pages from being read. */
  #pump(): void {
    const { concurrency, source } = this.#options;
    if (this.#waiting.has(ALONE)) {
      if (this.#running === 0) this.#begin(ALONE);
      return;
    }
    if (this.#alone) return;
    for (let began = true; began && this.#running < concurrency;) {
      began = false;
      for (const [kind, waiting] of this.#waiting) {
        if (this.#running >= concurrency) break;
        if ((this.#runningByKind.get(kind) ?? 0) >= (source.concurrency[kind] ?? concurrency)) continue;
        if (waiting.length === 0) continue;
        began = true;
        this.#begin(kind);
      }
    }
    this.#options.metrics.load(this.#running, this.#held.size - this.#running);
  }

  #begin(lane: string): void {
    const waiting = this.#waiting.get(lane);
    const held = waiting?.shift();
    if (waiting?.length === 0) this.#waiting.delete(lane);
    if (!held) return;
    if (Date.now() > held.startBefore) {
      void this.#settle(held, stopped(held.work, 'late'));
      setImmediate(() => this.#pump());
      return;
    }
    this.#alone = lane === ALONE;
    void this.#run(held);
  }

  async #run(held: Held): Promise<void> {
    const { work, deadline, stop, correlationId } = held;
    const { kind } = work;
    const began = performance.now();
    held.running = true;
    this.#running += 1;
    this.#runningByKind.set(kind, (this.#runningByKind.get(kind) ?? 0) + 1);
    const log = this.#stepLog(work, correlationId);
    const timer = setTimeout(
      () => stop.abort('deadline' satisfies StopReason),
      Math.min(Math.max(0, deadline - Date.now()), 2 ** 31 - 1),
    );
    const ledger = new StepLedger();
    const context = this.#options.createContext(work, { signal: stop.signal, deadline, log, ledger });
    const performing = stepOutcome(this.#options.source, work, context, ledger);
    const outcome = await unlessDeaf(performing, stop.signal, () => {
      log.error({ kind }, 'step did not end when it was told to');
      return ledger.complete(stopped(work, stop.signal.reason as StopReason));
    });
    clearTimeout(timer);
    held.running = false;
    this.#running -= 1;
    this.#alone = false;
    this.#runningByKind.set(kind, (this.#runningByKind.get(kind) ?? 1) - 1);
    const ms = Math.round(performance.now() - began);
    this.#options.metrics.ended(kind, outcome?.outcome ?? 'aborted', ms);
    const line = { kind, outcome: outcome?.outcome ?? 'aborted', ms, ...why(outcome) };
    if ('code' in line) log.info(line, 'step was not done');
    else log.debug(line, 'step ended');
    void this.#settle(held, outcome);
    // A turn of the event loop between steps: controls, acks and timers are not kept waiting by a busy replica.
    setImmediate(() => this.#pump());
  }

  /** A running step learns it by its signal; one that waits is forgotten. Nobody wants to hear of either. */
  #abort(held: Held): void {
    if (held.running) {
      held.stop.abort('terminated' satisfies StopReason);
    } else if (this.#unqueue((one) => one === held).length > 0) {
      void this.#settle(held, undefined);
    }
  }

  #giveBack(which: (held: Held) => boolean, reason: 'held' | 'shutdown'): void {
    for (const held of this.#unqueue(which)) void this.#settle(held, stopped(held.work, reason));
  }

  #unqueue(which: (held: Held) => boolean): Held[] {
    const out: Held[] = [];
    for (const [kind, waiting] of this.#waiting) {
      const stay = waiting.filter((held) => !which(held));
      if (stay.length === waiting.length) continue;
      out.push(...waiting.filter(which));
      if (stay.length > 0) this.#waiting.set(kind, stay);
      else this.#waiting.delete(kind);
    }
    return out;
  }

  async #settle(held: Held, outcome: Outcome | undefined): Promise<void> {
    try {
      if (outcome) await this.#answer(held.work, outcome);
      held.settled.resolve();
    } catch (error) {
      held.settled.reject(error);
    } finally {
      this.#held.delete(dispatchOf(held.work));
      const same = this.#byId.get(held.work.id);
      same?.delete(held);
      if (same?.size === 0) this.#byId.delete(held.work.id);
      this.#options.metrics.load(this.#running, this.#held.size - this.#running);
    }
  }

  async #answer(work: StepWork, outcome: Outcome): Promise<void> {
    if (outcome.outcome === 'released' || outcome.outcome === 'interrupted') {
      this.#options.metrics.ended(work.kind, outcome.outcome, 0);
    }
    await this.#options.answer(outcome);
    this.#answered.set(dispatchOf(work), true);
  }

  #stepLog({ id, jobId }: StepWork, correlationId: string | undefined): Logger {
    return this.#options.log.child({ jobId, stepId: id, ...(correlationId ? { correlationId } : {}) });
  }
}

/** One dispatch of one step: a lease covers all that were dispatched together. */
const dispatchOf = ({ id, lease }: StepWork): string => `${id} ${lease}`;

/** The promise's value; when the signal aborts and the promise does not end within a second, `otherwise()`. */
async function unlessDeaf<T>(promise: Promise<T>, signal: AbortSignal, otherwise: () => T): Promise<T> {
  const deaf = deferred<T>();
  let timer: NodeJS.Timeout | undefined;
  const onAbort = () => {
    timer = setTimeout(() => deaf.resolve(otherwise()), DEAF_MS);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, deaf.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    clearTimeout(timer);
  }
}

function why(outcome: Outcome | undefined): { code?: string; message?: string; url?: string | undefined } {
  return outcome && 'code' in outcome
    ? { code: outcome.code, message: outcome.message, url: outcome.url }
    : {};
}
