import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { at, get, HOUR, pages, start, T0, USER, type Body, type Media, closeAll } from './ask.ts';
import { startInstagramDouble } from './instagram.ts';

afterEach(closeAll);

describe('what it holds', () => {
  test('the same for a seed, another for another', async () => {
    const [a, b, c] = await Promise.all([start(), start(), start({ seed: 2 })]);
    expect(a.posts('sunset')).toEqual(b.posts('sunset'));
    expect(a.posts('sunset')).not.toEqual(c.posts('sunset'));
    expect(a.posts('закат').length).toBeGreaterThan(10);
  });

  test('paging through a feed gives exactly what is there, whatever the page size, seed and age', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          seed: fc.integer({ min: 1, max: 1e6 }),
          posts: fc.integer({ min: 0, max: 400 }),
          days: fc.integer({ min: 1, max: 5 }),
          limit: fc.integer({ min: 1, max: 60 }),
          edge: fc.constantFrom('recent_media', 'top_media'),
          sameCursor: fc.boolean(),
        }),
        async ({ seed, posts, days, limit, edge, sameCursor }) => {
          const from = T0 - days * 86_400_000;
          const double = await startInstagramDouble({ seed, posts, from, now: () => T0, sameCursor });
          try {
            const id = double.hashtagId('sunset');
            const got = await pages(at(double, `${id}/${edge}`, { limit: `${limit}` }));
            const truth = edge === 'recent_media' ? double.recentMedia('sunset') : double.topMedia('sunset');
            expect(got.flat().map((post) => post.id)).toEqual(truth.map((post) => post.id));
            expect(got.length).toBe(Math.max(1, Math.ceil(truth.length / Math.min(50, limit))));
          } finally {
            await double.close();
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  test('recent media are of the last 24 hours, mostly newest first but not strictly', async () => {
    const double = await start({ posts: 2000 });
    const got = (
      await pages(
        at(double, `${double.hashtagId('sunset')}/recent_media`, { fields: 'timestamp', limit: '50' }),
      )
    ).flat();
    const times = got.map(({ timestamp }) => Date.parse(timestamp as string));
    const truth = double.posts('sunset').filter((post) => post.at > T0 - 24 * HOUR);
    expect(times.toSorted((a, b) => b - a)).toEqual(truth.map((post) => post.at));
    const astray = times.filter((time, i) => i > 0 && time > (times[i - 1] as number)).length;
    expect(astray).toBeGreaterThan(0);
    expect(astray).toBeLessThan(times.length / 2);
  });

  test('posts that come while one pages neither hide nor double the others', async () => {
    let now = T0;
    const double = await start({ now: () => now, to: T0 + 2 * HOUR, posts: 1500 });
    const before = double.recentMedia('sunset').map(({ id }) => id);
    const seen: string[] = [];
    for (
      let next: string | undefined = at(double, `${double.hashtagId('sunset')}/recent_media`, {
        limit: '50',
      });
      next;
    ) {
      const { body }: { body: Body } = await get(next);
      seen.push(...body.data.map(({ id }) => id));
      double.addPosts([{ tags: ['sunset'], at: now }]);
      now += 1000;
      next = body.paging?.next;
    }
    expect(new Set(seen).size).toBe(seen.length);
    const still = new Set(double.recentMedia('sunset').map(({ id }) => id));
    expect(before.filter((id) => still.has(id) && !seen.includes(id))).toEqual([]);
  });

  test('posts can be added, under new tags too', async () => {
    const double = await start();
    const [post] = double.addPosts([{ tags: ['Neu'], at: T0 - 1000, type: 'IMAGE', caption: 'just now' }]);
    const found = await get(at(double, 'ig_hashtag_search', { q: 'neu' }));
    const { body } = await get(at(double, `${found.body.data[0]?.id}/recent_media`, { fields: 'caption' }));
    expect(body.data).toEqual([{ id: post?.id, caption: 'just now' }]);
  });
});

describe('what it answers', () => {
  test('only the fields asked for; hidden likes, albums’ addresses and other posts’ children left out', async () => {
    const double = await start();
    const fields =
      'caption,children{id,media_type,media_url},comments_count,like_count,media_type,media_url,permalink,timestamp';
    const id = double.hashtagId('sunset');
    const posts = (await pages(at(double, `${id}/recent_media`, { fields, limit: '50' }))).flat();
    for (const truth of double.recentMedia('sunset')) {
      const post = posts.find((one) => one.id === truth.id) as Media;
      expect(post.like_count).toBe(truth.likes);
      expect(post.media_type).toBe(truth.type);
      expect('media_url' in post).toBe(truth.type !== 'CAROUSEL_ALBUM' && !truth.withheld);
      expect(post.children?.data.length ?? 0).toBe(truth.children.length);
      expect(post.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000$/);
    }
    expect(Object.keys((await get(at(double, `${id}/recent_media`))).body.data[0] as object)).toEqual(['id']);
  });

  test('the token is in `next`, also when it came in a header, and no `before` cursor is', async () => {
    const double = await start();
    const url = `${double.url}/v25.0/${double.hashtagId('sunset')}/recent_media?user_id=${USER}`;
    const response = await fetch(url, { headers: { authorization: 'Bearer double-token' } });
    const { paging } = (await response.json()) as Body;
    expect(paging?.next).toContain('access_token=double-token');
    expect(paging?.next).toContain('/v25.0/');
    expect(Object.keys(paging?.cursors ?? {})).toEqual(['after']);
    expect(JSON.stringify(double.requests)).not.toContain('double-token');
    expect(double.requests[0]).toEqual({
      method: 'GET',
      path: `/v25.0/${double.hashtagId('sunset')}/recent_media`,
      query: { user_id: USER },
      at: T0,
      status: 200,
    });
  });

  test.each([
    ['no token', 'ig_hashtag_search', { access_token: '', q: 'sunset' }, 104, undefined],
    ['a token that is none', 'ig_hashtag_search', { access_token: 'x', q: 'sunset' }, 190, undefined],
    ['a token that is over', 'ig_hashtag_search', { access_token: 'old', q: 'sunset' }, 190, 463],
    ['no user', 'ig_hashtag_search', { user_id: '', q: 'sunset' }, 100, undefined],
    ['another user', 'ig_hashtag_search', { user_id: '1', q: 'sunset' }, 100, 33],
    ['no tag', 'ig_hashtag_search', {}, 100, undefined],
    ['an emoji', 'ig_hashtag_search', { q: '🌅' }, 100, undefined],
    ['a tag that nobody uses', 'ig_hashtag_search', { q: 'nobodyusesit' }, 24, 2207024],
    ['an unknown hashtag', '17800000000000000/recent_media', {}, 100, 33],
    ['an unknown field', 'TAG/recent_media', { fields: 'id,username' }, 100, undefined],
    ['an unknown field of children', 'TAG/recent_media', { fields: 'children{caption}' }, 100, undefined],
    ['open braces', 'TAG/recent_media', { fields: 'children{id' }, 100, undefined],
    ['a cursor that is none', 'TAG/recent_media', { after: 'abc' }, 100, undefined],
    ['an unknown path', 'a/b/c', {}, 2500, undefined],
  ])('%s', async (_, path, query, code, subcode) => {
    const double = await start({
      tokens: {
        'double-token': { userId: USER, appId: 'app' },
        old: { userId: USER, appId: 'app', expired: T0 },
      },
    });
    const answer = await get(
      at(double, path.replace('TAG', double.hashtagId('sunset')), query as Record<string, string>),
    );
    expect([answer.status, answer.body.error.code, answer.body.error.error_subcode]).toEqual([
      400,
      code,
      subcode,
    ]);
  });

  test('thirty hashtags a week: a 31st is refused until the first is seven days old', async () => {
    let now = T0;
    const tags = Array.from({ length: 31 }, (_, i) => `tag${i}`);
    const double = await start({ now: () => now, tags, posts: 0 });
    for (const q of tags.slice(0, 30)) {
      expect((await get(at(double, 'ig_hashtag_search', { q }))).status).toBe(200);
      now += 1000;
    }
    const last = async (): Promise<Body> => (await get(at(double, 'ig_hashtag_search', { q: 'tag30' }))).body;
    expect((await last()).error).toMatchObject({ code: 18, error_subcode: 2207034 });
    expect((await get(at(double, 'ig_hashtag_search', { q: 'tag0' }))).status).toBe(200);
    const searched = await pages(at(double, `${USER}/recently_searched_hashtags`));
    expect(searched.map((page) => page.length)).toEqual([25, 5]);
    expect(searched.flat().map(({ id }) => id)).toEqual(tags.slice(0, 30).reverse().map(double.hashtagId));
    now = T0 + 7 * 86_400_000;
    expect((await last()).data).toEqual([{ id: double.hashtagId('tag30') }]);
  });

  test('usage grows with the calls, at 100 % they are refused, an hour later they are not', async () => {
    let now = T0;
    const double = await start({ now: () => now, hourlyCalls: 4 });
    const ask = (): ReturnType<typeof get> => get(at(double, 'ig_hashtag_search', { q: 'sunset' }));
    const usage: number[] = [];
    for (let i = 0; i < 4; i++) {
      usage.push(JSON.parse((await ask()).headers.get('x-app-usage') as string).call_count);
      now += 60_000;
    }
    expect(usage).toEqual([25, 50, 75, 100]);
    const refused = await ask();
    expect([refused.status, refused.body.error.code]).toEqual([403, 4]);
    const business = JSON.parse(refused.headers.get('x-business-use-case-usage') as string);
    expect(business[USER][0]).toMatchObject({
      type: 'instagram',
      call_count: 125,
      estimated_time_to_regain_access: 57,
    });
    now += 57 * 60_000;
    expect((await ask()).status).toBe(200);
  });

  test('an address of media is signed anew each time, and good until it expires', async () => {
    let now = T0;
    const double = await start({ now: () => now, urlLifetimeMs: 60_000 });
    const url = at(double, `${double.hashtagId('sunset')}/recent_media`, { fields: 'media_url,media_type' });
    const image = async (): Promise<string> =>
      (await get(url)).body.data.find(({ media_type }) => media_type === 'IMAGE')?.media_url as string;
    const [first, second] = [await image(), await image()];
    expect(first).not.toBe(second);
    expect(new URL(first).pathname).toBe(new URL(second).pathname);
    const response = await fetch(first);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'image/png']);
    expect(
      Buffer.from(await response.arrayBuffer())
        .subarray(1, 4)
        .toString(),
    ).toBe('PNG');
    expect((await fetch(first.replace('oe=', 'oe=7'))).status).toBe(403);
    now += 60_000;
    const late = await fetch(first);
    expect([late.status, await late.text()]).toEqual([403, 'URL signature expired']);
  });
});
