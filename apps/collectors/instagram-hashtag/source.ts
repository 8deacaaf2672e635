import {
  defineSource,
  instantOf,
  InvalidMoment,
  Permanent,
  step,
  type StartInput,
  type Step,
  type StepContext,
  type StepResult,
} from '@magpie/collector-kit';
import { fetchPhoto } from './fetch-photo.ts';
import { Params, PhotoData, PostData, settings, tagOf, type ApiSettings } from './params.ts';
import { readHashtag } from './read-hashtag.ts';
import { readMedia } from './read-media.ts';
import { HashtagInput, hashtagStep, MediaInput, PhotoInput, type Terms } from './steps.ts';

/** How far recent_media reaches back, and a little more for clocks that differ. */
const RECENT_MS = 25 * 3_600_000;

export default defineSource({
  id: 'instagram-hashtag',
  summary: 'Posts and photos with a hashtag on Instagram',
  params: Params,
  emits: { post: PostData, image: PhotoData },
  settings,
  schedule: { every: 'PT1H', everyParam: 'minIntervalMinutes', untilParam: 'end' },
  period: { from: 'start', to: 'end', timeZone: 'timeZone' },
  retries: { times: 3, delayMs: 60_000 },
  batch: { photo: 10 },
  searchable: { post: ['caption'] },
  provider: {
    id: 'instagram',
    title: 'Instagram Graph API',
    howTo:
      'Make an app at developers.facebook.com with the feature Instagram Public Content Access and the permission instagram_basic, and take a long-lived user access token of a user whose Page has an Instagram professional account.',
    account: 'The Instagram user id of that professional account (digits), for which hashtags are counted',
    operations: { ig_hashtag_search: 1, media: 1 },
    steps: { hashtag: { ig_hashtag_search: 1 }, media: { media: 1 } },
    perRun: { ig_hashtag_search: { usual: 1 }, media: { usual: 4, most: 400 } },
    callsPerHour: 5000,
    distinct: { limit: 30, days: 7, what: 'hashtags' },
  },
  limits: [
    'Of recent posts Instagram shows the last 24 hours: what is older is found only among the top posts, and runs must not be further apart',
    'Which posts are top posts is Instagram’s choice, and not said by which rule',
    'Public posts of feeds and reels only, without who published them; no stories, no hashtags with emoji or that Instagram holds to be sensitive',
    'Completeness is not claimed: the coverage is the period of the recent posts that were really seen',
  ],
  steps: {
    start,
    hashtag: step(HashtagInput, readHashtag),
    media: step(MediaInput, readMedia),
    photo: step(PhotoInput, fetchPhoto),
  },
});

/** What the job asks as terms of the lists; nothing to do while the period is to come. */
function start(
  { input: { params, run } }: Step<StartInput<Params>>,
  { settings: { INSTAGRAM_API_URL: url } }: StepContext<ApiSettings>,
): StepResult {
  const { timeZone, patience = 50, media = false } = params;
  const from = momentOf('start', params.start, timeZone, 'from');
  const to = momentOf('end', params.end, timeZone, 'to');
  const now = Date.now();
  if (from !== undefined && from > now) return {};
  const terms: Terms = {
    tag: tagOf(params),
    ...(from === undefined ? {} : { start: from }),
    ...(to === undefined ? {} : { end: to }),
    patience,
    photos: media,
    again: (run?.number ?? 1) > 1,
    edges: to !== undefined && to < now - RECENT_MS ? ['top'] : ['recent', 'top'],
  };
  return { next: [hashtagStep(terms, url)] };
}

function momentOf(
  name: string,
  text: string | undefined,
  timeZone: string | undefined,
  edge: 'from' | 'to',
): number | undefined {
  if (text === undefined) return undefined;
  try {
    return instantOf(text, timeZone, edge);
  } catch (error) {
    if (error instanceof InvalidMoment) throw new Permanent('invalid_period', `${name} ${error.message}`);
    throw error;
  }
}
