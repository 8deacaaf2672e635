/** What was measured, as the gateway shows it: series of points, targets, coverage, companies. */
import type { TargetState } from '@magpie/contracts';
import { dayOf, emptySummary, hourOf, joinSummaries, summaryOf, type Summary } from '@magpie/domain';
import type { Store } from './connect.ts';
import type {
  CompanyDocument,
  GapDocument,
  RollupDocument,
  RollupHour,
  SampleDocument,
  TargetDocument,
} from './documents.ts';
import { page, type PageOf, type PageRequest } from './lists.ts';
import { runOne, runQuery } from './run-query.ts';
import { SAMPLE_QUERIES, type Measured } from './sample-queries.ts';

export type Interval = 'raw' | 'hour' | 'day';

/** A sample, or an hour or day of them: then the values are the last ones of it. */
export interface Point {
  at: Date;
  /** What it stands for beside other targets: the round of a sample; the same as `at` of an hour or day. */
  round: Date;
  /** By name; none when all samples of the hour or day are suspect. */
  values: Record<string, number>;
  suspect: boolean;
  verdict?: 'confirmed' | 'cleared';
}

/** There are more points than were asked for at most. */
export class TooManyPoints extends Error {
  override readonly name = 'TooManyPoints';
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Whether this was ever measured, or is to be. */
export async function isKnown(store: Store, of: Measured): Promise<boolean> {
  const queries = [
    SAMPLE_QUERIES.targetOfSource(of),
    SAMPLE_QUERIES.lastRollup(of),
    SAMPLE_QUERIES.anySample(of),
  ];
  for (const query of queries) if ((await runOne(store, query)) !== undefined) return true;
  return false;
}

/**
 * The points of a period, both ends included, oldest first.
 * @throws TooManyPoints when there are more than `limit`
 */
export async function readSeries(
  store: Store,
  of: Measured,
  { from, to, interval, limit }: { from: Date; to: Date; interval: Interval; limit: number },
): Promise<Point[]> {
  if (interval === 'raw') {
    const samples = await runQuery<SampleDocument>(store, SAMPLE_QUERIES.samples(of, from, to, limit + 1));
    if (samples.length > limit) throw new TooManyPoints();
    return withVerdicts(store, of, distinct(samples));
  }
  const points =
    interval === 'hour'
      ? await hoursOf(store, of, hourOf(from), to, limit)
      : await daysOf(store, of, dayOf(from), to, limit);
  if (points.length > limit) throw new TooManyPoints();
  return points.map(pointOf);
}

/** Whether a sample was right is said by the next one; one that comes later than this is not looked for. */
const SETTLED_MS = 7 * DAY_MS;

/** A point of many samples. */
export interface SpanPoint {
  at: Date;
  summary: Summary;
}

/** Samples of one target, in order of time: each once, though the move of samples may have put one in twice. */
const distinct = (samples: readonly SampleDocument[]): SampleDocument[] =>
  samples.filter(({ at }, i) => i === 0 || at.getTime() !== samples[i - 1]?.at.getTime());

/** The next sample says of a suspect one what it was. */
async function withVerdicts(store: Store, of: Measured, samples: SampleDocument[]): Promise<Point[]> {
  const last = samples.at(-1);
  const next =
    last?.suspect === true
      ? await runOne<SampleDocument>(
          store,
          SAMPLE_QUERIES.samples(
            of,
            new Date(last.at.getTime() + 1),
            new Date(last.at.getTime() + SETTLED_MS),
            1,
          ),
        )
      : undefined;
  return samples.map(({ at, round, values, suspect = false }, i) => {
    const verdict = suspect ? (samples[i + 1] ?? next)?.verdict : undefined;
    return {
      at,
      round,
      values,
      suspect: suspect && verdict !== 'cleared',
      ...(verdict ? { verdict } : {}),
    };
  });
}

/**
 * The hours that begin within the period, oldest first; `from` begins one. What is not summed up yet (the hour that is not over, and what
 * came after it) is read from the samples.
 */
async function hoursOf(
  store: Store,
  of: Measured,
  from: Date,
  to: Date,
  limit: number,
): Promise<SpanPoint[]> {
  const days = Math.floor(to.getTime() / DAY_MS) - Math.floor(from.getTime() / DAY_MS) + 1;
  const rollups = await runQuery<RollupDocument>(store, SAMPLE_QUERIES.rollups(of, from, to, days));
  const hours = rollups.flatMap(hoursOfDay).filter(({ at }) => at >= from && at <= to);
  const open = await openFrom(store, of);
  const rest = open > from ? open : from;
  if (rest > to) return hours;
  const samples = await runQuery<SampleDocument>(store, SAMPLE_QUERIES.samples(of, rest, to, limit + 1));
  if (samples.length > limit) throw new TooManyPoints();
  return [...hours, ...sumUp(await withVerdicts(store, of, distinct(samples)))];
}

/** When the first hour begins that is not summed up. */
async function openFrom(store: Store, of: Measured): Promise<Date> {
  const last = await runOne<RollupDocument>(store, SAMPLE_QUERIES.lastRollup(of));
  const hour = last && hoursOfDay(last).at(-1);
  return hour === undefined ? new Date(0) : new Date(hour.at.getTime() + HOUR_MS);
}

const hoursOfDay = ({ day, hours }: RollupDocument): SpanPoint[] =>
  Object.entries(hours)
    .map(([hour, summary]: [string, RollupHour]) => ({
      at: new Date(day.getTime() + Number(hour) * HOUR_MS),
      summary,
    }))
    .sort((a, b) => a.at.getTime() - b.at.getTime());

/** Hours of samples. */
const sumUp = (points: readonly Point[]): SpanPoint[] =>
  joined(
    points.map(({ at, values, suspect }) => ({ at, summary: summaryOf(values, suspect) })),
    hourOf,
  );

/** The days that begin within the period, oldest first; `from` begins one. The last may not be summed up wholly. */
async function daysOf(store: Store, of: Measured, from: Date, to: Date, limit: number): Promise<SpanPoint[]> {
  const open = dayOf(await openFrom(store, of));
  const days =
    open > from
      ? await runQuery<Pick<RollupDocument, 'day' | 'total'>>(
          store,
          SAMPLE_QUERIES.rollupDays(of, from, to < open ? to : new Date(open.getTime() - 1), limit + 1),
        )
      : [];
  const closed = days.map(({ day, total }) => ({ at: day, summary: total }));
  const rest = open > from ? open : from;
  return rest > to ? closed : [...closed, ...joined(await hoursOf(store, of, rest, to, limit * 24), dayOf)];
}

/** Neighbours that begin in the same span become one. */
function joined(points: readonly SpanPoint[], spanOf: (at: Date) => Date): SpanPoint[] {
  const out: SpanPoint[] = [];
  for (const { at, summary } of points) {
    const span = spanOf(at);
    const last = out.at(-1);
    if (last?.at.getTime() === span.getTime()) last.summary = joinSummaries(last.summary, summary);
    else out.push({ at: span, summary: joinSummaries(emptySummary(), summary) });
  }
  return out;
}

const pointOf = ({ at, summary: { count, values } }: SpanPoint): Point => ({
  at,
  round: at,
  values: Object.fromEntries(Object.entries(values).map(([name, span]) => [name, span.last])),
  suspect: count === 0,
});

/** A point with the one before it. */
export interface Row {
  point: Point;
  before: Point | undefined;
}

/**
 * The latest points of a period, newest first, each with the one before it.
 * @param before of an earlier page: only what is older
 */
export async function readRows(
  store: Store,
  of: Measured,
  { from, to, interval, limit }: { from: Date; to: Date; interval: Interval; limit: number },
): Promise<{ rows: Row[]; more: boolean }> {
  // One further says whether more follow, another what the last of the page has changed from.
  const points = await latestPoints(store, of, { from, to, interval, least: limit + 1 });
  return {
    rows: points.slice(0, limit).map((point, i) => ({ point, before: points[i + 1] })),
    more: points.length > limit,
  };
}

/** Samples that are not summed up are those of an hour or two. */
const MOST_OPEN = 100_000;

async function latestPoints(
  store: Store,
  of: Measured,
  { from, to, interval, least }: { from: Date; to: Date; interval: Interval; least: number },
): Promise<Point[]> {
  if (interval === 'raw') {
    for (let limit = least + 1; ; limit *= 2) {
      const samples = await runQuery<SampleDocument>(
        store,
        SAMPLE_QUERIES.latestSamples(of, from, to, limit),
      );
      const points = await withVerdicts(store, of, distinct(samples.toReversed()));
      if (points.length >= least || samples.length < limit) return points.toReversed();
    }
  }
  const rollups = await runQuery<RollupDocument>(
    store,
    SAMPLE_QUERIES.latestRollups(of, from, to, least + 1),
  );
  const whole = interval === 'hour' ? hourOf(from) : dayOf(from);
  const begin = rollups.length > least ? (rollups.at(-1)?.day ?? whole) : whole;
  const first = begin > whole ? begin : whole;
  const points = await (interval === 'hour' ? hoursOf : daysOf)(store, of, first, to, MOST_OPEN);
  return points.map(pointOf).toReversed();
}

/** What a job measures, by key; those in one state, or all. @throws InvalidCursor */
export const listTargets = (
  store: Store,
  jobId: string,
  state: TargetState | undefined,
  request: PageRequest,
): Promise<PageOf<TargetDocument>> =>
  page<TargetDocument, [string]>(store, request, {
    name: `targets-${state ?? 'all'}`,
    parts: ['text'],
    keyOf: ({ key }) => [key],
    query: (limit, past) => SAMPLE_QUERIES.targetsOfJob(jobId, state, limit, past?.[0]),
  });

/** The gaps of a job, newest first. @throws InvalidCursor */
export const listGaps = (store: Store, jobId: string, request: PageRequest): Promise<PageOf<GapDocument>> =>
  page<GapDocument, [number, string]>(store, request, {
    name: 'gaps',
    parts: ['number', 'text'],
    keyOf: ({ from, _id }) => [from.getTime(), _id],
    query: (limit, past) => SAMPLE_QUERIES.gapsOfJob(jobId, limit, past && [new Date(past[0]), past[1]]),
  });

/** How well the targets of one state are covered. */
export interface StateCoverage {
  state: TargetState;
  count: number;
  /** Samples that were due since they were added, at the present interval. */
  due: number;
  /** Of how many the last sample is older than it should be, and the oldest of these. */
  late: number;
  lateSince: Date | null;
}

/**
 * How well a job's targets are covered, by state.
 * @param intervalMs 0: measured once
 */
export async function readCoverage(
  store: Store,
  jobId: string,
  { now, intervalMs }: { now: Date; intervalMs: number },
): Promise<StateCoverage[]> {
  const late = intervalMs > 0 ? new Date(now.getTime() - 1.5 * intervalMs) : new Date(0);
  const found = await runQuery<Omit<StateCoverage, 'state'> & { _id: TargetState }>(
    store,
    SAMPLE_QUERIES.coverageOfJob(jobId, now, intervalMs, late),
  );
  return found.map(({ _id, ...rest }) => ({ state: _id, ...rest }));
}

export const findCompany = (store: Store, id: string): Promise<CompanyDocument | undefined> =>
  runOne(store, SAMPLE_QUERIES.company(id));

/** Companies by name. @throws InvalidCursor */
export const listCompanies = (store: Store, request: PageRequest): Promise<PageOf<CompanyDocument>> =>
  page<CompanyDocument, [string]>(store, request, {
    name: 'companies',
    parts: ['text'],
    keyOf: ({ _id }) => [_id],
    query: (limit, past) => SAMPLE_QUERIES.companies(limit, past?.[0]),
  });
