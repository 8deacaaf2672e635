import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPlayer, playJob, type PlayedJob } from '@magpie/collector-kit/testing';
import { FACEBOOK_TOKEN, startFacebookDouble, type FacebookDouble } from '@magpie/testing';
import source from './source.ts';

const now = Date.UTC(2026, 10, 21, 12);
const run = { number: 7, at: now };
let double: FacebookDouble;
let filesRoot: string;

beforeAll(async () => {
  filesRoot = await mkdtemp(join(tmpdir(), 'magpie-facebook-pages-'));
  double = await startFacebookDouble({ now: () => now });
});
afterAll(async () => {
  await double.close();
  await rm(filesRoot, { recursive: true });
});
beforeEach(() => double.clear());

const others: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(others.splice(0).map((other) => other.close()));
});

const name = (i: number): string => `page${String(i).padStart(5, '0')}`;
const names = (count: number, from = 1): string[] => Array.from({ length: count }, (_, i) => name(from + i));
const play = (pages: readonly string[], { url }: { url: string } = double): Promise<PlayedJob> =>
  playJob(
    source,
    { pages },
    { filesRoot, settings: { FACEBOOK_API_URL: url }, credential: FACEBOOK_TOKEN, run },
  );
const targetsOf = ({ samples }: PlayedJob): string[] => samples.map(({ target }) => target).sort();
const codesOf = ({ undone }: PlayedJob): unknown[] =>
  undone.map(({ outcome }) => ('code' in outcome ? [outcome.outcome, outcome.code] : outcome.outcome));

test('every page is measured once, fifty in a request', async () => {
  const pages = names(1_020);
  const job = await play(pages);
  expect(job.undone).toEqual([]);
  const active = pages.filter((page) => double.page(page).state === 'active');
  expect(targetsOf(job)).toEqual(active);
  expect(job.targets.size).toBe(1_020);
  for (const { target, values } of job.samples.slice(0, 100)) {
    const { fans, followers } = double.page(target);
    expect([fans, followers]).toContain(values['fan_count']);
    expect(values['followers_count']).toBe(followers);
  }
  expect(double.calls).toEqual({ requests: 21, operations: 1_020 });
  expect(job.spent).toEqual({ page: 1_020 });
});

test('pages become states, and cost no further request', async () => {
  double.set(name(2), { state: 'renamed', to: 'another' });
  double.set(name(3), { state: 'merged', to: name(1) });
  double.set(name(4), { state: 'unpublished' });
  double.set(name(5), { state: 'restricted', code: 200 });
  double.set(name(6), { state: 'profile' });
  const job = await play([...names(6), double.page(name(2)).id, 'nobody-at-all']);
  expect([...job.targets].map(([target, { state, movedTo }]) => [target, state, movedTo])).toEqual([
    [name(1), 'active', undefined],
    [name(2), 'unknown', undefined],
    [name(3), 'merged', double.page(name(1)).id],
    [name(4), 'unpublished', undefined],
    [name(5), 'forbidden', undefined],
    [name(6), 'unknown', undefined],
    [double.page(name(2)).id, 'active', undefined],
    ['nobody-at-all', 'unknown', undefined],
  ]);
  expect(double.calls.requests).toBe(1);
  expect(job.undone).toEqual([]);
});

test.each(['nullOperations', '5xx', 'truncatedBody', 'throttled', 'changedTypes', 'expiredToken'] as const)(
  'pages that %s strikes are asked for again, and only they',
  async (fault) => {
    double.operationFaults.set(fault, { times: 3, path: /page0000[2-9]/ });
    const job = await play(names(50));
    expect(targetsOf(job)).toEqual(names(50));
    expect(job.undone).toEqual([]);
    expect(double.calls).toEqual({ requests: 2, operations: 53 });
  },
);

test.each(['nullOperations', '5xx', 'truncatedBody', 'throttled', 'changedTypes'] as const)(
  'what %s strikes for good is retried later; the others are kept',
  async (fault) => {
    double.operationFaults.set(fault, { path: /page00002/ });
    const job = await play(names(50));
    expect(targetsOf(job)).toEqual(names(50).filter((page) => page !== name(2)));
    expect(job.undone.map(({ outcome, work }) => [outcome.outcome, work.input['targets']])).toEqual([
      ['retry', [name(2)]],
    ]);
  },
);

test.each(['string', 'negative', 'null', 'missing'] as const)(
  'counts that come %s are an error that says so, and no sample',
  async (as) => {
    double.operationFaults.set('changedTypes', { as });
    const job = await play(names(3));
    expect(job.samples).toEqual([]);
    expect(codesOf(job)).toEqual([['retry', 'invalid_answer']]);
  },
);

test.each([
  ['429', ['credential', 'provider_rate_limited']],
  ['5xx', ['retry', 'api_error']],
  ['expiredToken', ['credential', 'credential_refused']],
  ['truncatedJson', ['retry', 'invalid_answer']],
] as const)('a call that %s strikes brings nothing, and says why', async (fault, code) => {
  double.faults.set(fault, { times: 1 });
  const job = await play(names(3));
  expect([job.samples, codesOf(job)]).toEqual([[], [code]]);
  expect((await play(names(3))).samples).toHaveLength(3);
});

test('a connection that is closed is tried again', async () => {
  double.faults.set('closedConnection');
  const [step] = (await play(names(3))).undone;
  expect(step?.outcome.outcome).toBe('retry');
});

test('calls that are used up in the middle of a batch: what was measured is kept, the rest rests with the key', async () => {
  const small = await startFacebookDouble({ now: () => now, hourlyCalls: 30 });
  others.push(small);
  const job = await play(names(50), small);
  expect(targetsOf(job)).toEqual(names(30));
  expect(job.undone.map(({ outcome, work }) => [outcome.outcome, work.input['targets']])).toEqual([
    ['credential', names(20, 31)],
  ]);
  expect(job.steps[0]?.outcome).toMatchObject({ usage: { percent: 166 }, spent: { page: 50 } });
});

test('usage that the provider tells is reported', async () => {
  double.usage(85);
  expect((await play(names(3))).steps[0]?.outcome).toMatchObject({ usage: { percent: 85 } });
  double.usage(100, 9);
  const [refused] = (await play(names(3))).undone;
  expect(refused?.outcome).toMatchObject({
    outcome: 'credential',
    state: 'resting',
    usage: { percent: 100 },
  });
});

test.each([
  [96, 'credential'],
  [50, 'retry'],
])('a page that says it has had enough, at a usage of %d %%, ends in: %s', async (percent, outcome) => {
  double.usage(percent);
  double.operationFaults.set('throttled', { code: 32 });
  expect((await play(names(3))).undone.map((step) => step.outcome.outcome)).toEqual([outcome]);
});

test('a page that was renamed is found by its id when that is known', async () => {
  const { id, fans } = double.page(name(1));
  double.set(name(1), { state: 'renamed', to: 'The.Magpie', fans });
  const player = await createPlayer({
    filesRoot,
    settings: { FACEBOOK_API_URL: double.url },
    credential: FACEBOOK_TOKEN,
  });
  others.push(player);
  const outcome = await player.perform(source, {
    kind: 'pages',
    input: { targets: [name(1)], ids: { [name(1)]: id }, params: {}, run },
  });
  expect(outcome).toMatchObject({
    samples: [{ target: name(1), values: { fan_count: fans } }],
    targets: [{ target: name(1), state: 'renamed', movedTo: 'The.Magpie', providerId: id }],
  });
});

test('the token is in no URL, and in nothing that is said', async () => {
  double.faults.set('5xx', { times: 1 });
  const job = await play(names(2));
  expect(JSON.stringify([job.steps, double.requests, double.operations])).not.toContain(FACEBOOK_TOKEN);
});
