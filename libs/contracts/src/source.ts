import { Type, type Static } from 'typebox';
import { Instant, SourceId } from './format.ts';

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
  },
  { title: 'Source', description: 'A kind of place to collect from' },
);
export type SourceDescription = Static<typeof SourceDescription>;

export const Source = Type.Object(
  { ...SourceDescription.properties, lastSeenAt: Instant },
  { title: 'Source', description: 'A kind of place to collect from' },
);
export type Source = Static<typeof Source>;
