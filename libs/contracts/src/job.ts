import { Type, type Static } from 'typebox';
import { Id, Instant, SourceId } from './format.ts';
import { Transfer } from './transfer.ts';

export const JOB_STATES = [
  'queued',
  'running',
  'waiting',
  'pausing',
  'paused',
  'stopping',
  'stopped',
  'terminating',
  'terminated',
  'completed',
  'failed',
] as const;
export const JobState = Type.Enum(JOB_STATES, { description: 'Where the job is' });
export type JobState = (typeof JOB_STATES)[number];

export const JOB_ACTIONS = ['pause', 'resume', 'stop', 'terminate', 'retry'] as const;
export const JobAction = Type.Enum(JOB_ACTIONS);
export type JobAction = (typeof JOB_ACTIONS)[number];

export const WAIT_REASONS = [
  'rate_limited',
  'keys_exhausted',
  'schedule',
  'host_backoff',
  'disk_full',
] as const;
export const WaitReason = Type.Enum(WAIT_REASONS, { description: 'Why the job waits' });
export type WaitReason = (typeof WAIT_REASONS)[number];

export const PRIORITIES = ['high', 'normal', 'low'] as const;
export const Priority = Type.Enum(PRIORITIES, { default: 'normal', description: 'Which jobs go first' });
export type Priority = (typeof PRIORITIES)[number];

const Count = (description: string) => Type.Integer({ minimum: 0, description });

/** `discovered = stored + shared + skipped + failed + pending`, always. */
export const ItemCounts = Type.Object(
  {
    discovered: Count('Distinct items that the job found'),
    stored: Count('Fetched for this job and kept'),
    shared: Count('Kept already, or fetched for another job: linked without a second download'),
    skipped: Count('Left out: robots.txt, or smaller than asked for'),
    failed: Count('Given up; see errors'),
    pending: Count('Not fetched yet'),
  },
  { description: 'discovered = stored + shared + skipped + failed + pending' },
);
export type ItemCounts = Static<typeof ItemCounts>;

export const PageCounts = Type.Object(
  {
    discovered: Count('Pages to read'),
    done: Count('Pages read'),
    failed: Count('Pages given up; see errors'),
    pending: Count('Pages not read yet'),
  },
  { description: 'discovered = done + failed + pending' },
);
export type PageCounts = Static<typeof PageCounts>;

export const JobTransition = Type.Object({
  rev: Type.Integer({ description: 'Revision of the job; the id of the event' }),
  at: Instant,
  from: Type.Union([JobState, Type.Null()]),
  to: JobState,
  reason: Type.Optional(Type.String()),
});
export type JobTransition = Static<typeof JobTransition>;

/** A job as the API shows it. */
export const Job = Type.Object(
  {
    id: Id,
    source: SourceId,
    params: Type.Record(Type.String(), Type.Unknown(), {
      description: 'The source’s parameters, defaults filled in',
    }),
    priority: Priority,
    state: JobState,
    waiting: Type.Union(
      [
        Type.Object({ reason: WaitReason, until: Instant, detail: Type.Optional(Type.String()) }),
        Type.Null(),
      ],
      { description: 'With state waiting: why, and when it looks again' },
    ),
    epoch: Type.Integer({ description: 'Raised by resume, retry and terminate' }),
    counts: ItemCounts,
    pages: PageCounts,
    error: Type.Union([Type.Object({ code: Type.String(), message: Type.String() }), Type.Null()], {
      description: 'With state failed: why',
    }),
    schedule: Type.Union(
      [
        Type.Object({
          every: Type.Union([Type.String(), Type.Null()], { description: 'The interval, ISO 8601' }),
          cron: Type.Union([Type.String(), Type.Null()]),
          timeZone: Type.String(),
          until: Type.Union([Instant, Type.Null()]),
          jitter: Type.Union([Type.String(), Type.Null()]),
          asked: Type.Union([Type.String(), Type.Null()], {
            description: 'The interval that was asked for, where the keys do not carry it',
          }),
        }),
        Type.Null(),
      ],
      { description: 'When the job runs again; null for one that runs once' },
    ),
    runs: Count('Runs so far, skipped ones among them'),
    nextRunAt: Type.Union([Instant, Type.Null()]),
    targets: Count('What it measures'),
    samples: Count('Measurements kept'),
    requests: Count('Calls that reached the provider'),
    units: Count('Units of quota that they cost'),
    stopWhenExhausted: Type.Boolean({ description: 'Stops, rather than waits, when all keys are used up' }),
    warnings: Type.Array(Type.Object({ code: Type.String(), message: Type.String() }), {
      description: 'What will not go as it was asked for',
    }),
    transfer: Type.Union([Transfer, Type.Null()], {
      description: 'Of an upload, an import or an export: what it moves',
    }),
    allowed: Type.Array(JobAction, { description: 'What can be done with the job now' }),
    createdAt: Instant,
    startedAt: Type.Union([Instant, Type.Null()]),
    endedAt: Type.Union([Instant, Type.Null()]),
    updatedAt: Instant,
    rev: Type.Integer({ description: 'Raised by every change' }),
  },
  { title: 'Job', description: 'What somebody asked for: a source, its parameters; the unit of control' },
);
export type Job = Static<typeof Job>;

/** One thing that went wrong in a job. */
export const JobError = Type.Object(
  {
    kind: Type.String({ description: 'image, text, page …; `row`: of the file of an import' }),
    url: Type.String({ description: 'What was to be fetched, secrets removed; empty of a row' }),
    code: Type.String({ description: 'A stable error code' }),
    message: Type.String(),
    attempt: Type.Integer({ description: 'The attempt at which it was given up; the first is 1' }),
    status: Type.Optional(Type.Integer({ description: 'HTTP status of the last response' })),
    at: Instant,
  },
  { title: 'JobError', description: 'One thing that could not be done, and why' },
);
export type JobError = Static<typeof JobError>;
