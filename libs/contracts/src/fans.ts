import { Type, type Static } from 'typebox';
import { Instant } from './format.ts';
import { TargetState } from './sample.ts';

const Count = Type.Union([Type.Integer({ minimum: 0 }), Type.Null()], {
  description: 'Null where nothing sound was measured',
});
const Series = (description: string) => Type.Array(Count, { description });

export const INTERVALS = ['raw', 'hour', 'day'] as const;
const Interval = Type.Enum(INTERVALS);

/** Ready for a chart: equal places of the lists belong together. */
export const FanChart = Type.Object(
  {
    page: Type.String(),
    interval: Interval,
    labels: Type.Array(Instant, { description: 'The x axis' }),
    data: Series('Fans'),
    followers: Series('Followers'),
  },
  { title: 'FanChart', description: 'Fans and followers of a page over time, ready to draw' },
);
export type FanChart = Static<typeof FanChart>;

export const FanPoint = Type.Object({
  at: Instant,
  fans: Count,
  followers: Count,
  suspect: Type.Boolean({ description: 'Out of line with those before it, and not borne out by the next' }),
});
export type FanPoint = Static<typeof FanPoint>;

export const FanPoints = Type.Object(
  { page: Type.String(), interval: Interval, points: Type.Array(FanPoint) },
  { title: 'FanPoints' },
);
export type FanPoints = Static<typeof FanPoints>;

const Change = Type.Union(
  [
    Type.Object({
      absolute: Type.Integer(),
      percent: Type.Union([Type.Number(), Type.Null()], { description: 'Null from 0' }),
    }),
    Type.Null(),
  ],
  { description: 'Since the row below' },
);

export const FanRow = Type.Object(
  {
    at: Instant,
    fans: Count,
    followers: Count,
    fans_change: Change,
    followers_change: Change,
    suspect: Type.Boolean(),
  },
  { title: 'FanRow', description: 'Fans and followers, and what they changed by since the row before' },
);
export type FanRow = Static<typeof FanRow>;

export const FanPages = Type.Object(
  {
    interval: Interval,
    labels: Type.Array(Instant),
    pages: Type.Array(
      Type.Object({ page: Type.String(), data: Series('Fans'), followers: Series('Followers') }),
    ),
  },
  { title: 'FanPages', description: 'Several pages on common times; null where one was not measured' },
);
export type FanPages = Static<typeof FanPages>;

export const AddCompany = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 200, description: 'Its name' }),
    pages: Type.Optional(
      Type.Union([
        Type.Array(Type.String({ minLength: 1, maxLength: 500 }), { minItems: 1, maxItems: 1000 }),
        Type.String({ minLength: 1, maxLength: 500 }),
      ]),
    ),
  },
  { additionalProperties: false, title: 'AddCompany' },
);
export type AddCompany = Static<typeof AddCompany>;

export const Company = Type.Object(
  {
    name: Type.String(),
    pages: Type.Array(Type.String()),
    added_at: Instant,
    job_url: Type.Union([Type.String(), Type.Null()], { description: 'The job that measures its pages' }),
  },
  { title: 'Company', description: 'Somebody whose pages are measured' },
);
export type Company = Static<typeof Company>;

/** What a job measures, as the API shows it. */
export const Target = Type.Object(
  {
    key: Type.String({ description: 'As it is measured: lower case, without the rest of an address' }),
    state: TargetState,
    since: Instant,
    name: Type.Union([Type.String(), Type.Null()]),
    movedTo: Type.Union([Type.String(), Type.Null()]),
    message: Type.Union([Type.String(), Type.Null()], { description: 'What the provider said' }),
    misses: Type.Integer({ minimum: 0, description: 'Looks in vain since it was measured last' }),
    last: Type.Union(
      [
        Type.Object({
          at: Instant,
          values: Type.Record(Type.String(), Type.Integer({ minimum: 0 })),
          suspect: Type.Boolean(),
        }),
        Type.Null(),
      ],
      { description: 'The last sample' },
    ),
    nextAt: Type.Union([Instant, Type.Null()], {
      description: 'Not looked at before; null: with the next round',
    }),
    addedAt: Instant,
  },
  { title: 'Target', description: 'What a job measures again and again' },
);
export type Target = Static<typeof Target>;

export const Gap = Type.Object(
  {
    target: Type.String(),
    from: Instant,
    to: Instant,
    missed: Type.Integer({ minimum: 1, description: 'Samples that were due meanwhile' }),
    reason: Type.String({
      description: 'paused, a reason to wait, the state that the target was in, or missed',
    }),
  },
  { title: 'Gap', description: 'A stretch in which a target was not measured though it was due' },
);
export type Gap = Static<typeof Gap>;

/** What a job has really seen. */
export const Coverage = Type.Object(
  {
    seen: Type.Union([Type.Object({ from: Instant, to: Instant }), Type.Null()], {
      description: 'The period that was really seen; null while nothing was',
    }),
    limits: Type.Array(Type.String(), { description: 'What the source cannot reach' }),
    targets: Type.Record(Type.String(), Type.Integer({ minimum: 0 }), {
      description: 'How many there are, by state',
    }),
    samples: Type.Object({
      expected: Type.Integer({
        minimum: 0,
        description: 'Due since each target was added, at the present interval',
      }),
      kept: Type.Integer({ minimum: 0 }),
    }),
    openGaps: Type.Object(
      {
        targets: Type.Integer({ minimum: 0, description: 'Active ones' }),
        since: Type.Union([Instant, Type.Null()], { description: 'Of the longest' }),
      },
      { description: 'Active targets of which a sample is overdue' },
    ),
    gaps: Type.Object(
      { items: Type.Array(Gap), next: Type.Union([Type.String(), Type.Null()]) },
      { description: 'Newest first; those of targets that are measured again' },
    ),
  },
  { title: 'Coverage', description: 'What a job has really seen, rather than what it was asked for' },
);
export type Coverage = Static<typeof Coverage>;
