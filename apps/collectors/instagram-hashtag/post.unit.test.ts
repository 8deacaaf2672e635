import { Compile } from 'typebox/compile';
import { Listing, photoSteps, postItem, publishedAt, type Media } from './post.ts';

const media = (more: Partial<Media> = {}): Media => ({
  id: '17900000000000001',
  permalink: 'https://www.instagram.com/p/Cabc_-1/',
  timestamp: '2026-11-20T10:20:30+0000',
  media_type: 'IMAGE',
  media_url: 'https://scontent.cdninstagram.com/v/t51/1_n.jpg?oh=signature&oe=6A',
  ...more,
});
const listing = Compile(Listing);

test('times of any offset', () => {
  expect(publishedAt(media())).toBe(Date.UTC(2026, 10, 20, 10, 20, 30));
  expect(publishedAt(media({ timestamp: '2026-11-20T10:20:30+05:30' }))).toBe(
    Date.UTC(2026, 10, 20, 4, 50, 30),
  );
  expect(() => publishedAt(media({ timestamp: '2026-13-20T10:20:30+0000' }))).toThrow('timestamp of post');
});

test.each([
  ['a time that is a number', { timestamp: 1763634030 }],
  ['likes in words', { like_count: '12' }],
  ['no permalink', { permalink: undefined }],
  ['another scheme', { permalink: 'javascript:alert(1)' }],
  ['an identifier that is a path', { id: '../me' }],
])('%s is not as documented', (_, wrong) => {
  expect(listing.Check({ data: [media()] })).toBe(true);
  expect(listing.Check({ data: [JSON.parse(JSON.stringify({ ...media(), ...wrong }))] })).toBe(false);
});

test('what is hidden is left out, and never undefined', () => {
  const { data } = postItem(media({ like_count: -1 }), 'sunset');
  expect(Object.keys(data).sort()).toEqual(['id', 'mediaType', 'tags', 'timestamp']);
  expect(Object.values(data)).not.toContain(undefined);
});

test('tags are those of the caption too, each once, in lower case', () => {
  const { data } = postItem(media({ caption: 'Look! #Sunset#Beach, ＃夕日 #sunset #a-b' }), 'sunset');
  expect(data['tags']).toEqual(['sunset', 'beach', '夕日', 'a']);
});

test('half a surrogate pair does not get into a caption', () => {
  const { data } = postItem(media({ caption: `a\ud83d` }), 'sunset');
  expect(data['caption']).toBe('a\ufffd');
});

test('a photo is known by its place in the post, whatever its address', () => {
  const [one] = photoSteps(media());
  const [again] = photoSteps(media({ media_url: 'https://other.cdninstagram.com/x.jpg?oh=other' }));
  expect(one?.item).toEqual({ kind: 'image', url: 'https://www.instagram.com/p/Cabc_-1/?img_index=1' });
  expect(again?.item).toEqual(one?.item);
  expect(again?.url).not.toBe(one?.url);
});

test('videos, and what is withheld, are no photos', () => {
  expect(photoSteps(media({ media_type: 'VIDEO' }))).toEqual([]);
  expect(photoSteps(media({ media_url: undefined as never }))).toEqual([]);
  expect(photoSteps(media({ media_url: 'not an address' }))).toEqual([]);
  const children = {
    data: [
      { id: '1', media_type: 'VIDEO', media_url: 'https://x/1' },
      { id: '2', media_type: 'IMAGE', media_url: 'https://x/2' },
    ],
  };
  const steps = photoSteps(media({ media_type: 'CAROUSEL_ALBUM', children }));
  expect(steps.map(({ item }) => item?.url)).toEqual(['https://www.instagram.com/p/Cabc_-1/?img_index=2']);
});
