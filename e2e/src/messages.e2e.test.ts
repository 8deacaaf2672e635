/** Messages that come twice, that nobody understands or takes, or that kill whoever handles them. */
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { createBroker, EXCHANGES, stepsQueue, type Broker } from '@magpie/broker';
import { MESSAGES } from '@magpie/contracts';
import { ManagedProcess } from '@magpie/local';
import { gallery } from '@magpie/testing';
import { Type } from 'typebox';
import { addsUp, COMPILED, range, World } from './world.ts';

jest.setTimeout(300_000);

let world: World;
let broker: Broker;
beforeAll(async () => {
  world = await World.make({
    replicas: { storage: 2, transfer: 0, 'web-images': 2 },
    env: { MAGPIE_TEST_DUPLICATE: '1' },
  });
  broker = createBroker({ url: world.servers.amqpUrl });
});
afterAll(async () => {
  await broker?.close();
  await world?.close();
});

interface Letter {
  id: string;
  reason: string;
  exchange: string;
  routingKey: string;
}
const letters = async (): Promise<Letter[]> =>
  (await world.call<{ items: Letter[] }>('GET', '/api/v1/dead-letters')).body.items;

test('with every message delivered twice: the same items, the same counts', async () => {
  world.site.set('/twice', gallery([...range(100, 60), 404]));
  world.site.set('/img/404.png', (_request, response) => void response.writeHead(404).end());
  world.site.set('/twice/more', gallery(range(150, 40)));
  const jobs = await Promise.all([world.images(['/twice', '/twice/more']), world.images(['/twice/more'])]);
  const [a, b] = await Promise.all(jobs.map((id) => world.until(id, 'completed')));
  expect(a!.counts).toMatchObject({ discovered: 91, failed: 1, pending: 0 });
  expect(b!.counts).toMatchObject({ discovered: 40, failed: 0, pending: 0 });
  expect(a!.counts.stored + b!.counts.stored).toBe(90);
  expect([a, b].every((job) => addsUp(job!))).toBe(true);
  expect(a!.pages).toEqual({ discovered: 2, done: 2, failed: 0, pending: 0 });
});

test('what nobody understands is a dead letter once, with the reason', async () => {
  const nonsense = { name: MESSAGES.results.name, version: 1, schema: Type.Any(), description: '' };
  await broker.publish({
    exchange: EXCHANGES.results,
    routingKey: 'web-images',
    type: nonsense,
    body: { outcomes: 'none' },
  });
  const found = await world.eventually(letters, (all) => all.some(({ reason }) => reason === 'malformed'));
  const malformed = found.filter(({ reason }) => reason === 'malformed');
  expect(malformed).toMatchObject([{ exchange: 'magpie.results', routingKey: 'web-images' }]);
  expect((await world.call('DELETE', `/api/v1/dead-letters/${malformed[0]!.id}`)).status).toBe(204);
});

test('what no queue takes is a dead letter once, and is replayed when there is a queue', async () => {
  const numbers = { name: 'test.number', version: 1, schema: Type.Any(), description: '' };
  const queue = stepsQueue('late-source');
  const attempt = broker.publish({
    exchange: EXCHANGES.steps,
    routingKey: 'late-source.normal',
    type: numbers,
    body: { n: 42 },
  });
  await expect(attempt).rejects.toThrow('late-source.normal');
  // The malformed one comes twice too, and may be there again since it was removed.
  const unroutable = async () => (await letters()).filter(({ reason }) => reason === 'unroutable');
  const [letter] = await world.eventually(unroutable, (all) => all.length > 0);
  expect(letter).toMatchObject({
    reason: 'unroutable',
    exchange: 'magpie.steps',
    routingKey: 'late-source.normal',
  });
  expect((await unroutable()).length).toBe(1);
  const replay = () => world.call('POST', `/api/v1/dead-letters/${letter!.id}/replay`);
  expect((await replay()).status).toBeGreaterThanOrEqual(400);
  expect((await unroutable()).length).toBe(1);
  await broker.declare(queue);
  expect((await replay()).status).toBeLessThan(300);
  const received: unknown[] = [];
  const consumer = broker.consume({
    queue,
    types: [numbers],
    handler: async ({ body }) => void received.push(body),
  });
  await world.eventually(
    () => received,
    (all) => all.length > 0,
  );
  await consumer.close();
  expect(received[0]).toEqual({ n: 42 });
  expect(await unroutable()).toEqual([]);
});

test('a step that kills its collector is set aside after its attempts; its neighbours complete', async () => {
  const data = join(world.servers.data, 'platform');
  const collector = new ManagedProcess({
    name: 'collector-crash-test',
    command: process.execPath,
    args: [join(import.meta.dirname, 'crashing/collector.ts')],
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      NODE_COMPILE_CACHE: COMPILED,
      AMQP_URL: world.servers.amqpUrl,
      MAGPIE_DATA: data,
    },
    logFile: join(data, 'logs', 'crash-test.log'),
    pidFile: join(data, 'run', 'crash-test.json'),
  });
  const over = Promise.withResolvers<void>();
  const supervised = (async () => {
    for (let running = true; running;) {
      await collector.start();
      await Promise.race([over.promise.then(() => (running = false)), collector.ended]);
    }
    await collector.stop();
  })();
  try {
    await world.eventually(
      () => world.call('GET', '/api/v1/sources/crash-test'),
      ({ status }) => status === 200,
    );
    const id = await world.submit('crash-test', { count: 50, poison: [7, 23] });
    const job = await world.until(id, 'completed');
    expect(job.counts).toEqual({ discovered: 50, stored: 48, shared: 0, skipped: 0, failed: 2, pending: 0 });
    const errors = await world.errors(id);
    expect(errors.map(({ url, code }) => [url, code]).sort()).toEqual([
      ['http://numbers.test/23', 'step_quarantined'],
      ['http://numbers.test/7', 'step_quarantined'],
    ]);
  } finally {
    over.resolve();
    await supervised;
  }
});
