import { testSource } from '@magpie/collector-kit/testing';
import { startYouTubeDouble, type YouTubeDouble, type YouTubeDoubleOptions } from '@magpie/testing';
import source from './source.ts';

const KEY = 'AIza-canary-of-the-suite';
const NOW = Date.parse('2026-11-21T12:00:00Z');
let double: YouTubeDouble;

const serve = async (options: YouTubeDoubleOptions = {}) => {
  double = await startYouTubeDouble({
    videos: 700,
    now: () => NOW,
    keys: { [KEY]: { project: 'p' } },
    ...options,
  });
  return { origin: double.url, close: double.close };
};
const settings = (origin: string): Record<string, string> => ({ YOUTUBE_API_URL: origin });
const watch = (q: string): string[] =>
  double.videos(q).map(({ id }) => `https://www.youtube.com/watch?v=${id}`);

testSource(source, {
  credential: KEY,
  cases: [
    {
      name: 'two pages of a search, with thumbnails',
      serve,
      settings,
      params: () => ({ q: 'cricket', thumbnails: true }),
      run: { number: 1, at: NOW },
      items: () => [
        ...watch('cricket'),
        ...double.videos('cricket').map(({ id }) => `/vi/${id}/maxresdefault.jpg`),
      ],
    },
    {
      name: 'a search that finds nothing',
      serve,
      settings,
      params: () => ({ q: 'nothing-of-the-kind' }),
      items: [],
    },
    {
      name: 'a key without quota',
      serve: () => serve({ quotaPerDay: 99 }),
      settings,
      params: () => ({ q: 'cricket' }),
      items: [],
      undone: ['quota_exhausted'],
    },
  ],
});
