import { RESULTS_QUEUE, type Broker } from '@magpie/broker';
import { MESSAGES, type DeadLetter } from '@magpie/contracts';
import { makeJob, startGateway, type TestGateway } from './testing/gateway.ts';
import { until } from './testing/until.ts';

const base64 = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64');

describe('dead letters', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway();
    await gateway.listens();
  });
  afterAll(() => gateway.close());

  const letter = async (_id: string, more: object = {}): Promise<void> => {
    await gateway.store.deadLetters.collection.insertOne({
      _id,
      reason: 'malformed',
      error: 'connect amqp://me:hush@broker failed',
      exchange: 'magpie.results',
      routingKey: 'web-images',
      type: 'magpie.results',
      headers: { 'x-magpie-version': 1 },
      body: base64({ source: 'web-images', outcomes: [] }),
      consumer: 'storage.results.store',
      at: new Date(),
      ...more,
    } as never);
  };
  const get = (url: string) => gateway.app.inject({ method: 'GET', url });
  const replay = (id: string) =>
    gateway.app.inject({ method: 'POST', url: `/api/v1/dead-letters/${id}/replay` });

  it('are listed newest first, without secrets, and discarded', async () => {
    const at = Date.now();
    for (let i = 0; i < 5; i++)
      await letter(`listed-${i}`, {
        at: new Date(at + (i >> 1)),
        body: base64('https://me:hush@x.example/?token=hush'),
      });
    const seen: DeadLetter[] = [];
    let url: string | null = '/api/v1/dead-letters?limit=2';
    while (url !== null) {
      const answer = await get(url);
      seen.push(...answer.json<{ items: DeadLetter[] }>().items);
      url = /^<([^>]+)>/.exec(String(answer.headers['link'] ?? ''))?.[1] ?? null;
    }
    expect(seen.map(({ id }) => id)).toEqual(['listed-4', 'listed-3', 'listed-2', 'listed-1', 'listed-0']);
    expect(seen[0]).toMatchObject({ reason: 'malformed', exchange: 'magpie.results', bytes: 37 });
    expect(JSON.stringify(seen)).not.toContain('hush');
    for (const { id } of seen) {
      const discard = () => gateway.app.inject({ method: 'DELETE', url: `/api/v1/dead-letters/${id}` });
      expect([(await discard()).statusCode, (await discard()).statusCode]).toEqual([204, 404]);
    }
  });

  it('are sent again to where they were meant to go, and are then gone', async () => {
    await letter('replayed');
    const answer = await replay('replayed');
    expect([answer.statusCode, answer.json()]).toEqual([200, { replayed: 'message', steps: 0 }]);
    expect((await replay('replayed')).statusCode).toBe(404);
    const got: unknown[] = [];
    const broker = gateway.broker as Broker;
    const consumer = broker.consume({
      queue: RESULTS_QUEUE,
      types: [MESSAGES.results],
      handler: async ({ body }) => {
        got.push(body);
      },
    });
    await until(() => got.length > 0, 'it is received');
    await consumer.close();
    expect(got).toEqual([{ source: 'web-images', outcomes: [] }]);
  });

  it('that no queue takes stay', async () => {
    await letter('nowhere', { exchange: 'magpie.events', routingKey: 'nobody.hears' });
    await letter('unknown', { exchange: 'somebody.else' });
    for (const id of ['nowhere', 'unknown']) {
      const answer = await replay(id);
      expect([answer.statusCode, answer.json<{ code: string }>().code]).toEqual([409, 'not_replayable']);
      expect(await gateway.store.deadLetters.countDocuments({ _id: id })).toBe(1);
    }
  });

  it('of steps put back what was set aside, and nothing else', async () => {
    const id = await makeJob(gateway.app);
    const step = (_id: string, state: string) => ({
      _id,
      state,
      jobs: [id],
      kind: 'page',
      crashes: 3,
      attempt: 2,
    });
    await gateway.store.steps.collection.insertMany([
      step('parked-1', 'parked'),
      step('leased-1', 'leased'),
    ] as never[]);
    const work = (stepId: string) => ({
      id: stepId,
      lease: 'x',
      jobId: id,
      epoch: 1,
      kind: 'page',
      attempt: 1,
      input: {},
    });
    const message = {
      source: 'web-images',
      startBefore: 1,
      deadline: 2,
      steps: [work('parked-1'), work('leased-1'), work('gone-1')],
    };
    await letter('of-steps', {
      exchange: 'magpie.steps',
      routingKey: 'web-images.normal',
      type: 'magpie.steps',
      body: base64(message),
    });
    const answer = await replay('of-steps');
    expect([answer.statusCode, answer.json()]).toEqual([200, { replayed: 'steps', steps: 1 }]);
    const steps = await gateway.store.steps.find({ _id: { $in: ['parked-1', 'leased-1'] } }).lean();
    expect(steps.map(({ _id, state, crashes }) => [_id, state, crashes]).sort()).toEqual([
      ['leased-1', 'leased', 3],
      ['parked-1', 'ready', 0],
    ]);
    expect(await gateway.store.deadLetters.countDocuments({ _id: 'of-steps' })).toBe(0);

    await letter('of-rubbish', { exchange: 'magpie.steps', type: 'magpie.steps', body: base64('{"steps":') });
    expect((await replay('of-rubbish')).json()).toMatchObject({ code: 'not_replayable' });
  });
});
