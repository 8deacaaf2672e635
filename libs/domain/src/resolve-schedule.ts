/** From what somebody asks for, and what a source says of its jobs, to the schedule of a job. Pure. */
import { formatDuration, InvalidDuration, parseDuration, roughly } from './duration.ts';
import {
  instantOf,
  InvalidMoment,
  isTimeZone,
  timeZoneOf,
  type FieldFault,
  type PeriodParams,
} from './period.ts';
import { cronOf, nextFiring, type PlannedSchedule } from './schedule.ts';

/** A schedule as people write it. */
export interface AskedSchedule {
  every?: string | undefined;
  cron?: string | undefined;
  timeZone?: string | undefined;
  until?: string | undefined;
  jitter?: string | undefined;
}

/** What a source says of how its jobs are repeated. */
export interface RepeatedSource {
  schedule?: { every?: string; everyParam?: string; untilParam?: string };
  period?: PeriodParams;
}

/** The schedule cannot be had; `faults` names fields as `schedule.every` or `params.<name>`. */
export class InvalidSchedule extends Error {
  override readonly name = 'InvalidSchedule';
  readonly faults: readonly FieldFault[];
  constructor(faults: readonly FieldFault[]) {
    super(faults.map(({ field, message }) => `${field} ${message}`).join('; '));
    this.faults = faults;
  }
}

/**
 * A schedule that was asked for, checked and with its defaults. Its anchor is `now` (ms).
 * @throws InvalidSchedule
 */
export function planSchedule(asked: AskedSchedule, now: number): PlannedSchedule {
  const faults: FieldFault[] = [];
  const { every, cron, timeZone = 'UTC', until, jitter } = asked;
  const check = <T>(field: string, work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      faults.push({ field: `schedule.${field}`, message: messageOf(error) });
      return undefined;
    }
  };
  if ((every === undefined) === (cron === undefined))
    faults.push({ field: 'schedule', message: 'must have either every or cron' });
  const known = isTimeZone(timeZone);
  if (!known)
    faults.push({ field: 'schedule.timeZone', message: 'is not a time zone, such as Europe/Berlin' });
  const interval = every === undefined ? undefined : check('every', () => parseDuration(every));
  if (cron !== undefined) check('cron', () => cronOf(cron, known ? timeZone : 'UTC'));
  const end =
    until === undefined || !known ? undefined : check('until', () => instantOf(until, timeZone, 'to'));
  const jitterMs = jitter === undefined ? 0 : check('jitter', () => roughly(parseDuration(jitter, 0)));
  if (end !== undefined && end <= now)
    faults.push({ field: 'schedule.until', message: 'must be in the future' });
  const schedule: PlannedSchedule = {
    every: interval === undefined ? null : formatDuration(interval),
    cron: cron?.trim() ?? null,
    timeZone,
    until: end === undefined ? null : new Date(end),
    jitterMs: jitterMs ?? 0,
    anchor: new Date(now),
    asked: null,
  };
  if (faults.length === 0 && cron !== undefined && nextFiring(schedule, now) === null)
    faults.push(
      nextFiring({ ...schedule, until: null }, now) === null
        ? { field: 'schedule.cron', message: 'never fires' }
        : { field: 'schedule.until', message: 'must not be before the first run' },
    );
  if (faults.length > 0) throw new InvalidSchedule(faults);
  return schedule;
}

/**
 * The schedule of a job: its own, or the one that the source's description and the job's parameters give.
 * Null for a job that runs once: the source has none, or the end that a parameter names is not to come.
 * A schedule of its own without an end gets the one that the parameters name, if it is to come.
 * @throws InvalidSchedule
 */
export function resolveSchedule(
  description: RepeatedSource,
  params: Readonly<Record<string, unknown>>,
  asked: AskedSchedule | undefined,
  now: number,
): PlannedSchedule | null {
  const { schedule, period } = description;
  const end = endOf(schedule?.untilParam, params, timeZoneOf(period, params));
  const until = end !== undefined && end > now ? new Date(end) : null;
  if (asked !== undefined) {
    const own = planSchedule(asked, now);
    return asked.until === undefined ? { ...own, until } : own;
  }
  if (schedule === undefined || (schedule.untilParam !== undefined && until === null)) return null;
  const every = intervalOf(schedule, params);
  if (every === undefined) return null;
  return {
    every,
    cron: null,
    timeZone: timeZoneOf(period, params),
    until,
    jitterMs: 0,
    anchor: new Date(now),
    asked: null,
  };
}

function intervalOf(
  { every, everyParam }: NonNullable<RepeatedSource['schedule']>,
  params: Readonly<Record<string, unknown>>,
): string | undefined {
  const given = everyParam === undefined ? undefined : params[everyParam];
  const text = typeof given === 'number' ? `${String(given)}m` : typeof given === 'string' ? given : every;
  if (text === undefined) return undefined;
  try {
    return formatDuration(parseDuration(text));
  } catch (error) {
    const field = text === every ? 'schedule.every' : `params.${everyParam ?? ''}`;
    throw new InvalidSchedule([{ field, message: messageOf(error) }]);
  }
}

function endOf(
  untilParam: string | undefined,
  params: Readonly<Record<string, unknown>>,
  timeZone: string,
): number | undefined {
  const given = untilParam === undefined ? undefined : params[untilParam];
  if (typeof given !== 'string') return undefined;
  try {
    return instantOf(given, timeZone, 'to');
  } catch (error) {
    throw new InvalidSchedule([{ field: `params.${untilParam ?? ''}`, message: messageOf(error) }]);
  }
}

/** The library of cron patterns puts its name before what it says. */
function messageOf(error: unknown): string {
  if (error instanceof InvalidDuration || error instanceof InvalidMoment) return error.message;
  const text = error instanceof Error ? error.message : String(error);
  return text.startsWith('must ') ? text : `is not a pattern: ${text.replace(/^\w+: /, '')}`;
}
