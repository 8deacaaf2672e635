/** Keys of providers and plans, on a real gateway; a canary secret is looked for in all that comes out of it. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Credential, Job, Plan, Problem, Provider } from '@magpie/contracts';
import { unseal } from '@magpie/domain';
import { startGateway, type TestGateway } from './testing/gateway.ts';

const SEALING = 'a-secret-that-seals-credentials';
const CANARY = 'AIzaCANARY-9f31c7e2b84d';

const YOUTUBE: Provider = {
  id: 'youtube',
  title: 'YouTube Data API v3',
  howTo: 'Make an API key in the Google Cloud console.',
  operations: { 'search.list': 100, 'videos.list': 1 },
  steps: { search: { 'search.list': 1 } },
  perRun: {
    'search.list': { usual: 1, most: { param: 'maxPages' } },
    'videos.list': { usual: 1, most: { param: 'maxPages' } },
  },
  unitsPerDay: 10_000,
  resetTimeZone: 'America/Los_Angeles',
};
const INSTAGRAM: Provider = {
  id: 'instagram',
  title: 'Instagram Graph API',
  howTo: 'Make a token.',
  account: 'the id of the Instagram user',
  operations: { call: 1 },
  steps: { page: { call: 1 } },
  perRun: { call: { usual: 3 } },
  callsPerHour: 5000,
  distinct: { limit: 30, days: 7, what: 'hashtags' },
};

let gateway: TestGateway;
/** Everything that was answered, with its headers. */
const answered: string[] = [];

async function ask<T>(
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  path: string,
  payload?: object,
  on = gateway,
  sent: Record<string, string> = {},
): Promise<{ status: number; body: T; headers: Record<string, unknown> }> {
  const answer = await on.app.inject({
    method,
    url: `/api/v1/${path}`,
    headers: sent,
    ...(payload === undefined ? {} : { payload }),
  });
  answered.push(JSON.stringify(answer.headers) + answer.body);
  return {
    status: answer.statusCode,
    body: (answer.body === '' ? undefined : answer.json()) as T,
    headers: answer.headers,
  };
}

const announce = (of: TestGateway, id: string, rest: object) =>
  of.store.sources.collection.insertOne({
    _id: id as never,
    summary: 's',
    version: '1',
    params: {
      type: 'object',
      required: ['q'],
      additionalProperties: false,
      properties: { q: { type: 'string' }, maxPages: { type: 'integer', default: 3 } },
    },
    emits: {},
    batch: {},
    lastSeenAt: new Date(),
    ...rest,
  });

const add = (rest: object = {}) =>
  ask<Credential>('POST', 'credentials', { provider: 'youtube', name: 'first', secret: CANARY, ...rest });
const clear = async (): Promise<void> => {
  await gateway.store.credentials.collection.deleteMany({});
  await gateway.store.quotas.collection.deleteMany({});
};

beforeAll(async () => {
  gateway = await startGateway({ env: { MAGPIE_SECRET: SEALING } });
  await announce(gateway, 'youtube-search', {
    provider: YOUTUBE,
    schedule: { every: 'PT30S' },
    limits: ['About 500 results a search.'],
  });
  await announce(gateway, 'instagram-hashtag', { provider: INSTAGRAM });
});
afterAll(() => gateway.close());

describe('keys', () => {
  beforeAll(clear);

  test('one is added sealed, shown without its secret, and listed in the order of use', async () => {
    const { status, body, headers } = await add();
    expect(status).toBe(201);
    expect(headers['location']).toBe(`http://magpie.test/api/v1/credentials/${body.id}`);
    expect(body).toMatchObject({
      provider: 'youtube',
      name: 'first',
      project: 'first',
      state: 'active',
      unitsPerDay: 10_000,
      usedToday: 0,
      callsPerHour: null,
      costs: YOUTUBE.operations,
      lastUsedAt: null,
      distinct: null,
    });
    expect(Date.parse(String(body.resetsAt))).toBeGreaterThan(Date.now());
    const kept = await gateway.store.credentials.collection.findOne({ _id: body.id } as never);
    expect(unseal(SEALING, body.id, String(kept?.['sealed']))).toBe(CANARY);

    await add({ name: 'second', project: 'shared', unitsPerDay: 500, costs: { 'search.list': 50 } });
    await add({ name: 'third', project: 'shared' });
    const list = await ask<{ items: Credential[]; next: string | null }>('GET', 'credentials?limit=2');
    expect(list.body.items.map(({ name }) => name)).toEqual(['first', 'second']);
    const rest = await ask<{ items: Credential[] }>('GET', `credentials?limit=2&cursor=${list.body.next}`);
    // What the project's first key said of its quota stands.
    expect(rest.body.items).toMatchObject([
      { name: 'third', unitsPerDay: 500, costs: { 'search.list': 50, 'videos.list': 1 } },
    ]);
    expect((await ask<Credential>('GET', `credentials/${body.id}`)).body).toEqual(body);
    expect((await ask<{ items: unknown[] }>('GET', 'credentials?provider=instagram')).body.items).toEqual([]);
    expect((await ask<{ items: unknown[] }>('GET', 'credentials?state=disabled')).body.items).toEqual([]);
  });

  test('what is wrong is said, and never with the secret', async () => {
    const problems: [object, number, string][] = [
      [{}, 409, 'already_exists'],
      [{ name: 'x', provider: 'facebook' }, 422, 'unknown_provider'],
      [{ name: 'x', provider: 'instagram' }, 400, 'invalid_request'],
      [{ name: 'x', secret: `${CANARY}\n` }, 400, 'invalid_request'],
      [{ name: 'x', secret: [CANARY] }, 400, 'invalid_request'],
      [{ name: 'x', unitsPerDay: -1 }, 400, 'invalid_request'],
      [{ name: 'x', costs: { nothing: 1 } }, 400, 'invalid_request'],
      [{ name: ' ' }, 400, 'invalid_request'],
      [{ name: 'x', hidden: true }, 400, 'invalid_request'],
    ];
    for (const [body, status, code] of problems) {
      const answer = await ask<Problem>('POST', 'credentials', {
        provider: 'youtube',
        name: 'first',
        secret: CANARY,
        ...body,
      });
      expect([body, answer.status, answer.body.code]).toEqual([body, status, code]);
    }
    expect((await add({ name: 'x', provider: 'facebook' })).body).toMatchObject({
      detail: 'The sources that run have instagram, youtube.',
    });
    expect((await add({ name: 'x', provider: 'instagram' })).body).toMatchObject({
      errors: [{ field: 'account', message: 'is required: the id of the Instagram user' }],
    });
    for (const path of ['credentials/nothing', 'credentials/1l4m3k7v2q9h0c8s5t6d1g'])
      for (const method of ['GET', 'DELETE'] as const)
        expect((await ask<Problem>(method, path)).body.code).toBe('not_found');
  });

  test('an account belongs to one key, and the names of another provider are free', async () => {
    const rest = { provider: 'instagram', account: '17841400000000001' };
    const { status, body } = await add(rest);
    expect([status, body.account, body.distinct]).toEqual([
      201,
      '17841400000000001',
      { what: 'hashtags', used: 0, limit: 30, days: 7 },
    ]);
    expect((await add({ ...rest, name: 'again' })).status).toBe(409);
  });

  test('a key is renamed, disabled, enabled, given another secret and other bounds, and removed', async () => {
    const { items } = (await ask<{ items: Credential[] }>('GET', 'credentials?provider=youtube')).body;
    const id = items[0]?.id ?? '';
    const change = (payload: object) => ask<Credential>('PATCH', `credentials/${id}`, payload);
    expect((await change({ name: 'renamed', state: 'disabled' })).body).toMatchObject({
      name: 'renamed',
      project: 'first',
      state: 'disabled',
      reason: 'Disabled by hand',
    });
    expect((await change({ name: 'second' })).status).toBe(409);
    expect((await change({})).status).toBe(400);
    expect((await change({ secret: `${CANARY}-2`, unitsPerDay: 20_000, order: 9e15 })).body).toMatchObject({
      state: 'active',
      reason: null,
      unitsPerDay: 20_000,
    });
    const kept = await gateway.store.credentials.collection.findOne({ _id: id } as never);
    expect(unseal(SEALING, id, String(kept?.['sealed']))).toBe(`${CANARY}-2`);
    const names = (await ask<{ items: Credential[] }>('GET', 'credentials?provider=youtube')).body.items;
    expect(names.map(({ name }) => name)).toEqual(['second', 'third', 'renamed']);

    await gateway.store.quotas.collection.updateOne({ _id: 'youtube:first' } as never, {
      $set: { used: 77 },
    });
    expect((await ask('DELETE', `credentials/${id}`)).status).toBe(204);
    expect((await ask('GET', `credentials/${id}`)).status).toBe(404);
    // What the project used today stays used, whoever comes back.
    expect((await add()).body.usedToday).toBe(77);
  });

  test('without a secret to seal with, none is taken', async () => {
    const bare = await startGateway();
    try {
      await announce(bare, 'youtube-search', { provider: YOUTUBE });
      const body = { provider: 'youtube', name: 'first', secret: CANARY };
      const answer = await ask<Problem>('POST', 'credentials', body, bare);
      expect([answer.status, answer.body.code]).toEqual([503, 'sealing_unavailable']);
      expect(JSON.stringify(bare.logged())).not.toContain('CANARY');
    } finally {
      await bare.close();
    }
  });
});

describe('with an Idempotency-Key', () => {
  beforeAll(clear);
  const wanted = { provider: 'youtube', name: 'keyed', secret: CANARY };
  const addWith = <T = Credential>(key: string, rest: object = {}) =>
    ask<T>('POST', 'credentials', { ...wanted, ...rest }, gateway, { 'idempotency-key': key });

  test('a key is added once by many requests at once, and the same answer is given again', async () => {
    const rest = { name: 'raced', provider: 'instagram', account: '17841400000000002' };
    const answers = await Promise.all(Array.from({ length: 8 }, () => addWith('race', rest)));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(201));
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect(answers.filter(({ headers }) => headers['idempotent-replayed'] === undefined)).toHaveLength(1);
    const again = await addWith('race', rest);
    expect([again.status, again.headers['idempotent-replayed']]).toEqual([201, 'true']);
    expect([again.body, again.headers['location']]).toEqual([
      answers[0]!.body,
      answers[0]!.headers['location'],
    ]);
    expect(await gateway.store.credentials.countDocuments({ name: 'raced' })).toBe(1);
  });

  test('another body is a conflict, also when only the secret is another; another key finds the name taken', async () => {
    expect((await addWith('first')).status).toBe(201);
    for (const rest of [{ name: 'elsewhere' }, { secret: `${CANARY}-4` }]) {
      const answer = await addWith<Problem>('first', rest);
      expect([rest, answer.status, answer.body.code]).toEqual([rest, 409, 'idempotency_conflict']);
    }
    const taken = await addWith<Problem>('second');
    expect([taken.status, taken.body.code]).toEqual([409, 'already_exists']);
    // What was refused is not what the key is remembered for.
    expect((await addWith('second', { name: 'free' })).status).toBe(201);
    expect(await gateway.store.credentials.countDocuments({ provider: 'youtube' })).toBe(2);
  });

  test('what was removed since is added anew; a key that is none is refused', async () => {
    const { body } = await addWith('removed', { name: 'removed' });
    await ask('DELETE', `credentials/${body.id}`);
    const again = await addWith('removed', { name: 'removed' });
    expect([again.status, again.headers['idempotent-replayed']]).toEqual([201, undefined]);
    expect(again.body.id).not.toBe(body.id);
    const refused = await addWith<Problem>('a b', { name: 'refused' });
    expect([refused.status, refused.body.errors?.[0]?.field]).toEqual([400, 'Idempotency-Key']);
  });
});

describe('jobs and plans', () => {
  beforeAll(clear);
  const job = { source: 'youtube-search', params: { q: 'cricket' } };

  test('a job whose provider has no active key is refused, and told how to come by one', async () => {
    const answer = await ask<Problem>('POST', 'jobs', job);
    expect([answer.status, answer.body.code]).toEqual([422, 'missing_credential']);
    expect(answer.body.detail).toContain('youtube');
    expect(answer.body.detail).toContain(YOUTUBE.howTo);
    const { body } = await ask<Plan>('POST', 'plan', job);
    expect(body).toMatchObject({ credentials: 0, carried: false, shortestInterval: null });
    expect(body.warnings).toMatchObject([{ code: 'missing_credential' }]);
  });

  test('30 s on a search of 100 units is 288,000 units a day against 10,000, and makes no job', async () => {
    await add();
    const before = await gateway.store.jobs.collection.countDocuments();
    const { status, body } = await ask<Plan>('POST', 'plan', job);
    expect(status).toBe(200);
    expect(body.operations).toMatchObject([
      {
        operation: 'search.list',
        perRun: 1,
        mostPerRun: 3,
        perDay: 2880,
        unitsEach: 100,
        unitsPerDay: 288_000,
      },
      { operation: 'videos.list', perDay: 2880, unitsEach: 1, unitsPerDay: 2880 },
    ]);
    expect(body).toMatchObject({
      provider: 'youtube',
      credentials: 1,
      runsPerDay: 2880,
      requests: { perRun: 2, perDay: 5760 },
      unitsPerDay: 290_880,
      quotaPerDay: 10_000,
      quotaLasts: 2970,
      carried: false,
      shortestInterval: { duration: 'PT14M33S', seconds: 873 },
      interval: { duration: 'PT14M33S', seconds: 873 },
      schedule: { every: 'PT14M33S', asked: 'PT30S' },
      limits: ['About 500 results a search.'],
      warnings: [{ code: 'quota_too_small' }, { code: 'quota_may_run_out' }],
    });
    expect(await gateway.store.jobs.collection.countDocuments()).toBe(before);
  });

  test('such a job runs as often as the keys carry and says so, or not at all if it is strict', async () => {
    const made = await ask<Job>('POST', 'jobs', { ...job, schedule: { every: '30s', jitter: '90s' } });
    expect(made.status).toBe(202);
    expect(made.body).toMatchObject({
      schedule: { every: 'PT14M33S', asked: 'PT30S', jitter: 'PT1M30S' },
      warnings: [{ code: 'quota_too_small', message: expect.stringContaining('it runs every PT14M33S') }],
    });
    const strict = await ask<Problem>('POST', 'jobs', { ...job, strict: true });
    expect([strict.status, strict.body.code]).toEqual([422, 'quota_too_small']);
    expect(strict.body.detail).toMatch(/have 10,000 a day; they carry a run every PT14M33S\.$/);
    const fine = await ask<Job>('POST', 'jobs', { ...job, strict: true, schedule: { every: 'PT1H' } });
    expect([fine.status, fine.body.schedule?.asked, fine.body.warnings]).toEqual([202, null, []]);

    const changed = await ask<Job>('PATCH', `jobs/${fine.body.id}`, { schedule: { every: '60s' } });
    expect(changed.body.schedule).toMatchObject({ every: 'PT14M33S', asked: 'PT1M' });
    const refused = await ask<Problem>('PATCH', `jobs/${fine.body.id}`, {
      schedule: { every: '60s' },
      strict: true,
    });
    expect(refused.body.code).toBe('quota_too_small');
  });

  test('a cron pattern is not lengthened, only warned of; its runs are those of the next day', async () => {
    const often = await ask<Plan>('POST', 'plan', { ...job, schedule: { cron: '*/5 * * * *' } });
    expect(often.body).toMatchObject({
      runsPerDay: 288,
      carried: false,
      interval: null,
      schedule: { cron: '*/5 * * * *', asked: null },
    });
    expect(often.body.warnings[0]?.code).toBe('quota_too_small');
    const rarely = await ask<Plan>('POST', 'plan', { ...job, schedule: { cron: '0 9 * * *' } });
    expect(rarely.body).toMatchObject({ runsPerDay: 1, carried: true, unitsPerDay: 101, warnings: [] });
    const bySecond = await ask<Plan>('POST', 'plan', { ...job, schedule: { cron: '*/10 * * * * *' } });
    expect(bySecond.body.runsPerDay).toBe(8640);
  });

  test('two projects carry twice as much, two keys of one project do not', async () => {
    await add({ name: 'same', project: 'first' });
    expect((await ask<Plan>('POST', 'plan', job)).body).toMatchObject({
      credentials: 2,
      quotaPerDay: 10_000,
    });
    await add({ name: 'other' });
    expect((await ask<Plan>('POST', 'plan', job)).body).toMatchObject({
      credentials: 3,
      quotaPerDay: 20_000,
      // 99 runs a day each.
      shortestInterval: { seconds: 437 },
    });
  });

  test('a job that runs once costs one run; what needs no key costs nothing', async () => {
    await add({ provider: 'instagram', account: '1' });
    const once = await ask<Plan>('POST', 'plan', { source: 'instagram-hashtag', params: { q: 'sunset' } });
    expect(once.body).toMatchObject({
      runsPerDay: null,
      requests: { perRun: 3, perDay: 3 },
      carried: true,
      quotaPerDay: null,
      interval: null,
      schedule: null,
      warnings: [],
    });
    await gateway.store.credentials.collection.updateOne({ provider: 'instagram' } as never, {
      $set: { distinct: Array.from({ length: 30 }, (_, n) => ({ what: `tag${n}`, at: new Date() })) },
    });
    const full = await ask<Plan>('POST', 'plan', { source: 'instagram-hashtag', params: { q: 'sunset' } });
    expect(full.body.warnings).toMatchObject([
      { code: 'rate_limited', message: expect.stringContaining('30 different hashtags') },
    ]);
    const free = await ask<Plan>('POST', 'plan', {
      source: 'web-images',
      params: { urls: ['https://example.org/'] },
    });
    expect(free.body).toMatchObject({ provider: null, operations: [], carried: true });
  });

  test('a plan is checked like the job', async () => {
    expect((await ask<Problem>('POST', 'plan', { source: 'nothing', params: {} })).body.code).toBe(
      'unknown_source',
    );
    expect((await ask<Problem>('POST', 'plan', { ...job, params: {} })).status).toBe(400);
    expect((await ask<Problem>('POST', 'plan', { ...job, schedule: { every: 'soon' } })).status).toBe(400);
  });
});

test('the secret is in no answer, no line of the log, and nowhere in the database; what is sealed is in no answer', async () => {
  await clear();
  const { body } = await add();
  const keyed = { name: 'remembered', provider: 'youtube', secret: CANARY };
  const { status } = await ask('POST', 'credentials', keyed, gateway, { 'idempotency-key': 'canary' });
  expect(status).toBe(201);
  // What anybody could compare guesses with.
  const guesses = [CANARY, JSON.stringify(keyed)].map((text) =>
    createHash('sha256').update(text).digest('hex'),
  );
  await ask('PATCH', `credentials/${body.id}`, { secret: `${CANARY}-3` });
  await gateway.app.inject({
    method: 'POST',
    url: `/api/v1/credentials?secret=${CANARY}`,
    payload: '{"secret": "' + CANARY,
  });
  // A message that could not be handled carries what is sealed.
  const { sealed } = (await gateway.store.credentials.collection.findOne({}))!;
  const message = JSON.stringify({ steps: [{ credential: { id: body.id, sealed: sealed as string } }] });
  await gateway.store.deadLetters.collection.insertOne({
    _id: 'letter' as never,
    reason: 'unroutable',
    exchange: 'magpie.steps',
    routingKey: 'x',
    headers: {},
    body: Buffer.from(message).toString('base64'),
    at: new Date(),
  });
  const { items: letters } = (await ask<{ items: { text: string }[] }>('GET', 'dead-letters')).body;
  expect(letters[0]?.text).toContain(body.id);
  expect(letters[0]?.text).not.toContain(String(sealed).slice(0, 20));
  answered.pop();
  expect(answered.length).toBeGreaterThan(40);
  const everything = answered.join('\n');
  expect(everything).not.toContain('CANARY');
  expect(everything).not.toContain('sealed');
  const kept = await gateway.store.credentials.collection.findOne({ _id: body.id } as never);
  expect(everything).not.toContain(String(kept?.['sealed']).slice(0, 30));
  const log = JSON.stringify(gateway.logged());
  expect(log).toContain('credential added');
  expect(log).not.toContain('CANARY');
  const names = (await gateway.store.connection.db?.listCollections().toArray()) ?? [];
  expect(names.length).toBeGreaterThan(10);
  for (const { name } of names) {
    const dump = JSON.stringify(await gateway.store.connection.db?.collection(name).find({}).toArray());
    expect([name, ['CANARY', ...guesses].filter((text) => dump.includes(text))]).toEqual([name, []]);
  }
});
