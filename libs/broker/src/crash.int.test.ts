import { jest } from '@jest/globals';
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DeadLetterBody } from '@magpie/contracts';
import { startServers, type Servers } from '@magpie/local';
import { eventually, TICK, tickQueue, upTo } from './fixtures/tick.ts';
import { brokerSuite, type BrokerSuite } from './testing.ts';
import { DEAD_QUEUE, retryQueue, suspectsQueue, type QueueSpec } from './topology.ts';

jest.setTimeout(300_000);

describe('a consumer that dies', () => {
  const suite = brokerSuite();
  afterAll(() => suite.end());

  it('over one message loses that one to the dead letters, and its neighbours are done', async () => {
    const broker = suite.broker();
    const source = 'fragile';
    const { queue, ticks } = tickQueue(source);
    await broker.declare(queue);
    await broker.declare(suspectsQueue(queue));
    await broker.publishMany(ticks(40));
    const done = new Set<number>();
    let deaths = 0;
    let over = false;
    const run = () =>
      new Promise<void>((resolve) => {
        const file = fileURLToPath(new URL('./fixtures/fragile-consumer.ts', import.meta.url));
        const child = spawn(process.execPath, [file, suite.url, suite.prefix, source, String(deaths)], {
          stdio: ['ignore', 'pipe', 'inherit'],
          env: { ...process.env, NODE_OPTIONS: '' },
        });
        child.stdout.on('data', (text: Buffer) => {
          for (const line of text.toString().trim().split('\n')) done.add(Number(line));
        });
        const timer = setInterval(() => over && child.kill('SIGTERM'), 50);
        child.on('exit', (_, signal) => {
          clearInterval(timer);
          if (signal === 'SIGKILL') deaths += 1;
          resolve();
        });
      });
    const running = (async () => {
      while (!over) await run();
    })();
    try {
      const letter = await eventually(async () => {
        const message = await suite.take(DEAD_QUEUE);
        if (!message) throw new Error(`no dead letter after ${deaths} deaths`);
        return JSON.parse(message.content.toString()) as DeadLetterBody;
      }, 120_000);
      expect(letter).toMatchObject({ reason: 'crashed_consumer', consumer: queue.name, type: TICK.name });
      expect(Buffer.from(letter.body, 'base64').toString()).toBe('{"n":13}');
      await eventually(() =>
        expect([...done].sort((a, b) => a - b)).toEqual(upTo(40).filter((n) => n !== 13)),
      );
    } finally {
      over = true;
      await running;
    }
    expect(deaths).toBe(5);
    expect(await suite.take(DEAD_QUEUE)).toBeUndefined();
    expect(await suite.depth(queue)).toBe(0);
    await broker.close();
  });
});

describe('a broker that dies', () => {
  let data: string;
  let servers: Servers;
  let suite: BrokerSuite;

  /**
   * RabbitMQ 3.10 notes a new quorum queue on disk within half a second; one that is younger when the broker is
   * killed stays without a leader. That is not what these tests are about.
   */
  const noted = (...queues: QueueSpec[]) =>
    eventually(async () => {
      const files = globSync('rabbitmq/**/quorum/**/names.dets', { cwd: data });
      const texts = await Promise.all(files.map((file) => readFile(join(data, file), 'latin1')));
      for (const queue of queues) {
        const name = `%2F_${suite.prefix}${queue.name}`;
        // an atom, as Erlang writes it
        const written = String.fromCharCode(name.length) + name;
        expect([name, texts.some((text) => text.includes(written))]).toEqual([name, true]);
      }
    });

  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), 'magpie-broker-'));
    const { AMQP_URL: _, ...env } = process.env;
    servers = await startServers({ data, need: ['rabbitmq'], env, say: () => {} });
    suite = brokerSuite(servers.amqpUrl);
  });
  afterAll(async () => {
    await suite.end();
    await servers.stop();
    await rm(data, { recursive: true, force: true });
  });

  it('mid-publish has every message whose publish resolved, and gets the others when it is back', async () => {
    const broker = suite.broker({ publishTimeoutMs: 150_000, maxInFlight: 500 });
    const { queue, tick } = tickQueue('kill-publish');
    await broker.declare(queue, { timeoutMs: 60_000 });
    await noted(queue);
    const confirmed = new Set<number>();
    const outcomes = upTo(3000).map((n) => broker.publish(tick(n)).then(() => confirmed.add(n)));
    await eventually(() => expect(confirmed.size).toBeGreaterThan(300));
    await servers.rabbitmq?.kill();
    const before = new Set(confirmed);
    expect(before.size).toBeLessThan(3000);
    await eventually(() => expect(broker.status).toBe('down'));
    expect(broker.tryPublish(tick(0))).toBe(false);
    await servers.rabbitmq?.restart();
    await Promise.all(outcomes);
    await eventually(() => expect(broker.status).toBe('up'));
    const queued = new Map<number, number>();
    for (const message of await suite.takeAll(queue)) {
      const { n } = JSON.parse(message.content.toString()) as { n: number };
      queued.set(n, (queued.get(n) ?? 0) + 1);
    }
    for (const n of before) expect(queued.has(n)).toBe(true);
    expect([...queued.keys()].sort((a, b) => a - b)).toEqual(upTo(3000));
    await broker.close();
  });

  it('mid-publish, and does not come back in time: what resolved is there, what was rejected may be', async () => {
    const broker = suite.broker({ publishTimeoutMs: 1_000, maxInFlight: 300 });
    const { queue, tick } = tickQueue('kill-reject');
    await broker.declare(queue, { timeoutMs: 60_000 });
    await noted(queue);
    const confirmed = new Set<number>();
    let rejected = 0;
    const outcomes: Promise<unknown>[] = [];
    const publish = (count: number): void => {
      for (let i = 0; i < count; i += 1) {
        const n = outcomes.length;
        outcomes.push(
          broker.publish(tick(n)).then(
            () => confirmed.add(n),
            () => (rejected += 1),
          ),
        );
      }
    };
    // some are rejected before the kill already where a second is short
    for (const end = Date.now() + 60_000; confirmed.size <= 300 && Date.now() < end; await sleep(10))
      publish(100);
    expect(confirmed.size).toBeGreaterThan(300);
    publish(1000);
    const before = rejected;
    await servers.rabbitmq?.kill();
    await Promise.all(outcomes);
    expect(confirmed.size + rejected).toBe(outcomes.length);
    expect(rejected).toBeGreaterThan(before);
    await servers.rabbitmq?.restart();
    await broker.whenUp();
    const queued = new Set<number>();
    for (const message of await suite.takeAll(queue)) {
      queued.add((JSON.parse(message.content.toString()) as { n: number }).n);
    }
    for (const n of confirmed) expect(queued.has(n)).toBe(true);
    await broker.close();
  });

  it('mid-consume hands everything out again, retries included', async () => {
    const broker = suite.broker({ publishTimeoutMs: 150_000, retryDelaysMs: [3000] });
    const { queue, ticks } = tickQueue('kill-consume');
    const done = new Set<number>();
    let failed = 0;
    const consumer = broker.consume({
      queue,
      types: [TICK],
      prefetch: 20,
      handler: async ({ body, attempt }) => {
        await sleep(5);
        if (body.n % 50 === 0 && attempt === 1) {
          failed += 1;
          throw new Error('not at first');
        }
        done.add(body.n);
      },
    });
    await Promise.all([consumer.ready, broker.whenUp()]);
    await noted(queue, retryQueue(3000));
    await broker.publishMany(ticks(1000));
    await eventually(() => expect(failed).toBeGreaterThan(5));
    await servers.rabbitmq?.kill();
    await servers.rabbitmq?.restart();
    await eventually(() => expect(done.size).toBe(1000), 120_000);
    await eventually(async () => expect(await suite.depth(queue)).toBe(0));
    expect(await suite.take(DEAD_QUEUE)).toBeUndefined();
    await broker.close();
  });
});
