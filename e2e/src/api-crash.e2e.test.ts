/** Collectors and storages are killed in the middle of an API's pages: nothing is asked for twice, doubled or lost. */
import { jest } from '@jest/globals';
import type { Coverage, FanChart, FanPages, FanRow, Item, Job, Run, Target } from '@magpie/contracts';
import type { InstagramPost } from '@magpie/testing';
import { ApiWorld, pageNames } from './api/api-world.ts';
import { searchForSecrets } from './api/canary.ts';
import { addsUp, pause, type World } from './world.ts';

jest.setTimeout(600_000);

let api: ApiWorld;
let world: World;
beforeAll(async () => {
  api = await ApiWorld.make({
    replicas: { storage: 2, 'instagram-hashtag': 1, 'facebook-pages': 2 },
    instagram: { posts: 1700, topMedia: 400, tags: ['sunset', 'cricket'] },
  });
  world = api.world;
  await api.addKey('instagram', 'one');
  await api.addKey('facebook', 'one');
});
afterAll(() => api?.close());

const processOf = (name: string) => {
  const managed = world.platform.processes.get(name);
  if (!managed) throw new Error(`no ${name}`);
  return managed;
};
const killed = async (names: readonly string[]): Promise<void> => {
  await Promise.all(names.map((name) => processOf(name).kill()));
  await pause(500);
  await Promise.all(names.map((name) => processOf(name).start()));
};
const STORAGES = ['storage-1', 'storage-2'];

interface Asked {
  list: string;
  after: string;
}
/** Pages of lists in the order in which they were asked for. */
const pagesAsked = (tag: string): Asked[] =>
  api.instagram.requests
    .filter(({ path }) => path.includes(api.instagram.hashtagId(tag)))
    .map(({ path, query }) => ({ list: path, after: query['after'] ?? '' }));
const name = ({ list, after }: Asked): string => `${list} ${after}`;

test.each([
  ['the Instagram collector', 'sunset', ['collector-instagram-hashtag-1'], true],
  ['both storages', 'cricket', STORAGES, false],
])(
  'kill -9 of %s while pages are read: it goes on from the last stored page',
  async (_who, tag, names, inFlight) => {
    const { instagram } = api;
    instagram.faults.set('slow', { ms: 250, path: /_media/ });
    const id = await world.submit('instagram-hashtag', { tag });
    await world.eventually(
      () => pagesAsked(tag).length,
      (count) => count >= 6,
      undefined,
      10,
    );
    await Promise.all(names.map((each) => processOf(each).kill()));
    await pause(500);
    // With what they sent last.
    const before = pagesAsked(tag);
    await Promise.all(names.map((each) => processOf(each).start()));
    instagram.faults.clear('slow');
    const ended = await world.until(id, 'completed');
    const all = pagesAsked(tag);
    const expected =
      Math.ceil(instagram.recentMedia(tag).length / 50) + Math.ceil(instagram.topMedia(tag).length / 50);
    expect(before.length).toBeLessThan(expected);
    // Of each list the page that was being read when the collector died may have been asked for again.
    const last = [...new Map(before.map((page) => [page.list, name(page)])).values()];
    const counts = new Map<string, number>();
    for (const page of all) counts.set(name(page), (counts.get(name(page)) ?? 0) + 1);
    const twice = [...counts].filter(([, count]) => count > 1);
    expect(twice.filter(([page, count]) => count > 2 || !inFlight || !last.includes(page))).toEqual([]);
    expect(counts.size).toBe(expected);

    const truth: InstagramPost[] = [...instagram.recentMedia(tag), ...instagram.topMedia(tag)];
    const items = (await world.items(id)).map(({ url }: Item) => url).toSorted();
    expect(items).toEqual([...new Set(truth.map(({ permalink }) => permalink))].toSorted());
    expect(ended.counts).toMatchObject({ failed: 0, pending: 0 });
    expect(ended.counts.discovered).toBe(items.length);
    expect(addsUp(ended)).toBe(true);
  },
);

const EVERY_MS = 8000;
const PAGES = pageNames(1001, 500);

test('facebook-pages: 500 pages a round, spread, each sample once, though both storages are killed in a round', async () => {
  const { facebook } = api;
  const id = await world.submit('facebook-pages', { pages: PAGES }, { schedule: { every: 'PT8S' } });
  const measured = (run: Run, i: number, runs: Run[]) => {
    const due = Date.parse(run.dueAt);
    // One that begins late is due while the one before still goes on.
    const from = Math.max(due, Date.parse(runs[i - 1]?.endedAt ?? run.dueAt));
    const within = ({ at }: { at: number }) => at >= from && at <= Date.parse(run.endedAt!);
    const places = facebook.operations
      .filter(within)
      .map(({ path, at }) => [path.split('?')[0], at - due] as const);
    return { calls: facebook.requests.filter(within).map(({ at }) => at - due), places: new Map(places) };
  };
  type Round = ReturnType<typeof measured>;
  // Spread over the interval, 50 pages a call, each page in the same place of both rounds.
  const areSpread = (one: Round, two: Round): boolean => {
    const moved = [...one.places].filter(
      ([page, at]) => Math.abs(at - (two.places.get(page) ?? Infinity)) > 2500,
    );
    return (
      one.calls.at(-1)! - one.calls[0]! > EVERY_MS / 2 &&
      one.calls.filter((at) => at < EVERY_MS / 2).length < 9 &&
      moved.length < 25
    );
  };
  // A machine that stands still meanwhile does them late: not those that follow.
  const whole = await world.eventually(
    async () => (await api.completed(id, 2)).map(measured),
    (rounds) => rounds.some((round, i) => i > 0 && areSpread(rounds[i - 1]!, round)),
  );
  expect(whole.map(({ calls }) => calls.length)).toEqual(whole.map(() => 10));

  const sent = facebook.requests.length;
  await world.eventually(
    () => facebook.requests.length,
    (count) => count >= sent + 4,
  );
  const done = (await api.completed(id, 2)).length;
  await killed(STORAGES);
  await api.completed(id, done + 1);
  const ended = await api.over(id);
  const rounds = (await api.runs(id)).filter(({ state }) => state === 'completed');

  const targets = await world.list<Target>(`/api/v1/jobs/${id}/targets`);
  const states = new Map(targets.map(({ key, state }) => [key, state]));
  const truth = {
    active: 'active',
    renamed: 'unknown',
    deleted: 'unknown',
    profile: 'unknown',
    merged: 'merged',
    unpublished: 'unpublished',
    restricted: 'forbidden',
    throttled: 'active',
  } as const;
  for (const page of PAGES)
    expect([page, states.get(page)]).toEqual([page, truth[facebook.page(page).state]]);
  const bad = PAGES.filter((page) => facebook.page(page).state !== 'active');
  expect(bad.length).toBeGreaterThan(2);

  const kept = await api.kept(id);
  const due = rounds.map(({ dueAt }) => Date.parse(dueAt));
  for (const page of PAGES) {
    const sampled = kept.get(page) ?? [];
    expect([page, sampled.length, new Set(sampled).size]).toEqual([page, sampled.length, sampled.length]);
    const ofRounds = sampled.filter((round) => due.includes(round)).length;
    expect([page, ofRounds]).toEqual([page, bad.includes(page) ? 0 : rounds.length]);
  }
  expect(ended.samples).toBe([...kept.values()].flat().length);
});

test('what was measured is read through nginx: charts, tables, comparisons, coverage', async () => {
  const get = async <T>(path: string) => world.call<T>('GET', path);
  const [page = '', other = ''] = PAGES.filter((name) => api.facebook.page(name).state === 'active');
  const rounds = (await api.sampled([page])).get(page)?.length ?? 0;
  const chart = await get<FanChart>(`/api/fans/linechart/${page}?interval=raw`);
  expect(chart.headers.get('etag')).toEqual(expect.any(String));
  expect([chart.status, chart.body.data.length, chart.body.labels.length]).toEqual([200, rounds, rounds]);
  const { fans, followers } = api.facebook.page(page);
  const near = (a: number | null | undefined, b: number) => Math.abs((a ?? 0) / b - 1) < 0.01;
  expect([near(chart.body.data.at(-1), fans), near(chart.body.followers.at(-1), followers)]).toEqual([
    true,
    true,
  ]);
  const table = await get<{ items: FanRow[] }>(`/api/fans/table/${page}?interval=raw`);
  expect(table.body.items.length).toBe(rounds);
  expect(table.body.items.at(-1)?.fans_change).toBeNull();
  const both = await get<FanPages>(`/api/fans/multipage/?pages=${page}&pages=${other}&interval=raw`);
  expect(both.body.pages.map((one) => one.data.length)).toEqual([
    both.body.labels.length,
    both.body.labels.length,
  ]);
  expect((await get('/api/fans/linechart/nobody-at-all')).status).toBe(404);
  expect((await get(`/api/fans/linechart/${page}?from=yesterday`)).status).toBe(400);

  const [job] = (await get<{ items: Job[] }>('/api/v1/jobs?source=facebook-pages')).body.items;
  const { body } = await get<Coverage>(`/api/v1/jobs/${job!.id}/coverage`);
  expect(body.samples.kept).toBe(job!.samples);
  const active = PAGES.filter((name) => api.facebook.page(name).state === 'active').length;
  expect(body.targets['active']).toBe(active);
  expect(Object.values(body.targets).reduce((sum, count) => sum + count, 0)).toBe(PAGES.length);
});

test('no secret is anywhere, though processes died with it in their hands, and errors repeat it', async () => {
  await api.addKey('instagram', 'spare');
  api.instagram.faults.set('expiredToken', { times: 1, echo: true });
  await world.until(await world.submit('instagram-hashtag', { tag: 'cricket' }), 'completed');
  expect(api.instagram.faults.hits('expiredToken')).toBe(1);
  expect((await searchForSecrets(api)).found).toEqual([]);
});
