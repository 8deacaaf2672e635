import { RunInput, Type, type Static } from '@magpie/collector-kit';

/** Operations of one batch call: https://developers.facebook.com/docs/graph-api/batch-requests#limitations */
export const PAGES_A_CALL = 50;

/** What a job of this source may ask. */
export const Params = Type.Object(
  {
    pages: Type.Array(
      Type.String({
        minLength: 1,
        maxLength: 500,
        description: 'A username, a numeric id, or the address of the page',
      }),
      {
        title: 'Pages',
        description:
          'The pages to measure, by username, numeric id or address; each is measured once a round',
        minItems: 1,
        maxItems: 200_000,
        examples: [['nasa', 'https://www.facebook.com/Magpie', '19292868552']],
      },
    ),
    jumpFactor: Type.Optional(
      Type.Number({
        title: 'Jump factor',
        description:
          'A count that has grown or shrunk by more than this factor since the last one is kept and marked suspect, until the next one confirms or clears it',
        exclusiveMinimum: 1,
        maximum: 1_000_000,
        default: 2,
        examples: [1.5],
      }),
    ),
  },
  { additionalProperties: false },
);

/** Input of the step `pages`. */
export const PagesInput = Type.Object({
  targets: Type.Array(Type.String({ minLength: 1, maxLength: 200 }), {
    minItems: 1,
    maxItems: PAGES_A_CALL,
  }),
  /** The ids of those whose id is known and that are to be asked for by it: a username may have changed. */
  ids: Type.Optional(Type.Record(Type.String(), Type.String({ pattern: '^\\d+$' }))),
  params: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  run: Type.Optional(RunInput),
});
export type PagesInput = Static<typeof PagesInput>;

export const settings = {
  FACEBOOK_API_URL: {
    schema: Type.String({ pattern: '^https?://[^ ]+$', title: 'an http or https URL' }),
    default: 'https://graph.facebook.com',
    describe: 'Base URL of the Graph API, for doubles and proxies',
  },
  FACEBOOK_API_VERSION: {
    schema: Type.String({ pattern: '^v[0-9]+\\.[0-9]+$', title: 'a version of the Graph API, as v26.0' }),
    default: 'v26.0',
    describe: 'Version of the Graph API that is spoken',
  },
} as const;
