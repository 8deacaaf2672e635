import { FACEBOOK_TOKEN, startFacebookDouble, type FacebookDouble } from './facebook-double.ts';

const HOUR = 3_600_000;
let time = Date.UTC(2026, 10, 21, 12);
let double: FacebookDouble;

beforeAll(async () => {
  double = await startFacebookDouble({
    now: () => time,
    tokens: {
      [FACEBOOK_TOKEN]: { appId: 'app-1' },
      second: { appId: 'app-2' },
      over: { appId: 'app-1', expired: true },
      changed: { appId: 'app-1', expired: true, subcode: 460 },
    },
  });
});
afterAll(() => double.close());
beforeEach(() => double.clear());

interface Answer {
  code: number;
  headers?: { name: string; value: string }[];
  body: string;
}
interface Failure {
  error: { code: number; error_subcode?: number; type: string; message: string };
}

type Body = Failure & Record<string, number | boolean | string>;
const get = async (path: string, token = FACEBOOK_TOKEN): Promise<{ status: number; body: Body }> => {
  const answer = await fetch(`${double.url}${path}`, { headers: { authorization: `Bearer ${token}` } });
  return { status: answer.status, body: (await answer.json()) as Body };
};
const post = (parameters: Record<string, string>, path = '/v26.0/'): Promise<Response> =>
  fetch(double.url + path, { method: 'POST', body: new URLSearchParams(parameters) });
const reads = (urls: readonly string[]): string =>
  JSON.stringify(urls.map((relative_url) => ({ method: 'GET', relative_url })));
const batch = async (
  urls: readonly string[],
  more: Record<string, string> = {},
): Promise<(Answer | null)[]> => {
  const answer = await post({ access_token: FACEBOOK_TOKEN, batch: reads(urls), ...more });
  expect(answer.status).toBe(200);
  return (await answer.json()) as (Answer | null)[];
};
const failureOf = (answer: Answer | null | undefined): Failure['error'] =>
  (JSON.parse((answer as Answer).body) as Failure).error;

describe('a page', () => {
  it('is read by id or by username, in any case, and answers the fields asked for and its id', async () => {
    const { id, fans, followers } = double.page('page00002');
    const byName = await get('/v26.0/PAGE00002?fields=username,fan_count,followers_count');
    expect(byName).toEqual({
      status: 200,
      body: { username: 'page00002', fan_count: followers, followers_count: followers, id },
    });
    expect(fans).toBeGreaterThan(0);
    expect((await get(`/${id}?fields=id,name`)).body).toEqual({ id, name: 'Page 00002 Bakery' });
    expect((await get(`/${id}`)).body).toEqual({ name: 'Page 00002 Bakery', id });
  });

  it('of the classic kind has fans and followers of its own', async () => {
    const { body } = await get(
      '/v26.0/page00001?fields=fan_count,followers_count,has_transitioned_to_new_page_experience',
    );
    expect(body.has_transitioned_to_new_page_experience).toBe(false);
    expect(body.followers_count).toBeGreaterThan(Number(body.fan_count));
  });

  it('escapes slashes and characters beyond ASCII', async () => {
    const answer = await fetch(`${double.url}/page00006?fields=name,link&access_token=${FACEBOOK_TOKEN}`);
    expect(await answer.text()).toContain(
      '"name":"Page 00006 Caf\\u00e9","link":"https:\\/\\/www.facebook.com\\/page00006"',
    );
  });

  it.each([
    ['/v26.0/999', 100, 33],
    ['/v26.0/page99999999', 803, undefined],
    ['/v26.0/page00001?fields=nonsense', 100, undefined],
    ['/v26.0/page00001/posts', 100, undefined],
    ['/?ids=page00001,page00002', 12, undefined],
    ['/v25.0/?ids=1,2', 12, undefined],
    ['/v26.0?ids=1,2', 12, undefined],
  ])('that is asked for as %s is error %d', async (path, code, subcode) => {
    const { status, body } = await get(path);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(body.error).toMatchObject({ code, type: expect.any(String), fbtrace_id: expect.any(String) });
    expect(body.error.error_subcode).toBe(subcode);
  });

  it('grows slowly, the same in two doubles of a seed, and jumps when it is told to', async () => {
    const other = await startFacebookDouble({ now: () => time });
    const another = await startFacebookDouble({ seed: 2, now: () => time });
    await Promise.all([other.close(), another.close()]);
    const before = double.page('page00050').fans;
    expect(other.page('page00050').fans).toBe(before);
    expect(another.page('page00050').fans).not.toBe(before);
    double.spike('page00050', 10, 1000);
    expect(double.page('page00050').fans / before).toBeCloseTo(10, 1);
    time += 1000;
    expect(double.page('page00050').fans).toBe(before);
    time += 24 * HOUR;
    expect(Math.abs(double.page('page00050').fans / before - 1)).toBeLessThan(0.002);
  });
});

describe('a page that is', () => {
  it('renamed answers to its id and new name only', async () => {
    double.set('page00003', { state: 'renamed', to: 'The.New.One' });
    const { id } = double.page('page00003');
    expect((await get('/page00003')).body.error).toMatchObject({
      code: 803,
      message: '(#803) Some of the aliases you requested do not exist: page00003',
    });
    expect((await get(`/${id}?fields=username`)).body).toEqual({ username: 'The.New.One', id });
    expect((await get('/the.new.one?fields=id')).body).toEqual({ id });
  });

  it('merged names the page it went to', async () => {
    double.set('page00003', { state: 'merged', to: 'page00004' });
    const [from, to] = [double.page('page00003').id, double.page('page00004').id];
    expect((await get('/page00003')).body.error).toMatchObject({
      code: 21,
      message: `(#21) Page ID ${from} was migrated to page ID ${to}.  Please update your API calls to the new ID`,
    });
  });

  it.each([
    ['unpublished', undefined, [100, 33], [100, 33]],
    ['deleted', undefined, [803, undefined], [100, 33]],
    ['profile', undefined, [803, undefined], [100, 33]],
    ['restricted', undefined, [10, undefined], [10, undefined]],
    ['restricted', 200, [200, undefined], [200, undefined]],
    ['throttled', undefined, [32, undefined], [32, undefined]],
    ['throttled', 80001, [80001, undefined], [80001, undefined]],
  ] as const)('%s (%p) is error %p by name, %p by id', async (state, code, byName, byId) => {
    double.set('page00003', { state, ...(code === undefined ? {} : { code }) });
    for (const [name, [expected, subcode]] of [
      ['page00003', byName],
      [double.page('page00003').id, byId],
    ] as const) {
      const { error } = (await get(`/${name}`)).body as Failure;
      expect([error.code, error.error_subcode]).toEqual([expected, subcode]);
    }
  });

  it('in any state is a small share of all, and none of the first hundred', () => {
    const states = new Map<string, number>();
    for (let i = 1; i <= 20_000; i++) {
      const { state } = double.page(`page${String(i).padStart(5, '0')}`);
      if (i <= 100) expect(state).toBe('active');
      states.set(state, (states.get(state) ?? 0) + 1);
    }
    expect(states.get('active')).toBeGreaterThan(19_600);
    for (const state of ['renamed', 'merged', 'unpublished', 'deleted', 'restricted'])
      expect(states.get(state)).toBeGreaterThan(10);
  });
});

describe('a batch call', () => {
  it('answers each operation by itself, in order, the call being 200', async () => {
    double.set('page00002', { state: 'deleted' });
    const answers = await batch(['page00001?fields=fan_count', 'page00002', 'v26.0/page00003?fields=id']);
    expect(answers.map((answer) => answer?.code)).toEqual([200, 400, 200]);
    expect(JSON.parse(answers[0]?.body as string).fan_count).toBe(double.page('page00001').fans);
    expect(failureOf(answers[1]).code).toBe(803);
    expect(answers[0]?.headers).toContainEqual({ name: 'Facebook-API-Version', value: 'v26.0' });
    expect(double.calls).toEqual({ requests: 1, operations: 3 });
    expect(double.operations.map(({ path, code }) => [path, code])[1]).toEqual(['page00002', 400]);
  });

  it('leaves out headers when told, and answers of successes that are not wanted', async () => {
    const operations = JSON.stringify([
      { method: 'GET', relative_url: 'page00001', omit_response_on_success: true },
      { method: 'get', relative_url: 'nobody', omit_response_on_success: true },
      { method: 'POST', relative_url: 'page00001', body: 'about=x' },
    ]);
    const answers = await batch([], { batch: operations, include_headers: 'false' });
    expect(answers[0]).toBeNull();
    expect(answers[1]).toEqual({ code: 400, body: expect.any(String) });
    expect(failureOf(answers[2])).toMatchObject({ code: 100, type: 'GraphMethodException' });
  });

  it('takes fifty operations, not fifty-one', async () => {
    const urls = Array.from(
      { length: 51 },
      (_, i) => `page${String(i + 1).padStart(5, '0')}?fields=fan_count`,
    );
    expect(await batch(urls.slice(1))).toHaveLength(50);
    const answer = await post({ access_token: FACEBOOK_TOKEN, batch: reads(urls) });
    expect(answer.status).toBe(400);
    expect(((await answer.json()) as Failure).error).toMatchObject({
      type: 'GraphBatchException',
      message: 'Too many requests in batch message. Maximum batch size is 50',
    });
    expect(double.calls.operations).toBe(50);
  });

  it('comes as a form, as multipart, as JSON, in the query, with or without a version', async () => {
    const form = new FormData();
    form.set('access_token', FACEBOOK_TOKEN);
    form.set('batch', reads(['page00001']));
    const asJson = (batch: unknown): RequestInit => ({
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${FACEBOOK_TOKEN}` },
      body: JSON.stringify({ batch, include_headers: false }),
    });
    const query = new URLSearchParams({ access_token: FACEBOOK_TOKEN, batch: reads(['page00001']) });
    for (const answer of [
      await post({ access_token: FACEBOOK_TOKEN, batch: reads(['page00001']) }, '/'),
      await fetch(`${double.url}/v26.0`, { method: 'POST', body: form }),
      await fetch(double.url, asJson(reads(['page00001']))),
      await fetch(double.url, asJson(JSON.parse(reads(['page00001'])))),
      await fetch(`${double.url}/me?${query}`, { method: 'POST' }),
    ])
      expect(((await answer.json()) as Answer[]).map(({ code }) => code)).toEqual([200]);
    expect(JSON.stringify(double.requests)).not.toContain(FACEBOOK_TOKEN);
  });

  it.each(['', '{}', '[{}]', '[{"method":"GET"}]', '[null]', '7'])('of %p is error 100', async (text) => {
    const answer = await post({ access_token: FACEBOOK_TOKEN, batch: text });
    expect(answer.status).toBe(400);
    expect(((await answer.json()) as Failure).error.code).toBe(100);
  });

  it('has the answer 190 for an operation with a bad token of its own', async () => {
    const answers = await batch(['page00001?access_token=over', 'page00001?access_token=second&fields=id']);
    expect(failureOf(answers[0])).toMatchObject({ code: 190, error_subcode: 463 });
    expect(answers[1]?.code).toBe(200);
  });
});

describe('a token', () => {
  it.each([
    ['over', 190, 463],
    ['changed', 190, 460],
    ['nobodys', 190, undefined],
    ['', 104, undefined],
  ])('%p is error %d, subcode %p', async (token, code, subcode) => {
    const { error } = (await get('/page00001', token)).body as Failure;
    expect([error.code, error.error_subcode]).toEqual([code, subcode]);
  });
});
