import { testSource } from '@magpie/collector-kit/testing';
import { startInstagramDouble, type InstagramDouble } from '@magpie/testing';
import source from './source.ts';

/** What is recent does not change while it is read. */
const NOW = Date.now();
let double: InstagramDouble;

const serve = async (): Promise<{ origin: string; close: () => Promise<void> }> => {
  const own = await startInstagramDouble({
    now: () => NOW,
    posts: 160,
    tags: ['sunset', 'закат'],
    topMedia: 60,
  });
  double = own;
  return { origin: own.url, close: () => own.close() };
};
const settings = (origin: string): Record<string, string> => ({ INSTAGRAM_API_URL: origin });

/** Posts of the two lists, and the photos in them. */
const expected = (tag: string, photos = false): string[] => {
  const posts = new Map(
    [...double.recentMedia(tag), ...double.topMedia(tag)].map((post) => [post.permalink, post]),
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
      items: () => expected('sunset', true),
    },
    {
      name: 'a hashtag in another script, all time',
      serve,
      settings,
      params: () => ({ tag: 'ЗАКАТ' }),
      items: () => expected('закат'),
    },
  ],
});
