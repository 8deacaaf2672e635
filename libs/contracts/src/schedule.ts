import { Type, type Static } from 'typebox';
import { Instant } from './format.ts';

const Duration = (description: string) =>
  Type.String({
    minLength: 2,
    maxLength: 40,
    description: `${description}: ISO 8601, or a number with ms, s, m, h or d`,
    examples: ['PT10M', '30s'],
  });

/** When a job runs again. */
export const Schedule = Type.Object(
  {
    every: Type.Optional(Duration('The interval')),
    cron: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        description: 'Five fields (minute, hour, day, month, weekday), or six with seconds first',
        examples: ['0 9 * * 1-5'],
      }),
    ),
    timeZone: Type.Optional(
      Type.String({ maxLength: 60, description: 'IANA name; UTC unless said', examples: ['Europe/Berlin'] }),
    ),
    until: Type.Optional(
      Type.String({ maxLength: 40, description: 'No run begins after it: a day or an instant' }),
    ),
    jitter: Type.Optional(Duration('Each run begins up to so much later')),
  },
  { additionalProperties: false, title: 'Schedule', description: 'When a job runs again: `every` or `cron`' },
);
export type Schedule = Static<typeof Schedule>;

export const RUN_STATES = ['running', 'completed', 'failed', 'stopped', 'skipped'] as const;
export const RunState = Type.Enum(RUN_STATES);
export type RunState = (typeof RUN_STATES)[number];

const Count = (description: string) => Type.Integer({ minimum: 0, description });

/** One firing of a scheduled job, as the API shows it. */
export const Run = Type.Object(
  {
    number: Type.Integer({ minimum: 1 }),
    state: RunState,
    reason: Type.Union([Type.String(), Type.Null()], {
      description: 'Why it was skipped: overlap, paused, missed; or the code of what it failed with',
    }),
    dueAt: Instant,
    startedAt: Type.Union([Instant, Type.Null()]),
    endedAt: Type.Union([Instant, Type.Null()]),
    missed: Count('Firings before it that were missed while nothing ran; this run stands for them'),
    counts: Type.Object({
      discovered: Count('Items that were new to the job'),
      stored: Count('Of these, fetched for this job and kept'),
      shared: Count('Of these, kept already'),
      failed: Count('What was given up'),
      samples: Count('Measurements kept'),
      requests: Count('Calls that reached the provider'),
      units: Count('Units of quota that they cost'),
    }),
  },
  { title: 'Run', description: 'One firing of a scheduled job' },
);
export type Run = Static<typeof Run>;
