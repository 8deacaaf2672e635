import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createPlayer,
  playJob,
  serveSite,
  type PlayedJob,
  type PlayOptions,
} from '@magpie/collector-kit/testing';
import {
  startInstagramDouble,
  type InstagramDouble,
  type InstagramDoubleOptions,
  type InstagramPost,
} from '@magpie/testing';
import source from './source.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const TOKEN = 'EAAcanary0token1of2the3tests';
const USER = '17841405309211844';
/** Whole seconds, as the double's posts. */
const NOW = Math.floor(Date.now() / 1000) * 1000;
/** What the clock of the double is ahead. */
let ahead = 0;
let double: InstagramDouble;
let filesRoot: string;

beforeEach(async () => {
  ahead = 0;
  filesRoot = await mkdtemp(join(tmpdir(), 'magpie-instagram-'));
});
afterEach(async () => {
  await double.close();
  await rm(filesRoot, { recursive: true });
});

async function start(options: InstagramDoubleOptions = {}): Promise<void> {
  double = await startInstagramDouble({
    now: () => NOW + ahead,
    posts: 800,
    tokens: { [TOKEN]: { userId: USER, appId: 'app' } },
    ...options,
  });
}

function play(params: Record<string, unknown>, options: Partial<PlayOptions> = {}): Promise<PlayedJob> {
  return playJob(source, params, {
    filesRoot,
    settings: { INSTAGRAM_API_URL: double.url },
    credential: { secret: TOKEN, account: USER },
    ...options,
  });
}

const instant = (ms: number): string => new Date(ms).toISOString();
const links = (posts: readonly InstagramPost[]): string[] =>
  [...new Set(posts.map(({ permalink }) => permalink))].sort();
const within = (posts: readonly InstagramPost[], from: number, to: number): InstagramPost[] =>
  posts.filter(({ at }) => from <= at && at <= to);
/** Both lists: what there is to be had. */
const both = (tag: string): InstagramPost[] => [...double.recentMedia(tag), ...double.topMedia(tag)];
const postsOf = ({ items }: Pick<PlayedJob, 'items'>): string[] =>
  items
    .filter(({ kind }) => kind === 'post')
    .map(({ url }) => url)
    .sort();
const pages = (posts: readonly unknown[]): number => Math.max(1, Math.ceil(posts.length / 50));
const codes = (job: PlayedJob): string[] =>
  job.undone.map(({ outcome }) => ('code' in outcome ? outcome.code : outcome.outcome));
const searches = /ig_hashtag_search/;
const listings = /_media$/;
/** How often each list's page was asked for. */
const asked = (): number => double.count(searches) + double.count(listings);

describe('complete, in the period, with the fewest requests', () => {
  test('all that both lists hold, each post once', async () => {
    await start();
    const job = await play({ tag: '#Sunset' });
    expect(job.undone).toEqual([]);
    expect(postsOf(job)).toEqual(links(both('sunset')));
    expect(asked()).toBe(1 + pages(double.recentMedia('sunset')) + pages(double.topMedia('sunset')));
    expect(double.requests).toHaveLength(asked());
    expect(job.spent).toEqual({ ig_hashtag_search: 1, media: asked() - 1 });
    const nexts = job.steps.flatMap(({ outcome }) => (outcome.outcome === 'done' ? outcome.next : []));
    expect(nexts.map(({ distinct, url }) => [distinct, url])).toEqual(
      nexts.map(() => ['sunset', double.url]),
    );
    expect(double.requests.every(({ query }) => query['limit'] === '50' || query['q'] === 'sunset')).toBe(
      true,
    );
  });

  test('of a period, its bounds within it, what lies in it and no more', async () => {
    await start();
    const all = double.recentMedia('sunset').sort((a, b) => a.at - b.at);
    const from = all[20]?.at ?? 0;
    const to = all[60]?.at ?? 0;
    const job = await play({ tag: 'sunset', start: instant(from), end: instant(to) });
    expect(postsOf(job)).toEqual(links(within(both('sunset'), from, to)));
    expect(postsOf(job)).toEqual(expect.arrayContaining([all[20]?.permalink, all[60]?.permalink]));
    expect(asked()).toBeLessThanOrEqual(1 + pages(all) + pages(double.topMedia('sunset')));
  });

  test('strays are found, and reading ends after patience', async () => {
    await start({ posts: 4_000, tags: ['sunset'], disorderMs: 40 * 60_000 });
    const from = NOW - 4 * HOUR;
    const job = await play({ tag: 'sunset', start: instant(from) });
    const recent = double.recentMedia('sunset');
    const wanted = within(recent, from, NOW);
    const ofRecent = new Set(links(wanted));
    expect(postsOf(job).filter((url) => ofRecent.has(url))).toEqual(links(wanted));
    const last = recent.findLastIndex(({ at }) => at >= from);
    expect(recent.slice(0, last).some(({ at }) => at < from)).toBe(true);
    // Of the rest of the day's posts, no more is read than the patience and the end of its page.
    expect(double.count(/recent_media/)).toBeLessThanOrEqual(Math.ceil((last + 1 + 50) / 50));
    expect(double.count(/recent_media/)).toBeLessThan(pages(recent));
  });

  test('with less patience less is read', async () => {
    await start({ posts: 4_000, tags: ['sunset'], disorderMs: 2 * HOUR });
    const params = { tag: 'sunset', start: instant(NOW - 2 * HOUR) };
    const hasty = await play({ ...params, patience: 1 });
    const hastily = double.count(/recent_media/);
    const patient = await play({ ...params, patience: 400 });
    expect(double.count(/recent_media/) - hastily).toBeGreaterThan(hastily);
    expect(patient.items.length).toBeGreaterThan(hasty.items.length);
    expect(postsOf(patient)).toEqual(links(within(both('sunset'), NOW - 2 * HOUR, NOW)));
  });

  test('patience is for posts in a row, over pages', async () => {
    await start({ posts: 4_000, tags: ['sunset'], disorderMs: 3 * HOUR });
    const from = NOW - 3 * HOUR;
    const recent = double.recentMedia('sunset');
    let [older, read] = [0, 0];
    while (older < 12) older = (recent[read++]?.at ?? 0) < from ? older + 1 : 0;
    const pagesRead = Math.ceil(read / 50);
    expect(recent.slice(0, read).filter(({ at }) => at < from).length).toBeGreaterThan(24);
    const job = await play({ tag: 'sunset', start: instant(from), patience: 12 });
    expect(double.count(/recent_media/)).toBe(pagesRead);
    const wanted = links(within(recent.slice(0, pagesRead * 50), from, NOW));
    expect(postsOf(job)).toEqual(expect.arrayContaining(wanted));
  });

  test('a period that is over for more than a day is read from the top posts alone', async () => {
    await start();
    const from = NOW - 3 * DAY;
    const to = NOW - 2 * DAY;
    const job = await play({ tag: 'sunset', start: instant(from), end: instant(to) });
    expect(double.count(/recent_media/)).toBe(0);
    expect(postsOf(job)).toEqual(links(within(double.topMedia('sunset'), from, to)));
    expect(job.coverage).toBeUndefined();
  });

  test('nothing is asked while the period is to come', async () => {
    await start();
    const job = await play({ tag: 'sunset', start: instant(NOW + HOUR), end: instant(NOW + DAY) });
    expect([job.items, job.undone, double.requests]).toEqual([[], [], []]);
  });

  test('days are those of the time zone', async () => {
    await start();
    const zone = 'Pacific/Kiritimati';
    const day = new Date(NOW - 12 * HOUR + 14 * HOUR).toISOString().slice(0, 10);
    const from = Date.parse(`${day}T00:00:00+14:00`);
    const job = await play({ tag: 'sunset', start: day, end: day, timeZone: zone });
    expect(job.items.length).toBeGreaterThan(0);
    expect(postsOf(job)).toEqual(links(within(both('sunset'), from, from + DAY - 1)));
  });

  test('a cursor that is the same on every page', async () => {
    await start({ sameCursor: true });
    const job = await play({ tag: 'sunset' });
    expect(postsOf(job)).toEqual(links(both('sunset')));
    expect(asked()).toBe(1 + pages(double.recentMedia('sunset')) + pages(double.topMedia('sunset')));
  });
});

test('a list that goes in circles ends', async () => {
  await start({ posts: 60 });
  const [post] = double.recentMedia('sunset');
  const media = {
    id: post?.id,
    permalink: post?.permalink,
    timestamp: new Date(post?.at ?? 0).toISOString().replace('.000Z', '+0000'),
    media_type: 'IMAGE',
  };
  const listing = { data: [media], paging: { cursors: { after: 'same' }, next: 'https://example.org/' } };
  const site = await serveSite({
    '/v26.0/ig_hashtag_search': JSON.stringify({ data: [{ id: '17' }] }),
    '/v26.0/17/recent_media': JSON.stringify(listing),
    '/v26.0/17/top_media': JSON.stringify(listing),
  });
  try {
    const job = await play({ tag: 'sunset' }, { settings: { INSTAGRAM_API_URL: site.origin } });
    expect(job.undone).toEqual([]);
    expect(site.requests).toHaveLength(5);
    site.requests.forEach((path) => expect(path).not.toContain(TOKEN));
    const older = await play({ tag: 'sunset' }, { settings: { INSTAGRAM_API_URL: `${site.origin}/v25.0/` } });
    expect(older.undone.map(({ outcome }) => outcome)).toMatchObject([{ outcome: 'failed', status: 404 }]);
    expect(site.requests.at(-1)).toMatch(/^\/v25\.0\/ig_hashtag_search/);
  } finally {
    await site.close();
  }
});

describe('what a post has', () => {
  test('another script, in any case and form', async () => {
    await start({ tags: ['закат', 'café'] });
    const job = await play({ tag: '#ЗАКАТ' });
    expect(postsOf(job)).toEqual(links(both('закат')));
    expect(job.items.every(({ data }) => (data['tags'] as string[])[0] === 'закат')).toBe(true);
    expect(double.requests[0]?.query).toMatchObject({ q: 'закат', user_id: USER });
    const decomposed = await play({ tag: 'CAFE\u0301' });
    expect(postsOf(decomposed)).toEqual(links(both('café')));
  });

  test('as the double published it; what is hidden is left out', async () => {
    await start();
    const job = await play({ tag: 'sunset' });
    const found = new Map(job.items.map((item) => [item.url, item]));
    for (const post of both('sunset')) {
      const { caption, likes, comments, type, children } = post;
      expect(found.get(post.permalink)).toEqual({
        kind: 'post',
        url: post.permalink,
        data: {
          id: post.id,
          mediaType: type,
          timestamp: instant(post.at),
          comments,
          tags: expect.arrayContaining(['sunset', ...post.tags.filter(() => caption !== undefined)]),
          ...(caption === undefined ? {} : { caption }),
          ...(likes === undefined ? {} : { likes }),
          ...(children.length === 0
            ? {}
            : { children: children.map((child) => ({ id: child.id, mediaType: child.type })) }),
        },
      });
    }
    expect(both('sunset').some(({ likes }) => likes === undefined)).toBe(true);
    expect(both('sunset').some(({ caption }) => caption === undefined)).toBe(true);
    expect(JSON.stringify(job.items)).not.toContain('oh=');
  });

  test('coverage is the period of the recent posts that were seen', async () => {
    await start();
    const times = double.recentMedia('sunset').map(({ at }) => at);
    const job = await play({ tag: 'sunset' });
    expect(job.coverage).toEqual({ from: Math.min(...times), to: Math.max(...times) });
  });
});

describe('photos', () => {
  test('are files, those of albums too, named by their place in the post', async () => {
    await start({ posts: 100 });
    const job = await play({ tag: 'sunset', media: true });
    const wanted = both('sunset').flatMap(({ permalink, children, type }) =>
      (children.length > 0 ? children.map((child) => child.type) : [type]).flatMap((one, i) =>
        one === 'IMAGE' ? [`${permalink}?img_index=${i + 1}`] : [],
      ),
    );
    const images = job.items.filter(({ kind }) => kind === 'image');
    expect(images.map(({ url }) => url).sort()).toEqual([...new Set(wanted)].sort());
    expect(images.some(({ url }) => url.endsWith('=2'))).toBe(true);
    for (const { file, data, page, url } of images) {
      expect(url.startsWith(page ?? '-')).toBe(true);
      expect(data).toMatchObject({ type: 'image/png', width: file?.width, height: file?.height });
      expect(await readFile(join(filesRoot, file?.path ?? ''))).toHaveLength(file?.bytes ?? 0);
    }
    expect(double.count(/^\/v\//)).toBe(images.length);
    expect(JSON.stringify(job.items)).not.toMatch(/oh=|_nc_gid/);
  });

  test('are urgent, and known ones are not fetched again though their address is another', async () => {
    await start({ posts: 60 });
    const first = await play({ tag: 'sunset', media: true });
    const nexts = first.steps.flatMap(({ outcome }) => (outcome.outcome === 'done' ? outcome.next : []));
    expect(nexts.filter(({ kind }) => kind === 'photo').every(({ urgent }) => urgent === true)).toBe(true);
    double.clear();
    await play({ tag: 'sunset', media: true }, { known: first.items });
    expect(double.count(/^\/v\//)).toBe(0);
  });

  test('that cannot be had now are tried again, without the signature in what is said', async () => {
    await start({ posts: 30 });
    double.faults.set('5xx', { path: /^\/v\// });
    const job = await play({ tag: 'sunset', media: true });
    expect(new Set(job.undone.map(({ outcome }) => outcome.outcome))).not.toContain('failed');
    expect(job.undone.length).toBeGreaterThan(0);
    expect(JSON.stringify(job.undone.map(({ outcome }) => outcome))).not.toMatch(/oh=|_nc_gid/);
  });

  test('whose address has expired fail so, without the signature in what is said', async () => {
    await start({ posts: 40, urlLifetimeMs: 0 });
    const job = await play({ tag: 'sunset', media: true });
    expect(new Set(codes(job))).toEqual(new Set(['expired_url']));
    expect(job.undone[0]?.outcome).toMatchObject({ outcome: 'failed', status: 403 });
    expect(JSON.stringify(job.undone.map(({ outcome }) => outcome))).not.toMatch(/oh=|_nc_gid/);
    expect(postsOf(job)).toEqual(links(both('sunset')));
  });
});

describe('runs after the first', () => {
  const run = (number: number) => ({ number, at: NOW, previousAt: NOW - HOUR });

  test('bring what is new, and end at the first page without news', async () => {
    await start({ posts: 6_000, to: NOW + 3 * HOUR });
    const first = await play({ tag: 'sunset' }, { run: run(1) });
    ahead = 2 * HOUR;
    double.clear();
    const before = new Set(postsOf(first));
    const second = await play({ tag: 'sunset' }, { run: run(2), known: first.items });
    const fresh = postsOf(second).filter((url) => !before.has(url));
    const published = links(double.recentMedia('sunset').filter(({ at }) => at > NOW));
    expect(published.length).toBeGreaterThan(50);
    expect(fresh).toEqual(expect.arrayContaining(published));
    expect(double.count(/recent_media/)).toBeLessThanOrEqual(Math.ceil(published.length / 50) + 2);
    double.clear();
    const third = await play({ tag: 'sunset' }, { run: run(3), known: [...first.items, ...second.items] });
    expect(asked()).toBe(3);
    expect(third.undone).toEqual([]);
  });

  test('the first one reads its lists to their ends, whatever is known', async () => {
    await start();
    const known = double.recentMedia('sunset').map(({ permalink: url }) => ({ kind: 'post', url }));
    await play({ tag: 'sunset' }, { run: run(1), known });
    expect(asked()).toBe(1 + pages(double.recentMedia('sunset')) + pages(double.topMedia('sunset')));
  });

  test('a page that is newer than the end ends nothing', async () => {
    await start({ posts: 6_000, to: NOW + 3 * HOUR });
    ahead = 3 * HOUR;
    const wanted = within(double.recentMedia('sunset'), NOW - HOUR, NOW);
    expect(
      double
        .recentMedia('sunset')
        .slice(0, 50)
        .every(({ at }) => at > NOW),
    ).toBe(true);
    const job = await play({ tag: 'sunset', start: instant(NOW - HOUR), end: instant(NOW) }, { run: run(9) });
    expect(postsOf(job)).toEqual(expect.arrayContaining(links(wanted)));
  });
});

describe('what goes wrong', () => {
  /** Everything that was said of the steps, and the items. */
  const said = (job: PlayedJob): string => JSON.stringify([job.steps, job.items]);

  /** Tried again, the step that failed brings the rest of its list from its cursor. */
  const goesOn = async (job: PlayedJob): Promise<void> => {
    const failed = job.undone[0]?.work;
    const options = { filesRoot, settings: { INSTAGRAM_API_URL: double.url } };
    const player = await createPlayer({ ...options, credential: { secret: TOKEN, account: USER } });
    try {
      const outcome = await player.perform(source, {
        kind: 'media',
        input: failed?.input ?? {},
        url: failed?.url ?? '',
      });
      const urls = outcome?.outcome === 'done' ? postsOf(outcome) : [];
      expect(urls).toEqual(links(double.recentMedia('sunset').slice(50, 100)));
    } finally {
      await player.close();
    }
  };

  test.each([
    ['429', {}, { outcome: 'credential', state: 'resting' }],
    ['5xx', { status: 500 }, { outcome: 'retry', code: 'api_error' }],
    ['expiredToken', {}, { outcome: 'credential', state: 'refused' }],
    ['truncatedJson', {}, { outcome: 'retry', code: 'invalid_answer' }],
    ['changedTypes', {}, { outcome: 'retry', code: 'invalid_answer' }],
    ['closedConnection', {}, { outcome: 'retry', code: 'connection_lost' }],
  ] as const)('%s: on the search, and on a page', async (fault, setting, expected) => {
    await start({ posts: 400 });
    for (const path of [searches, /recent_media.*after=/]) {
      double.faults.set(fault, { ...setting, path });
      const job = await play({ tag: 'sunset' });
      double.faults.clear();
      expect(job.undone.map(({ outcome }) => outcome)).toMatchObject([expected]);
      expect(said(job)).not.toContain(TOKEN);
      expect(said(job)).not.toContain('undefined');
      const done = path === searches ? [] : double.recentMedia('sunset').slice(0, 50);
      expect(postsOf(job)).toEqual(expect.arrayContaining(links(done)));
      if (path !== searches) await goesOn(job);
    }
  });

  test('slow: it takes its time', async () => {
    await start({ posts: 60 });
    double.faults.set('slow', { ms: 400, times: 1 });
    expect(postsOf(await play({ tag: 'sunset' }))).toEqual(links(both('sunset')));
  });

  test('a broken cursor begins its list again, once', async () => {
    await start({ posts: 800 });
    double.faults.set('brokenCursor', { times: 1, path: /recent_media/ });
    const job = await play({ tag: 'sunset' });
    expect(job.undone).toEqual([]);
    expect(postsOf(job)).toEqual(links(both('sunset')));
    expect(double.count(/recent_media/)).toBe(pages(double.recentMedia('sunset')) + 2);
    double.clear();
    double.faults.set('brokenCursor', { path: /recent_media/ });
    const broken = await play({ tag: 'sunset' });
    expect(broken.undone.map(({ outcome }) => outcome)).toMatchObject([
      { outcome: 'failed', code: 'broken_cursor', status: 400 },
    ]);
    expect(double.count(/recent_media/)).toBe(4);
    expect(said(broken)).not.toContain(TOKEN);
  });

  test('in a later run too, past the pages that have no news', async () => {
    await start({ posts: 800, tags: ['sunset'], to: NOW + DAY, from: NOW - DAY });
    ahead = HOUR * 10;
    const recent = double.recentMedia('sunset');
    // Only the first page is known, and on the second one the cursor breaks.
    const known = recent.slice(0, 49).map(({ permalink: url }) => ({ kind: 'post', url }));
    double.faults.set('brokenCursor', { times: 1, path: /recent_media/ });
    const job = await play({ tag: 'sunset' }, { run: { number: 2, at: NOW }, known });
    expect(postsOf(job)).toEqual(expect.arrayContaining(links(recent)));
  });

  test('a hashtag that there is not, and one too many', async () => {
    await start({ hashtagsPerWeek: 1 });
    const none = await play({ tag: 'nobodyeversaidthis' });
    expect(none.undone.map(({ outcome }) => outcome)).toMatchObject([
      { outcome: 'failed', code: 'unknown_hashtag', status: 400 },
    ]);
    await play({ tag: 'sunset' });
    expect(codes(await play({ tag: 'cricket' }))).toEqual(['hashtag_limit']);
    expect((await play({ tag: 'sunset' })).undone).toEqual([]);
  });

  test('usage is reported, and what the limit says', async () => {
    await start();
    double.faults.usage = 87;
    const [step] = (await play({ tag: 'sunset' })).steps.filter(({ work }) => work.kind === 'hashtag');
    expect(step?.outcome.usage).toEqual({ percent: 87 });
    double.faults.usage = 100;
    const { undone } = await play({ tag: 'sunset' });
    expect(undone.map(({ outcome }) => outcome)).toMatchObject([
      { outcome: 'credential', state: 'resting', until: expect.any(Number), usage: { percent: 100 } },
    ]);
  });

  test('a credential without its Instagram user', async () => {
    await start();
    const job = await play({ tag: 'sunset' }, { credential: TOKEN });
    expect(codes(job)).toEqual(['credential_incomplete']);
    expect(double.requests).toEqual([]);
  });

  test('the cursor is kept, and nothing that holds the token', async () => {
    await start();
    const job = await play({ tag: 'sunset', media: true });
    expect(said(job)).not.toContain(TOKEN);
    expect(said(job)).not.toContain('access_token');
    expect(job.steps.some(({ work }) => typeof work.input['after'] === 'string')).toBe(true);
  });
});
