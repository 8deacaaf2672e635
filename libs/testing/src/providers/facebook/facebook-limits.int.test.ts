import { FACEBOOK_TOKEN, startFacebookDouble, type FacebookDouble } from './facebook-double.ts';

const HOUR = 3_600_000;
let time = Date.UTC(2026, 10, 21, 12);
let double: FacebookDouble;

const call = (urls: readonly string[], token = FACEBOOK_TOKEN): Promise<Response> =>
  fetch(`${double.url}/v26.0/`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      include_headers: false,
      batch: urls.map((relative_url) => ({ method: 'GET', relative_url })),
    }),
  });
interface Answer {
  code: number;
  body: string;
}
const answersOf = async (urls: readonly string[]): Promise<(Answer | null)[]> =>
  (await (await call(urls)).json()) as (Answer | null)[];
const errorOf = (answer: Answer | null | undefined): { code: number; error_subcode?: number } =>
  JSON.parse((answer as Answer).body).error;
const codeOf = async (answer: Response): Promise<number> =>
  ((await answer.json()) as { error: { code: number } }).error.code;
const one = 'page00001?fields=fan_count,followers_count';
const two = 'page00002?fields=fan_count,followers_count';

describe('the hourly calls', () => {
  beforeAll(async () => {
    double = await startFacebookDouble({
      now: () => time,
      hourlyCalls: 10,
      tokens: {
        [FACEBOOK_TOKEN]: { appId: 'one' },
        same: { appId: 'one' },
        other: { appId: 'two' },
        person: { appId: 'three', kind: 'user' },
        page: { appId: 'four', kind: 'page' },
      },
    });
  });
  afterAll(() => double.close());

  it('count each operation, are told in the header, and are given back after an hour', async () => {
    const first = await call(Array(8).fill(one));
    expect(JSON.parse(first.headers.get('x-app-usage') as string)).toMatchObject({ call_count: 80 });
    expect(first.headers.get('x-business-use-case-usage')).toBeNull();
    const second = (await (await call(Array(4).fill(one), 'same')).json()) as Answer[];
    expect(second.map(({ code }) => code)).toEqual([200, 200, 403, 403]);
    expect(errorOf(second[2]).code).toBe(4);
    const third = await call([one]);
    expect([third.status, await codeOf(third)]).toEqual([403, 4]);
    expect((await call([one], 'other')).status).toBe(200);
    time += HOUR;
    expect((await call([one])).status).toBe(200);
  });

  it.each([
    ['person', 17, 'x-app-usage'],
    ['page', 80001, 'x-business-use-case-usage'],
  ])('of the token %p end in error %d, told in %s', async (token, code, header) => {
    expect((await call(Array(10).fill(one), token)).status).toBe(200);
    const refused = await call([one], token);
    expect(await codeOf(refused)).toBe(code);
    expect(refused.headers.get(header)).toContain('"call_count":110');
    if (code === 80001)
      expect(JSON.parse(refused.headers.get(header) as string)).toEqual({
        four: [expect.objectContaining({ type: 'pages', estimated_time_to_regain_access: 60 })],
      });
  });
});

describe('a fault', () => {
  beforeAll(async () => {
    double = await startFacebookDouble({
      now: () => time,
      tokens: { [FACEBOOK_TOKEN]: { appId: 'one' }, page: { appId: 'two', kind: 'system' } },
    });
  });
  afterAll(() => double.close());
  beforeEach(() => double.clear());

  it.each([
    ['429', 429, 4],
    ['5xx', 500, 1],
    ['expiredToken', 400, 190],
  ] as const)('%s of a call is HTTP %d, code %d, and is over after its times', async (name, status, code) => {
    double.faults.set(name, { times: 1, path: /v26/ });
    const struck = await call([one]);
    expect([struck.status, await codeOf(struck)]).toEqual([status, code]);
    expect((await call([one])).status).toBe(200);
    expect(double.calls).toEqual({ requests: 2, operations: 1 });
  });

  it('closes the connection, is slow, or cuts the JSON', async () => {
    double.faults.set('closedConnection', { times: 1 });
    await expect(call([one])).rejects.toThrow();
    double.faults.set('slow', { times: 1, ms: 200 });
    const from = performance.now();
    await call([one]);
    expect(performance.now() - from).toBeGreaterThan(190);
    double.faults.set('truncatedJson', { times: 1 });
    await expect((await call([one])).json()).rejects.toThrow(/JSON/);
  });

  it('changes the types of a whole call', async () => {
    double.faults.set('changedTypes', { times: 1 });
    const [answer] = await answersOf([one]);
    expect(typeof JSON.parse(answer?.body as string).fan_count).toBe('string');
  });

  it('strikes single operations', async () => {
    double.operationFaults.set('throttled', { times: 1, path: /page00002/, code: 613 });
    let answers = await answersOf([one, two]);
    expect(answers[0]?.code).toBe(200);
    expect(errorOf(answers[1]).code).toBe(613);
    double.operationFaults.set('nullOperations', { times: 1, path: /page00001/ });
    answers = await answersOf([one, two]);
    expect(answers.map((answer) => answer?.code)).toEqual([undefined, 200]);
    double.operationFaults.set('5xx', { times: 1 });
    double.operationFaults.set('expiredToken', { times: 2, subcode: 467 });
    answers = await answersOf([one, two]);
    expect(answers.map((answer) => answer?.code)).toEqual([500, 400]);
    expect(errorOf(answers[1])).toMatchObject({ code: 190, error_subcode: 467 });
    double.clear();
    double.operationFaults.set('truncatedBody', { times: 1 });
    answers = await answersOf([one, two]);
    expect(() => JSON.parse(answers[0]?.body as string)).toThrow(SyntaxError);
    expect(answers[1]?.code).toBe(200);
  });

  it.each([
    ['string', (count: number) => String(count)],
    ['negative', (count: number) => -count],
    ['null', () => null],
    ['missing', () => undefined],
  ] as const)('makes the counts of an operation %s', async (as, expected) => {
    double.operationFaults.set('changedTypes', { as, times: 1 });
    const [answer] = await answersOf([one]);
    const { followers, fans, id } = double.page('page00001');
    expect(JSON.parse(answer?.body as string)).toEqual(
      JSON.parse(JSON.stringify({ fan_count: expected(fans), followers_count: expected(followers), id })),
    );
  });

  it('tells other usage than was counted, and refuses at a hundred per cent', async () => {
    double.usage(85);
    const told = await call([one]);
    expect(told.status).toBe(200);
    expect(JSON.parse(told.headers.get('x-app-usage') as string).call_count).toBe(85);
    double.usage(100, 7);
    const refused = await call([one], 'page');
    expect(await codeOf(refused)).toBe(80001);
    expect(refused.headers.get('x-business-use-case-usage')).toContain('"estimated_time_to_regain_access":7');
    double.usage(undefined);
    expect((await call([one])).status).toBe(200);
  });
});

it('keeps no records when told', async () => {
  double = await startFacebookDouble({ record: false, pages: 60 });
  await call([one, 'page00061']);
  await double.close();
  expect([double.requests, double.operations]).toEqual([[], []]);
  expect(double.calls).toEqual({ requests: 1, operations: 2 });
});
