import { Type, type Static } from 'typebox';
import { Id, Instant, SourceId } from './format.ts';

const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) =>
  Type.Union([schema, Type.Null()]);

export const ItemFile = Type.Object({
  url: Type.String({ description: 'Static URL of the file, served by nginx' }),
  type: Type.String({ description: 'Media type, sniffed from the bytes' }),
  bytes: Type.Integer(),
  sha256: Type.String(),
  width: Nullable(Type.Integer()),
  height: Nullable(Type.Integer()),
});
export type ItemFile = Static<typeof ItemFile>;

/** An item as the API shows it. */
export const Item = Type.Object(
  {
    id: Id,
    kind: Type.String({ description: 'image, text …', examples: ['image'] }),
    url: Type.String({ description: 'Source URL: unique within the kind' }),
    finalUrl: Type.String({ description: 'Where redirects led' }),
    page: Nullable(Type.String({ description: 'The page it was found on' })),
    source: SourceId,
    data: Type.Record(Type.String(), Type.Unknown(), {
      description: 'What the source read; see the source’s `emits`',
    }),
    file: Nullable(ItemFile),
    revision: Type.Integer({ description: 'Raised when a recheck found it changed' }),
    storedAt: Instant,
    checkedAt: Instant,
  },
  { title: 'Item', description: 'One collected thing, unique by its source URL' },
);
export type Item = Static<typeof Item>;

/** An image as /images_tasks shows it. */
export const Image = Type.Object(
  {
    id: Id,
    url: Type.String({ description: 'Original URL' }),
    static_url: Type.String({ description: 'Where nginx serves the kept bytes' }),
    type: Type.String({ examples: ['image/png'] }),
    width: Nullable(Type.Integer()),
    height: Nullable(Type.Integer()),
    bytes: Type.Integer(),
    sha256: Type.String(),
    alt: Nullable(Type.String()),
    page: Nullable(Type.String()),
    stored_at: Instant,
  },
  { title: 'Image' },
);
export type Image = Static<typeof Image>;

/** A page's text as /text_tasks shows it. */
export const Text = Type.Object(
  {
    id: Id,
    url: Type.String({ description: 'Original URL' }),
    title: Nullable(Type.String()),
    text: Type.String({ description: 'Main text, paragraphs apart by blank lines' }),
    markdown: Type.String({ description: 'Main content: headings, lists, tables, code' }),
    language: Nullable(Type.String({ description: 'BCP 47', examples: ['en'] })),
    byline: Nullable(Type.String()),
    published_at: Nullable(Type.String()),
    word_count: Type.Integer(),
    stored_at: Instant,
  },
  { title: 'Text' },
);
export type Text = Static<typeof Text>;
