/** Days and instants that people give, and periods of them. */
import { Temporal } from 'temporal-polyfill';

/** Thrown with what is wrong, worded to follow the name of a field. */
export class InvalidMoment extends Error {
  override readonly name = 'InvalidMoment';
}

const DAY = /^\d{4}-\d\d-\d\d$/;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?$/i;

/**
 * The instant (ms) of a day `YYYY-MM-DD` or of an RFC 3339 instant. A day is its start in the time zone as the `from`
 * of a period, and its last millisecond as the `to`, so it is within; an instant names its offset itself.
 * @throws InvalidMoment for days that do not exist, at all or in the time zone, and for instants without an offset
 */
export function instantOf(dayOrInstant: string, timeZone = 'UTC', edge: 'from' | 'to' = 'from'): number {
  const text = dayOrInstant.trim();
  try {
    if (DAY.test(text)) {
      const day = Temporal.PlainDate.from(text, { overflow: 'reject' });
      const start = day.toZonedDateTime(timeZone);
      // A zone that moved across the date line left a day out.
      if (!start.toPlainDate().equals(day)) throw new InvalidMoment(`is a day that ${timeZone} never had`);
      if (edge === 'from') return start.epochMilliseconds;
      return day.add({ days: 1 }).toZonedDateTime(timeZone).epochMilliseconds - 1;
    }
    const offset = INSTANT.exec(text);
    if (offset !== null) {
      if (offset[3] === undefined)
        throw new InvalidMoment('must name the time zone: end it with Z or an offset such as +02:00');
      return Temporal.Instant.from(text).epochMilliseconds;
    }
  } catch (error) {
    if (error instanceof InvalidMoment) throw error;
    if (!isTimeZone(timeZone)) throw new InvalidMoment(`is in an unknown time zone, ${timeZone}`);
    throw new InvalidMoment('is not a day or an instant that exists');
  }
  throw new InvalidMoment('must be a day (2026-05-01) or an instant (2026-05-01T12:00:00Z)');
}

/** Whether it is a name of the IANA time zone database, or UTC. Offsets are none. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/** One thing that is wrong with what was given: which field, and what, worded to follow its name. */
export interface FieldFault {
  field: string;
  message: string;
}

export interface PeriodParams {
  /** Names of parameters. */
  from: string;
  to: string;
  timeZone?: string;
}

/** What is wrong with the period that these parameters name; nothing when both ends are good or missing. */
export function periodFaults(
  period: PeriodParams | undefined,
  params: Readonly<Record<string, unknown>>,
): FieldFault[] {
  if (period === undefined) return [];
  const timeZone = timeZoneOf(period, params);
  if (period.timeZone !== undefined && !isTimeZone(timeZone))
    return [{ field: period.timeZone, message: 'is not a time zone, such as Europe/Berlin' }];
  const faults: FieldFault[] = [];
  const read = (field: string, edge: 'from' | 'to'): number | undefined => {
    const given = params[field];
    if (typeof given !== 'string') return undefined;
    try {
      return instantOf(given, timeZone, edge);
    } catch (error) {
      if (!(error instanceof InvalidMoment)) throw error;
      faults.push({ field, message: error.message });
      return undefined;
    }
  };
  const from = read(period.from, 'from');
  const to = read(period.to, 'to');
  if (from !== undefined && to !== undefined && to < from)
    faults.push({ field: period.to, message: `must not be before ${period.from}` });
  return faults;
}

/** The zone in which days among the parameters are meant; UTC unless a parameter says. */
export function timeZoneOf(
  period: PeriodParams | undefined,
  params: Readonly<Record<string, unknown>>,
): string {
  const named = period?.timeZone === undefined ? undefined : params[period.timeZone];
  return typeof named === 'string' && named !== '' ? named : 'UTC';
}
