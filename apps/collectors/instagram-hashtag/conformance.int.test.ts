import { testSource } from '@magpie/collector-kit/testing';
import { startInstagramDouble, type InstagramDouble } from '@magpie/testing';
import source from './source.ts';

const HOUR = 3_600_000;
let double: InstagramDouble;

const serve = async (): Promise<{ origin: string; close: () => Promise<void> }> => {
  const own = await startInstagramDouble({ posts: 160, tags: ['sunset', 'закат'], topMedia: 60 });
  double = own;
  return { origin: own.url, close: () => own.close() };
};
const settings = (origin: string): Record<string, string> => ({ INSTAGRAM_API_URL: origin });

/** Posts of the two lists in the last so many hours, and the photos in them. */
const expected = (tag: string, hours: number, photos = false): string[] => {
  const from = Date.now() - hours * HOUR;
  const posts = new Map(
    [...double.recentMedia(tag), ...double.topMedia(tag)]
      .filter(({ at }) => at >= from)
      .map((post) => [post.permalink, post]),
  );
  return [...posts.values()].flatMap((post) => [
    post.permalink,
    ...(photos ? (post.children.length > 0 ? post.children : [post]) : []).flatMap(({ type }, i) =>
      type === 'IMAGE' ? [`${post.permalink}?img_index=${i + 1}`] : [],
    ),
  ]);
};

testSource(source, {
  credential: { secret: 'double-token', account: '17841405309211844' },
  cases: [
    {
      name: 'posts and photos of a hashtag',
      serve,
      settings,
      params: () => ({ tag: '#Sunset', media: true }),
      items: () => expected('sunset', 24 * 365, true),
    },
    {
      name: 'a hashtag in another script, all time',
      serve,
      settings,
      params: () => ({ tag: 'ЗАКАТ' }),
      items: () => expected('закат', 24 * 365),
    },
  ],
});
