import { Temporal } from 'temporal-polyfill';

/**
 * An interval in two parts: what is counted by the calendar, so that 09:00 stays 09:00 over a change of the clocks,
 * and what is exact.
 */
export interface Interval {
  months: number;
  days: number;
  /** Exact milliseconds. */
  ms: number;
}

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
const DAY_MS = 86_400_000;
const MONTH_MS = 30.436875 * DAY_MS;
export const MAX_INTERVAL_MS = 366 * DAY_MS;

/** About how long it is, ms: months and days vary. */
export const roughly = ({ months, days, ms }: Interval): number => months * MONTH_MS + days * DAY_MS + ms;

/** Thrown with what is wrong, worded to follow the name of a field. */
export class InvalidDuration extends Error {
  override readonly name = 'InvalidDuration';
}

/**
 * Reads an ISO 8601 duration (`PT10M`, `P1D`, `PT1.5H`) or a number with ms, s, m, h or d (`30s`).
 * Years, months, weeks and days (`d` too) are calendar units, hours and below are exact.
 * @throws InvalidDuration also outside of `minMs` (1 s unless said) to 366 days
 */
export function parseDuration(text: string, minMs = 1000): Interval {
  const interval = read(text.trim());
  if (roughly(interval) < minMs)
    throw new InvalidDuration(
      minMs === 1000 ? 'must be at least 1 s' : `must be at least ${String(minMs)} ms`,
    );
  if (roughly(interval) > MAX_INTERVAL_MS) throw new InvalidDuration('must be at most 366 days');
  return interval;
}

function read(text: string): Interval {
  const short = /^(\d{1,15}(?:\.\d{1,9})?)(ms|s|m|h|d)$/.exec(text);
  if (short !== null) {
    const amount = Number(short[1]);
    const unit = short[2] as keyof typeof UNITS | 'd';
    if (unit !== 'd') return { months: 0, days: 0, ms: Math.round(amount * UNITS[unit]) };
    if (Number.isInteger(amount)) return { months: 0, days: amount, ms: 0 };
    return { months: 0, days: 0, ms: Math.round(amount * DAY_MS) };
  }
  try {
    const { sign, years, months, weeks, days, ...time } = partsOf(Temporal.Duration.from(text));
    if (sign >= 0) return { months: years * 12 + months, days: weeks * 7 + days, ms: time.ms };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  throw new InvalidDuration('must be an ISO 8601 duration (PT10M, P1D) or a number with ms, s, m, h or d');
}

const partsOf = (duration: Temporal.Duration) => ({
  sign: duration.sign,
  years: duration.years,
  months: duration.months,
  weeks: duration.weeks,
  days: duration.days,
  ms:
    duration.hours * 3_600_000 +
    duration.minutes * 60_000 +
    duration.seconds * 1000 +
    duration.milliseconds +
    Math.round(duration.microseconds / 1000),
});

/** As ISO 8601, in the largest units that say it exactly: `P1Y`, `P7D`, `PT1H30M`, `PT0.5S`. */
export function formatDuration({ months, days, ms }: Interval): string {
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = (ms % 60_000) / 1000;
  const date = part(Math.floor(months / 12), 'Y') + part(months % 12, 'M') + part(days, 'D');
  const time = part(hours, 'H') + part(minutes, 'M') + part(seconds, 'S');
  return date + time === '' ? 'PT0S' : `P${date}${time === '' ? '' : `T${time}`}`;
}

const part = (amount: number, unit: string): string => (amount === 0 ? '' : `${String(amount)}${unit}`);
