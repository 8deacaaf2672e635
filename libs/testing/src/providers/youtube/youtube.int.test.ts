import { asking, ids, iso, type Body, type Result, type Video } from './ask.ts';
import type { DoubleVideo } from './catalogue.ts';
import { startYouTubeDouble, type YouTubeDouble } from './youtube-double.ts';

const NOW = Date.parse('2026-11-21T12:00:00Z');
const DAY = 86_400_000;
let now = NOW;
let double: YouTubeDouble;

beforeAll(async () => {
  double = await startYouTubeDouble({ now: () => now, quotaPerDay: 10_000_000, indexDelayMs: 10 * 60_000 });
});
beforeEach(() => {
  now = NOW;
  double.clear();
});
afterAll(() => double.close());

const { search, videos, pages, entries } = asking(() => double);

describe('search.list', () => {
  test('answers with the documented shape, five results unless told', async () => {
    const { status, headers, body } = await search({ q: 'cricket' });
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^application\/json/);
    expect(body).toMatchObject({
      kind: 'youtube#searchListResponse',
      etag: expect.any(String),
      nextPageToken: expect.any(String),
      regionCode: 'US',
      pageInfo: { totalResults: expect.any(Number), resultsPerPage: 5 },
    });
    expect(body.prevPageToken).toBeUndefined();
    expect(body.items).toHaveLength(5);
    const result = body.items.find(({ id }) => id.videoId) as Result;
    expect(result).toMatchObject({
      kind: 'youtube#searchResult',
      id: { kind: 'youtube#video', videoId: expect.stringMatching(/^[\w-]{11}$/) },
      snippet: {
        publishedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
        channelId: expect.stringMatching(/^UC[\w-]{22}$/),
        title: expect.any(String),
        channelTitle: expect.any(String),
        liveBroadcastContent: expect.stringMatching(/^(none|live|upcoming)$/),
        publishTime: result.snippet.publishedAt,
        thumbnails: {
          default: { url: expect.any(String), width: 120, height: 90 },
          medium: { width: 320, height: 180 },
          high: { width: 480, height: 360 },
        },
      },
    });
    expect(double.video(result.id.videoId as string)).toBeDefined();
  });

  test('pages of a range hold every video of it once, and lead back', async () => {
    const range = { q: 'cricket', order: 'date', publishedAfter: iso(NOW - 20 * DAY) };
    const all = await pages(range);
    const found = all.flatMap(ids);
    const truth = double.videos('cricket', NOW - 20 * DAY, NOW, { gone: true });
    expect(truth.length).toBeGreaterThan(200);
    expect(found.toSorted()).toEqual(truth.map(({ id }) => id).toSorted());
    expect(new Set(found).size).toBe(found.length);
    const back = await search({ ...range, maxResults: 50, pageToken: all[1]?.prevPageToken as string });
    expect(ids(back.body)).toEqual(ids(all[0] as Body<Result>));
  });

  test('no page follows after 500 results, whatever totalResults says', async () => {
    const all = await pages({ q: 'cricket', order: 'date' });
    expect(all).toHaveLength(10);
    expect(all.flatMap(({ items }) => items)).toHaveLength(500);
    expect(all[9]?.nextPageToken).toBeUndefined();
    expect(all[9]?.pageInfo.totalResults).toBeGreaterThan(1000);
    expect(all[9]?.pageInfo.totalResults).toBeLessThanOrEqual(1_000_000);
  });

  test('order=date is newest first but for a slight disorder', async () => {
    const times = (await entries({ q: 'cricket|chess', order: 'date' }))
      .filter((item) => item.id.videoId)
      .map((item) => Date.parse(item.snippet.publishedAt));
    const steps = times.slice(1).map((at, i) => at - (times[i] as number));
    expect(steps.some((step) => step > 0)).toBe(true);
    expect(steps.filter((step) => step > 0).length).toBeLessThan(times.length / 5);
    expect(Math.max(...steps)).toBeLessThanOrEqual(2 * 30 * 60_000);
  });

  test('q knows either and not; both bounds of the time are included', async () => {
    const words = (await pages({ q: 'boating|fishing -regatta', order: 'date' })).flatMap(ids);
    expect(words.length).toBeGreaterThan(100);
    for (const id of words) {
      const { title, description } = double.video(id) as DoubleVideo;
      expect(`${title} ${description}`).toMatch(/boating|fishing/i);
      expect(`${title} ${description}`).not.toMatch(/regatta/i);
    }
    const one = double.videos('cricket').at(-100) as DoubleVideo;
    const at = { q: 'cricket', publishedAfter: iso(one.publishedAt), publishedBefore: iso(one.publishedAt) };
    expect(ids((await search(at)).body)).toContain(one.id);
    const zoned = '2026-11-01T02:00:00+02:00';
    const after = (await pages({ q: 'cricket', publishedAfter: zoned, order: 'date' })).flatMap(ids);
    expect(after.toSorted()).toEqual(
      double
        .videos('cricket', Date.parse('2026-11-01T00:00:00Z'), NOW, { gone: true })
        .map(({ id }) => id)
        .toSorted(),
    );
  });

  test('titles are escaped and descriptions cut; videos.list has them whole', async () => {
    const items = await entries({ q: 'cricket', order: 'date' });
    const item = items.find(({ snippet }) => snippet.title.includes('&#39;village green&#39;')) as Result;
    const [whole] = (await videos({ part: 'snippet', id: item.id.videoId as string })).body.items as [Video];
    expect(whole.snippet.title).toContain("'village green'");
    expect(item.snippet.description.length).toBeLessThan(200);
    expect(whole.snippet.description.length).toBeGreaterThan(item.snippet.description.length);
    expect(items.some(({ snippet }) => snippet.title.includes('&lt;first&gt;'))).toBe(true);
  });

  test('an entry that is no video turns up now and then', async () => {
    const items = await entries({ q: 'cricket', order: 'date' });
    const strays = items.filter(({ id }) => id.videoId === undefined);
    expect(strays.length).toBeGreaterThan(0);
    expect(strays.length).toBeLessThan(20);
    expect(strays[0]?.id).toEqual({ kind: 'youtube#channel', channelId: expect.any(String) });
  });

  test('regionCode leaves out what is blocked there; relevanceLanguage prefers, and restricts nothing', async () => {
    const range = { q: '', order: 'date', publishedAfter: iso(NOW - DAY) };
    const everywhere = (await pages(range)).flatMap(ids);
    const there = (await pages({ ...range, regionCode: 'DE' })).flatMap(ids);
    const blocked = everywhere.filter((id) => double.video(id)?.blocked.includes('DE'));
    expect(blocked.length).toBeGreaterThan(0);
    expect(there.toSorted()).toEqual(everywhere.filter((id) => !blocked.includes(id)).toSorted());
    const preferred = await pages({ publishedAfter: iso(NOW - DAY), relevanceLanguage: 'de' });
    const languages = preferred.flatMap(ids).map((id) => double.video(id)?.language);
    expect(languages[0]).toBe('de');
    expect(new Set(languages).size).toBeGreaterThan(2);
    expect(languages).toHaveLength(everywhere.length);
  });

  test('a new video is in the search after the index delay, in videos.list at once', async () => {
    const made = double.publish(20, { topic: 'cricket' });
    expect(made).toHaveLength(20);
    expect(double.videos('cricket', NOW, NOW).filter(({ id }) => made.some((m) => m.id === id))).toHaveLength(
      20,
    );
    const query = { q: 'cricket', order: 'date', maxResults: 50, publishedAfter: iso(NOW) };
    const seen = async (minutes: number) => {
      now = NOW + minutes * 60_000;
      return ids((await search(query)).body).length;
    };
    expect(await seen(0)).toBe(0);
    const half = await seen(7.5);
    expect(half).toBeGreaterThan(0);
    expect(half).toBeLessThan(20);
    expect(await seen(10)).toBe(20);
    const list = await videos({ part: 'id', id: made.map(({ id }) => id).join() });
    expect(list.body.items).toHaveLength(20);
  });

  test.each([
    [{ part: '' }, 400, 'missingRequiredParameter'],
    [{ part: 'statistics' }, 400, 'unknownPart'],
    [{ maxResults: 51 }, 400, 'badRequest'],
    [{ maxResults: -1 }, 400, 'badRequest'],
    [{ maxResults: 'many' }, 400, 'badRequest'],
    [{ publishedAfter: '2026-11-01' }, 400, 'badRequest'],
    [{ publishedBefore: '2026-13-01T00:00:00Z' }, 400, 'badRequest'],
    [{ order: 'newest' }, 400, 'badRequest'],
    [{ type: 'film' }, 400, 'badRequest'],
    [{ regionCode: 'Germany' }, 400, 'badRequest'],
    [{ relevanceLanguage: 'german' }, 400, 'invalidRelevanceLanguage'],
    [{ channelId: 'me' }, 400, 'invalidChannelId'],
    [{ type: 'channel', videoDuration: 'short' }, 400, 'invalidSearchFilter'],
    [{ pageToken: 'zzz' }, 400, 'invalidPageToken'],
    [{ sort: 'date' }, 400, 'unexpectedParameter'],
    [{ forMine: 'true' }, 501, 'notImplemented'],
  ])('%j is refused: %d %s', async (query, status, reason) => {
    const { status: got, body } = await search({ q: 'cricket', ...query });
    expect(got).toBe(status);
    expect(body.error).toMatchObject({ code: status, message: expect.any(String), errors: [{ reason }] });
  });

  test('maxResults=0 gives the count alone', async () => {
    const { body } = await search({ q: 'cricket', maxResults: 0 });
    expect(body.items).toEqual([]);
    expect(body.nextPageToken).toBeUndefined();
    expect(body.pageInfo.totalResults).toBeGreaterThan(1000);
  });
});
