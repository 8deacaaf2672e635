/** What routes take: parameters of addresses and lists. */
import { Id, JobState, PageQuery, RunState, SourceId } from '@magpie/contracts';
import { Type } from 'typebox';
import Format from 'typebox/format';

/** An RFC 3339 instant, or a date, which means its beginning in UTC. */
Format.Set(
  'moment',
  (value) => /^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?$/i.test(value) && !Number.isNaN(Date.parse(value)),
);
const Moment = (description: string) =>
  Type.String({ format: 'moment', maxLength: 40, description, examples: ['2026-05-01T00:00:00Z'] });

const closed = { additionalProperties: false } as const;

export const IdParams = Type.Object({ id: Id });
export const ImageParams = Type.Object({ id: Id, image: Id });
export const SourceParams = Type.Object({ id: SourceId });
/** Dead letters bear the id of their message, which anybody may have made. */
export const LetterParams = Type.Object({
  id: Type.String({ minLength: 1, maxLength: 200, description: 'An identifier; opaque' }),
});

export const ListQuery = Type.Object({ ...PageQuery.properties }, closed);

export const JobListQuery = Type.Object(
  {
    ...PageQuery.properties,
    state: Type.Optional(JobState),
    source: Type.Optional(SourceId),
    from: Type.Optional(Moment('Created at this time or later')),
    to: Type.Optional(Moment('Created before this time')),
  },
  closed,
);

export const TaskListQuery = Type.Object({ ...PageQuery.properties, state: Type.Optional(JobState) }, closed);

export const ErrorListQuery = Type.Object(
  {
    ...PageQuery.properties,
    state: Type.Enum(['failed', 'skipped'], {
      default: 'failed',
      description: 'What was given up, or what was left out on purpose',
    }),
  },
  closed,
);

export const JobItemQuery = Type.Object(
  {
    ...PageQuery.properties,
    kind: Type.Optional(Type.String({ maxLength: 40, description: 'image, text …' })),
  },
  closed,
);

export const RunListQuery = Type.Object({ ...PageQuery.properties, state: Type.Optional(RunState) }, closed);

export const ItemListQuery = Type.Object(
  {
    ...PageQuery.properties,
    q: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 500,
        description: 'Words of title, description or text; "a phrase"; -without',
      }),
    ),
    kind: Type.Optional(Type.String({ maxLength: 40, description: 'image, text …' })),
    source: Type.Optional(SourceId),
    host: Type.Optional(
      Type.String({ maxLength: 260, description: 'Host name, or host:port', examples: ['example.org'] }),
    ),
    job: Type.Optional(Id),
    from: Type.Optional(Moment('Stored at this time or later')),
    to: Type.Optional(Moment('Stored before this time')),
  },
  closed,
);

export const IdempotencyHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      description:
        'Of any number of requests with one key and one body, one has the effect; remembered for a day',
      examples: ['7d0c5b0e-1'],
    }),
  ),
});

export const EventHeaders = Type.Object({
  'last-event-id': Type.Optional(
    Type.String({
      maxLength: 20,
      description: 'The id of the last event seen: what came after it is sent first',
    }),
  ),
});

export const period = ({ from, to }: { from?: string; to?: string }) => ({
  from: from === undefined ? undefined : new Date(from),
  to: to === undefined ? undefined : new Date(to),
});
