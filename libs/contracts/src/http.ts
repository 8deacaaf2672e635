import { Type, type Static, type TSchema } from 'typebox';
import { HttpUrl, Id, Instant, SourceId } from './format.ts';
import { Schedule } from './schedule.ts';
import { ItemCounts, JobState, PageCounts, Priority } from './job.ts';

/** RFC 9457 problem document with a stable `code`. */
export const Problem = Type.Object(
  {
    type: Type.String({ description: 'A URL of this API’s documentation of the code' }),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String({ description: 'Stable; see the list of codes' }),
    detail: Type.Optional(Type.String()),
    instance: Type.Optional(Type.String({ description: 'The request’s id, as in the logs' })),
    errors: Type.Optional(
      Type.Array(
        Type.Object({ field: Type.String(), message: Type.String(), code: Type.Optional(Type.String()) }),
      ),
    ),
    state: Type.Optional(Type.String()),
    allowed: Type.Optional(Type.Array(Type.String())),
  },
  { title: 'Problem', description: 'RFC 9457' },
);
export type Problem = Static<typeof Problem>;

export const CreateJob = Type.Object(
  {
    source: SourceId,
    params: Type.Record(Type.String(), Type.Unknown(), {
      description: 'As the source’s parameter schema says',
    }),
    priority: Type.Optional(Priority),
    schedule: Type.Optional(Schedule),
    strict: Type.Optional(
      Type.Boolean({
        description: 'Refuse a schedule that the keys do not carry, rather than run less often',
      }),
    ),
    stopWhenExhausted: Type.Optional(
      Type.Boolean({ description: 'Stop, rather than wait, when all keys are used up' }),
    ),
  },
  { additionalProperties: false, title: 'CreateJob' },
);
export type CreateJob = Static<typeof CreateJob>;

/** What of a job can be changed while it lives. */
export const ChangeJob = Type.Object(
  {
    schedule: Type.Optional(
      Type.Union([Schedule, Type.Null()], { description: 'Takes effect at once; null: no run follows' }),
    ),
    params: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: 'Those named change with the next run, null takes one away, the others stay',
      }),
    ),
    strict: CreateJob.properties.strict,
    stopWhenExhausted: CreateJob.properties.stopWhenExhausted,
  },
  { additionalProperties: false, minProperties: 1, title: 'ChangeJob' },
);
export type ChangeJob = Static<typeof ChangeJob>;

/** `{"url": …}` or `{"urls": […]}`, and any other parameter of the source. */
export const CreateTask = Type.Object(
  {
    url: Type.Optional(HttpUrl),
    urls: Type.Optional(Type.Union([Type.Array(HttpUrl, { minItems: 1, maxItems: 10_000 }), HttpUrl])),
  },
  { additionalProperties: true, title: 'CreateTask', minProperties: 1 },
);
export type CreateTask = Static<typeof CreateTask>;

export const PageQuery = Type.Object({
  limit: Type.Integer({ minimum: 1, maximum: 500, default: 50, description: 'How many at most' }),
  cursor: Type.Optional(Type.String({ maxLength: 512, description: '`next` of the page before' })),
});
export type PageQuery = Static<typeof PageQuery>;

/** A page of a list: `next` is the cursor of the following one, null at the end. */
export const Page = <T extends TSchema>(item: T) =>
  Type.Object({ items: Type.Array(item), next: Type.Union([Type.String(), Type.Null()]) });

/** A collection of one sort of thing from web pages: a job of `web-images` or `web-text`, as its own routes show it. */
const TaskFields = {
  id: Id,
  state: JobState,
  urls: Type.Array(Type.String(), { description: 'The pages that were asked for' }),
  counts: ItemCounts,
  pages: PageCounts,
  error: Type.Union([Type.Object({ code: Type.String(), message: Type.String() }), Type.Null()], {
    description: 'With state failed: why',
  }),
  created_at: Instant,
  updated_at: Instant,
  ended_at: Type.Union([Instant, Type.Null()]),
  job_url: Type.String({ description: 'The job behind it: control, errors, live events' }),
};

export const ImagesTask = Type.Object(
  { ...TaskFields, images_url: Type.String({ description: 'The list of its images' }) },
  { title: 'ImagesTask', description: 'The images of web pages' },
);
export type ImagesTask = Static<typeof ImagesTask>;

export const TextTask = Type.Object(
  { ...TaskFields, text_url: Type.String({ description: 'The list of its texts' }) },
  { title: 'TextTask', description: 'The text of web pages' },
);
export type TextTask = Static<typeof TextTask>;

/** A message that could not be handled, as the API shows it. */
export const DeadLetter = Type.Object(
  {
    id: Type.String(),
    reason: Type.String({
      description: 'Why: malformed, unroutable, attempts_exhausted, crashed_consumer …',
    }),
    error: Type.Union([Type.String(), Type.Null()]),
    exchange: Type.String({ description: 'Where it was published at first' }),
    routingKey: Type.String(),
    type: Type.Union([Type.String(), Type.Null()], { description: 'Sort of message' }),
    consumer: Type.Union([Type.String(), Type.Null()], { description: 'Who could not handle it' }),
    headers: Type.Record(Type.String(), Type.Unknown()),
    bytes: Type.Integer(),
    text: Type.String({ description: 'The message, secrets removed; cut after 4,000 characters' }),
    at: Instant,
  },
  { title: 'DeadLetter', description: 'A message that could not be handled: kept once, with the reason' },
);
export type DeadLetter = Static<typeof DeadLetter>;

export const Readiness = Type.Object(
  {
    status: Type.Enum(['ready', 'degraded', 'not_ready'], {
      description: 'degraded: jobs are taken, and run when the broker is back',
    }),
    checks: Type.Record(
      Type.String(),
      Type.Object({ ok: Type.Boolean(), ms: Type.Integer(), error: Type.Optional(Type.String()) }),
    ),
  },
  { title: 'Readiness' },
);
export type Readiness = Static<typeof Readiness>;
