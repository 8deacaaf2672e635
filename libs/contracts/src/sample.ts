import { Type, type Static } from 'typebox';

/** One measurement of a target at a time. */
export const Sample = Type.Object(
  {
    target: Type.String({
      minLength: 1,
      maxLength: 200,
      description: 'What was measured, as the job names it',
    }),
    at: Type.Integer({ minimum: 0, description: 'When it was measured; ms since the epoch' }),
    values: Type.Record(Type.String({ maxLength: 40 }), Type.Integer({ minimum: 0 }), {
      description: 'What was measured: whole numbers, not negative',
    }),
  },
  { description: 'One measurement of a target at a time' },
);
export type Sample = Static<typeof Sample>;

/** `active`: it is measured. The others are looked at ever less often, until they are active again. */
export const TARGET_STATES = ['active', 'renamed', 'merged', 'unpublished', 'unknown', 'forbidden'] as const;
export const TargetState = Type.Enum(TARGET_STATES, { description: 'What the provider says of it' });
export type TargetState = (typeof TARGET_STATES)[number];

/** What a collector learned of a target besides its values. */
export const TargetReport = Type.Object({
  target: Type.String({ minLength: 1, maxLength: 200 }),
  state: TargetState,
  name: Type.Optional(Type.String({ maxLength: 500, description: 'Its title' })),
  providerId: Type.Optional(Type.String({ maxLength: 200, description: 'The provider’s own identifier' })),
  movedTo: Type.Optional(Type.String({ maxLength: 200, description: 'Where it went' })),
  message: Type.Optional(Type.String({ maxLength: 1000 })),
});
export type TargetReport = Static<typeof TargetReport>;
