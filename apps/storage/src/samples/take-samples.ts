/**
 * Takes in what a step measured, in the transaction that settles the step: so a result that comes again, from whomever,
 * finds no step and changes nothing.
 *
 * Time-series collections take no part in transactions. The samples of an outcome are therefore kept as one pending
 * document in the transaction, and moved after it (move-samples.ts).
 */
import type { OutcomeOf, Sample, TargetReport } from '@magpie/contracts';
import {
  DEFAULT_JUMP,
  hourOf,
  joinSummaries,
  judgeSample,
  lookAgainAt,
  summaryOf,
  validValues,
} from '@magpie/domain';
import {
  openHour,
  writeHours,
  type GapDocument,
  type HourOfTarget,
  type JobDocument,
  type PendingSamplesDocument,
  type SampleDocument,
  type StepDocument,
  type Store,
  type TargetDocument,
} from '@magpie/store';
import type { Session } from '../intake/ledger.ts';
import type { RoundInput } from './target-steps.ts';

/** So many intervals without a sample are a gap. */
const GAP_INTERVALS = 1.5;

export type Measured = Pick<OutcomeOf<'done'>, 'id' | 'lease' | 'samples' | 'targets'>;

export const measures = (outcome: Pick<OutcomeOf<'done'>, 'samples' | 'targets'>): boolean =>
  (outcome.samples?.length ?? 0) + (outcome.targets?.length ?? 0) > 0;

/** What one transaction measures: targets are read once, changed in memory, and written back in bulk. */
export class Measurements {
  readonly #store: Store;
  readonly #session: Session;
  readonly #targets = new Map<string, TargetDocument | undefined>();
  readonly #changed = new Set<TargetDocument>();
  readonly #hours: HourOfTarget[] = [];
  readonly #gaps: GapDocument[] = [];
  /** To be moved once the transaction is committed. */
  readonly pending: PendingSamplesDocument[] = [];

  constructor(store: Store, session: Session) {
    this.#store = store;
    this.#session = session;
  }

  /** Reads the targets that these outcomes name, for all of a batch at once. */
  async load(measured: readonly { job: string; outcome: Measured }[]): Promise<void> {
    const ids = new Set<string>();
    for (const { job, outcome } of measured) {
      for (const { target } of outcome.samples ?? []) ids.add(`${job}:${target}`);
      for (const { target } of outcome.targets ?? []) ids.add(`${job}:${target}`);
    }
    const unknown = [...ids].filter((id) => !this.#targets.has(id));
    if (unknown.length === 0) return;
    for (const id of unknown) this.#targets.set(id, undefined);
    const found = this.#store.targets.collection.find({ _id: { $in: unknown } } as never, {
      session: this.#session,
      batchSize: 5000,
    });
    for await (const target of found as unknown as AsyncIterable<TargetDocument>)
      this.#targets.set(target._id, target);
  }

  /**
   * Takes in an outcome of a job's step. Samples and reports of what the job does not measure (any more) are left out.
   * The targets must have been loaded, the job locked; its tally and coverage are changed, and written by the ledger.
   */
  take(
    job: JobDocument,
    step: StepDocument,
    outcome: Measured,
    jumpParam: string | undefined,
    now: Date,
  ): void {
    const round = roundOf(step, now);
    const factor = jumpParam === undefined ? undefined : job.params[jumpParam];
    const kept: SampleDocument[] = [];
    const measured = new Set<string>();
    const reports = new Map((outcome.targets ?? []).map((report) => [report.target, report]));
    for (const sample of outcome.samples ?? []) {
      const target = this.#targets.get(`${job._id}:${sample.target}`);
      if (target === undefined) continue;
      const document = this.#keep(
        job,
        target,
        sample,
        round,
        typeof factor === 'number' ? factor : DEFAULT_JUMP,
        now,
      );
      if (document === undefined) continue;
      kept.push(document);
      measured.add(sample.target);
      if (!reports.has(sample.target))
        this.#report(target, { target: target.key, state: 'active' }, round, true, now);
    }
    for (const [key, report] of reports) {
      const target = this.#targets.get(`${job._id}:${key}`);
      if (target !== undefined) this.#report(target, report, round, measured.has(key), now);
    }
    if (kept.length === 0) return;
    job.tally = { ...job.tally, samples: job.tally.samples + kept.length };
    const times = kept.map(({ at }) => at.getTime());
    job.coverage = {
      from: new Date(Math.min(job.coverage?.from.getTime() ?? Infinity, ...times)),
      to: new Date(Math.max(job.coverage?.to.getTime() ?? 0, ...times)),
    };
    this.pending.push({ _id: `${job._id}:${outcome.id}:${outcome.lease}`, at: now, samples: kept });
  }

  #keep(
    job: JobDocument,
    target: TargetDocument,
    sample: Sample,
    round: RoundInput,
    factor: number,
    now: Date,
  ): SampleDocument | undefined {
    const values = validValues(sample.values);
    if (Object.keys(values).length === 0) return undefined;
    const at = new Date(Math.min(sample.at, now.getTime()));
    const of = { source: target.source, target: target.key };
    const { last, trusted } = target;
    this.#changed.add(target);
    if (last !== undefined && at <= last.at) {
      // Overtaken by a later one: it is kept, and judges nothing.
      if (at.getTime() === last.at.getTime()) return undefined;
      const suspect = judgeSample({ trusted: trusted?.values }, values, factor).suspect;
      this.#sumUp(target, at, values, suspect);
      return { at, of, round: new Date(round.at), values, ...(suspect ? { suspect } : {}) };
    }
    const known = { trusted: trusted?.values, suspect: last?.suspect ? last.values : undefined };
    const { suspect, verdict } = judgeSample(known, values, factor);
    if (last !== undefined) this.#noteGap(job, target, last.at, at, round);
    if (verdict === 'cleared' && last !== undefined) this.#clear(target, last);
    this.#sumUp(target, at, values, suspect);
    target.last = { at, values, suspect };
    target.intervalMs = round.intervalMs;
    if (!suspect) target.trusted = { at, values };
    return {
      at,
      of,
      round: new Date(round.at),
      values,
      ...(suspect ? { suspect } : {}),
      ...(verdict ? { verdict } : {}),
    };
  }

  /** Adds a sample to the hour that is being summed up; one of a later hour puts that away first. */
  #sumUp(target: TargetDocument, at: Date, values: Record<string, number>, suspect: boolean): void {
    const from = hourOf(at);
    const summary = { ...summaryOf(values, suspect), to: at };
    if (target.hour === undefined || from > target.hour.from) {
      this.#hours.push(...openHour(target));
      target.hour = { from, ...summary };
    } else if (from.getTime() === target.hour.from.getTime()) {
      const [earlier, later] = target.hour.to <= at ? [target.hour, summary] : [summary, target.hour];
      target.hour = { from, ...joinSummaries(earlier, later), to: later.to };
    } else {
      this.#hours.push({ source: target.source, target: target.key, from, summary });
    }
  }

  /** A suspect sample was right after all: its values count. */
  #clear(target: TargetDocument, { at, values }: NonNullable<TargetDocument['last']>): void {
    const from = hourOf(at);
    const cleared = { ...summaryOf(values), suspect: -1, to: at };
    if (target.hour?.from.getTime() === from.getTime())
      target.hour = { from, ...joinSummaries(target.hour, cleared), to: target.hour.to };
    else this.#hours.push({ source: target.source, target: target.key, from, summary: cleared });
  }

  /** Where the interval was changed between two samples, the longer one counts. */
  #noteGap(job: JobDocument, target: TargetDocument, from: Date, to: Date, round: RoundInput): void {
    const intervalMs = round.intervalMs > 0 ? Math.max(target.intervalMs ?? 0, round.intervalMs) : 0;
    const span = to.getTime() - from.getTime();
    if (intervalMs <= 0 || span <= GAP_INTERVALS * intervalMs) return;
    this.#gaps.push({
      _id: `${target._id}:${from.getTime()}`,
      jobId: job._id,
      target: target.key,
      from,
      to,
      missed: Math.max(1, Math.round(span / intervalMs) - 1),
      reason: gapReason(job, target, from, to),
    });
  }

  /** One that was measured is looked at in each round, whatever its state; the others ever less often. */
  #report(
    target: TargetDocument,
    report: TargetReport,
    round: RoundInput,
    measured: boolean,
    now: Date,
  ): void {
    this.#changed.add(target);
    if (target.state !== report.state) {
      target.state = report.state;
      target.since = now;
    }
    for (const field of ['name', 'providerId'] as const)
      if (report[field] !== undefined) target[field] = report[field];
    for (const field of ['movedTo', 'message'] as const) {
      if (report[field] !== undefined) target[field] = report[field];
      else delete target[field];
    }
    if (measured || report.state === 'active') {
      target.misses = 0;
      delete target.nextAt;
      return;
    }
    target.misses++;
    if (round.intervalMs > 0)
      target.nextAt = lookAgainAt(new Date(round.at), target.misses, round.intervalMs);
  }

  /** Writes all changes. */
  async flush(): Promise<void> {
    const session = this.#session;
    if (this.#changed.size > 0)
      await this.#store.targets.collection.bulkWrite(
        [...this.#changed].map((target) => ({
          replaceOne: { filter: { _id: target._id }, replacement: target },
        })) as never,
        { session, ordered: false },
      );
    await writeHours(this.#store, session, this.#hours);
    if (this.#gaps.length > 0)
      await this.#store.gaps.collection.bulkWrite(
        this.#gaps.map((gap) => ({
          replaceOne: { filter: { _id: gap._id }, replacement: gap, upsert: true },
        })) as never,
        { session, ordered: false },
      );
    if (this.pending.length > 0)
      await this.#store.pendingSamples.collection.insertMany(this.pending as never, {
        session,
        ordered: false,
      });
  }
}

/** The round that a step's samples stand for; the time they are taken in, where the source makes its own steps. */
function roundOf({ input }: StepDocument, now: Date): RoundInput {
  const { number = 0, at = now.getTime(), intervalMs = 0 } = (input['run'] ?? {}) as Partial<RoundInput>;
  return { number, at, intervalMs };
}

/** Why nothing was measured: the job was held up, or the provider said something of the target. */
function gapReason(job: JobDocument, target: TargetDocument, from: Date, to: Date): string {
  if (target.state !== 'active') return target.state;
  const within = job.history.findLast(
    (entry) =>
      (entry.to === 'paused' || (entry.to === 'waiting' && entry.reason !== 'schedule')) &&
      entry.at > from &&
      entry.at < to,
  );
  if (within === undefined) return 'missed';
  return within.to === 'paused' ? 'paused' : (within.reason ?? 'waiting');
}
