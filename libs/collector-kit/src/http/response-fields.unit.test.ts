import { following, redirectTarget } from './redirect.ts';
import { declaredLength, mediaType } from './response.ts';
import { retryAfter } from './retry-after.ts';

const now = Date.UTC(2026, 10, 21, 12);

test.each([
  ['120', 120_000, true],
  [' 5 ', 5000, true],
  ['0', 1000, true],
  ['99999999999999999999', 3_600_000, true],
  ['Sat, 21 Nov 2026 12:01:00 GMT', 60_000, true],
  ['Saturday, 21-Nov-26 12:01:00 GMT', 60_000, true],
  ['Sat, 21 Nov 2026 11:00:00 GMT', 1000, true],
  ['Sun, 21 Nov 2027 11:00:00 GMT', 3_600_000, true],
  ['', 30_000, false],
  [undefined, 30_000, false],
  ['-5', 30_000, false],
  ['1.5', 30_000, false],
  ['soon', 30_000, false],
  ['2026', 2026_000, true],
])('Retry-After: %s', (header, ms, stated) => {
  expect(retryAfter(header, now)).toEqual({ untilMs: now + ms, stated });
});

test.each([
  ['text/html', 'text/html', undefined],
  ['Text/HTML; charset=UTF-8', 'text/html', 'utf-8'],
  ['text/html;charset="Shift_JIS"; x=y', 'text/html', 'shift_jis'],
  ["text/html; charset='latin1'", 'text/html', 'latin1'],
  ['image/svg+xml ; a=b', 'image/svg+xml', undefined],
  ['text/html, text/plain', 'text/html', undefined],
  ['html', undefined, undefined],
  ['', undefined, undefined],
  [undefined, undefined, undefined],
])('Content-Type: %s', (header, type, charset) => {
  expect(mediaType(header)).toEqual([type, charset]);
});

test.each([
  ['10', 10],
  ['0', 0],
  ['-1', undefined],
  ['1e3', undefined],
  ['10, 10', undefined],
  ['9'.repeat(20), undefined],
])('Content-Length: %s', (header, length) => {
  expect(declaredLength({ 'content-length': header })).toBe(length);
});

test('what redirects, and what does not', () => {
  const from = new URL('https://a.example/x/y?z');
  expect(redirectTarget(301, '../b#f', from)?.href).toBe('https://a.example/b');
  expect(redirectTarget(307, '//c.example', from)?.href).toBe('https://c.example/');
  expect(redirectTarget(300, '/b', from)).toBeUndefined();
  expect(redirectTarget(200, '/b', from)).toBeUndefined();
  expect(redirectTarget(302, undefined, from)).toBeUndefined();
  expect(() => redirectTarget(302, 'data:,x', from)).toThrow(
    expect.objectContaining({ code: 'scheme_not_allowed' }),
  );
  expect(() => redirectTarget(302, 'http://[', from)).toThrow(
    expect.objectContaining({ code: 'invalid_url' }),
  );
});

test('a downgrade to http is another origin', () => {
  const request = { method: 'GET', headers: { authorization: 's', accept: 'a' }, body: undefined } as const;
  const next = following(
    { ...request, headers: { ...request.headers } },
    301,
    new URL('https://a.example/'),
    new URL('http://a.example/'),
  );
  expect(next.headers).toEqual({ accept: 'a' });
});
