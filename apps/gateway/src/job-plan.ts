/** What a job costs its provider, whether the keys carry its schedule, and the schedule at which it runs. */
import type { Plan as PlanView, Provider } from '@magpie/contracts';
import {
  DAY_MS,
  distinctFrom,
  formatDuration,
  HOUR_MS,
  inWindow,
  MAX_COUNTED,
  MAX_INTERVAL_MS,
  missedFirings,
  nextFiring,
  parseDuration,
  planOf,
  roughly,
  type Plan,
  type PlannedSchedule,
} from '@magpie/domain';
import {
  activeCredentials,
  type JobDocument,
  type OpenCredential,
  type SourceDocument,
  type Store,
} from '@magpie/store';
import { HttpProblem } from './problems.ts';
import { scheduleView } from './views.ts';

export type Warnings = JobDocument['warnings'];

export interface JobPlan {
  provider: Provider | undefined;
  /** Active ones, in the order in which they are used. */
  credentials: OpenCredential[];
  plan: Plan | null;
  runsPerDay: number | null;
  /** As the keys carry it: `every` is longer than asked for where they do not. */
  schedule: PlannedSchedule | null;
  /** What goes with the job. */
  warnings: Warnings;
  /** Why a job that is strict is refused; undefined when the keys carry it. */
  refusal?: string;
}

/** Of a cron pattern: the firings of the coming day. */
function runsOfDay(schedule: PlannedSchedule, now: number): number {
  if (schedule.every !== null) return DAY_MS / roughly(parseDuration(schedule.every));
  const endless = { ...schedule, until: null };
  const count = missedFirings(endless, now, now + DAY_MS);
  return count < MAX_COUNTED ? count : missedFirings(endless, now, now + HOUR_MS) * 24;
}

const secondsOf = (ms: number): string => formatDuration({ months: 0, days: 0, ms });

/**
 * Plans a job. A schedule by `every` that the keys do not carry is lengthened to what they do, with a warning; one by
 * cron is only warned of.
 * @param params as they were given, what is measured among them (a list, or how many)
 */
export async function planJob(
  store: Store,
  source: SourceDocument,
  params: Readonly<Record<string, unknown>>,
  schedule: PlannedSchedule | null,
  now = Date.now(),
): Promise<JobPlan> {
  const { provider } = source;
  const runsPerDay = schedule === null ? null : runsOfDay(schedule, now);
  if (provider === undefined)
    return { provider, credentials: [], plan: null, runsPerDay, schedule, warnings: [] };
  const credentials = await activeCredentials(store, provider.id);
  const quotas = new Map(credentials.map(({ quota }) => [quota._id, quota]));
  const plan = planOf(provider, params, runsPerDay ?? 1, [...quotas.values()]);
  const { carried, shortestIntervalMs } = plan;
  if (carried || shortestIntervalMs === null)
    return { provider, credentials, plan, runsPerDay, schedule, warnings: [] };
  const carriedAt = secondsOf(Math.min(MAX_INTERVAL_MS, shortestIntervalMs));
  const lengthened = schedule !== null && schedule.every !== null;
  const why = tooSmall(provider, plan, schedule);
  return {
    provider,
    credentials,
    plan,
    runsPerDay,
    schedule: lengthened ? { ...schedule, every: carriedAt, asked: schedule.every } : schedule,
    warnings: [{ code: 'quota_too_small', message: `${why}: ${consequence(schedule, carriedAt)}.` }],
    ...(schedule === null ? {} : { refusal: `${why}; they carry a run every ${carriedAt}.` }),
  };
}

function consequence(schedule: PlannedSchedule | null, carriedAt: string): string {
  if (schedule === null) return 'it goes on when there is quota again';
  if (schedule.every !== null) return `it runs every ${carriedAt}`;
  return `runs wait for quota. The keys carry one every ${carriedAt}`;
}

function tooSmall(
  { title }: Provider,
  { unitsPerDay, quotaPerDay }: Plan,
  schedule: PlannedSchedule | null,
): string {
  const units = (count: number): string => count.toLocaleString('en-US');
  const why =
    quotaPerDay !== null && unitsPerDay > quotaPerDay
      ? `costs ${units(unitsPerDay)} units of ${title}${schedule === null ? '' : ' a day'}, and the keys have ${units(quotaPerDay)} a day`
      : `makes more calls of ${title} than the keys carry`;
  if (schedule === null) return `The job ${why}`;
  return `${schedule.every === null ? 'The cron pattern' : `Every ${schedule.every}`} ${why}`;
}

/**
 * The same for a job that is to be made or changed: it needs a key, and with `strict` one that carries its schedule.
 * @throws HttpProblem `missing_credential`, `quota_too_small`
 */
export async function carriedSchedule(
  store: Store,
  source: SourceDocument,
  params: Readonly<Record<string, unknown>>,
  schedule: PlannedSchedule | null,
  strict = false,
): Promise<{ schedule: PlannedSchedule | null; warnings: Warnings }> {
  const planned = await planJob(store, source, params, schedule);
  const { provider, credentials, warnings, refusal } = planned;
  if (provider !== undefined && credentials.length === 0)
    throw new HttpProblem(
      'missing_credential',
      `There is no active key for ${provider.id} (${provider.title}). ${provider.howTo} Then add it: POST /api/v1/credentials with {"provider": "${provider.id}", "name": …, "secret": …${provider.account === undefined ? '' : ', "account": …'}}.`,
    );
  if (strict && refusal !== undefined) throw new HttpProblem('quota_too_small', refusal);
  return { schedule: planned.schedule, warnings };
}

const intervalView = (ms: number): { duration: string; seconds: number } => ({
  duration: secondsOf(ms),
  seconds: ms / 1000,
});

/** What may become of it, beyond what the job itself is warned of. */
function furtherWarnings({ provider, credentials, plan, schedule }: JobPlan, now: number): Warnings {
  if (provider === undefined || plan === null) return [];
  const warnings: Warnings = [];
  if (credentials.length === 0)
    warnings.push({
      code: 'missing_credential',
      message: `There is no active key for ${provider.id}. ${provider.howTo}`,
    });
  const runs = schedule?.every == null ? 1 : DAY_MS / roughly(parseDuration(schedule.every));
  const most = plan.operations.reduce((sum, { mostPerRun, unitsEach }) => sum + mostPerRun * unitsEach, 0);
  if (plan.quotaPerDay !== null && plan.quotaPerDay > 0 && Math.floor(most * runs) > plan.quotaPerDay)
    warnings.push({
      code: 'quota_may_run_out',
      message: `A run that goes as far as it may costs ${most} units: if all did, the day’s quota would not last.`,
    });
  const { distinct } = provider;
  if (distinct && credentials.length > 0) {
    const opens = credentials.map(({ credential }) => {
      const asked = credential.distinct.map(({ what, at }) => ({ what, at: at.getTime() }));
      return distinctFrom(asked, '', distinct, now);
    });
    if (Math.min(...opens) > now)
      warnings.push({
        code: 'rate_limited',
        message: `${distinct.limit} different ${distinct.what} were asked for in ${distinct.days} days with every key: another one waits until ${new Date(Math.min(...opens)).toISOString()}.`,
      });
  }
  return warnings;
}

export function planView(source: SourceDocument, planned: JobPlan, now = Date.now()): PlanView {
  const { provider, credentials, plan, runsPerDay, schedule, warnings } = planned;
  const first = schedule === null || schedule.every !== null ? now : nextFiring(schedule, now);
  return {
    source: source._id,
    provider: provider?.id ?? null,
    credentials: credentials.length,
    runsPerDay,
    requests: { perRun: plan?.requestsPerRun ?? 0, perDay: plan?.requestsPerDay ?? 0 },
    operations: plan?.operations ?? [],
    unitsPerRun: plan?.unitsPerRun ?? 0,
    unitsPerDay: plan?.unitsPerDay ?? 0,
    quotaPerDay: plan?.quotaPerDay ?? null,
    quotaLasts: plan?.quotaLasts ?? null,
    shortestInterval:
      plan === null
        ? intervalView(0)
        : plan.shortestIntervalMs === null
          ? null
          : intervalView(plan.shortestIntervalMs),
    carried: plan?.carried ?? true,
    interval: schedule?.every == null ? null : intervalView(roughly(parseDuration(schedule.every))),
    schedule: schedule === null ? null : scheduleView(schedule),
    firstRunAt: first === null ? null : new Date(first).toISOString(),
    limits: source.limits ?? [],
    warnings: [...warnings, ...furtherWarnings(planned, now)],
  };
}

/** Different things that a credential was asked for and that still count. */
export const distinctUsed = ({ distinct }: OpenCredential['credential'], days: number, now: number): number =>
  inWindow(
    distinct.map(({ what, at }) => ({ what, at: at.getTime() })),
    days,
    now,
  ).length;
