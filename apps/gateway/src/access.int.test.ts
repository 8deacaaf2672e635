import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError, loadConfig } from '@magpie/service-kit';
import { checkConfig, gatewayConfig } from './config.ts';
import { makeJob, startGateway, URLS, type TestGateway } from './testing/gateway.ts';
import { until } from './testing/until.ts';

const KEY = 'correct-horse-battery';

describe('with an admin key', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway({ env: { MAGPIE_ADMIN_KEY: KEY, MAGPIE_HOST: '0.0.0.0' } });
  });
  afterAll(() => gateway.close());

  const status = async (url: string, headers: Record<string, string> = {}) =>
    (await gateway.app.inject({ url, headers })).statusCode;
  const basic = (user: string, password: string) =>
    `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

  it('nothing but health and documentation is open', async () => {
    for (const url of ['/', '/healthz', '/readyz', '/docs', '/docs/errors', '/docs/json', '/api/v1/docs'])
      expect([url, (await status(url)) < 400]).toEqual([url, true]);
    for (const url of ['/api/v1/jobs', '/metrics', '/images_tasks', '/nothing', '/docsx', '/api/v1/docsx'])
      expect([url, await status(url)]).toEqual([url, 401]);
    const answer = await gateway.app.inject({ method: 'POST', url: '/images_tasks', payload: URLS });
    expect(answer.statusCode).toBe(401);
    expect(answer.json()).toMatchObject({ code: 'unauthorized' });
    expect(answer.headers['www-authenticate']).toMatch(/Bearer.*Basic/);
    expect(await gateway.store.jobs.countDocuments()).toBe(0);
  });

  it('the key opens everything, however it is brought', async () => {
    for (const headers of [
      { authorization: `Bearer ${KEY}` },
      { authorization: `bearer ${KEY}` },
      { 'x-api-key': KEY },
      { authorization: basic('anybody', KEY) },
      { authorization: basic('', KEY) },
    ])
      expect(await status('/api/v1/jobs', headers as Record<string, string>)).toBe(200);
  });

  it('nothing else does', async () => {
    for (const headers of [
      { authorization: `Bearer ${KEY}x` },
      { authorization: 'Bearer ' },
      { authorization: KEY },
      { 'x-api-key': KEY.slice(1) },
      { 'x-api-key': '' },
      { authorization: basic(KEY, '') },
      { authorization: 'Basic !!!' },
      { authorization: `Digest ${KEY}` },
    ])
      expect(await status('/api/v1/jobs', headers as Record<string, string>)).toBe(401);
  });

  it('guesses are limited', async () => {
    const other = await startGateway({ env: { MAGPIE_ADMIN_KEY: KEY, MAGPIE_RATE_LIMIT: '10' } });
    const statuses: number[] = [];
    for (let i = 0; i < 13; i++) {
      const headers = { 'x-api-key': `guess-${i}` };
      statuses.push((await other.app.inject({ url: '/api/v1/jobs', headers })).statusCode);
    }
    await other.close();
    expect(statuses).toEqual([...Array<number>(10).fill(401), 429, 429, 429]);
  });

  it('the key is never logged', async () => {
    await status('/api/v1/jobs?api_key=hush-hush', { authorization: `Bearer ${KEY}` });
    const text = JSON.stringify(gateway.logged());
    expect(text).toContain('"url":"/api/v1/jobs?api_key=');
    expect(text).not.toContain(KEY);
    expect(text).not.toContain('hush-hush');
  });
});

describe('without an admin key', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway({ env: { MAGPIE_RATE_LIMIT: '60' } });
  });
  afterAll(() => gateway.close());

  it('only loopback is bound to', () => {
    const check = (env: Record<string, string>) => () => checkConfig(loadConfig(gatewayConfig, env));
    for (const host of ['0.0.0.0', '::', '192.168.1.2', 'magpie.example', '127.0.0.1.example'])
      expect(check({ MAGPIE_HOST: host })).toThrow(/MAGPIE_ADMIN_KEY is not set/);
    for (const host of ['127.0.0.1', '::1', 'localhost', '127.9.9.9'])
      expect(check({ MAGPIE_HOST: host })).not.toThrow();
    expect(check({ MAGPIE_HOST: '0.0.0.0', MAGPIE_ADMIN_KEY: KEY })).not.toThrow();
    expect(check({ MAGPIE_ALLOW_ADDRESSES: '10.0.0.1/8' })).toThrow(ConfigError);
  });

  it('a web page elsewhere can send nothing', async () => {
    const send = (headers: Record<string, string>) =>
      gateway.app.inject({ method: 'POST', url: '/images_tasks', payload: URLS, headers });
    for (const headers of [
      { host: '127.0.0.1:3000', origin: 'https://evil.example' },
      { host: '127.0.0.1:3000', origin: 'null' },
      { host: 'evil.example', origin: 'http://evil.example' },
      { host: 'evil.example' },
    ]) {
      const answer = await send(headers as Record<string, string>);
      expect([answer.statusCode, answer.json<{ code: string }>().code]).toEqual([403, 'forbidden']);
    }
    for (const headers of [
      { host: '127.0.0.1:3000' },
      { host: '127.0.0.1:3000', origin: 'http://127.0.0.1:3000' },
      { host: 'localhost:8080', origin: 'http://localhost:8080' },
      { host: 'magpie.test', origin: 'http://magpie.test' },
      { host: '192.168.1.2:8080' },
    ])
      expect((await send(headers as Record<string, string>)).statusCode).toBe(202);
  });

  it('answers bear their headers, and the id of their request', async () => {
    const answer = await gateway.app.inject({
      url: '/api/v1/jobs',
      headers: { 'x-request-id': 'mine-12345' },
    });
    expect(answer.headers).toMatchObject({
      'x-request-id': 'mine-12345',
      'x-content-type-options': 'nosniff',
      'content-security-policy': expect.stringContaining("default-src 'none'") as string,
      'referrer-policy': 'no-referrer',
    });
    const own = await gateway.app.inject({
      url: '/api/v1/jobs',
      headers: { 'x-request-id': 'bad id\u0000' },
    });
    expect(own.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    const lines = gateway.logged().filter(({ correlationId }) => correlationId === 'mine-12345');
    expect(lines).toMatchObject([{ msg: 'request', method: 'GET', url: '/api/v1/jobs', status: 200 }]);
  });

  it('a job bears the id of the request that made it', async () => {
    const answer = await gateway.app.inject({
      method: 'POST',
      url: '/images_tasks',
      payload: URLS,
      headers: { 'x-request-id': 'mine-67890' },
    });
    const id = answer.json<{ id: string }>().id;
    expect(await gateway.store.jobs.findOne({ _id: id }).lean()).toMatchObject({
      correlationId: 'mine-67890',
    });
  });

  it('the way leads to the documentation', async () => {
    for (const url of ['/', '/api/v1/docs', '/api/v1/docs/']) {
      const answer = await gateway.app.inject(url);
      expect([answer.statusCode, answer.headers['location']]).toEqual([302, '/docs']);
    }
    const page = await gateway.app.inject('/docs/');
    expect(page.statusCode).toBe(200);
    expect(page.headers['content-type']).toMatch(/^text\/html/);
    expect(page.headers['content-security-policy']).toContain("script-src 'self'");
    expect((await gateway.app.inject('/docs/json')).json()).toMatchObject({ openapi: '3.1.0' });
    expect((await gateway.app.inject('/docs/errors')).body).toContain('id="blocked_address"');
  });

  it('metrics say what was answered', async () => {
    await makeJob(gateway.app);
    const { body } = await gateway.app.inject('/metrics');
    expect(body).toMatch(/magpie_http_request_seconds_count\{[^}]*route="\/api\/v1\/jobs",status="202"/);
  });

  it('too many requests are refused, health is not', async () => {
    const answers = await Promise.all(
      // More than twice the limit: also where one minute ends among them and the next begins.
      Array.from({ length: 130 }, () => gateway.app.inject('/api/v1/sources')),
    );
    const refused = answers.find(({ statusCode }) => statusCode === 429);
    expect(refused?.json()).toMatchObject({ code: 'rate_limited', status: 429 });
    expect(Number(refused?.headers['retry-after'])).toBeGreaterThan(0);
    expect((await gateway.app.inject('/healthz')).statusCode).toBe(200);
    const other = await gateway.app.inject({
      url: '/api/v1/sources',
      headers: { 'x-forwarded-for': '192.0.2.7' },
    });
    expect(other.statusCode).toBe(200);
  });
});

describe('overloaded', () => {
  it('the gateway says so, answers probes, and recovers', async () => {
    const gateway = await startGateway({ env: { MAGPIE_MAX_EVENT_LOOP_DELAY: '200ms' } });
    const ask = () => gateway.app.inject('/api/v1/jobs');
    let answer = await ask();
    for (let i = 0; i < 20 && answer.statusCode !== 503; i++) {
      const end = Date.now() + 1500;
      while (Date.now() < end);
      await sleep(50);
      answer = await ask();
    }
    expect(answer.json()).toMatchObject({ code: 'overloaded', status: 503 });
    expect(answer.headers['retry-after']).toBe('5');
    expect((await gateway.app.inject('/healthz')).statusCode).toBe(200);
    await until(async () => (await ask()).statusCode === 200, 'it has recovered');
    await gateway.close();
  });
});
