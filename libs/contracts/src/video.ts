import { Type, type Static } from 'typebox';
import { Id, Instant } from './format.ts';

const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(
  schema: T,
  options: { description?: string; examples?: unknown[] } = {},
) => Type.Union([schema, Type.Null()], options);
const Count = Nullable(Type.Integer({ minimum: 0 }));

export const Thumbnail = Type.Object({
  url: Type.String({ description: 'Original URL' }),
  static_url: Nullable(Type.String(), {
    description: 'Where nginx serves the kept bytes; null where they are not kept',
  }),
  width: Count,
  height: Count,
});
export type Thumbnail = Static<typeof Thumbnail>;

/** A video as /videos and /search show it. */
export const Video = Type.Object(
  {
    id: Id,
    video_id: Type.String({ description: 'The provider’s', examples: ['dQw4w9WgXcQ'] }),
    url: Type.String({ description: 'Where it is watched' }),
    title: Type.String(),
    description: Type.String(),
    channel: Type.Object({ id: Type.String(), title: Type.String() }),
    published_at: Instant,
    duration: Nullable(Type.String(), { description: 'ISO 8601', examples: ['PT4M13S'] }),
    language: Nullable(Type.String(), { description: 'Of what is spoken; BCP 47', examples: ['en'] }),
    tags: Type.Array(Type.String()),
    statistics: Nullable(
      Type.Object({ views: Count, likes: Count, comments: Count }, { description: 'Null where hidden' }),
      { description: 'As they were at `stored_at`; null where the provider gave none' },
    ),
    thumbnails: Type.Record(Type.String(), Thumbnail, {
      description: 'By the provider’s names: default, medium, high …',
    }),
    stored_at: Instant,
  },
  { title: 'Video', description: 'A video that a search found' },
);
export type Video = Static<typeof Video>;
