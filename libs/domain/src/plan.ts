/** What a job would ask of its provider, and whether the keys carry it. */
import { DAY_MS, HOUR_MS } from './quota.ts';

/** How many calls: a number, or as many as a parameter says (of a list: its length). */
export type PlannedAmount = number | { param: string };

export interface PlannedProvider {
  /** Units that a call of each operation costs, unless a key says otherwise. */
  operations: Readonly<Record<string, number>>;
  perRun: Readonly<Record<string, { usual: PlannedAmount; most?: PlannedAmount }>>;
  perRequest?: Readonly<Record<string, number>>;
}

/** What one project's keys share. Null is without a bound. */
export interface PlannedProject {
  unitsPerDay: number | null;
  callsPerHour: number | null;
  costs: Readonly<Record<string, number>>;
}

export interface PlannedOperation {
  operation: string;
  /** Calls of a usual run, of one that goes as far as it may, and of a day of usual runs. */
  perRun: number;
  mostPerRun: number;
  perDay: number;
  unitsEach: number;
  unitsPerDay: number;
}

export interface Plan {
  operations: PlannedOperation[];
  requestsPerRun: number;
  requestsPerDay: number;
  unitsPerRun: number;
  unitsPerDay: number;
  /** Of all projects; null where one of them has no bound, or the provider counts no units. */
  quotaPerDay: number | null;
  /** Seconds of a day until it is used up; null when it lasts. */
  quotaLasts: number | null;
  /** Ms; 0 when any is carried, null when none is: there is no key. */
  shortestIntervalMs: number | null;
  carried: boolean;
}

/** @throws never: a parameter that is missing counts as 1 */
export function amountOf(amount: PlannedAmount, params: Readonly<Record<string, unknown>>): number {
  if (typeof amount === 'number') return amount;
  const value = params[amount.param];
  if (Array.isArray(value)) return value.length;
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? Math.ceil(value) : 1;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

/**
 * The plan of a job.
 * @param runsPerDay how often it runs; 1 for one that runs once
 * @param projects those that have an active key
 */
export function planOf(
  provider: PlannedProvider,
  params: Readonly<Record<string, unknown>>,
  runsPerDay: number,
  projects: readonly PlannedProject[],
): Plan {
  const calls = Object.entries(provider.perRun).map(([operation, { usual, most }]) => {
    const perRun = amountOf(usual, params);
    return { operation, perRun, mostPerRun: Math.max(perRun, amountOf(most ?? usual, params)) };
  });
  const unitsEach = (operation: string, costs: Readonly<Record<string, number>> = {}): number =>
    costs[operation] ?? provider.operations[operation] ?? 0;
  const shown = projects[0]?.costs;
  const operations = calls.map((one) => {
    const each = unitsEach(one.operation, shown);
    const perDay = Math.ceil(one.perRun * runsPerDay);
    return { ...one, perDay, unitsEach: each, unitsPerDay: perDay * each };
  });
  const requestsPerRun = sum(
    operations.map(({ operation, perRun }) =>
      Math.ceil(perRun / Math.max(1, provider.perRequest?.[operation] ?? 1)),
    ),
  );
  const unitsPerDay = sum(operations.map((one) => one.unitsPerDay));
  const bounded = projects.flatMap((project) => project.unitsPerDay ?? []);
  const quotaPerDay = projects.length > 0 && bounded.length < projects.length ? null : sum(bounded);
  const callsPerRun = sum(calls.map(({ perRun }) => perRun));
  const runs = sum(
    projects.map((project) => {
      const units = sum(calls.map(({ operation, perRun }) => perRun * unitsEach(operation, project.costs)));
      return Math.min(
        project.unitsPerDay === null || units === 0 ? Infinity : whole(project.unitsPerDay / units),
        project.callsPerHour === null || callsPerRun === 0
          ? Infinity
          : ((project.callsPerHour / callsPerRun) * DAY_MS) / HOUR_MS,
      );
    }),
  );
  return {
    operations,
    requestsPerRun,
    requestsPerDay: Math.ceil(requestsPerRun * runsPerDay),
    unitsPerRun: sum(operations.map(({ perRun, unitsEach: each }) => perRun * each)),
    unitsPerDay,
    quotaPerDay,
    quotaLasts:
      quotaPerDay === null || unitsPerDay <= quotaPerDay
        ? null
        : Math.floor((DAY_MS / 1000) * (quotaPerDay / unitsPerDay)),
    shortestIntervalMs: runs === 0 ? null : runs === Infinity ? 0 : Math.ceil(DAY_MS / runs / 1000) * 1000,
    carried: runs >= runsPerDay,
  };
}

/** A run's units are taken from one project: what is left over of it serves no other run, unless it is all there is. */
const whole = (runs: number): number => (runs >= 1 ? Math.floor(runs) : runs);
