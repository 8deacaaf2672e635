/** Steps of sources that call an API: several items together, only if there is news, charged, tried again on terms. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { NextStep, StepWork } from '@magpie/contracts';
import { idOf } from '@magpie/domain';
import { addsUp, done, found, page, World } from './testing/world.ts';

let world: World;
beforeEach(async () => {
  world = await World.make();
});
afterEach(() => world.close());

const urlOf = (n: number): string => `https://video.example/${n}`;
const video = (n: number) => found(urlOf(n), { kind: 'video', data: { title: `Crème no. ${n}` } });
const together = (key: string, ...numbers: number[]): NextStep => ({
  kind: 'details',
  key,
  input: {},
  fetches: { kind: 'video', urls: numbers.map(urlOf) },
});
const urlsOf = (steps: readonly StepWork[]) =>
  steps
    .filter(({ kind }) => kind === 'details')
    .map(({ input }) => (input['urls'] as string[]).map((url) => Number(url.split('/').at(-1))));

test('items that are fetched together are fetched once, and those that did not come are named', async () => {
  world.script = ({ kind, input }) => {
    if (kind === 'start') return done([], [together('a', 1, 2, 3), together('b', 2, 3, 4)]);
    const wanted = (input['urls'] as string[]).filter((url) => url !== urlOf(3));
    return done(wanted.map((url) => found(url, { kind: 'video' })));
  };
  const first = await world.submit();
  const { counts } = await world.until(first, 'completed');
  expect(counts).toMatchObject({ discovered: 4, stored: 3, failed: 1, pending: 0 });
  expect(urlsOf(world.seen)).toEqual([[1, 2, 3], [4]]);

  // Another job has what is kept without asking for it, and asks for the one that is missing.
  world.seen.length = 0;
  const second = await world.until(await world.submit(), 'completed');
  expect(second.counts).toMatchObject({ discovered: 4, shared: 3, failed: 1 });
  expect(urlsOf(world.seen)).toEqual([[3]]);
  const link = await world.store.links.collection.findOne({ jobId: first, state: 'failed' } as never);
  expect(link).toMatchObject({ url: urlOf(3), error: { code: 'not_available' } });

  // A retry asks for that one alone.
  world.seen.length = 0;
  world.script = ({ input }) => done((input['urls'] as string[]).map((url) => found(url, { kind: 'video' })));
  await world.control(first, 'retry');
  const again = await world.eventually(
    () => world.job(first),
    ({ counts: { stored } }) => stored === 4,
  );
  expect(urlsOf(world.seen)).toEqual([[3]]);
  expect(addsUp(again)).toBe(true);
});

test('a step that fails gives up the items that it was to fetch', async () => {
  world.script = ({ kind }) =>
    kind === 'start'
      ? done([], [together('a', 1, 2)])
      : { outcome: 'failed', code: 'api_error', message: 'no' };
  const job = await world.until(await world.submit(), 'failed');
  expect(job.counts).toMatchObject({ discovered: 2, failed: 2, pending: 0 });
  expect(await world.store.steps.collection.countDocuments({})).toBe(0);
});

test('a job that is stopped gives up what a step was to fetch together', async () => {
  await world.announce({ retries: { times: 1, delayMs: 3_600_000 } });
  world.script = ({ kind }) =>
    kind === 'start'
      ? done([], [together('a', 1, 2)])
      : { outcome: 'retry', code: 'api_error', message: 'later' };
  const id = await world.submit();
  await world.eventually(
    () => world.job(id),
    ({ counts }) => counts.pending === 2,
  );
  await world.control(id, 'stop');
  const job = await world.until(id, 'stopped');
  expect(job.counts).toMatchObject({ discovered: 2, failed: 2, pending: 0 });
});

test('paging goes on only while a page has news', async () => {
  const next = (n: number): NextStep => ({ ...page(`page ${n}`), onlyIfNew: true });
  world.script = ({ kind }) => {
    if (kind === 'start') return done([], [page('page 0')]);
    const n = world.seen.filter(({ kind: each }) => each === 'page').length - 1;
    return done(n < 2 ? [video(n), video(0)] : [video(0), video(1)], [next(n + 1)]);
  };
  const job = await world.until(await world.submit(), 'completed');
  expect(job.counts).toMatchObject({ discovered: 2, stored: 2 });
  expect(world.seen.filter(({ kind }) => kind === 'page').length).toBe(3);
});

test('the words of an item can be searched for by their beginnings', async () => {
  await world.announce({ searchable: { video: ['title'] } });
  world.script = () => done([video(7)]);
  await world.until(await world.submit(), 'completed');
  const item = await world.store.items.collection.findOne({ _id: idOf('video', urlOf(7)) } as never);
  expect(item?.['terms']).toEqual(['creme', 'no', '7']);
});

test('after a minute, three times, then it is given up: a source says how often its steps are tried again', async () => {
  await world.announce({ retries: { times: 3, delayMs: 60_000 } });
  let tries = 0;
  let triedAt = 0;
  world.script = () => {
    tries++;
    triedAt = world.clock.now();
    return { outcome: 'retry', code: 'api_error', message: 'broken' };
  };
  const id = await world.submit();
  const later = () => world.store.steps.collection.findOne({ jobs: id, state: 'later' } as never);
  for (const attempt of [1, 2, 3]) {
    const step = await world.eventually(later, (found) => found?.['attempt'] === attempt + 1);
    expect(tries).toBe(attempt);
    const notBefore = (step?.['notBefore'] as Date).getTime();
    expect(notBefore).toBeLessThanOrEqual(world.clock.now() + 60_000);
    expect(notBefore).toBeGreaterThanOrEqual(triedAt + 60_000);
    world.clock.advance(60_000);
  }
  const job = await world.until(id, 'failed');
  expect(job.error).toMatchObject({ code: 'api_error' });
  expect(tries).toBe(4);
  const link = await world.store.links.collection.findOne({ jobId: id, state: 'failed' } as never);
  expect(link?.['error']).toMatchObject({ attempt: 4 });
});

test('what will be gone soon is dispatched before the rest of its host', async () => {
  const photo = (n: number, urgent: boolean): NextStep => ({
    kind: 'photo',
    key: `${n}`,
    url: `https://cdn.example/${n}.png`,
    input: { n },
    ...(urgent ? { urgent } : {}),
  });
  await world.close();
  world = await World.make({ MAGPIE_HOST_CONCURRENCY: 1 });
  world.script = ({ kind }) =>
    kind === 'start' ? done([], [photo(1, false), photo(2, true), photo(3, false), photo(4, true)]) : done();
  await world.until(await world.submit(), 'completed');
  expect(world.seen.slice(1).map(({ input }) => input['n'])).toEqual([2, 4, 1, 3]);
});
