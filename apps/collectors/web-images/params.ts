import { crawlParams, Type, type Static } from '@magpie/collector-kit';

const MIB = 1024 * 1024;

/** What a job of this source may ask. */
export const Params = Type.Object(
  {
    ...crawlParams,
    minWidth: Type.Optional(
      Type.Integer({
        title: 'Least width',
        description: 'Leave out images narrower than this, in pixels',
        minimum: 0,
        maximum: 100_000,
        examples: [200],
      }),
    ),
    minHeight: Type.Optional(
      Type.Integer({
        title: 'Least height',
        description: 'Leave out images lower than this, in pixels',
        minimum: 0,
        maximum: 100_000,
        examples: [200],
      }),
    ),
    minBytes: Type.Optional(
      Type.Integer({
        title: 'Least size',
        description: 'Leave out images smaller than this, in bytes',
        minimum: 0,
        maximum: 1024 * MIB,
        examples: [5_000],
      }),
    ),
    maxBytes: Type.Optional(
      Type.Integer({
        title: 'Most size',
        description: 'An image larger than this, in bytes, is an error and is not kept',
        minimum: 1,
        maximum: 1024 * MIB,
        default: 32 * MIB,
        examples: [10_000_000],
      }),
    ),
    candidates: Type.Optional(
      Type.Enum(['largest', 'all'], {
        title: 'Candidates',
        description: 'Of the sizes in which a page offers an image (srcset): the largest, or all of them',
        default: 'largest',
        examples: ['all'],
      }),
    ),
    dataUrls: Type.Optional(
      Type.Boolean({
        title: 'Embedded images',
        description: 'Keep the images that are written into the page itself (data: URLs) too',
        default: false,
        examples: [true],
      }),
    ),
  },
  { additionalProperties: false, title: 'web-images', description: 'Every image on the given pages' },
);
export type Params = Static<typeof Params>;

/** What each page's step carries besides the terms of the crawl. */
export const ImageOptions = Type.Object({
  candidates: Type.Enum(['largest', 'all']),
  dataUrls: Type.Boolean(),
  maxBytes: Type.Integer({ minimum: 1 }),
  recheck: Type.Optional(Type.Enum(['never', 'ifChanged', 'always'])),
  accept: Type.Optional(
    Type.Object({
      minWidth: Type.Optional(Type.Integer()),
      minHeight: Type.Optional(Type.Integer()),
      minBytes: Type.Optional(Type.Integer()),
    }),
  ),
});
export type ImageOptions = Static<typeof ImageOptions>;

export function imageOptions(params: Params): ImageOptions {
  const { candidates = 'largest', dataUrls = false, maxBytes = 32 * MIB, recheck } = params;
  const { minWidth, minHeight, minBytes } = params;
  const accept = {
    ...(minWidth ? { minWidth } : {}),
    ...(minHeight ? { minHeight } : {}),
    ...(minBytes ? { minBytes } : {}),
  };
  return {
    candidates,
    dataUrls,
    maxBytes,
    ...(recheck === undefined || recheck === 'never' ? {} : { recheck }),
    ...(Object.keys(accept).length > 0 ? { accept } : {}),
  };
}

/** What the source says of an image. */
export const ImageData = Type.Object(
  {
    alt: Type.Optional(Type.String({ description: 'What the page says it shows' })),
    via: Type.String({ description: 'How the page named it', examples: ['img', 'srcset', 'meta'] }),
    type: Type.String({ description: 'Media type, from the bytes', examples: ['image/png'] }),
    width: Type.Optional(Type.Integer({ description: 'In pixels, as its header says' })),
    height: Type.Optional(Type.Integer({ description: 'In pixels, as its header says' })),
  },
  { title: 'Image' },
);
