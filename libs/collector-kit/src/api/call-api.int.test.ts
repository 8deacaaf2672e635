import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import type { Outcome } from '@magpie/contracts';
import { seal } from '@magpie/domain';
import { createLogger } from '@magpie/service-kit';
import { Type } from 'typebox';
import { CredentialRefused, Permanent, QuotaExhausted } from '../errors.ts';
import { defineSource } from '../source/define-source.ts';
import { createPlayer, type Player } from '../testing/index.ts';
import { callApi } from './call-api.ts';

const CANARY = 'canary+secret/of=the api';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

interface Answer {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

let server: Server;
let origin: string;
let player: Player;
let seen: Seen[];
let answer: Answer;
const lines: string[] = [];

const source = defineSource({
  id: 'an-api',
  summary: 'For tests',
  params: Type.Object({}, { additionalProperties: false }),
  emits: { thing: Type.Object({ n: Type.Integer() }) },
  settings: { TEST_URL: { schema: Type.String(), default: 'http://127.0.0.1:9', describe: 'The API' } },
  provider: {
    id: 'test',
    title: 'Test',
    howTo: 'None',
    operations: { list: 100, get: 1 },
    steps: { call: { list: 1 }, form: { get: 1 }, json: { get: 1 }, leak: { list: 1 }, result: {} },
    perRun: { list: { usual: 1 } },
  },
  steps: {
    start: () => ({}),
    call: call,
    free: call,
    async form(_, context) {
      await callApi(context, {
        url: `${context.settings.TEST_URL}/form`,
        body: new URLSearchParams({ a: '1 2' }),
        operation: 'get',
        calls: 3,
        schema: Type.Object({}),
      });
      return {};
    },
    async json(_, context) {
      const body = { a: ['ü'] };
      await callApi(context, {
        url: context.settings.TEST_URL,
        body,
        operation: 'get',
        calls: 0,
        schema: Type.Object({}),
      });
      return {};
    },
    leak(_, { credential, log }) {
      const secret = credential?.secret() ?? '';
      const told = new Error(`it said ${secret}`, { cause: { deep: [`key=${encodeURIComponent(secret)}`] } });
      log.child({ of: secret }).error({ err: told, note: { secret: [secret] } }, `the key is ${secret}`);
      log.info('%s and %o', secret, { secret });
      throw told;
    },
    result: (_, { credential }) => ({
      next: [{ kind: 'call', key: 'k', input: { next: `https://a.example/?x=${credential?.secret()}` } }],
    }),
  },
});

async function call(
  _: unknown,
  context: Parameters<typeof callApi>[0] & {
    settings: { TEST_URL: string };
    credential?: { secret(): string };
  },
) {
  const { n } = await callApi(context, {
    url: `${context.settings.TEST_URL}/things?part=a,b`,
    params: { q: 'ü &', page: 2, none: undefined, key: context.credential?.secret() },
    headers: { authorization: `Bearer ${context.credential?.secret()}` },
    operation: 'list',
    schema: Type.Object({ n: Type.Integer() }),
    fault(status, body) {
      const { reason } = (body ?? {}) as { reason?: string };
      if (reason === 'quota') return new QuotaExhausted(1_900_000_000_000);
      if (reason === 'key') return new CredentialRefused(`the key ${CANARY} is not valid`);
      if (reason === 'gone') return new Permanent('not_available', 'gone', { status });
      return undefined;
    },
  });
  return { items: [{ kind: 'thing', url: 'https://a.example/1', data: { n } }] };
}

beforeAll(async () => {
  server = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += String(piece);
    seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body });
    const { status = 200, headers = {}, body: text = '{"n":1}' } = answer;
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const stream = { write: (line: string) => void lines.push(line) };
  player = await createPlayer({
    filesRoot: tmpdir(),
    settings: { TEST_URL: origin },
    credential: { secret: CANARY, account: 'someone' },
    log: createLogger({ name: 'test', level: 'trace', stream }),
  });
});

afterAll(async () => {
  await player.close();
  await new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
});

beforeEach(() => {
  seen = [];
  answer = {};
  lines.length = 0;
});

/** What became of a step against an answer; searched for the secret. */
async function outcomeOf(kind: string, said: Answer = {}): Promise<Outcome | undefined> {
  answer = said;
  const outcome = await player.perform(source, { kind });
  for (const form of [CANARY, encodeURIComponent(CANARY), 'canary%2Bsecret', 'canary+secret']) {
    expect(JSON.stringify(outcome)).not.toContain(form);
    expect(lines.join('')).not.toContain(form);
  }
  return outcome;
}

test('asks as documented, and gives what the schema says', async () => {
  expect(await outcomeOf('call')).toMatchObject({
    outcome: 'done',
    items: [{ data: { n: 1 } }],
    spent: { list: 1 },
  });
  const [{ method, url, headers }] = seen as [Seen];
  expect(method).toBe('GET');
  expect(Object.fromEntries(new URL(url, origin).searchParams)).toEqual({
    part: 'a,b',
    q: 'ü &',
    page: '2',
    key: CANARY,
  });
  expect(headers).toMatchObject({ accept: 'application/json', authorization: `Bearer ${CANARY}` });
  expect(seen).toHaveLength(1);
});

test('sends forms and JSON, and counts as many calls as it is told', async () => {
  expect(await outcomeOf('form', { body: '{}' })).toMatchObject({ outcome: 'done', spent: { get: 3 } });
  const json = await outcomeOf('json', { body: '{}' });
  expect(json).toMatchObject({ outcome: 'done' });
  expect(json).not.toHaveProperty('spent');
  expect(seen).toMatchObject([
    { method: 'POST', body: 'a=1+2', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    { method: 'POST', body: '{"a":["ü"]}', headers: { 'content-type': 'application/json' } },
  ]);
});

const of = (outcome: string, code: string, more = {}) => ({ outcome, code, ...more });

test.each([
  [{ status: 500 }, of('retry', 'api_error', { status: 500 })],
  [{ status: 503, body: '<html>' }, of('retry', 'api_error', { status: 503 })],
  [{ status: 408 }, of('retry', 'api_error')],
  [{ status: 425 }, of('retry', 'api_error')],
  [{ status: 404 }, of('failed', 'not_available', { status: 404 })],
  [{ status: 400 }, of('failed', 'api_error', { status: 400 })],
  [{ status: 204, body: '' }, of('retry', 'invalid_answer')],
  [{ body: '{"n":' }, of('retry', 'invalid_answer', { message: 'the answer is not JSON' })],
  [{ body: '' }, of('retry', 'invalid_answer')],
  [
    { body: '{"n":"a secret value"}' },
    of('retry', 'invalid_answer', {
      message: 'the answer is not as documented: /n must be integer',
      status: 200,
    }),
  ],
  [{ body: `"${'x'.repeat(4 * 1024 * 1024)}"` }, of('failed', 'body_too_large')],
  [{ status: 302, headers: { location: '/elsewhere' } }, of('failed', 'too_many_redirects')],
  [{ status: 403, body: '{"reason":"gone"}' }, of('failed', 'not_available', { status: 403 })],
  [
    { status: 403, body: '{"reason":"quota"}' },
    of('credential', 'quota_exhausted', { state: 'exhausted', until: 1_900_000_000_000, status: 403 }),
  ],
  [
    { status: 403, body: '{"reason":"key"}' },
    of('credential', 'credential_refused', { state: 'refused', message: 'the key … is not valid' }),
  ],
  [{ status: 429 }, of('credential', 'provider_rate_limited', { state: 'resting', status: 429 })],
])('%j', async (said, expected) => {
  const outcome = await outcomeOf('call', said);
  expect(outcome).toMatchObject({ ...expected, url: `${origin}/things` });
  expect(seen).toHaveLength(1);
  if (expected.code !== 'too_many_redirects' && expected.code !== 'body_too_large')
    expect(outcome).toHaveProperty('spent', { list: 1 });
});

test('a time that the provider names is told, one that it does not name is not', async () => {
  const before = Date.now();
  const named = await outcomeOf('call', { status: 429, headers: { 'retry-after': '120' } });
  expect((named as { until: number }).until).toBeGreaterThanOrEqual(before + 120_000);
  expect((named as { until: number }).until).toBeLessThanOrEqual(Date.now() + 120_000);
  expect(await outcomeOf('call', { status: 429 })).not.toHaveProperty('until');
});

test('without a credential the host is left alone, the job waits, or the step fails', async () => {
  const host = new URL(origin).host;
  expect(await outcomeOf('free', { status: 429 })).toMatchObject({ outcome: 'backoff', host });
  const quota = { status: 403, body: '{"reason":"quota"}' };
  expect(await outcomeOf('free', quota)).toMatchObject({ outcome: 'wait', reason: 'keys_exhausted' });
  const key = { status: 403, body: '{"reason":"key"}' };
  answer = key;
  expect(await player.perform(source, { kind: 'free' })).toMatchObject({
    outcome: 'failed',
    code: 'credential_refused',
  });
});

test('a call that reached nobody is not counted', async () => {
  const nobody = await createPlayer({
    filesRoot: tmpdir(),
    settings: { TEST_URL: 'http://127.0.0.1:9' },
    credential: CANARY,
  });
  const outcome = await nobody.perform(source, { kind: 'call' });
  await nobody.close();
  expect(outcome).toMatchObject({
    outcome: 'retry',
    code: 'connect_refused',
    url: 'http://127.0.0.1:9/things',
  });
  expect(outcome).not.toHaveProperty('spent');
});

test('the secret is in no log line, and in no message of what a source throws', async () => {
  expect(await outcomeOf('leak')).toMatchObject({ outcome: 'retry', message: 'it said …' });
  expect(lines.length).toBeGreaterThanOrEqual(3);
  expect(lines.join('')).toContain('the key is …');
});

test('a result that holds the secret fails', async () => {
  expect(await outcomeOf('result')).toMatchObject({ outcome: 'failed', code: 'source_error' });
});

test('a credential that was sealed with another secret cannot be read', async () => {
  const credential = {
    id: 'credential02',
    sealed: seal('another secret of sixteen', 'credential02', CANARY),
  };
  const outcome = await player.perform(source, { kind: 'call', credential });
  expect(outcome).toMatchObject({ outcome: 'failed', code: 'credential_unreadable' });
  expect(seen).toEqual([]);
});
