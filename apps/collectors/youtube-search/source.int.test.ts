import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { playJob, type PlayedJob } from '@magpie/collector-kit/testing';
import { startYouTubeDouble, type YouTubeDouble, type YouTubeDoubleOptions } from '@magpie/testing';
import source from './source.ts';

const NOW = Date.parse('2026-11-21T12:00:00Z');
const DAY = 86_400_000;
const KEY = 'AIza-canary-4711-of-the-tests';
let now = NOW;
let double: YouTubeDouble;
let filesRoot: string;

const start = async (options: YouTubeDoubleOptions = {}) =>
  (double = await startYouTubeDouble({
    now: () => now,
    keys: { [KEY]: { project: 'p' } },
    quotaPerDay: 1_000_000,
    videos: 5_000,
    ...options,
  }));
beforeEach(async () => {
  now = NOW;
  filesRoot = await mkdtemp(join(tmpdir(), 'magpie-youtube-'));
});
afterEach(async () => {
  await double.close();
  await rm(filesRoot, { recursive: true });
});

const iso = (at: number): string => new Date(at).toISOString();
const watch = (id: string): string => `https://www.youtube.com/watch?v=${id}`;
const play = (
  params: Record<string, unknown>,
  more: { known?: PlayedJob['items']; run?: { number: number; at: number } } = {},
) =>
  playJob(source, params, {
    filesRoot,
    settings: { YOUTUBE_API_URL: double.url },
    credential: KEY,
    ...more,
  });
const urls = (items: PlayedJob['items'], kind = 'video'): string[] =>
  items.flatMap((item) => (item.kind === kind ? [item.url] : [])).toSorted();
const keys = ({ steps }: PlayedJob): string[] =>
  steps.flatMap(({ outcome }) =>
    'next' in outcome ? outcome.next.map(({ kind, key }) => `${kind} ${key}`) : [],
  );
const truth = (q: string, from: number): string[] =>
  double
    .videos(q, from, NOW)
    .map(({ id }) => watch(id))
    .toSorted();

test('all videos of a period, each once, with the fewest requests', async () => {
  await start();
  const from = NOW - 60 * DAY;
  const job = await play({ q: 'cricket', publishedAfter: iso(from) });
  const expected = truth('cricket', from);
  expect(expected.length).toBeGreaterThan(200);
  expect(urls(job.items)).toEqual(expected);
  expect(job.undone).toEqual([]);
  const asked = job.steps.flatMap(({ work }) =>
    work.kind === 'details' ? (work.input['urls'] as string[]) : [],
  );
  expect(asked.filter((url) => double.video(url.split('=')[1] as string) === undefined)).toEqual([]);
  const pages = Math.ceil(double.videos('cricket', from, NOW, { gone: true }).length / 50);
  // An entry that is no video takes a place, and the number of results that is told is a guess: one page more for each.
  expect(double.count(/search$/)).toBeLessThanOrEqual(pages + 2);
  expect(double.count(/videos$/)).toBeLessThanOrEqual(pages + 1);
  expect(double.units('p')).toBe(100 * double.count(/search$/) + double.count(/videos$/));
  expect(job.spent).toEqual({
    'search.list': double.count(/search$/),
    'videos.list': double.count(/videos$/),
  });
  expect(job.coverage?.from).toBeGreaterThanOrEqual(from);
  expect(job.coverage?.to).toBeLessThanOrEqual(NOW);
});

test('a video is kept as the API has it, not as the search shows it', async () => {
  await start({ videos: 300 });
  const { items } = await play({ q: 'cricket' });
  for (const { url, data } of items) {
    const video = double.video(url.split('=')[1] as string);
    expect(data).toMatchObject({
      id: video?.id,
      title: video?.title,
      description: video?.description,
      channelId: video?.channelId,
      channelTitle: video?.channelTitle,
      publishedAt: iso(video?.publishedAt as number),
      views: video?.views,
      tags: video?.tags,
      thumbnails: { default: { width: 120, height: 90 } },
    });
    expect(data['likes']).toBe(video?.likes);
    expect(Object.values(data)).not.toContain(undefined);
  }
  expect(JSON.stringify(items)).toContain("'village green'");
  expect(JSON.stringify(items)).not.toContain('&#39;');
});

test('more than page tokens reach: overlapping windows, and the ids decide', async () => {
  await start({ videos: 20_000 });
  const job = await play({ q: 'cricket', maxPages: 60 });
  const expected = truth('cricket', 0);
  expect(expected.length).toBeGreaterThan(1_500);
  expect(urls(job.items)).toEqual(expected);
  expect(double.count(/search$/)).toBeLessThanOrEqual(Math.ceil(expected.length / 50) * 1.25 + 2);
  expect(double.requests.some(({ query }) => query['publishedBefore'] !== undefined)).toBe(true);
});

test('maxPages bounds a run', async () => {
  await start();
  await play({ q: 'cricket', maxPages: 3 });
  expect(double.count(/search$/)).toBe(3);
});

test('a later run costs one search, and brings what is new alone', async () => {
  await start({ indexDelayMs: 60_000, goneOneIn: 0 });
  const params = { q: 'cricket', publishedAfter: iso(NOW - 30 * DAY) };
  const first = await play(params, { run: { number: 1, at: NOW } });
  double.clear();
  now += 30_000;
  const second = await play(params, { run: { number: 2, at: now }, known: first.items });
  expect([second.items, double.units('p')]).toEqual([[], 100]);
  const published = double.publish(7, { topic: 'cricket' });
  double.publish(5, { topic: 'chess' });
  double.clear();
  now += 60_000;
  const third = await play(params, { run: { number: 3, at: now }, known: first.items });
  expect(urls(third.items)).toEqual(published.map(({ id }) => watch(id)).toSorted());
  // Own steps are done once a job by their keys, so no two runs may share one.
  expect(keys(third).filter((key) => keys(first).includes(key))).toEqual([]);
  // One page of news, and one to see that there is no more.
  expect(double.count(/search$/)).toBe(2);
  expect(double.units('p')).toBe(201);
});

test('region and language go to the search', async () => {
  await start({ videos: 3_000 });
  const job = await play({ q: 'railway', region: 'de', language: 'de', maxPages: 60 });
  const { query } = double.requests[0] as { query: Record<string, string> };
  expect(query).toMatchObject({
    regionCode: 'DE',
    relevanceLanguage: 'de',
    type: 'video',
    order: 'date',
    maxResults: '50',
  });
  const shown = double.videos('railway').filter(({ blocked }) => !blocked.includes('DE'));
  expect(shown.length).toBeLessThan(double.videos('railway').length);
  expect(urls(job.items)).toEqual(shown.map(({ id }) => watch(id)).toSorted());
});

test('thumbnails are kept when they are wanted, the largest of each video', async () => {
  await start({ videos: 200 });
  const job = await play({ q: 'cricket', thumbnails: true });
  const images = job.items.filter(({ kind }) => kind === 'image');
  expect(images.length).toBe(urls(job.items).length);
  for (const { url, data, file, page } of images) {
    expect(url).toMatch(/\/maxresdefault\.jpg$/);
    expect(file).toMatchObject({ type: 'image/png', width: 1280, height: 720 });
    expect(data).toMatchObject({ video: page, width: 1280, height: 720 });
  }
  expect((await readdir(join(filesRoot, 'images'))).length).toBeGreaterThan(0);
  expect(double.units('p')).toBe(101);
});

test('the key is in no address, no result and no error', async () => {
  await start({ videos: 300 });
  const job = await play({ q: 'cricket', thumbnails: true });
  double.setKey(KEY, undefined);
  const refused = await play({ q: 'cricket' });
  expect(refused.undone).toMatchObject([{ outcome: { outcome: 'credential', state: 'refused' } }]);
  expect(JSON.stringify([job, refused])).not.toContain(KEY);
  expect(JSON.stringify(double.requests)).not.toContain(KEY);
});
