/**
 * Arithmetic of quotas: a daily allowance of units that is new at midnight somewhere, a token bucket of calls an hour,
 * a rest that the provider wants, and a bound on how many different things are asked for. Instants are ms since the epoch.
 */
import { Temporal } from 'temporal-polyfill';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

const dateIn = (at: number, timeZone: string): Temporal.PlainDate =>
  Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(timeZone).toPlainDate();

/** The day (`2026-03-08`) of an instant in an IANA time zone. @throws RangeError for one that does not exist */
export const dayIn = (at: number, timeZone: string): string => dateIn(at, timeZone).toString();

/** When a day (`2026-03-08`) begins in an IANA time zone. */
export const dayBegins = (day: string, timeZone: string): number =>
  Temporal.PlainDate.from(day).toZonedDateTime(timeZone).epochMilliseconds;

/** When a day (`2026-03-08`) ends there. */
export const dayEnds = (day: string, timeZone: string): number =>
  Temporal.PlainDate.from(day).add({ days: 1 }).toZonedDateTime(timeZone).epochMilliseconds;

/** When the next day begins there: 23, 24 or 25 hours after the last one began, as daylight saving has it. */
export const nextDayIn = (at: number, timeZone: string): number =>
  dateIn(at, timeZone).add({ days: 1 }).toZonedDateTime(timeZone).epochMilliseconds;

/** What of a quota decides. `used` is of `day`; null is without a bound. */
export interface QuotaState {
  unitsPerDay: number | null;
  resetTimeZone: string;
  callsPerHour: number | null;
  day: string;
  used: number;
  exhaustedUntil: number | null;
  tokens: number;
  tokensAt: number;
}

/** What one step takes. */
export interface Need {
  units: number;
  calls: number;
}

/** What was used of the day at this instant: nothing, once a new day has begun. A clock that lags makes no new day. */
export const usedAt = (quota: QuotaState, at: number): number =>
  dayIn(at, quota.resetTimeZone) > quota.day ? 0 : quota.used;

/** Tokens in the bucket: it fills evenly, and holds an hour's worth. Below 0 it is in debt. */
export function tokensAt(quota: QuotaState, at: number): number {
  if (quota.callsPerHour === null) return Infinity;
  const passed = Math.max(0, at - quota.tokensAt);
  return Math.min(quota.callsPerHour, quota.tokens + (passed * quota.callsPerHour) / HOUR_MS);
}

/** Tokens that must be there: a step of more calls than the bucket holds goes when it is full, and leaves a debt. */
const tokensFor = (quota: QuotaState, calls: number): number => Math.min(calls, quota.callsPerHour ?? 0);

/** How many steps of one need the quota carries now, at most `wanted`. */
export function carries(quota: QuotaState, { units, calls }: Need, wanted: number, at: number): number {
  if (quota.exhaustedUntil !== null && quota.exhaustedUntil > at) return 0;
  const byUnits =
    quota.unitsPerDay === null || units === 0
      ? wanted
      : Math.floor((quota.unitsPerDay - usedAt(quota, at)) / units);
  const tokens = tokensAt(quota, at);
  const byTokens =
    quota.callsPerHour === null || calls === 0
      ? wanted
      : tokens < tokensFor(quota, calls)
        ? 0
        : Math.max(1, Math.floor(tokens / calls));
  return Math.max(0, Math.min(wanted, byUnits, byTokens));
}

export type Shortage = 'quota' | 'rest' | 'tokens' | 'distinct' | 'too_dear';

/** When the quota carries a step of this need, if nobody else takes any, and what it lacks until then. */
export function carriesFrom(
  quota: QuotaState,
  { units, calls }: Need,
  at: number,
): { at: number; lacks: Shortage | null } {
  let from = at;
  let lacks: Shortage | null = null;
  const exhausted = quota.exhaustedUntil !== null && quota.exhaustedUntil > at;
  if (exhausted) {
    from = quota.exhaustedUntil ?? at;
    lacks = 'quota';
  }
  if (quota.unitsPerDay !== null && units > 0 && units > quota.unitsPerDay - usedAt(quota, from)) {
    from = Math.max(from, nextDayIn(from, quota.resetTimeZone));
    lacks = units > quota.unitsPerDay ? 'too_dear' : 'quota';
  }
  if (quota.callsPerHour !== null && calls > 0) {
    const short = tokensFor(quota, calls) - tokensAt(quota, from);
    if (short > 0) {
      from = Math.ceil(Math.max(from, quota.tokensAt) + (short * HOUR_MS) / quota.callsPerHour) + 1;
      lacks ??= 'tokens';
    }
  }
  return { at: from, lacks };
}

const REST_FROM_PERCENT = 75;
const LONGEST_EARLY_REST_MS = 30 * 60_000;

/**
 * Until when a credential rests whose provider says how much of its limits is used: not at all below 75 %, then ever
 * longer (1 minute at 80 %, 11 at 90 %, near half an hour at 100 %), an hour once they are used up: such limits are
 * counted over the last hour. The time that the provider gives itself wins. Null: it need not rest.
 */
export function restUntil(percent: number, until: number | undefined, at: number): number | null {
  if (until !== undefined && until > at && percent >= REST_FROM_PERCENT) return until;
  if (percent >= 100) return at + HOUR_MS;
  if (percent <= REST_FROM_PERCENT) return null;
  const share = (percent - REST_FROM_PERCENT) / (100 - REST_FROM_PERCENT);
  return at + Math.ceil(share * share * LONGEST_EARLY_REST_MS);
}

/** How long a credential rests that was told to, without for how long: a minute, then ever longer, an hour at most. */
export const restMs = (restsBefore: number): number =>
  Math.min(HOUR_MS, 60_000 * 2 ** Math.max(0, restsBefore));

/** A thing that was asked for; it counts for so many days from the first time on. */
export interface Asked {
  what: string;
  at: number;
}

/** What still counts. */
export const inWindow = (asked: readonly Asked[], days: number, at: number): Asked[] =>
  asked.filter((one) => one.at > at - days * DAY_MS);

/** When `what` may be asked for: now, if it counts already or there is room; else when the oldest no longer counts. */
export function distinctFrom(
  asked: readonly Asked[],
  what: string,
  { limit, days }: { limit: number; days: number },
  at: number,
): number {
  const counting = inWindow(asked, days, at);
  if (counting.length < limit || counting.some((one) => one.what === what)) return at;
  const byAge = counting.map((one) => one.at).sort((a, b) => a - b);
  return (byAge[counting.length - limit] ?? at) + days * DAY_MS;
}
