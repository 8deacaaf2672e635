import type { Job, Readiness } from '@magpie/contracts';
import type { FaultyLink } from '@magpie/broker/testing';
import { makeJob, startGateway, URLS, type TestGateway } from './testing/gateway.ts';
import { mongodbLink } from './testing/mongodb-link.ts';
import { until } from './testing/until.ts';

/** Polls: a process that stalls while it connects has not found the server within its half a second. */
const becomes = (status: number, gateway: TestGateway, url: string): Promise<void> =>
  until(async () => (await gateway.app.inject(url)).statusCode === status, `${status} at ${url}`);

describe('without MongoDB', () => {
  let gateway: TestGateway;
  let link: FaultyLink;
  beforeAll(async () => {
    link = await mongodbLink();
    gateway = await startGateway({
      store: { url: link.url, serverSelectionMs: 500 },
    });
  });
  afterAll(async () => {
    await gateway.close();
    await link.close();
  });

  const ask = (method: 'GET' | 'POST' | 'DELETE', url: string, payload?: object) =>
    gateway.app.inject({ method, url, ...(payload ? { payload } : {}) });

  it('every route says so, and works again by itself', async () => {
    await becomes(200, gateway, '/readyz');
    const id = await makeJob(gateway.app);
    link.shut();

    const requests = [
      ask('GET', '/api/v1/jobs'),
      ask('GET', `/api/v1/jobs/${id}`),
      ask('GET', `/api/v1/jobs/${id}/items`),
      ask('GET', `/api/v1/jobs/${id}/errors`),
      ask('GET', `/api/v1/jobs/${id}/events`),
      ask('POST', `/api/v1/jobs/${id}/pause`),
      ask('DELETE', `/api/v1/jobs/${id}`),
      ask('POST', '/api/v1/jobs', { source: 'web-images', params: URLS }),
      ask('POST', '/images_tasks', URLS),
      ask('GET', '/api/v1/items?q=magpie'),
      ask('GET', '/api/v1/sources'),
      ask('GET', '/api/v1/dead-letters'),
      ask('DELETE', '/api/v1/dead-letters/some'),
    ];
    for (const answer of await Promise.all(requests)) {
      expect(answer.statusCode).toBe(503);
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
      expect(answer.headers['retry-after']).toBe('2');
      expect(answer.json()).toMatchObject({ code: 'storage_unavailable', status: 503 });
      expect(answer.body).not.toMatch(/mongo|127\.0\.0\.1:/i);
    }
    expect((await ask('GET', '/healthz')).statusCode).toBe(200);
    const ready = await ask('GET', '/readyz');
    expect(ready.statusCode).toBe(503);
    expect(ready.json<Readiness>()).toMatchObject({
      status: 'not_ready',
      checks: { mongodb: { ok: false } },
    });

    link.reopen();
    await becomes(200, gateway, '/readyz');
    expect((await ask('GET', `/api/v1/jobs/${id}`)).json<Job>().state).toBe('queued');
    expect((await ask('POST', '/images_tasks', URLS)).statusCode).toBe(202);
  });
});

describe('started before MongoDB', () => {
  it('answers 503 until it is there', async () => {
    const link = await mongodbLink();
    link.shut();
    const gateway = await startGateway({
      store: { url: link.url, serverSelectionMs: 500 },
    });
    const create = () => gateway.app.inject({ method: 'POST', url: '/images_tasks', payload: URLS });
    const list = () => gateway.app.inject('/api/v1/jobs');
    expect([(await create()).statusCode, (await list()).statusCode]).toEqual([503, 503]);
    link.reopen();
    await becomes(200, gateway, '/api/v1/jobs');
    expect((await create()).statusCode).toBe(202);
    await gateway.close();
    await link.close();
  });
});

describe('without RabbitMQ', () => {
  it('jobs are taken, controlled and shown; readiness says degraded', async () => {
    const gateway = await startGateway({ amqpUrl: 'amqp://guest:hush@127.0.0.1:1' });
    const answer = await gateway.app.inject({ method: 'POST', url: '/images_tasks', payload: URLS });
    expect(answer.statusCode).toBe(202);
    const { id } = answer.json<{ id: string }>();
    expect((await gateway.app.inject({ method: 'POST', url: `/api/v1/jobs/${id}/pause` })).statusCode).toBe(
      202,
    );
    expect((await gateway.app.inject(`/api/v1/jobs/${id}`)).json<Job>().state).toBe('pausing');
    const ready = await gateway.app.inject('/readyz');
    expect(ready.statusCode).toBe(200);
    expect(ready.json<Readiness>()).toMatchObject({
      status: 'degraded',
      checks: { mongodb: { ok: true }, rabbitmq: { ok: false } },
    });
    expect(ready.body).not.toContain('hush');
    await gateway.store.deadLetters.collection.insertOne({
      _id: 'letter',
      reason: 'malformed',
      exchange: 'magpie.results',
      routingKey: 'web-images',
      headers: {},
      body: Buffer.from('{}').toString('base64'),
      at: new Date(),
    } as never);
    const replay = await gateway.app.inject({ method: 'POST', url: '/api/v1/dead-letters/letter/replay' });
    expect([replay.statusCode, replay.json<{ code: string }>().code]).toEqual([503, 'broker_unavailable']);
    expect((await gateway.app.inject('/api/v1/dead-letters')).json<{ items: object[] }>().items).toHaveLength(
      1,
    );
    await gateway.close();
  });
});
