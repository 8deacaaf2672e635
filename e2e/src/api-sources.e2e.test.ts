/** The API sources on the whole platform: three YouTube collectors, two storages, doubles of the providers. */
import { jest } from '@jest/globals';
import type { Job, Plan, Video } from '@magpie/contracts';
import type { InstagramPost } from '@magpie/testing';
import { ApiWorld, pageNames } from './api/api-world.ts';
import { searchForSecrets, SORTS } from './api/canary.ts';
import { addsUp, pause, range, type World } from './world.ts';

jest.setTimeout(600_000);

const DAY = 86_400_000;
let api: ApiWorld;
let world: World;

beforeAll(async () => {
  api = await ApiWorld.make({
    replicas: { storage: 2, 'instagram-hashtag': 1, 'youtube-search': 3, 'facebook-pages': 2 },
    env: { MAGPIE_MAX_ATTEMPTS: '3' },
    instagram: { posts: 500, topMedia: 120 },
    youtube: {
      videos: 6000,
      goneOneIn: 0,
      quotaPerDay: { shared: 450, alone: 300, late: 5000, wide: 1_000_000, faulty: 1_000_000 },
    },
  });
  world = api.world;
});
afterAll(() => api?.close());

const iso = (at: number): string => new Date(at).toISOString();
const watch = (id: string): string => `https://www.youtube.com/watch?v=${id}`;
const urls = async (job: string, kind: string): Promise<string[]> =>
  (await world.items(job)).flatMap((item) => (item.kind === kind ? [item.url] : [])).toSorted();
const links = (posts: readonly InstagramPost[]): string[] =>
  [...new Set(posts.map(({ permalink }) => permalink))].toSorted();
const listed = (tag: string): InstagramPost[] => [
  ...api.instagram.recentMedia(tag),
  ...api.instagram.topMedia(tag),
];
const pages = (posts: readonly unknown[]): number => Math.max(1, Math.ceil(posts.length / 50));
/** Requests for the lists of a hashtag. */
const ofTag = (tag: string, edge = '') =>
  api.instagram.requests.filter(({ path }) => path.includes(`${api.instagram.hashtagId(tag)}/${edge}`));
const units = async (ids: readonly string[]): Promise<number[]> =>
  Promise.all(ids.map(async (id) => (await api.key(id)).usedToday));

test('without a key a job is refused, with how to come by one, and a plan says so', async () => {
  const params = { tag: '#sunset' };
  for (const [source, title, params] of [
    ['instagram-hashtag', 'instagram', { tag: '#sunset' }],
    ['youtube-search', 'youtube', { q: 'cricket' }],
    ['facebook-pages', 'facebook', { pages: ['page00001'] }],
  ] as const) {
    const refused = await world.call<{ code: string; detail: string }>('POST', '/api/v1/jobs', {
      source,
      params,
    });
    expect(refused).toMatchObject({ status: 422, body: { code: 'missing_credential' } });
    expect(refused.body.detail).toContain(title);
    expect(refused.body.detail).toContain('POST /api/v1/credentials');
  }
  const { status, body } = await world.call<Plan>('POST', '/api/v1/plan', {
    source: 'instagram-hashtag',
    params,
  });
  expect([status, body.credentials, body.warnings.map(({ code }) => code)]).toEqual([
    200,
    0,
    ['missing_credential'],
  ]);
});

/**
 * What goes wrong at Instagram and Facebook is tried again after a minute. All of it goes wrong at once, at the
 * beginning, and is looked at when the other tests are over.
 */
interface Minute {
  instagram: Record<string, string>;
  facebook: string;
  faults: Promise<unknown>;
  keys: string[];
}
let minute: Minute;

test('a minute begins: faults of every sort at Instagram and Facebook, whose errors repeat the token', async () => {
  const { instagram, facebook } = api;
  const keys: string[] = [];
  for (const name of ['first', 'second', 'third']) keys.push((await api.addKey('facebook', name)).id);
  await api.addKey('instagram', 'first');
  const at = (tag: string, edge: string): RegExp => new RegExp(`${instagram.hashtagId(tag)}/${edge}.*`);
  instagram.faults.set('5xx', { times: 1, echo: true, path: at('cricket', 'recent_media.*after=') });
  instagram.faults.set('truncatedJson', { times: 1, path: at('закат', 'top_media') });
  instagram.faults.set('changedTypes', { times: 1, path: at('tea', 'recent_media') });
  const jobs: Record<string, string> = {};
  for (const tag of ['cricket', 'закат', 'tea']) jobs[tag] = await world.submit('instagram-hashtag', { tag });
  for (const name of ['429', '5xx', 'expiredToken', 'truncatedJson'] as const)
    facebook.faults.set(name, { times: 1, echo: true });
  const job = await world.submit(
    'facebook-pages',
    { pages: pageNames(1, 200) },
    { schedule: { every: 'PT8S' } },
  );
  // Cut in the middle it could not be seen to be of other types.
  const faults = world
    .eventually(
      () => facebook.faults.hits('truncatedJson'),
      (hits) => hits === 1,
    )
    .then(() => facebook.faults.set('changedTypes', { times: 1 }));
  minute = { instagram: jobs, facebook: job, faults, keys };
  await world.eventually(
    () => (['5xx', 'truncatedJson', 'changedTypes'] as const).map((name) => instagram.faults.hits(name)),
    (hits) => hits.every((count) => count === 1),
  );
});

test('instagram-hashtag: all posts of both lists and their photos, each once, with the fewest requests', async () => {
  const { instagram } = api;
  const id = await world.submit('instagram-hashtag', { tag: '#Sunset' });
  const ended = await world.until(id, 'completed');
  expect(await urls(id, 'post')).toEqual(links(listed('sunset')));
  expect(ended.counts).toMatchObject({ stored: links(listed('sunset')).length, failed: 0, pending: 0 });
  expect(addsUp(ended)).toBe(true);
  const bound = pages(instagram.recentMedia('sunset')) + pages(instagram.topMedia('sunset'));
  expect(ofTag('sunset').length).toBeLessThanOrEqual(bound);
  expect(ended.requests).toBe(1 + ofTag('sunset').length);

  const from = Date.now() - 3 * 3_600_000;
  const [start, end] = [iso(from), iso(Date.now() - 3_600_000)];
  const photos = await world.submit('instagram-hashtag', { tag: 'sunset', start, end, media: true });
  const within = listed('sunset').filter((post) => post.at >= from && post.at <= Date.parse(end));
  const done = await world.until(photos, 'completed');
  expect(done.counts.failed).toBe(0);
  expect(await urls(photos, 'post')).toEqual(links(within));
  const expected = new Map(within.map((post) => [post.permalink, post]));
  const images = [...expected.values()].flatMap((post) =>
    (post.children.length > 0 ? post.children : [post]).flatMap(({ type, withheld }, i) =>
      type === 'IMAGE' && !withheld ? [`${post.permalink}?img_index=${i + 1}`] : [],
    ),
  );
  expect(images.length).toBeGreaterThan(5);
  expect(await urls(photos, 'image')).toEqual(images.toSorted());
  const [photo] = (await world.items(photos)).filter(({ kind }) => kind === 'image');
  const served = await fetch(photo!.file!.url);
  expect([served.status, served.headers.get('content-type')]).toEqual([200, 'image/png']);
  await served.arrayBuffer();
});

test('youtube-search: all videos of a period, then only what is new, each once, with the fewest requests', async () => {
  const { youtube } = api;
  const wide = await api.addKey('youtube', 'wide', { unitsPerDay: 1_000_000 });
  const from = Date.now() - 60 * DAY;
  const id = await world.submit('youtube-search', { q: 'cricket', publishedAfter: iso(from), every: '4s' });
  const truth = () =>
    youtube
      .videos('cricket', from)
      .map((video) => watch(video.id))
      .toSorted();
  const first = await api.ranTo(id, 1);
  expect(first).toMatchObject({ state: 'completed', counts: { stored: truth().length } });
  expect(await urls(id, 'video')).toEqual(truth());
  expect(truth().length).toBeGreaterThan(100);
  // The next run may have begun.
  const asked = youtube.requests.filter(({ at }) => at <= Date.parse(first.endedAt!));
  const askedFor = (edge: RegExp): number => asked.filter(({ path }) => edge.test(path)).length;
  // What the double says of the number of results is a guess, and entries that are no videos take a place.
  expect(askedFor(/search$/)).toBeLessThanOrEqual(pages(truth()) + 2);
  expect(askedFor(/videos$/)).toBeLessThanOrEqual(pages(truth()) + 1);
  expect(first.counts.requests).toBe(asked.length);
  await api.completed(id, 2);
  const before = youtube.count(/videos$/);
  const fresh = youtube.publish(3, { topic: 'cricket' });
  await world.eventually(
    () => urls(id, 'video'),
    (found) => fresh.every((video) => found.includes(watch(video.id))),
  );
  const ended = await api.over(id);
  expect(await urls(id, 'video')).toEqual(truth());
  expect(youtube.count(/videos$/)).toBe(before + 1);
  const runs = (await api.runs(id)).filter(({ state }) => state === 'completed');
  // Without news a run is one request; with it, the page, its details, and perhaps a page to see that there is no more.
  const quiet = runs.filter(({ number, counts }) => number > 1 && counts.discovered === 0);
  expect(quiet.length).toBeGreaterThan(0);
  for (const { counts } of quiet) expect([counts.requests, counts.units]).toEqual([1, 100]);
  expect(ended.units).toBe(youtube.units('wide'));
  await world.eventually(
    async () => (await api.key(wide.id)).usedToday,
    (used) => used === youtube.units('wide'),
  );
  await api.removeKey(wide.id);

  const videos = await world.list<Video>('/videos/');
  const times = videos.map(({ published_at }) => Date.parse(published_at));
  expect(times).toEqual(times.toSorted((a, b) => b - a));
  expect(videos.map(({ url }) => url).toSorted()).toEqual(truth());
  const found = await world.call<{ items: Video[] }>('GET', '/search/?q=crick');
  expect(found.status).toBe(200);
  expect(found.body.items.length).toBeGreaterThan(10);
  for (const { title, description } of found.body.items) expect(title + description).toMatch(/crick/i);
});

test('three keys of two projects, three collectors, two storages: spent to the unit, never more; a new key and all goes on', async () => {
  const { youtube } = api;
  youtube.clear();
  const shared = { project: 'shared', unitsPerDay: 450 };
  const ids = [
    (await api.addKey('youtube', 'shared a', shared)).id,
    (await api.addKey('youtube', 'alone', { project: 'alone', unitsPerDay: 300 })).id,
    (await api.addKey('youtube', 'shared b', shared)).id,
  ];
  const { resetsAt } = await api.key(ids[0]!);
  const dayLeft = Date.parse(resetsAt!) - Date.now();
  if (dayLeft < 240_000) await pause(dayLeft);
  const plan = await world.call<Plan>('POST', '/api/v1/plan', {
    source: 'youtube-search',
    params: { q: 'cricket' },
  });
  expect(plan.body).toMatchObject({ unitsPerDay: 2880 * 101, quotaPerDay: 750, carried: false });
  const strict = await world.call<{ code: string }>('POST', '/api/v1/jobs', {
    source: 'youtube-search',
    params: { q: 'cricket' },
    strict: true,
  });
  expect(strict).toMatchObject({ status: 422, body: { code: 'quota_too_small' } });

  const from = Date.now() - 80 * DAY;
  const topics = ['football', 'cooking', 'chess', 'space', 'music', 'gardening'].filter(
    (q) => youtube.videos(q, from).length > 60,
  );
  expect(topics.length).toBeGreaterThan(2);
  const jobs = await Promise.all(
    topics.map((q) =>
      world.submit('youtube-search', { q, publishedAfter: iso(from), every: '20h', maxPages: 4 }),
    ),
  );
  const waiting = await Promise.all(jobs.map((id) => world.until(id, 'waiting')));
  const exhausted = waiting.filter(({ waiting }) => waiting?.reason === 'keys_exhausted');
  expect(exhausted.length).toBeGreaterThan(0);
  const midnight = (await api.key(ids[0]!)).resetsAt;
  for (const { waiting } of exhausted) expect(waiting?.until).toBe(midnight);
  // What is under way ends, and what it did not spend comes back.
  const spent = () => [youtube.units('shared'), youtube.units('alone'), youtube.units('shared')];
  await world.eventually(
    () => units(ids),
    (used) => JSON.stringify(used) === JSON.stringify(spent()),
  );
  await pause(1500);
  expect(await units(ids)).toEqual(spent());
  expect(youtube.units('shared')).toBeGreaterThan(350);
  expect(youtube.units('alone')).toBeGreaterThan(200);
  expect(youtube.requests.filter(({ status }) => status !== 200)).toEqual([]);

  const late = await api.addKey('youtube', 'late', { unitsPerDay: 5000 });
  for (const [i, id] of jobs.entries()) {
    const run = await api.ranTo(id, 1);
    expect(run).toMatchObject({ state: 'completed', reason: null });
    const all = youtube.videos(topics[i], from).map((video) => watch(video.id));
    if (all.length <= 150) expect(await urls(id, 'video')).toEqual(all.toSorted());
  }
  expect(youtube.requests.filter(({ status }) => status !== 200)).toEqual([]);
  await world.eventually(
    () => units([...ids, late.id]),
    (used) => JSON.stringify(used) === JSON.stringify([...spent(), youtube.units('late')]),
  );
  const ended = await Promise.all(jobs.map((id) => api.over(id)));
  const total = (youtube.charges as readonly { units: number }[]).reduce(
    (sum, charge) => sum + charge.units,
    0,
  );
  expect(ended.reduce((sum, job) => sum + job.units, 0)).toBe(total);
  expect(ended.reduce((sum, job) => sum + job.requests, 0)).toBe(youtube.requests.length);
  for (const id of [...ids, late.id]) await api.removeKey(id);
});

test('youtube-search: every fault one after the other, then everything is there once; a refused key is disabled and shown', async () => {
  const { youtube } = api;
  youtube.clear();
  const project = { project: 'faulty', unitsPerDay: 1_000_000 };
  const [refused, spare] = [
    await api.addKey('youtube', 'refused', project),
    await api.addKey('youtube', 'spare', project),
  ];
  const from = Date.now() - 80 * DAY;
  const further = /search\?.*pageToken=/;
  youtube.faults.set('429', { times: 1, retryAfter: 1, path: /search\?/ });
  youtube.faults.set('closedConnection', { times: 1, path: /videos\?/ });
  youtube.faults.set('5xx', { times: 1, echo: true, path: /videos\?/ });
  youtube.faults.set('slow', { times: 1, ms: 700, path: further });
  youtube.faults.set('truncatedJson', { times: 1, path: /search\?/ });
  youtube.faults.set('changedTypes', { times: 1, path: /videos\?/ });
  youtube.faults.set('invalidKey', { times: 1, echo: true, path: further });
  const id = await world.submit('youtube-search', { q: 'football', publishedAfter: iso(from), every: '20h' });
  const run = await api.ranTo(id, 1);
  expect(run).toMatchObject({ state: 'completed', reason: null });
  for (const name of [
    '429',
    'closedConnection',
    '5xx',
    'slow',
    'truncatedJson',
    'changedTypes',
    'invalidKey',
  ] as const)
    expect([name, youtube.faults.hits(name)]).toEqual([name, 1]);
  const truth = youtube
    .videos('football', from)
    .map((video) => watch(video.id))
    .toSorted();
  expect(await urls(id, 'video')).toEqual(truth);
  const job = await world.job(id);
  // Some are known from a test before.
  expect(job.counts).toMatchObject({ discovered: truth.length, failed: 0, pending: 0 });
  expect(job.counts.stored).toBeGreaterThan(0);
  expect(addsUp(job)).toBe(true);
  const keys = await Promise.all([refused, spare].map((key) => api.key(key.id)));
  expect(keys.map(({ state }) => state).sort()).toEqual(['active', 'disabled']);
  expect(keys.find(({ state }) => state === 'disabled')?.reason).toMatch(/API key not valid/i);
  await api.over(id);

  youtube.faults.set('5xx', { echo: true, path: further });
  const broken = await world.submit('youtube-search', {
    q: 'chess',
    publishedAfter: iso(from),
    every: '3s',
  });
  expect(await api.ranTo(broken, 1)).toMatchObject({ state: 'failed', reason: 'api_error' });
  const [error] = await world.errors(broken);
  expect(error).toMatchObject({ code: 'api_error', status: 503, attempt: 3 });
  expect(error?.url).toBe(`${youtube.url}/youtube/v3/search`);
  await world.control(broken, 'pause');
  await world.until(broken, 'paused');
  youtube.clear();
  await world.control(broken, 'resume');
  await world.eventually(
    () => api.runs(broken),
    (runs) => runs.some(({ state }) => state === 'completed'),
  );
  // The run that follows begins with the page that failed.
  const [begun] = youtube.requests.filter(({ path }) => path.endsWith('/search'));
  expect(begun?.query['pageToken']).toEqual(expect.any(String));
  const chess = youtube.videos('chess', from).map((video) => watch(video.id));
  expect(chess.length).toBeGreaterThan(60);
  expect(await urls(broken, 'video')).toEqual(chess.toSorted());
  await api.over(broken);
});

test('a schedule over the API: runs are listed, paused, changed; what only the job brought goes with it', async () => {
  const measured = pageNames(301, 10);
  const params = { pages: measured };
  const id = await world.submit('facebook-pages', params, { schedule: { every: 'PT2S' } });
  const other = await world.submit(
    'facebook-pages',
    { pages: pageNames(311, 5) },
    { schedule: { every: 'PT2S' } },
  );
  for (const run of await api.completed(id, 2))
    expect(run.counts).toMatchObject({ samples: 10, requests: 10, failed: 0 });
  await world.control(id, 'pause');
  await world.until(id, 'paused');
  const paused = await api.runs(id);
  await pause(4500);
  expect((await api.runs(id)).length).toBe(paused.length);
  await world.control(id, 'resume');
  const runs = await world.eventually(
    () => api.runs(id),
    (all) => all.filter(({ state }) => state === 'completed').length >= 4,
  );
  expect(runs.map(({ number }) => number)).toEqual(range(1, runs.length).toReversed());
  expect(runs.filter(({ reason }) => reason === 'paused')).toMatchObject([{ state: 'skipped' }]);
  // The phase is kept: all are due at whole intervals from the first.
  const due = runs.map(({ dueAt }) => Date.parse(dueAt)).toReversed();
  expect(due.every((at) => (at - due[0]!) % 2000 === 0)).toBe(true);
  const changed = await world.call<Job>('PATCH', `/api/v1/jobs/${id}`, { schedule: { every: 'PT1H' } });
  expect(changed).toMatchObject({ status: 200, body: { schedule: { every: 'PT1H' } } });
  await world.eventually(
    () => world.job(id),
    ({ nextRunAt }) => Date.parse(nextRunAt ?? '') > Date.now() + 3_000_000,
  );
  // One more run may be under way.
  const { kept } = await world.eventually(
    async () => ({ kept: await api.kept(id), samples: (await world.job(id)).samples }),
    ({ kept, samples }) => [...kept.values()].flat().length === samples,
  );
  for (const rounds of kept.values()) expect(new Set(rounds).size).toBe(rounds.length);
  expect((await world.control(id, 'terminate')).status).toBe(202);
  await world.until(id, 'terminated');
  await world.eventually(
    async () => (await api.sampled(measured)).size,
    (left) => left === 0,
  );
  await world.eventually(
    async () => (await api.sampled(pageNames(311, 5))).size,
    (left) => left === 5,
  );
  await api.over(other);

  const tag = await world.submit(
    'instagram-hashtag',
    { tag: 'harbour', media: true },
    { schedule: { every: 'PT1H' } },
  );
  expect((await api.ranTo(tag, 1)).counts.stored).toBeGreaterThan(10);
  // Of a post that is in no other job: what is shared stays.
  const alone = listed('harbour')
    .filter(({ tags }) => tags.length === 1)
    .map(({ permalink }) => permalink);
  const photo = (await world.items(tag)).find(
    ({ kind, url }) => kind === 'image' && alone.includes(url.replace(/\?.*/, '')),
  );
  expect((await fetch(photo!.file!.url, { method: 'HEAD' })).status).toBe(200);
  await world.control(tag, 'terminate');
  await world.until(tag, 'terminated');
  expect(await world.items(tag)).toEqual([]);
  await world.eventually(
    async () => (await fetch(photo!.file!.url, { method: 'HEAD' })).status,
    (status) => status === 404,
  );
});

test('the minute is over: asked again then and once, everything is there once, and the keys show what became of them', async () => {
  const { instagram, facebook } = api;
  await minute.faults;
  for (const [tag, id] of Object.entries(minute.instagram)) {
    const ended = await world.until(id, 'completed', 240_000);
    expect([tag, await urls(id, 'post')]).toEqual([tag, links(listed(tag))]);
    expect(ended.counts.failed).toBe(0);
    const bound = pages(instagram.recentMedia(tag)) + pages(instagram.topMedia(tag));
    expect(ofTag(tag).length).toBeLessThanOrEqual(bound + 1);
    const asked = new Map<string, number[]>();
    for (const { path, query, at } of ofTag(tag)) {
      const what = `${path} ${query['after'] ?? ''}`;
      asked.set(what, [...(asked.get(what) ?? []), at]);
    }
    const again = [...asked.values()].filter((times) => times.length > 1);
    expect([tag, again.map((times) => times.length)]).toEqual([tag, [2]]);
    const [first, second] = again[0] as [number, number];
    expect(second - first).toBeGreaterThanOrEqual(60_000);
  }
  const run = await api.ranTo(minute.facebook, 1, 240_000);
  expect(run).toMatchObject({ state: 'completed', counts: { samples: 200 } });
  expect(Date.parse(run.endedAt!) - Date.parse(run.startedAt!)).toBeGreaterThanOrEqual(60_000);
  for (const name of ['429', '5xx', 'expiredToken', 'truncatedJson', 'changedTypes'] as const)
    expect([name, facebook.faults.hits(name)]).toEqual([name, 1]);
  await api.over(minute.facebook);
  const runs = await api.runs(minute.facebook);
  const skipped = runs.filter(({ state }) => state === 'skipped');
  expect(skipped.length).toBeGreaterThan(4);
  expect(new Set(skipped.map(({ reason }) => reason))).toEqual(new Set(['overlap']));
  const ofRound = Date.parse(run.dueAt);
  for (const [page, rounds] of await api.kept(minute.facebook))
    expect([page, rounds.filter((round) => round === ofRound).length]).toEqual([page, 1]);
  const keys = await Promise.all(minute.keys.map((id) => api.key(id)));
  expect(keys.map(({ state }) => state).sort()).toEqual(['active', 'active', 'disabled']);
  expect(keys.find(({ state }) => state === 'disabled')?.reason).toMatch(/Session has expired/);
});

test('no secret is in logs, files, database, messages or answers', async () => {
  const { searched, found } = await searchForSecrets(api);
  expect(found).toEqual([]);
  for (const sort of SORTS) expect([sort, (searched[sort] ?? 0) > 10_000]).toEqual([sort, true]);
  for (const exchange of ['magpie.steps', 'magpie.results', 'magpie.events'])
    expect([exchange, api.tap.messages.some((message) => message.exchange === exchange)]).toEqual([
      exchange,
      true,
    ]);
});

test('the search finds a secret, whatever it is written in', async () => {
  const [secret = ''] = api.secrets.slice(-1);
  for (const text of [
    secret,
    encodeURIComponent(secret),
    JSON.stringify({ secret }),
    Buffer.from(`Basic user:${secret}`).toString('base64'),
    Buffer.from(`b:${secret}`).toString('base64url'),
    secret.slice(-20),
  ]) {
    api.tap.messages.push({ exchange: 'planted', text: `{"before":"${text}","after":1}` });
    const { found } = await searchForSecrets(api, ['messages']);
    expect([text, found.every((one) => one.includes('planted')) && found.length > 0]).toEqual([text, true]);
    api.tap.messages.pop();
  }
});
