import { Type, type Static } from 'typebox';
import { Instant, SourceId } from './format.ts';

const Calls = (description: string) =>
  Type.Record(Type.String({ maxLength: 60 }), Type.Integer({ minimum: 0 }), { description });

/** How many calls of an operation: a number, or as many as a parameter says (of a list: its length). */
export const Amount = Type.Union([
  Type.Integer({ minimum: 0 }),
  Type.Object({ param: Type.String() }, { description: 'The value of a parameter; of a list, its length' }),
]);
export type Amount = Static<typeof Amount>;

/** What a source's provider asks for: a credential, and its quotas. */
export const Provider = Type.Object({
  id: Type.String({
    pattern: '^[a-z][a-z0-9-]{1,40}$',
    description: 'Names its credentials',
    examples: ['youtube'],
  }),
  title: Type.String({ description: 'What people call it', examples: ['YouTube Data API v3'] }),
  howTo: Type.String({ description: 'How to come by a credential, in a sentence or two' }),
  account: Type.Optional(
    Type.String({ description: 'What the field `account` of a credential must hold, where it is needed' }),
  ),
  operations: Calls('What a call of each operation costs, in units of quota'),
  steps: Type.Record(Type.String(), Calls('Calls by operation'), {
    description:
      'By the kind of step: the calls that one makes at most. A step of another kind needs no credential',
  }),
  perRun: Type.Record(Type.String(), Type.Object({ usual: Amount, most: Type.Optional(Amount) }), {
    description: 'By operation: the calls of one run, for plans',
  }),
  perRequest: Type.Optional(
    Calls('How many calls of an operation go into one HTTP request; 1 where not named'),
  ),
  unitsPerDay: Type.Optional(
    Type.Integer({ minimum: 1, description: 'Quota of a project, unless the credential says' }),
  ),
  resetTimeZone: Type.Optional(
    Type.String({ description: 'The quota is new at midnight there', examples: ['America/Los_Angeles'] }),
  ),
  callsPerHour: Type.Optional(Type.Integer({ minimum: 1, description: 'A token bucket for a project' })),
  distinct: Type.Optional(
    Type.Object(
      {
        limit: Type.Integer({ minimum: 1 }),
        days: Type.Integer({ minimum: 1 }),
        what: Type.String({ examples: ['hashtags'] }),
      },
      { description: 'How many different things one credential may ask for in so many days' },
    ),
  ),
});
export type Provider = Static<typeof Provider>;

/** What a source says of itself; collectors announce it, the gateway validates jobs with it. */
export const SourceDescription = Type.Object(
  {
    id: SourceId,
    summary: Type.String(),
    version: Type.String(),
    params: Type.Record(Type.String(), Type.Unknown(), { description: 'JSON Schema of a job’s parameters' }),
    emits: Type.Record(Type.String(), Type.Unknown(), {
      description: 'JSON Schema of an item’s data, by the kind of item',
    }),
    batch: Type.Record(Type.String(), Type.Integer({ minimum: 1, maximum: 100 }), {
      description: 'How many steps of a kind go into one message; 1 where not named',
    }),
    provider: Type.Optional(Provider),
    retries: Type.Optional(
      Type.Object(
        { times: Type.Integer({ minimum: 0, maximum: 20 }), delayMs: Type.Integer({ minimum: 0 }) },
        { description: 'How often, and after how long, a step that failed is tried again; else ever later' },
      ),
    ),
    schedule: Type.Optional(
      Type.Object(
        {
          every: Type.Optional(
            Type.String({ description: 'Interval of a job that names none', examples: ['PT10M'] }),
          ),
          everyParam: Type.Optional(
            Type.String({
              description: 'The parameter that names the interval: a duration, or a number of minutes',
            }),
          ),
          untilParam: Type.Optional(
            Type.String({
              description: 'The parameter that names the end; a job has a schedule only if it is to come',
            }),
          ),
        },
        { description: 'How its jobs are repeated' },
      ),
    ),
    period: Type.Optional(
      Type.Object(
        { from: Type.String(), to: Type.String(), timeZone: Type.Optional(Type.String()) },
        {
          description:
            'The parameters that name a period: days or instants; the end may not be before the start',
        },
      ),
    ),
    targets: Type.Optional(
      Type.Object(
        {
          param: Type.String({ description: 'The parameter that lists what is measured' }),
          step: Type.String({ description: 'The kind of step that measures some: its input has `targets`' }),
          perStep: Type.Integer({ minimum: 1, maximum: 1000 }),
          jumpParam: Type.Optional(
            Type.String({ description: 'The parameter that says from what factor on a jump is suspect' }),
          ),
        },
        {
          description:
            'Its jobs measure targets again and again: each run a step for so many, spread over the interval',
        },
      ),
    ),
    searchable: Type.Optional(
      Type.Record(Type.String(), Type.Array(Type.String()), {
        description:
          'By the kind of item: the fields of its data whose words can be searched for by their beginnings',
      }),
    ),
    limits: Type.Optional(
      Type.Array(Type.String(), { description: 'What the source cannot reach, for plans and coverage' }),
    ),
  },
  { title: 'Source', description: 'A kind of place to collect from' },
);
export type SourceDescription = Static<typeof SourceDescription>;

export const Source = Type.Object(
  { ...SourceDescription.properties, lastSeenAt: Instant },
  { title: 'Source', description: 'A kind of place to collect from' },
);
export type Source = Static<typeof Source>;
