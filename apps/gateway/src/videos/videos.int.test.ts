import type { Video } from '@magpie/contracts';
import { idOf, newId, nextOrder, searchTerms } from '@magpie/domain';
import { encodeCursor, type ItemDocument } from '@magpie/store';
import { keep, itemOf, linkOf } from '../testing/ledger.ts';
import { makeJob, startGateway, type TestGateway } from '../testing/gateway.ts';

interface PageBody {
  items: Video[];
  next: string | null;
}

const AT = Date.parse('2026-05-01T00:00:00Z');
const HOUR = 3_600_000;

let gateway: TestGateway;
let made = 0;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());
beforeEach(async () => {
  made = 0;
  await gateway.store.items.collection.deleteMany({});
});

/** As storage keeps it; each one published an hour after the one before. */
function videoOf(title: string, description = '', more: Record<string, unknown> = {}): ItemDocument {
  const n = ++made;
  const { file: _, ...item } = itemOf(`https://www.youtube.com/watch?v=v${n}-${newId()}`, {
    kind: 'video',
    page: null,
    source: 'youtube-search',
    order: nextOrder(),
    data: {
      id: `v${n}`,
      title,
      description,
      channelId: 'UCtea',
      channelTitle: 'Tea',
      publishedAt: new Date(AT + n * HOUR).toISOString(),
      thumbnails: {},
      ...more,
    },
    terms: searchTerms(title, description),
  });
  return item;
}
const put = async (...videos: ItemDocument[]): Promise<void> => {
  await gateway.store.items.collection.insertMany(videos as never[]);
};

const get = (url: string) => gateway.app.inject({ method: 'GET', url });
async function titles(url: string): Promise<string[]> {
  const answer = await get(url);
  expect([answer.statusCode, url]).toEqual([200, url]);
  return answer.json<PageBody>().items.map(({ title }) => title);
}
const found = (q: string): Promise<string[]> => titles(`/search/?${new URLSearchParams({ q }).toString()}`);

/** Follows the `Link` headers; between pages something happens. */
async function through(url: string, between: (page: number) => Promise<void>): Promise<string[]> {
  const seen: string[] = [];
  let next: string | null = url;
  for (let i = 0; next !== null && i < 100; i++) {
    const answer = await get(next);
    expect([answer.statusCode, next]).toEqual([200, next]);
    seen.push(...answer.json<PageBody>().items.map(({ title }) => title));
    next = /^<([^>]+)>; rel="next"$/.exec(String(answer.headers['link'] ?? ''))?.[1] ?? null;
    expect(next === null).toBe(answer.json<PageBody>().next === null);
    await between(i);
  }
  return seen;
}
const numbered = (n: number, title: (i: number) => string): ItemDocument[] =>
  Array.from({ length: n }, (_, i) => videoOf(title(i)));

describe('/videos/', () => {
  it('lists those published last first, whatever else is kept and in whatever order it came', async () => {
    const [a, b, c] = [videoOf('a'), videoOf('b'), videoOf('c')];
    await put(
      b,
      c,
      a,
      itemOf('https://example.org/x.png'),
      itemOf('https://example.org/t', { kind: 'text' }),
    );
    expect(await titles('/videos/')).toEqual(['c', 'b', 'a']);
    expect(await titles('/videos')).toEqual(['c', 'b', 'a']);
  });

  it('shows a video, with the files of the thumbnails that are kept', async () => {
    const url = 'https://i.ytimg.com/vi/1/hq.jpg';
    const video = videoOf('Tea', 'Leaves', {
      duration: 'PT4M13S',
      language: 'en',
      tags: ['tea'],
      views: 7,
      comments: 0,
      thumbnails: {
        default: { url: 'https://i.ytimg.com/vi/1/default.jpg', width: 120, height: 90 },
        high: { url },
      },
    });
    const kept = itemOf(url);
    await put(video, kept);
    expect((await get('/videos/')).json()).toEqual({
      items: [
        {
          id: video._id,
          video_id: 'v1',
          url: video.url,
          title: 'Tea',
          description: 'Leaves',
          channel: { id: 'UCtea', title: 'Tea' },
          published_at: '2026-05-01T01:00:00.000Z',
          duration: 'PT4M13S',
          language: 'en',
          tags: ['tea'],
          statistics: { views: 7, likes: null, comments: 0 },
          thumbnails: {
            default: {
              url: 'https://i.ytimg.com/vi/1/default.jpg',
              static_url: null,
              width: 120,
              height: 90,
            },
            high: {
              url,
              static_url: `http://magpie.test/files/${kept.file?.path ?? ''}`,
              width: null,
              height: null,
            },
          },
          stored_at: video.storedAt.toISOString(),
        },
      ],
      next: null,
    });
  });

  it('shows also what has little to show', async () => {
    await put(videoOf('bare', '', { thumbnails: { odd: { url: 'no address' }, none: null }, views: -1 }));
    expect((await get('/videos/')).json<PageBody>().items[0]).toMatchObject({
      duration: null,
      language: null,
      tags: [],
      statistics: null,
      thumbnails: { odd: { url: 'no address', static_url: null, width: null } },
    });
  });

  it.each([
    ['channel=UCa', ['3', '1']],
    ['channel=UCnobody', []],
    ['publishedAfter=2026-05-01T02:00:00Z', ['4', '3', '2']],
    ['publishedAfter=2026-05-01T04:00:00%2B02:00', ['4', '3', '2']],
    ['publishedBefore=2026-05-01T02:00:00Z', ['2', '1']],
    ['publishedAfter=2026-05-01&publishedBefore=2026-05-01', ['4', '3', '2', '1']],
    ['publishedAfter=2026-05-02', []],
    ['publishedBefore=2026-04-30', []],
    ['publishedAfter=2026-05-01T02:00:00Z&channel=UCa', ['3']],
    [
      'publishedAfter=0000-01-01T00:00:00%2B14:00&publishedBefore=9999-12-31T23:59:59-14:00',
      ['4', '3', '2', '1'],
    ],
  ])('are found by %s', async (query, expected) => {
    await put(
      ...[1, 2, 3, 4].map((n) => videoOf(String(n), '', { channelId: n % 2 ? 'UCa' : 'UCb' })).slice(0, 3),
    );
    await put(videoOf('4', '', { channelId: 'UCc', publishedAt: new Date(AT + 4 * HOUR).toISOString() }));
    expect(await titles(`/videos/?${query}`)).toEqual(expected);
  });

  it('are found by job, with every other filter', async () => {
    const jobId = await makeJob(gateway.app);
    const [mine, other, later] = [
      videoOf('mine'),
      videoOf('other'),
      videoOf('later', '', { channelId: 'UCx' }),
    ];
    await keep(gateway.store, jobId, [later, itemOf('https://example.org/pic.png'), mine]);
    await put(other, videoOf('given up'));
    const given = (await gateway.store.items.findOne({ 'data.title': 'given up' }).lean()) as ItemDocument;
    await gateway.store.links.collection.insertOne(linkOf(jobId, given, { state: 'failed' }) as never);
    expect(await titles(`/videos/?job=${jobId}`)).toEqual(['later', 'mine']);
    expect(await titles(`/videos/?job=${jobId}&channel=UCx`)).toEqual(['later']);
    expect(await through(`/videos/?job=${jobId}&limit=1`, async () => undefined)).toEqual(['later', 'mine']);
  });

  it('are paged, each once, while new ones come and many are of one time', async () => {
    const many = numbered(23, (i) => `n${i}`);
    for (const [i, { data }] of many.entries())
      data['publishedAt'] = new Date(AT + Math.floor(i / 6) * HOUR).toISOString();
    await put(...many);
    made = 100;
    const seen = await through('/videos/?limit=4', (i) => put(videoOf(`new ${i}`)));
    expect(seen).toEqual(
      many
        .toSorted((a, b) =>
          String(b.data['publishedAt']) + b._id > String(a.data['publishedAt']) + a._id ? 1 : -1,
        )
        .map(({ data }) => data['title']),
    );
  });

  it.each([
    ['publishedAfter=yesterday', 'publishedAfter'],
    ['publishedAfter=2026-02-30', 'publishedAfter'],
    ['publishedBefore=2026-05-01T10:00:00', 'publishedBefore'],
    ['publishedAfter=2026-05-02&publishedBefore=2026-05-01', 'publishedBefore'],
    ['channel=', 'channel'],
    ['channel=a&channel=b', 'channel'],
    ['channel[$ne]=x', 'channel[$ne]'],
    ['job=NO', 'job'],
    ['limit=0', 'limit'],
    ['colour=red', 'colour'],
  ])('refuses %s', async (query, field) => {
    const answer = await get(`/videos/?${query}`);
    expect(answer.statusCode).toBe(400);
    expect(answer.json<{ errors: { field: string }[] }>().errors.map((error) => error.field)).toContain(
      field,
    );
  });

  it('knows no job of nobody, and no cursor of another list', async () => {
    expect((await get(`/videos/?job=${newId()}`)).statusCode).toBe(404);
    const answer = await get(`/videos/?cursor=${encodeCursor('items', ['x', 'y'])}`);
    expect(answer.json()).toMatchObject({ status: 400, code: 'invalid_cursor' });
  });
});

describe('/search/', () => {
  it('finds every word, also by its beginning, in any order', async () => {
    await put(videoOf('How to make tea?', 'Water and leaves.'), videoOf('Coffee'));
    for (const q of ['tea how', 'tea ho', 't', 'TEA', 'wat lea mak', '"tea" +how', 'tea?!', 'tea tea'])
      expect([q, await found(q)]).toEqual([q, ['How to make tea?']]);
    for (const q of ['ea', 'teas', 'tea coffee', 'tea -how x']) expect([q, await found(q)]).toEqual([q, []]);
  });

  it('does not mind case, accents and width, in any script', async () => {
    await put(
      videoOf('Crème brûlée'),
      videoOf('Straße ＦＵＬＬ'),
      videoOf('Как варить чай'),
      videoOf('お茶 の 入れ方'),
    );
    for (const [q, title] of [
      ['creme', 'Crème brûlée'],
      ['CRÈME BRU', 'Crème brûlée'],
      ['cre\u0300me', 'Crème brûlée'],
      ['full', 'Straße ＦＵＬＬ'],
      ['straß', 'Straße ＦＵＬＬ'],
      ['ЧАЙ вар', 'Как варить чай'],
      ['お茶', 'お茶 の 入れ方'],
    ] as const)
      expect([q, await found(q)]).toEqual([q, [title]]);
  });

  it('ranks words before beginnings, titles before descriptions, then what was published last', async () => {
    await put(
      videoOf('tea a'),
      videoOf('x1', 'tea'),
      videoOf('teapot'),
      videoOf('teapot b', 'tea'),
      videoOf('x2', 'teapot'),
      videoOf('tea c'),
      videoOf('x3', 'tea'),
      videoOf('nothing'),
    );
    expect(await found('tea')).toEqual(['tea c', 'tea a', 'teapot b', 'x3', 'x1', 'teapot', 'x2']);
  });

  it('ranks more exact words first', async () => {
    await put(
      videoOf('green tea'),
      videoOf('green teapot'),
      videoOf('greenhouse teapot'),
      videoOf('x', 'green tea'),
    );
    expect(await found('green tea')).toEqual(['green tea', 'x', 'green teapot', 'greenhouse teapot']);
  });

  it('orders equals by id', async () => {
    const same = numbered(9, (i) => `tea ${i}`);
    for (const { data } of same) data['publishedAt'] = '2026-05-01T00:00:00.000Z';
    await put(...same);
    const byId = same.toSorted((a, b) => (a._id < b._id ? -1 : 1)).map(({ data }) => data['title']);
    expect(await found('tea')).toEqual(byId);
    expect(await through('/search/?q=tea&limit=2', async () => undefined)).toEqual(byId);
  });

  it('is paged, each once, while better and worse ones come', async () => {
    const many = numbered(20, (i) => `${i % 3 ? 'tea' : 'teapot'} n${i}`);
    await put(...many);
    const all = await found('te');
    expect(all).toHaveLength(20);
    const seen = await through('/search/?q=te&limit=3', async (i) => {
      await put(videoOf(`te ${i}`), videoOf('x', `tender ${i}`));
      const old = videoOf(`tea old ${i}`);
      old.data['publishedAt'] = new Date(AT - HOUR).toISOString();
      await put(old);
    });
    expect(seen).toEqual(all);
  });

  it('goes on when what it has shown goes', async () => {
    await put(...numbered(8, (i) => `tea ${i}`));
    const seen = await through('/search/?q=tea&limit=2', async (i) => {
      if (i === 0) await gateway.store.items.collection.deleteOne({ 'data.title': 'tea 6' });
    });
    expect(seen).toEqual(['tea 7', 'tea 6', 'tea 5', 'tea 4', 'tea 3', 'tea 2', 'tea 1', 'tea 0']);
  });

  it('ranks the newest of very many, and pages through them, while new ones come', async () => {
    const many = numbered(5_200, (i) => (i === 0 ? 'the first' : `t${i}`));
    await put(...many);
    const first = await get('/search/?q=t&limit=500');
    expect(first.json<PageBody>().items).toHaveLength(500);
    const seen = await through('/search/?q=t&limit=500', (i) => put(videoOf(`t new ${i}`)));
    expect(seen).toEqual(
      many
        .slice(200)
        .reverse()
        .map(({ data }) => data['title']),
    );
    // Rarer words reach all.
    expect(await found('t first')).toEqual(['the first']);
  });

  it.each([
    ['a.b', 1],
    ['(d) [e', 1],
    ['$where', 1],
    ['{"f":{"$ne":null}}', 0],
    ['^g|h\\i', 1],
    ['a\u0000b', 1],
    ['a%00', 0],
    ['(a+)+$', 1],
  ])('takes %s for words', async (q, n) => {
    await put(videoOf('a.b* c (d) [e] $where {f} ^g |h \\i'), videoOf('nothing'));
    expect(await found(q)).toHaveLength(n);
  });

  it.each([
    ['', 'q'],
    ['q=', 'q'],
    ['q=%20', 'q'],
    ['q=.*%24%7B%7D', 'q'],
    [`q=${'a'.repeat(201)}`, 'q'],
    [`q=${'abcdefghijk'.split('').join('+')}`, 'q'],
    ['q=a&q=b', 'q'],
    ['q[$ne]=a', 'q'],
    ['q=a&limit=501', 'limit'],
    ['q=a&kind=image', 'kind'],
  ])('refuses %s', async (query, field) => {
    const answer = await get(`/search/?${query}`);
    expect([answer.statusCode, answer.json<{ code: string }>().code]).toEqual([400, 'invalid_request']);
    expect(answer.json<{ errors: { field: string }[] }>().errors.map((error) => error.field)).toContain(
      field,
    );
  });

  it('takes a cursor for the search that it is of', async () => {
    await put(...numbered(3, (i) => `tea how ${i}`));
    const { next } = (await get('/search/?q=tea+how&limit=1')).json<PageBody>();
    expect(await titles(`/search/?q=how+tea&limit=1&cursor=${next ?? ''}`)).toEqual(['tea how 1']);
    for (const url of [
      `/search/?q=tea&cursor=${next ?? ''}`,
      `/videos/?cursor=${next ?? ''}`,
      '/search/?q=tea&cursor=abc',
      `/search/?q=tea&cursor=${encodeCursor(`video-search-${idOf('tea').slice(0, 12)}`, [1, 'x', 'y', 5, 'word how'])}`,
      `/search/?q=tea&cursor=${encodeCursor(`video-search-${idOf('tea').slice(0, 12)}`, [1, 'x', 'y', 'z', 'word tea'])}`,
    ])
      expect((await get(url)).json()).toMatchObject({ status: 400, code: 'invalid_cursor' });
  });
});
