import { Type, type Static, type TSchema } from 'typebox';
import { HttpUrl, SourceId } from './format.ts';
import { Priority } from './job.ts';

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
  },
  { additionalProperties: false, title: 'CreateJob' },
);
export type CreateJob = Static<typeof CreateJob>;

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
