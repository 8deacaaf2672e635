/** Every process and server is killed in the middle of a job: nothing is lost, doubled or stuck. */
import { jest } from '@jest/globals';
import { openStore } from '@magpie/store';
import { gallery } from '@magpie/testing';
import { addsUp, pause, range, World } from './world.ts';

jest.setTimeout(600_000);

let world: World;
beforeAll(async () => {
  world = await World.make({ replicas: { storage: 2, transfer: 0, 'web-images': 2 } });
});
afterAll(() => world?.close());

let next = 10_000;

/** A job of `count` slow images over four pages, of which some are stored and most are not. */
async function underWay(count: number): Promise<{ id: string; numbers: number[] }> {
  const numbers = range(next, count);
  next += count;
  const pages = range(0, 4).map((k) => {
    const path = `/crash/${numbers[0]}/${k}`;
    world.site.set(path, gallery(numbers.filter((n) => n % 4 === k).map((n) => `/img/${n}.png?ms=120`)));
    return path;
  });
  const id = await world.images(pages);
  await world.eventually(
    () => world.job(id),
    ({ counts }) => counts.stored > count / 10,
  );
  return { id, numbers };
}

async function endsWhole(id: string, numbers: readonly number[]): Promise<void> {
  const ended = await world.until(id, 'completed', 240_000);
  expect(ended.counts).toEqual({
    discovered: numbers.length,
    stored: numbers.length,
    shared: 0,
    skipped: 0,
    failed: 0,
    pending: 0,
  });
  expect(addsUp(ended)).toBe(true);
  const items = await world.items(id);
  expect(new Set(items.map(({ url }) => url)).size).toBe(numbers.length);
}

const process = (name: string) => {
  const managed = world.platform.processes.get(name);
  if (!managed) throw new Error(`no ${name}`);
  return managed;
};

test('kill -9 of a collector', async () => {
  const { id, numbers } = await underWay(600);
  await process('collector-web-images-1').kill();
  await pause(500);
  await process('collector-web-images-1').start();
  await endsWhole(id, numbers);
});

test('kill -9 of both storages, the director among them', async () => {
  const { id, numbers } = await underWay(600);
  await Promise.all([process('storage-1').kill(), process('storage-2').kill()]);
  await pause(500);
  await Promise.all([process('storage-1').start(), process('storage-2').start()]);
  await endsWhole(id, numbers);
});

test('kill -9 of the gateway between insert and hint: the job runs all the same', async () => {
  const store = openStore({ url: world.servers.mongodbUrl });
  await store.connected();
  const gateway = process('gateway');
  try {
    for (let round = 0; round < 3; round++) {
      const path = `/crash/lonely/${round}`;
      world.site.set(path, gallery(range(next, 5)));
      next += 5;
      const before = await store.jobs.countDocuments({});
      const answered = world.images([path]).catch(() => undefined);
      await world.eventually(
        () => store.jobs.countDocuments({}),
        (count) => count > before,
        undefined,
        0,
      );
      await gateway.kill();
      await answered;
      await gateway.start();
      const [job] = await store.jobs.find({}).sort({ _id: -1 }).limit(1).lean();
      expect((await world.until(job!._id, 'completed')).counts.stored).toBe(5);
    }
  } finally {
    await store.close();
  }
});

test('kill -9 of RabbitMQ', async () => {
  const { id, numbers } = await underWay(500);
  await world.servers.rabbitmq!.kill();
  const { status, body } = await world.call<{ id: string }>('POST', '/images_tasks', {
    url: `${world.site.url}/plain`,
  });
  expect(status).toBe(202);
  await world.servers.rabbitmq!.restart();
  await endsWhole(id, numbers);
  await world.until(body.id, 'completed');
});

test('kill -9 of mongod: 503 while it is away, then everything goes on without a restart', async () => {
  const { id, numbers } = await underWay(500);
  await world.servers.mongodb!.kill();
  const away = await world.call<{ code: string }>('POST', '/images_tasks', {
    url: `${world.site.url}/plain`,
  });
  expect(away).toMatchObject({ status: 503, body: { code: 'storage_unavailable' } });
  expect(away.headers.get('content-type')).toContain('application/problem+json');
  expect((await world.call('GET', '/readyz')).status).toBe(503);
  await world.servers.mongodb!.restart();
  await world.eventually(
    () => world.call('GET', '/readyz'),
    ({ status }) => status === 200,
  );
  await endsWhole(id, numbers);
});
