/** What a measurement is worth beside those before it, and how hours sum many of them up. */

export type Values = Record<string, number>;

/** From this factor on a change is suspect, unless a job says otherwise. */
export const DEFAULT_JUMP = 2;

/** The values that can be kept: whole numbers, not negative, exact. */
export const validValues = (values: Values): Values =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => Number.isSafeInteger(value) && value >= 0));

/** How far apart two measurements are: the largest factor between values of one name; 0 counts as 1. */
export function distance(a: Values, b: Values): number {
  let most = 1;
  for (const [name, value] of Object.entries(a)) {
    const other = b[name];
    if (other === undefined) continue;
    const [low, high] = value < other ? [value, other] : [other, value];
    most = Math.max(most, Math.max(1, high) / Math.max(1, low));
  }
  return most;
}

/** What is known of a target when the next measurement comes. */
export interface Known {
  /** The last one that was not suspect. */
  trusted?: Values | undefined;
  /** The last one, when it was suspect. */
  suspect?: Values | undefined;
}

export interface Judgement {
  suspect: boolean;
  /** Of the suspect one before it: `confirmed` when that was out of line, `cleared` when it was right. */
  verdict?: 'confirmed' | 'cleared';
}

/**
 * Judges a measurement. One that differs from the last trusted one by more than `factor` is suspect; the next one
 * says of a suspect one that it was right, when it is nearer to it than to what was trusted before, or that it was
 * out of line.
 * @param factor 1 or less, and what is no number, mean `DEFAULT_JUMP`
 */
export function judgeSample({ trusted, suspect }: Known, values: Values, factor = DEFAULT_JUMP): Judgement {
  const most = factor > 1 ? factor : DEFAULT_JUMP;
  if (trusted === undefined) return { suspect: false };
  const fromTrusted = distance(trusted, values);
  if (suspect === undefined) return { suspect: fromTrusted > most };
  const fromSuspect = distance(suspect, values);
  if (fromSuspect <= most && fromSuspect < fromTrusted) return { suspect: false, verdict: 'cleared' };
  return { suspect: fromTrusted > most, verdict: 'confirmed' };
}

/** A value over an hour or a day. */
export interface Span {
  first: number;
  last: number;
  min: number;
  max: number;
}

/** Measurements of an hour or a day. Suspect ones are counted apart, and their values left out. */
export interface Summary {
  count: number;
  suspect: number;
  values: Record<string, Span>;
}

export const emptySummary = (): Summary => ({ count: 0, suspect: 0, values: {} });

/** One summary of two, the later one second. */
export function joinSummaries(earlier: Summary, later: Summary): Summary {
  const values: Summary['values'] = { ...earlier.values };
  for (const [name, span] of Object.entries(later.values)) {
    const before = values[name];
    values[name] =
      before === undefined
        ? span
        : {
            first: before.first,
            last: span.last,
            min: Math.min(before.min, span.min),
            max: Math.max(before.max, span.max),
          };
  }
  return { count: earlier.count + later.count, suspect: earlier.suspect + later.suspect, values };
}

/** The summary of one measurement. */
export const summaryOf = (values: Values, suspect = false): Summary =>
  suspect
    ? { count: 0, suspect: 1, values: {} }
    : {
        count: 1,
        suspect: 0,
        values: Object.fromEntries(
          Object.entries(values).map(([name, value]) => [
            name,
            { first: value, last: value, min: value, max: value },
          ]),
        ),
      };

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The beginning of the hour, or day (UTC), that an instant is in. */
export const hourOf = (at: Date): Date => new Date(Math.floor(at.getTime() / HOUR_MS) * HOUR_MS);
export const dayOf = (at: Date): Date => new Date(Math.floor(at.getTime() / DAY_MS) * DAY_MS);
