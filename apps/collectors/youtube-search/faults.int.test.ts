import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { playJob, serveSite } from '@magpie/collector-kit/testing';
import { startYouTubeDouble, type YouTubeDouble } from '@magpie/testing';
import source from './source.ts';

const NOW = Date.parse('2026-11-21T12:00:00Z');
let double: YouTubeDouble;
let filesRoot: string;

beforeAll(async () => {
  filesRoot = await mkdtemp(join(tmpdir(), 'magpie-youtube-'));
  double = await startYouTubeDouble({ now: () => NOW, videos: 2_400, quotaPerDay: 1_000_000, goneOneIn: 0 });
});
beforeEach(() => double.clear());
afterAll(async () => {
  await double.close();
  await rm(filesRoot, { recursive: true });
});

const play = (params: Record<string, unknown> = {}) =>
  playJob(
    source,
    { q: 'cricket', maxPages: 40, publishedAfter: new Date(NOW - 90 * 86_400_000).toISOString(), ...params },
    { filesRoot, settings: { YOUTUBE_API_URL: `${double.url}/youtube/v3/` }, credential: 'demo-key' },
  );
const all = (): number => double.videos('cricket').length;

test.each([
  ['429', { outcome: 'credential', state: 'resting', code: 'provider_rate_limited' }],
  ['rateLimitExceeded', { outcome: 'credential', state: 'resting', code: 'provider_rate_limited' }],
  ['quotaExceeded', { outcome: 'credential', state: 'exhausted', code: 'quota_exhausted' }],
  ['invalidKey', { outcome: 'credential', state: 'refused', code: 'credential_refused' }],
  ['5xx', { outcome: 'retry', code: 'api_error', status: 503 }],
  ['truncatedJson', { outcome: 'retry', code: 'invalid_answer' }],
  ['changedTypes', { outcome: 'retry', code: 'invalid_answer' }],
  ['closedConnection', { outcome: 'retry' }],
] as const)('%s: said as what it is, and nothing of it is kept', async (fault, expected) => {
  for (const path of [/search/, /videos\?/]) {
    double.faults.clear();
    double.faults.set(fault, { times: 1, path });
    const job = await play();
    expect(double.faults.hits(fault)).toBeGreaterThan(0);
    expect(job.undone.map(({ outcome }) => outcome)).toMatchObject([expected]);
    expect(job.undone[0]?.work.kind).toBe(path.source === 'search' ? 'search' : 'details');
    expect(job.items.length).toBe(path.source === 'search' ? 0 : all() - 50 + strays(job.items.length));
    for (const { data } of job.items) expect(Object.values(data)).not.toContain(undefined);
  }
});

/** How many of the 50 places of the lost page were no videos. */
const strays = (items: number): number => Math.min(2, Math.max(0, items - (all() - 50)));

test('Retry-After is kept to', async () => {
  double.faults.set('429', { times: 1, retryAfter: 120 });
  const before = Date.now();
  const [undone] = (await play()).undone;
  const until = (undone?.outcome as { until?: number } | undefined)?.until ?? 0;
  expect(until).toBeGreaterThanOrEqual(before + 120_000);
  expect(until).toBeLessThanOrEqual(Date.now() + 120_000);
});

test.each(['brokenPageToken', 'repeatedFirstPage'] as const)(
  '%s: every video comes all the same',
  async (fault) => {
    double.faults.set(fault);
    const job = await play();
    expect(job.undone).toEqual([]);
    expect(job.items.length).toBe(all());
    expect(double.faults.hits(fault)).toBe(1);
  },
);

test('a slow answer is waited for', async () => {
  double.faults.set('slow', { times: 2, ms: 700 });
  expect((await play()).items.length).toBe(all());
});

test('what a search may not ask fails with the words of the provider', async () => {
  const job = await play({ region: 'DE', publishedAfter: '2026-11-01T00:00:00Z', language: 'zh-Hant' });
  expect(job.undone).toEqual([]);
  double.faults.set('5xx', { times: 1, status: 400 });
  expect((await play()).undone[0]?.outcome).toMatchObject({
    outcome: 'failed',
    code: 'api_error',
    status: 400,
  });
});

const snippet = {
  publishedAt: '2026-11-01T00:00:00Z',
  channelId: 'c',
  title: 't',
  description: '',
  channelTitle: 'c',
  thumbnails: {},
};
test.each([
  ['as documented', {}, undefined],
  ['a count that is no number', { statistics: { viewCount: '1.2K' } }, 'invalid_answer'],
  ['a time that is none', { snippet: { ...snippet, publishedAt: 'yesterday' } }, 'invalid_answer'],
  ['no title', { snippet: { ...snippet, title: undefined } }, 'invalid_answer'],
  ['no snippet', { snippet: undefined }, 'invalid_answer'],
])('an answer with %s', async (_what, change, code) => {
  const video = { id: 'abcdefghijk', snippet, statistics: { viewCount: '12' }, ...change };
  const site = await serveSite({
    '/base/v4/search': JSON.stringify({ items: [{ id: { videoId: video.id }, snippet }] }),
    '/base/v4/videos': JSON.stringify({ items: [video, { ...video, id: 'not-asked-f' }] }),
  });
  const settings = { YOUTUBE_API_URL: `${site.origin}/base/v4` };
  const job = await playJob(source, { q: 'x' }, { filesRoot, settings, credential: 'AIza-of-the-tests' });
  await site.close();
  expect(job.undone.map(({ outcome }) => (outcome as { code?: string }).code)).toEqual(code ? [code] : []);
  expect(job.items.map(({ data }) => data['views'])).toEqual(code ? [] : [12]);
});
