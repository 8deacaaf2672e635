import { defineSource, step, Type } from '@magpie/collector-kit';
import { FIRST } from './pages.ts';
import { Params, ThumbnailData, VideoData } from './params.ts';
import {
  DetailsInput,
  fetchThumbnail,
  readDetails,
  readSearch,
  SearchInput,
  searchStep,
  ThumbnailInput,
} from './steps.ts';

const DEFAULT_MAX_PAGES = 10;

export default defineSource({
  id: 'youtube-search',
  summary: 'New videos that a search of YouTube finds',
  params: Params,
  emits: { video: VideoData, image: ThumbnailData },
  searchable: { video: ['title', 'description'] },
  schedule: { every: 'PT30S', everyParam: 'every' },
  provider: {
    id: 'youtube',
    title: 'YouTube Data API v3',
    howTo:
      'Make a project at console.cloud.google.com, enable the YouTube Data API v3 in it, and create an API key under Credentials.',
    // https://developers.google.com/youtube/v3/determine_quota_cost
    operations: { 'search.list': 100, 'videos.list': 1 },
    steps: { search: { 'search.list': 1 }, details: { 'videos.list': 1 } },
    perRun: {
      'search.list': { usual: 1, most: { param: 'maxPages' } },
      'videos.list': { usual: 1, most: { param: 'maxPages' } },
    },
    unitsPerDay: 10_000,
    resetTimeZone: 'America/Los_Angeles',
  },
  settings: {
    YOUTUBE_API_URL: {
      schema: Type.String({ pattern: '^https?://[^?#]+$', maxLength: 500 }),
      default: 'https://www.googleapis.com/youtube/v3',
      describe: 'Base of the YouTube Data API with its version; an address without a path gets /youtube/v3',
    },
  },
  limits: [
    'A search reaches about 500 results at a time; further back it goes on by the time of publication.',
    'A run ends at the first page of 50 without news: a video that the search learns of late, when 50 newer ones are known already, is not found.',
  ],
  steps: {
    start({ input: { params, run } }, context) {
      const {
        q,
        publishedAfter,
        region,
        language,
        maxPages = DEFAULT_MAX_PAGES,
        thumbnails = false,
      } = params;
      const terms = {
        q,
        ...(publishedAfter === undefined ? {} : { after: Date.parse(publishedAfter) }),
        ...(region === undefined ? {} : { region: region.toUpperCase() }),
        ...(language === undefined ? {} : { language }),
        thumbnails,
        maxPages,
        run: run?.number ?? 0,
      };
      return { next: [searchStep(context, terms, { place: FIRST, onlyIfNew: false })] };
    },
    search: step(SearchInput, readSearch),
    details: step(DetailsInput, readDetails),
    thumbnail: step(ThumbnailInput, fetchThumbnail),
  },
});
