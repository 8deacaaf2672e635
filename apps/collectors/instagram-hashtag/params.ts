import { Type, type Static } from '@magpie/collector-kit';

/** Without its #. What Instagram takes: letters, marks and digits of any script, and underscores; no emoji. */
const TAG = '^[#\uFF03]?[\\p{L}\\p{M}\\p{N}_]{1,100}$';
const Moment = (title: string, description: string, examples: string[]) =>
  Type.String({ title, description, examples, minLength: 1, maxLength: 40 });

/** What a job of this source may ask. */
export const Params = Type.Object(
  {
    tag: Type.String({
      title: 'Hashtag',
      description:
        'The hashtag, with or without its #: letters and digits of any script and underscores, 100 at most; case does not matter',
      pattern: TAG,
      minLength: 1,
      maxLength: 250,
      examples: ['#sunset', 'закат'],
    }),
    start: Type.Optional(
      Moment(
        'Start',
        'Posts from then on: a day (from its beginning) or an instant with its offset. Without it, all that Instagram shows',
        ['2026-05-01', '2026-05-01T08:00:00+02:00'],
      ),
    ),
    end: Type.Optional(
      Moment(
        'End',
        'Posts until then: a day (to its end) or an instant with its offset. While it is to come, the job looks again and again; without it, once',
        ['2026-05-31', '2026-05-31T18:00:00Z'],
      ),
    ),
    timeZone: Type.Optional(
      Type.String({
        title: 'Time zone',
        description: 'Whose days start and end are: a name of the IANA time zone database',
        minLength: 1,
        maxLength: 60,
        default: 'UTC',
        examples: ['Europe/Berlin'],
      }),
    ),
    minIntervalMinutes: Type.Optional(
      Type.Integer({
        title: 'Minutes between runs',
        description:
          'How long after a run the next one begins, while the end is to come. Instagram shows 24 hours, so a day is the most',
        minimum: 1,
        maximum: 1440,
        default: 60,
        examples: [30],
      }),
    ),
    media: Type.Optional(
      Type.Boolean({
        title: 'Photos',
        description: 'Download the photos, those of albums too, as files. Videos are not downloaded',
        default: false,
        examples: [true],
      }),
    ),
    patience: Type.Optional(
      Type.Integer({
        title: 'Patience',
        description:
          'Reading of the recent posts ends after so many in a row that are older than the start: the list is not strictly sorted. Of the top posts, which are not sorted by time at all, ten times as many out of the period are read',
        minimum: 1,
        maximum: 5000,
        default: 50,
        examples: [100],
      }),
    ),
  },
  { additionalProperties: false, title: 'instagram-hashtag', description: 'Posts with a hashtag' },
);
export type Params = Static<typeof Params>;

/** The hashtag as it is asked for: without its #, composed (NFC), in lower case by Unicode's rules. */
export const tagOf = ({ tag }: Pick<Params, 'tag'>): string =>
  tag
    .replace(/^[#\uFF03]/, '')
    .normalize('NFC')
    .toLowerCase();

export const settings = {
  INSTAGRAM_API_URL: {
    schema: Type.String({ pattern: '^https?://[^ ]+$', title: 'an http or https URL' }),
    default: 'https://graph.facebook.com',
    describe: 'Base URL of the Graph API that Instagram is asked through, for doubles and proxies',
  },
  INSTAGRAM_API_VERSION: {
    schema: Type.String({ pattern: '^v[0-9]+\\.[0-9]+$', title: 'a version of the Graph API, as v26.0' }),
    default: 'v26.0',
    describe: 'Version of the Graph API that is spoken, unless the base URL ends with one',
  },
} as const;

/** Where the API is. */
export interface ApiSettings {
  readonly INSTAGRAM_API_URL: string;
  readonly INSTAGRAM_API_VERSION: string;
}

const Timestamp = Type.String({ description: 'When it was published; ISO 8601, UTC' });
const MediaType = Type.String({ description: 'As Instagram says', examples: ['IMAGE', 'CAROUSEL_ALBUM'] });

/** What the source says of a post. */
export const PostData = Type.Object(
  {
    id: Type.String({ description: 'Instagram’s own' }),
    caption: Type.Optional(Type.String()),
    mediaType: MediaType,
    timestamp: Timestamp,
    likes: Type.Optional(Type.Integer({ minimum: 0, description: 'Missing where the owner hides them' })),
    comments: Type.Optional(Type.Integer({ minimum: 0 })),
    tags: Type.Array(Type.String(), {
      description: 'In lower case, without #: the one that was asked for, then those of the caption',
    }),
    children: Type.Optional(
      Type.Array(Type.Object({ id: Type.String(), mediaType: MediaType }), { description: 'Of an album' }),
    ),
  },
  { title: 'Post' },
);
export type PostData = Static<typeof PostData>;

/** What the source says of a photo. */
export const PhotoData = Type.Object(
  {
    post: Type.String({ description: 'Instagram’s identifier of the post' }),
    index: Type.Integer({ minimum: 1, description: 'Its place in the post' }),
    timestamp: Timestamp,
    caption: Type.Optional(Type.String({ description: 'Of the post; its beginning where it is long' })),
    type: Type.String({ description: 'Media type, sniffed from the bytes', examples: ['image/jpeg'] }),
    width: Type.Optional(Type.Integer()),
    height: Type.Optional(Type.Integer()),
  },
  { title: 'Photo' },
);
export type PhotoData = Static<typeof PhotoData>;
