import { Type, type Static } from 'typebox';
import { Id, Instant } from './format.ts';

export const CREDENTIAL_STATES = ['active', 'disabled'] as const;
export const CredentialState = Type.Enum(CREDENTIAL_STATES, {
  description: 'disabled: by hand, or because the provider did not take it; see `reason`',
});
export type CredentialState = (typeof CREDENTIAL_STATES)[number];

const ProviderId = Type.String({
  pattern: '^[a-z][a-z0-9-]{1,40}$',
  description: 'The provider of a source, in small letters, as GET /api/v1/sources shows it',
  examples: ['youtube'],
});
const Name = Type.String({
  minLength: 1,
  maxLength: 80,
  pattern: '^\\S(.*\\S)?$',
  description: 'What people call it, without blanks at its ends; unique within its provider',
});
const Secret = Type.String({
  minLength: 1,
  maxLength: 4096,
  pattern: '^[\\x21-\\x7e]+$',
  description: 'The key or token, in visible ASCII characters without blanks; never shown again',
});
const Account = Type.String({
  minLength: 1,
  maxLength: 200,
  pattern: '^\\S+$',
  description:
    'Whose it is, without blanks, where the provider asks for that; see `provider.account` of the source',
});
const Bound = (description: string) =>
  Type.Optional(Type.Union([Type.Integer({ minimum: 1 }), Type.Null()], { description }));
const bounds = {
  unitsPerDay: Bound('Quota of its project; the provider’s usual one unless said; null: without a bound'),
  callsPerHour: Bound(
    'Calls an hour of its project; the provider’s usual ones unless said; null: without a bound',
  ),
  costs: Type.Optional(
    Type.Record(Type.String({ maxLength: 60 }), Type.Integer({ minimum: 0 }), {
      description: 'What a call of an operation costs, in units, where it is not as the source says',
    }),
  ),
};

export const CreateCredential = Type.Object(
  {
    provider: ProviderId,
    name: Name,
    secret: Secret,
    account: Type.Optional(Account),
    project: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9][\\w.:-]{0,79}$',
        description:
          'Keys of one project share its quota and its bounds; letters, digits and . _ : - without blanks; a project of its own, by its name, unless said',
      }),
    ),
    ...bounds,
  },
  { additionalProperties: false, title: 'CreateCredential' },
);
export type CreateCredential = Static<typeof CreateCredential>;

export const ChangeCredential = Type.Object(
  {
    name: Type.Optional(Name),
    state: Type.Optional(CredentialState),
    secret: Type.Optional(Secret),
    account: Type.Optional(Account),
    order: Type.Optional(Type.Number({ description: 'Those of a lower one are used first' })),
    ...bounds,
  },
  { additionalProperties: false, minProperties: 1, title: 'ChangeCredential' },
);
export type ChangeCredential = Static<typeof ChangeCredential>;

const InstantOrNull = (description: string) => Type.Union([Instant, Type.Null()], { description });

/** A credential as the API shows it: all but its secret. */
export const Credential = Type.Object(
  {
    id: Id,
    provider: Type.String(),
    name: Type.String(),
    account: Type.Union([Type.String(), Type.Null()]),
    project: Type.String(),
    state: CredentialState,
    reason: Type.Union([Type.String(), Type.Null()], { description: 'With state disabled: why' }),
    order: Type.Number({ description: 'Those of a lower one are used first' }),
    unitsPerDay: Type.Union([Type.Integer(), Type.Null()], { description: 'Quota of its project' }),
    usedToday: Type.Integer({ description: 'Units that its project has used on this day' }),
    day: Type.String({ description: 'The day, where the provider counts it' }),
    resetsAt: InstantOrNull('When the quota is new; null where units are not bounded'),
    exhaustedUntil: InstantOrNull('The provider’s word that the quota is used up, until then'),
    callsPerHour: Type.Union([Type.Integer(), Type.Null()]),
    costs: Type.Record(Type.String(), Type.Integer(), { description: 'Units of a call, by operation' }),
    addedAt: Instant,
    lastUsedAt: InstantOrNull('When the provider was last asked with it'),
    lastExhaustedAt: InstantOrNull(
      'When its quota was last found used up, by our count or the provider’s word',
    ),
    restsUntil: InstantOrNull('Not used before: the provider wants a pause'),
    distinct: Type.Union(
      [
        Type.Object({
          what: Type.String({ examples: ['hashtags'] }),
          used: Type.Integer(),
          limit: Type.Integer(),
          days: Type.Integer(),
        }),
        Type.Null(),
      ],
      { description: 'Different things asked for in so many days, where the provider bounds them' },
    ),
  },
  { title: 'Credential', description: 'A key or token of a provider, with its quota; never its secret' },
);
export type Credential = Static<typeof Credential>;
