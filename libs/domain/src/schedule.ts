/**
 * When jobs run again, pure. A schedule's firings are instants that follow from it alone; `jitter` moves each run a
 * little past its firing, always equally for the same job and firing, and never past the next one.
 *
 * With `every`, firing k is anchor + k × every, counted from the anchor and not from the last run: it cannot drift.
 * With `cron`, what falls into the hour that a change of the clocks leaves out fires that much later, and what falls
 * into the hour that comes twice fires once; an hourly pattern fires every hour of both.
 */
import { createHash } from 'node:crypto';
import { Cron } from 'croner';
import { Temporal } from 'temporal-polyfill';
import { parseDuration, roughly, type Interval } from './duration.ts';

export interface PlannedSchedule {
  /** ISO 8601; exactly one of it and `cron` is set. */
  every: string | null;
  cron: string | null;
  timeZone: string;
  /** No run begins after it. */
  until: Date | null;
  jitterMs: number;
  /** The first firing of `every`. */
  anchor: Date;
  /** The interval that was asked for, where it could not be had. */
  asked: string | null;
}

/** Missed firings of a cron pattern are counted up to here. */
export const MAX_COUNTED = 1000;

/** The first run of a job after this instant (ms), jitter included; null when there is none any more. */
export function nextRunAt(schedule: PlannedSchedule, jobId: string, after: number): number | null {
  const firings = firingsOf(schedule);
  const until = schedule.until?.getTime() ?? Infinity;
  // Of the firings that have passed only the last can still have its run to come.
  for (
    let firing = firings.last(after) ?? firings.next(after);
    firing !== null;
    firing = firings.next(firing)
  ) {
    if (firing > until) return null;
    const at = Math.min(until, firing + jitterOf(schedule, firings, jobId, firing));
    if (at > after) return at;
  }
  return null;
}

/** The last run of a job up to this instant (ms), jitter included; null when there was none. */
export function lastRunAt(schedule: PlannedSchedule, jobId: string, at: number): number | null {
  const firings = firingsOf(schedule);
  const until = schedule.until?.getTime() ?? Infinity;
  let firing = firings.last(Math.min(at, until));
  // A firing of which the run is still to come has one before it of which the run has come.
  for (let tries = 0; firing !== null && tries < 2; tries++) {
    const run = Math.min(until, firing + jitterOf(schedule, firings, jobId, firing));
    if (run <= at) return run;
    firing = firings.last(firing - 1);
  }
  return null;
}

/** The first firing after this instant (ms), without jitter; null when there is none any more. */
export function nextFiring(schedule: PlannedSchedule, after: number): number | null {
  const firing = firingsOf(schedule).next(after);
  return firing === null || firing > (schedule.until?.getTime() ?? Infinity) ? null : firing;
}

/**
 * How many firings there are after `from` and up to `to` (ms). Costs the same for any span with `every`; with `cron`
 * it stops at `MAX_COUNTED`.
 */
export function missedFirings(schedule: PlannedSchedule, from: number, to: number): number {
  const end = Math.min(to, schedule.until?.getTime() ?? Infinity);
  return end <= from ? 0 : firingsOf(schedule).count(from, end);
}

/**
 * How many runs of a job were due after `from` and up to `to` (ms), jitter included; counted as `missedFirings`.
 */
export function missedRuns(schedule: PlannedSchedule, jobId: string, from: number, to: number): number {
  const end = Math.min(to, schedule.until?.getTime() ?? Infinity);
  if (end <= from) return 0;
  const firings = firingsOf(schedule);
  const toCome = (at: number): number => {
    const firing = firings.last(at);
    return firing !== null && firing + jitterOf(schedule, firings, jobId, firing) > at ? 1 : 0;
  };
  return Math.max(0, firings.count(from, end) + toCome(from) - (end === to ? toCome(to) : 0));
}

interface Firings {
  /** The first after `after`. */
  next(after: number): number | null;
  /** The last up to `at`. */
  last(at: number): number | null;
  /** Those after `from` up to `to`. */
  count(from: number, to: number): number;
}

const firingsOf = (schedule: PlannedSchedule): Firings =>
  schedule.every === null
    ? cronFirings(schedule.cron ?? '', schedule.timeZone)
    : intervalFirings(parseDuration(schedule.every), schedule.anchor.getTime(), schedule.timeZone);

function intervalFirings(every: Interval, anchor: number, timeZone: string): Firings {
  const exact = every.months === 0 && every.days === 0;
  const length = roughly(every);
  const start = exact
    ? undefined
    : Temporal.Instant.fromEpochMilliseconds(anchor).toZonedDateTimeISO(timeZone);
  const firing = (k: number): number =>
    start === undefined
      ? anchor + k * every.ms
      : start.add({ months: k * every.months, days: k * every.days }).epochMilliseconds + k * every.ms;
  /** Number of the last firing up to `at`; -1 before the first. */
  const index = (at: number): number => {
    if (at < anchor) return -1;
    let k = Math.max(0, Math.floor((at - anchor) / length));
    if (exact) return k;
    while (firing(k) > at) k--;
    while (firing(k + 1) <= at) k++;
    return k;
  };
  return {
    next: (after) => firing(index(after) + 1),
    last: (at) => (index(at) < 0 ? null : firing(index(at))),
    count: (from, to) => index(to) - index(from),
  };
}

function cronFirings(pattern: string, timeZone: string): Firings {
  const cron = cronOf(pattern, timeZone);
  const next = (after: number): number | null => cron.nextRun(new Date(after))?.getTime() ?? null;
  return {
    next,
    last(at) {
      // The library looks back from the beginning of the second.
      const reference = new Date(Math.floor(at / 1000) * 1000 + 1000);
      return cron.previousRuns(1, reference)[0]?.getTime() ?? null;
    },
    count(from, to) {
      let count = 0;
      for (let at = next(from); at !== null && at <= to && count < MAX_COUNTED; at = next(at)) count++;
      return count;
    },
  };
}

/** A pattern of five fields, or six with seconds first. @throws Error saying what is wrong */
export function cronOf(pattern: string, timeZone: string): Cron {
  const fields = pattern.trim().split(/\s+/).length;
  if (fields !== 5 && fields !== 6)
    throw new Error('must have five fields (minute, hour, day, month, weekday), or six with seconds first');
  return new Cron(pattern, { timezone: timeZone });
}

/** Below `jitterMs`, and below the time to the next firing. */
function jitterOf({ jitterMs }: PlannedSchedule, firings: Firings, jobId: string, firing: number): number {
  if (jitterMs === 0) return 0;
  const room = Math.min(jitterMs, (firings.next(firing) ?? Infinity) - firing);
  const hash = createHash('sha256')
    .update(`${jobId}\n${String(firing)}`)
    .digest()
    .readUInt32BE();
  return Math.floor((hash / 2 ** 32) * room);
}
