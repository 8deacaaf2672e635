import { asking, ids, type Query, type Video } from './ask.ts';
import type { DoubleVideo } from './catalogue.ts';
import { startYouTubeDouble, type YouTubeDouble } from './youtube-double.ts';

const NOW = Date.parse('2026-11-21T12:00:00Z');
let double: YouTubeDouble;

beforeAll(async () => {
  double = await startYouTubeDouble({ now: () => NOW, quotaPerDay: 10_000_000 });
});
beforeEach(() => double.clear());
afterAll(() => double.close());

const { videos, pages } = asking(() => double);

describe('videos.list', () => {
  test('gives up to 50 videos in the order of the ids, with the wanted parts; counts are strings', async () => {
    const wanted = double.videos('cricket').slice(0, 50);
    const id = wanted.map((video) => video.id).join();
    const { body } = await videos({ part: 'snippet,contentDetails,statistics', id });
    expect(body.kind).toBe('youtube#videoListResponse');
    expect(body.pageInfo).toEqual({ totalResults: 50, resultsPerPage: 50 });
    expect(body.items.map((item) => item.id)).toEqual(wanted.map((video) => video.id));
    expect(body.items[0]).toMatchObject({
      kind: 'youtube#video',
      snippet: { title: wanted[0]?.title, description: wanted[0]?.description, tags: expect.any(Array) },
      contentDetails: { duration: expect.stringMatching(/^P(T[\dHMS]+|0D)$/) },
      statistics: { viewCount: String(wanted[0]?.views) },
    });
    const bare = await videos({ part: 'id', id: wanted[0]?.id ?? '' });
    expect(Object.keys(bare.body.items[0] as Video).toSorted()).toEqual(['etag', 'id', 'kind']);
  });

  test('missing, private and doubled ids are simply absent', async () => {
    const [a, b] = double.publish(2) as [DoubleVideo, DoubleVideo];
    double.hide(b.id);
    const { status, body } = await videos({ part: 'snippet', id: `${a.id},${b.id},xxxxxxxxxxx,${a.id}` });
    expect(status).toBe(200);
    expect(body.items.map((item) => item.id)).toEqual([a.id]);
    expect(double.videos(undefined, NOW, NOW)).not.toContain(b);
  });

  test('some results of the search are gone from it', async () => {
    const found = (await pages({ q: 'cricket', order: 'date' })).flatMap(ids);
    const gone = found.filter((id) => double.video(id)?.gone);
    expect(gone.length).toBeGreaterThan(0);
    expect((await videos({ part: 'id', id: gone.slice(0, 50).join() })).body.items).toEqual([]);
  });

  test.each([
    [{ id: 'a' }, 400, 'missingRequiredParameter'],
    [{ part: 'snippet' }, 400, 'missingRequiredParameter'],
    [{ part: 'everything', id: 'a' }, 400, 'unknownPart'],
    [{ part: 'snippet', id: Array.from({ length: 51 }, (_, i) => i).join() }, 400, 'invalidFilters'],
    [{ part: 'snippet', chart: 'mostPopular' }, 501, 'notImplemented'],
  ])('%j is refused: %d %s', async (query, status, reason) => {
    const { status: got, body } = await videos(query as Query);
    expect(got).toBe(status);
    expect(body.error?.errors[0]?.reason).toBe(reason);
  });
});

test('an ETag that is known already gets 304 without a body, and costs the same', async () => {
  const query = { part: 'snippet', id: (double.videos('chess')[0] as DoubleVideo).id };
  const { headers, body } = await videos(query);
  const again = await videos(query, { 'if-none-match': headers.get('etag') });
  expect(again.status).toBe(304);
  expect(again.body).toEqual({});
  expect((await videos(query, { 'if-none-match': body.etag })).status).toBe(304);
  expect((await videos(query, { 'if-none-match': '"old"' })).status).toBe(200);
  expect(double.units('demo')).toBe(4);
});

test('thumbnails are images, each its own, without a key or a cost', async () => {
  const [a, b] = double.videos('chess') as [DoubleVideo, DoubleVideo];
  const { body } = await videos({ part: 'snippet', id: `${a.id},${b.id}` });
  const urls = body.items.flatMap((item) => Object.values(item.snippet.thumbnails).map((t) => t.url));
  expect(urls).toHaveLength(10);
  const bytes = await Promise.all(
    urls.map(async (url) => {
      const response = await fetch(url);
      expect(response.headers.get('content-type')).toBe('image/png');
      return Buffer.from(await response.arrayBuffer());
    }),
  );
  expect(bytes[0]?.subarray(1, 4).toString()).toBe('PNG');
  expect([bytes[0]?.readUInt32BE(16), bytes[0]?.readUInt32BE(20)]).toEqual([120, 90]);
  expect(new Set(bytes.map((b) => b.toString('base64'))).size).toBe(10);
  expect((await fetch(`${double.url}/vi/nothing/default.jpg`)).status).toBe(404);
  expect(double.units('demo')).toBe(1);
});

test('the same seed makes the same videos, another seed others', async () => {
  const small = { videos: 50, to: NOW, now: () => NOW };
  const three = await Promise.all(['a', 'a', 'b'].map((seed) => startYouTubeDouble({ ...small, seed })));
  const [first, second, third] = three.map((d) => JSON.stringify(d.videos()));
  await Promise.all(three.map((d) => d.close()));
  expect(first).toBe(second);
  expect(first).not.toBe(third);
});
