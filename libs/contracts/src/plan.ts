import { Type, type Static } from 'typebox';
import { Instant, SourceId } from './format.ts';
import { Job } from './job.ts';

const Interval = Type.Object({
  duration: Type.String({ description: 'ISO 8601', examples: ['PT14M33S'] }),
  seconds: Type.Number(),
});

/** What a job would cost, and whether the keys carry it. */
export const Plan = Type.Object(
  {
    source: SourceId,
    provider: Type.Union([Type.String(), Type.Null()], { description: 'null: the source needs no key' }),
    credentials: Type.Integer({ description: 'Active keys of the provider' }),
    runsPerDay: Type.Union([Type.Number(), Type.Null()], {
      description: 'At the interval that was asked for; null: runs once',
    }),
    requests: Type.Object(
      { perRun: Type.Integer(), perDay: Type.Integer() },
      { description: 'HTTP requests to the provider; a job that runs once has one run in a day' },
    ),
    operations: Type.Array(
      Type.Object({
        operation: Type.String({ examples: ['search.list'] }),
        perRun: Type.Integer({ description: 'Calls of a usual run' }),
        mostPerRun: Type.Integer({ description: 'Calls of a run that goes as far as it may' }),
        perDay: Type.Integer(),
        unitsEach: Type.Integer(),
        unitsPerDay: Type.Integer(),
      }),
    ),
    unitsPerRun: Type.Integer(),
    unitsPerDay: Type.Integer({ description: 'At the interval that was asked for' }),
    quotaPerDay: Type.Union([Type.Integer(), Type.Null()], {
      description: 'Of all projects with an active key; null: without a bound',
    }),
    quotaLasts: Type.Union([Type.Integer(), Type.Null()], {
      description: 'Seconds of a day until the quota is used up; null: it lasts',
    }),
    shortestInterval: Type.Union([Interval, Type.Null()], {
      description: 'The shortest that the keys carry; of 0 seconds: any; null: none, for want of a key',
    }),
    carried: Type.Boolean({ description: 'Whether the keys carry what was asked for' }),
    interval: Type.Union([Interval, Type.Null()], {
      description: 'The one at which the job would run; null: runs once, or by cron',
    }),
    schedule: Job.properties.schedule,
    firstRunAt: Type.Union([Instant, Type.Null()]),
    limits: Type.Array(Type.String(), { description: 'What the source cannot reach' }),
    warnings: Job.properties.warnings,
  },
  { title: 'Plan', description: 'What a job would cost before it runs, and whether the keys carry it' },
);
export type Plan = Static<typeof Plan>;
