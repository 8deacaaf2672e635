import { startYouTubeDouble, type YouTubeDouble, type YouTubeDoubleOptions } from './youtube-double.ts';

const NOON = Date.parse('2026-11-21T20:00:00Z');
let now = NOON;
let double: YouTubeDouble;
const start = async (options: YouTubeDoubleOptions = {}) =>
  (double = await startYouTubeDouble({ videos: 2000, now: () => now, ...options }));
beforeEach(() => {
  now = NOON;
});
afterEach(() => double.close());

const keys = { a1: { project: 'a' }, a2: { project: 'a' }, b1: { project: 'b' } };

interface Body {
  kind?: string;
  nextPageToken: string;
  items: Record<'snippet' | 'statistics', Record<string, unknown>>[];
  error?: { errors: { reason: string }[]; details: { reason: string }[] };
}

async function ask(method: 'search' | 'videos', key: string | undefined, query: Record<string, string> = {}) {
  const url = new URL(`/youtube/v3/${method}`, double.url);
  url.search = new URLSearchParams({
    part: 'snippet',
    ...(method === 'search' ? { q: 'cricket', type: 'video' } : { id: double.videos()[0]?.id ?? '' }),
    ...query,
  }).toString();
  const response = await fetch(url, { headers: key === undefined ? {} : { 'x-goog-api-key': key } });
  const text = await response.text();
  const { status, headers } = response;
  let body = {} as Body;
  try {
    body = JSON.parse(text) as Body;
  } catch {
    expect(status).toBe(200);
  }
  return { status, headers, text, body, reason: body.error?.errors[0]?.reason };
}

describe('quota', () => {
  test('is of the project, whichever key: search 100, videos 1; what is spent is told exactly', async () => {
    await start({ keys, quotaPerDay: { a: 301, b: 99 } });
    expect((await ask('search', 'a1')).status).toBe(200);
    expect((await ask('search', 'a2')).status).toBe(200);
    expect((await ask('videos', 'a1')).status).toBe(200);
    expect(double.units('a')).toBe(201);
    expect((await ask('search', 'a2')).status).toBe(200);
    const refused = await ask('search', 'a1');
    expect(refused.status).toBe(403);
    expect(refused.body.error).toMatchObject({
      code: 403,
      message: expect.stringContaining('exceeded your <a href="/youtube/v3/getting-started#quota">quota</a>'),
      errors: [{ domain: 'youtube.quota', reason: 'quotaExceeded' }],
    });
    expect((await ask('videos', 'a2')).reason).toBe('quotaExceeded');
    expect((await ask('search', 'b1')).reason).toBe('quotaExceeded');
    expect((await ask('videos', 'b1')).status).toBe(200);
    expect([double.units('a'), double.units('b')]).toEqual([301, 1]);
    expect(double.charges.map(({ key, units }) => [key, units])).toEqual([
      ['a1', 100],
      ['a2', 100],
      ['a1', 1],
      ['a2', 100],
      ['b1', 1],
    ]);
  });

  test('is not overspent by requests at once', async () => {
    await start({ keys, quotaPerDay: 1000 });
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, i) => ask('search', i % 2 === 0 ? 'a1' : 'a2')),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
    expect(double.units('a')).toBe(1000);
  });

  test('comes back at midnight Pacific Time', async () => {
    await start({ keys, quotaPerDay: 100 });
    await ask('search', 'a1');
    now = Date.parse('2026-11-22T07:59:59Z');
    expect((await ask('search', 'a1')).reason).toBe('quotaExceeded');
    now = Date.parse('2026-11-22T08:00:00Z');
    expect(double.units('a')).toBe(0);
    expect((await ask('search', 'a1')).status).toBe(200);
  });

  test('an invalid request costs one unit, a fault of the server the whole, a refused key nothing', async () => {
    await start({ keys });
    expect((await ask('search', 'a1', { maxResults: '99' })).status).toBe(400);
    expect(double.units('a')).toBe(1);
    double.faults.set('5xx', { times: 1 });
    expect((await ask('search', 'a1')).status).toBe(503);
    expect(double.units('a')).toBe(101);
    double.faults.set('invalidKey', { times: 1 });
    expect((await ask('search', 'a1')).status).toBe(400);
    double.faults.set('quotaExceeded', { times: 1 });
    expect((await ask('search', 'a1')).status).toBe(403);
    expect(double.units('a')).toBe(101);
    double.faults.set('429', { times: 1 });
    expect((await ask('search', 'a1')).status).toBe(429);
    expect(double.units('a')).toBe(102);
  });

  test('searches may have a bucket of their own, of calls', async () => {
    await start({ keys, searchCallsPerDay: 2, quotaPerDay: 3 });
    const statuses = [];
    for (const method of ['search', 'search', 'search', 'videos', 'videos', 'videos', 'videos'] as const)
      statuses.push((await ask(method, 'a1')).status);
    expect(statuses).toEqual([200, 200, 403, 200, 200, 200, 403]);
    expect([double.searchCalls('a'), double.units('a')]).toEqual([2, 3]);
  });
});

describe('keys', () => {
  test('go by header or by parameter, and are not in what is recorded', async () => {
    await start({ keys });
    expect((await ask('videos', undefined, { key: 'b1' })).status).toBe(200);
    expect((await ask('videos', 'b1')).status).toBe(200);
    expect(double.requests).toHaveLength(2);
    expect(double.count(/videos$/)).toBe(2);
    expect(JSON.stringify(double.requests)).not.toContain('b1');
    expect(double.requests[0]).toMatchObject({
      method: 'GET',
      path: '/youtube/v3/videos',
      status: 200,
      at: NOON,
    });
  });

  test('none, an unknown, a revoked one, and one of a project without the API', async () => {
    await start({ keys: { ...keys, off: { project: '12345', apiEnabled: false } } });
    const none = await ask('search', undefined);
    expect([none.status, none.reason]).toEqual([403, 'forbidden']);
    const unknown = await ask('search', 'nobody');
    expect(unknown.status).toBe(400);
    expect(unknown.body.error).toMatchObject({
      message: 'API key not valid. Please pass a valid API key.',
      status: 'INVALID_ARGUMENT',
      errors: [{ domain: 'global', reason: 'badRequest' }],
      details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID' }],
    });
    const off = await ask('search', 'off');
    expect([off.status, off.reason]).toEqual([403, 'accessNotConfigured']);
    double.setKey('a1', undefined);
    expect((await ask('search', 'a1')).body.error?.details[0]?.reason).toBe('API_KEY_INVALID');
    double.setKey('new', { project: 'a' });
    expect((await ask('search', 'new')).status).toBe(200);
    expect(double.charges).toHaveLength(1);
  });
});

describe('faults', () => {
  beforeEach(() => start({ keys }));

  test.each([
    ['429', 429, 'rateLimitExceeded'],
    ['rateLimitExceeded', 403, 'rateLimitExceeded'],
    ['5xx', 503, 'backendError'],
    ['invalidKey', 400, 'badRequest'],
    ['quotaExceeded', 403, 'quotaExceeded'],
  ] as const)(
    '%s answers %d %s, so often, where the path matches, then no more',
    async (name, status, reason) => {
      double.faults.set(name, { times: 2, path: /search/ });
      expect((await ask('videos', 'a1')).status).toBe(200);
      for (let i = 0; i < 2; i++) {
        const answer = await ask('search', 'a1');
        expect([answer.status, answer.reason]).toEqual([status, reason]);
      }
      expect((await ask('search', 'a1')).status).toBe(200);
      expect(double.faults.hits(name)).toBe(2);
      double.faults.set(name);
      expect((await ask('videos', 'a1')).status).toBe(status);
      double.faults.clear(name);
      expect((await ask('videos', 'a1')).status).toBe(200);
    },
  );

  test('Retry-After goes with 429 and 5xx when wanted', async () => {
    double.faults.set('429', { retryAfter: 7 });
    expect((await ask('search', 'a1')).headers.get('retry-after')).toBe('7');
  });

  test('a broken page token strikes only where there is one', async () => {
    double.faults.set('brokenPageToken');
    const first = await ask('search', 'a1');
    expect(first.status).toBe(200);
    const second = await ask('search', 'a1', { pageToken: first.body.nextPageToken });
    expect([second.status, second.reason]).toEqual([400, 'invalidPageToken']);
  });

  test('the first page again and again, with publishedAfter', async () => {
    double.faults.set('repeatedFirstPage');
    const range = { publishedAfter: '2026-10-01T00:00:00Z', order: 'date' };
    const first = await ask('search', 'a1', range);
    const second = await ask('search', 'a1', { ...range, pageToken: first.body.nextPageToken });
    expect(second.body).toEqual(first.body);
    double.faults.clear('repeatedFirstPage');
    const third = await ask('search', 'a1', { ...range, pageToken: first.body.nextPageToken });
    expect(third.body.items[0]).not.toEqual(first.body.items[0]);
  });

  test('truncated JSON, changed types, a closed connection', async () => {
    double.faults.set('truncatedJson', { times: 1 });
    const cut = await ask('search', 'a1');
    expect([cut.status, cut.body]).toEqual([200, {}]);
    expect(cut.text.startsWith('{"kind"')).toBe(true);
    double.faults.set('changedTypes', { times: 2 });
    expect(Array.isArray((await ask('search', 'a1')).body.items)).toBe(false);
    const video = (await ask('videos', 'a1', { part: 'snippet,statistics' })).body.items[0];
    expect(video?.snippet['publishedAt']).toEqual(expect.any(Number));
    expect(video?.statistics['viewCount']).toEqual(expect.any(Number));
    double.faults.set('closedConnection', { times: 1 });
    await expect(ask('search', 'a1')).rejects.toThrow('fetch failed');
    expect((await ask('search', 'a1')).status).toBe(200);
  });

  test('a slow answer comes, and clear() ends everything', async () => {
    double.faults.set('slow', { ms: 300 });
    const before = performance.now();
    expect((await ask('search', 'a1')).status).toBe(200);
    expect(performance.now() - before).toBeGreaterThanOrEqual(290);
    double.faults.set('quotaExceeded');
    double.clear();
    expect([double.requests.length, double.charges.length, double.units('a')]).toEqual([0, 0, 0]);
    expect((await ask('search', 'a1')).status).toBe(200);
    expect(double.faults.hits('slow')).toBe(1);
  });
});
