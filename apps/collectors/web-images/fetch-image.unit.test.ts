import { refererOf } from './fetch-image.ts';

test.each([
  ['https://a.example/p?x=1#f', 'https://a.example/i.png', 'https://a.example/p?x=1'],
  ['https://a.example/p', 'https://b.example/i.png', 'https://a.example/'],
  ['https://a.example/p', 'http://a.example/i.png', undefined],
  ['http://a.example/p', 'https://b.example/i.png', 'http://a.example/'],
  [undefined, 'https://a.example/i.png', undefined],
  ['no url', 'https://a.example/i.png', undefined],
])('from %s to %s the referrer is %s', (page, url, referer) => {
  expect(refererOf(page, url)).toBe(referer);
});
