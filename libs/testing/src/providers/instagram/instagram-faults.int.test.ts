import { afterEach, describe, expect, test } from '@jest/globals';
import { at, get, start, closeAll } from './ask.ts';
import type { InstagramDouble } from './instagram.ts';

afterEach(closeAll);

describe('what can be made to fail', () => {
  const listing = (double: InstagramDouble, more: Record<string, string> = {}): string =>
    at(double, `${double.hashtagId('sunset')}/recent_media`, { fields: 'like_count,timestamp', ...more });

  test('the next n requests, and only where the path matches', async () => {
    const double = await start();
    double.faults.set('5xx', { times: 2, path: /recent_media/, status: 503 });
    const statuses = [];
    for (const url of [
      at(double, 'ig_hashtag_search', { q: 'sunset' }),
      listing(double),
      listing(double),
      listing(double),
    ])
      statuses.push((await get(url)).status);
    expect(statuses).toEqual([200, 503, 503, 200]);
    expect(double.faults.hits('5xx')).toBe(2);
    expect(double.requests.map(({ status }) => status)).toEqual(statuses);
  });

  test('429 with Retry-After, an expired token, a broken cursor', async () => {
    const double = await start();
    double.faults.set('429', { times: 1, retryAfter: 7 });
    const tooMany = await get(listing(double));
    expect([tooMany.status, tooMany.headers.get('retry-after'), tooMany.body.error.code]).toEqual([
      429,
      '7',
      4,
    ]);
    double.faults.set('expiredToken');
    expect((await get(listing(double))).body.error).toMatchObject({ code: 190, error_subcode: 463 });
    double.faults.clear();
    double.faults.set('brokenCursor');
    const first = await get(listing(double));
    expect(first.status).toBe(200);
    expect((await get(first.body.paging?.next as string)).body.error.code).toBe(100);
  });

  test('errors may repeat the token, as it is and in an address', async () => {
    const double = await start();
    double.faults.set('5xx', { times: 1, echo: true });
    const { status, body } = await get(listing(double));
    expect(status).toBe(500);
    expect(body.error.message).toMatch(/\(double-token, https:.*access_token=double-token\)$/);
    double.faults.set('5xx', { times: 1 });
    expect((await get(listing(double))).body.error.message).not.toContain('double-token');
  });

  test('slow, truncated, other types, a closed connection', async () => {
    const double = await start();
    double.faults.set('slow', { ms: 300, times: 1 });
    const begun = performance.now();
    await get(listing(double));
    expect(performance.now() - begun).toBeGreaterThan(250);
    double.faults.set('truncatedJson', { times: 1 });
    const cut = await (await fetch(listing(double))).text();
    expect(cut.startsWith('{"data":[')).toBe(true);
    expect(() => JSON.parse(cut)).toThrow();
    double.faults.set('changedTypes', { times: 2 });
    expect(typeof (await get(listing(double))).body.data[0]?.timestamp).toBe('number');
    expect(Array.isArray((await get(at(double, 'ig_hashtag_search', { q: 'sunset' }))).body.data)).toBe(
      false,
    );
    double.faults.set('closedConnection', { times: 1 });
    await expect(fetch(listing(double))).rejects.toThrow();
    expect((await get(listing(double))).status).toBe(200);
  });

  test('usage can be told', async () => {
    const double = await start();
    double.faults.usage = 92;
    expect(JSON.parse((await get(listing(double))).headers.get('x-app-usage') as string).call_count).toBe(92);
    double.faults.usage = 100;
    expect((await get(listing(double))).body.error.code).toBe(4);
  });
});
