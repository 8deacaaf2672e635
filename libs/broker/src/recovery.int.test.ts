import { setTimeout as sleep } from 'node:timers/promises';
import type { Channel, ConsumeMessage } from 'amqplib';
import { faultyLink, type FaultyLink } from './faulty-link.ts';
import { eventually, TICK, tickQueue, upTo } from './fixtures/tick.ts';
import type { BrokerStatus } from './options.ts';
import { brokerSuite } from './testing.ts';
import { EXCHANGES } from './topology.ts';

const suite = brokerSuite();
let link: FaultyLink;

beforeAll(async () => {
  link = await faultyLink(suite.url);
});
afterAll(async () => {
  await suite.end();
  await link.close();
});

describe('a channel error', () => {
  it.each([
    [
      'a double ack',
      async (channel: Channel) => {
        channel.ack({ fields: { deliveryTag: 9999 } } as ConsumeMessage);
      },
    ],
    [
      'a missing queue',
      async (channel: Channel) => {
        await channel.checkQueue('there is no such queue').catch(() => {});
      },
    ],
  ])('(%s) costs no message: the consumer is there again', async (name, fault) => {
    const channels: Channel[] = [];
    const { queue, tick, ticks } = tickQueue(`channel-${name.replace(/ /g, '-')}`);
    let renew = (): void => {};
    const renewed = new Promise<void>((resolve) => (renew = resolve));
    const broker = suite.broker({
      testHooks: {
        onConsumerChannel(channel, of) {
          if (of === queue.name && channels.push(channel) > 1) renew();
        },
      },
    });
    const seen = new Set<number>();
    const consumer = broker.consume({
      queue,
      types: [TICK],
      handler: async ({ body }) => {
        if (body.n >= 20) await renewed;
        seen.add(body.n);
      },
    });
    await consumer.ready;
    const publishing = broker.publishMany(ticks(300));
    await eventually(() => expect(seen.size).toBe(20));
    await fault(channels[0] as Channel);
    await publishing;
    await eventually(() => expect(seen.size).toBe(300));
    expect(channels).toHaveLength(2);
    expect(broker.status).toBe('up');
    await broker.publish(tick(300));
    await eventually(() => expect(seen.size).toBe(301));
    await broker.close();
    expect(await suite.depth(queue)).toBe(0);
  });

  it('leaves a running handler’s message to the new channel: it comes again, and is acked once', async () => {
    const channels: Channel[] = [];
    const { queue, tick } = tickQueue('channel-stale');
    const broker = suite.broker({
      testHooks: { onConsumerChannel: (channel, of) => void (of === queue.name && channels.push(channel)) },
    });
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const calls: boolean[] = [];
    const consumer = broker.consume({
      queue,
      types: [TICK],
      handler: async ({ redelivered }) => {
        calls.push(redelivered);
        await held;
      },
    });
    await consumer.ready;
    await broker.publish(tick(1));
    await eventually(() => expect(calls).toEqual([false]));
    channels[0]?.ack({ fields: { deliveryTag: 77 } } as ConsumeMessage);
    await eventually(() => expect(calls).toEqual([false, true]));
    release();
    await sleep(300);
    // an ack of the old delivery on the new channel would have closed that too
    expect(channels).toHaveLength(2);
    await broker.close();
    expect(await suite.depth(queue)).toBe(0);
  });

  it('declares its queue again when somebody deleted it', async () => {
    const { queue, tick } = tickQueue('channel-deleted');
    const broker = suite.broker();
    const seen: number[] = [];
    const consumer = broker.consume({
      queue,
      types: [TICK],
      handler: async ({ body }) => void seen.push(body.n),
    });
    await Promise.all([consumer.ready, broker.whenUp()]);
    await (await suite.channel()).deleteQueue(suite.prefix + queue.name);
    await eventually(() => broker.publish(tick(1)));
    await eventually(() => expect(seen).toContain(1));
    await broker.close();
  });
});

describe('a connection that is cut', () => {
  it('loses no publish in flight, and consumers go on', async () => {
    const broker = suite.broker({ url: link.url, publishTimeoutMs: 60_000 });
    const { queue, ticks } = tickQueue('cut');
    const statuses: BrokerStatus[] = [];
    broker.onStatus((status) => statuses.push(status));
    const seen = new Set<number>();
    const consumer = broker.consume({
      queue,
      types: [TICK],
      prefetch: 50,
      handler: async ({ body }) => void seen.add(body.n),
    });
    await consumer.ready;
    const publishing = broker.publishMany(ticks(6000));
    for (let cuts = 0; cuts < 3; cuts += 1) {
      await eventually(() => expect(broker.counts.published).toBeGreaterThan(cuts * 1500 + 200));
      link.cut();
    }
    await publishing;
    await eventually(() => expect(seen.size).toBe(6000));
    expect([...seen].sort((a, b) => a - b)).toEqual(upTo(6000));
    await eventually(() => expect(broker.status).toBe('up'));
    expect(statuses).toContain('down');
    // what was in flight at a cut may be there twice, the second behind all others
    await eventually(async () => expect(await suite.depth(queue)).toBe(0));
    await broker.close();
    expect(await suite.depth(queue)).toBe(0);
  });

  it('is noticed when it only stalls, by its heartbeat', async () => {
    const broker = suite.broker({ url: link.url, heartbeatSeconds: 1, publishTimeoutMs: 60_000 });
    const { queue, tick, ticks } = tickQueue('stall');
    const seen = new Set<number>();
    const consumer = broker.consume({
      queue,
      types: [TICK],
      handler: async ({ body }) => void seen.add(body.n),
    });
    await consumer.ready;
    await broker.publish(tick(0));
    await eventually(() => expect(seen.size).toBe(1));
    link.stall();
    const publishing = broker.publishMany(ticks(100));
    await eventually(() => expect(broker.status).toBe('down'));
    link.flow();
    await publishing;
    await eventually(() => expect(seen.size).toBe(100));
    await broker.close();
  });

  it('ends a close within its time though nothing answers', async () => {
    // for two minutes nothing but close gives anything up
    const broker = suite.broker({ url: link.url, heartbeatSeconds: 60, publishTimeoutMs: 120_000 });
    const { queue, tick } = tickQueue('stalled-close');
    const consumer = broker.consume({ queue, types: [TICK], handler: async () => {} });
    await consumer.ready;
    await broker.whenUp();
    link.stall();
    const publishing = broker.publish(tick(1)).catch((error: unknown) => error);
    const began = Date.now();
    await broker.close({ timeoutMs: 300 });
    expect(Date.now() - began).toBeLessThan(60_000);
    expect(await publishing).toBeInstanceOf(Error);
    link.cut();
    link.flow();
  });
});

describe('subscribe', () => {
  it('gets what is published from then on, by its keys, and again after a loss', async () => {
    const broker = suite.broker({ url: link.url });
    const jobs: string[] = [];
    const controls: number[] = [];
    let gaps = 0;
    const events = broker.subscribe({
      exchange: EXCHANGES.events,
      bindingKeys: ['job.1.*', 'job.*.done'],
      types: [TICK],
      handler: ({ routingKey }) => void jobs.push(routingKey),
      onGap: () => (gaps += 1),
    });
    const control = broker.subscribe({
      exchange: EXCHANGES.control,
      bindingKeys: [''],
      types: [TICK],
      handler: ({ body }) => {
        controls.push(body.n);
        throw new Error('a handler that fails harms nobody');
      },
    });
    await Promise.all([events.ready, control.ready, broker.whenUp()]);
    const event = (routingKey: string) =>
      broker.publish({ exchange: EXCHANGES.events, routingKey, type: TICK, body: { n: 0 } });
    const order = (n: number) =>
      broker.publish({ exchange: EXCHANGES.control, routingKey: '', type: TICK, body: { n } });
    await event('job.1.progress');
    await event('job.2.progress');
    await event('job.2.done');
    await order(1);
    await order(2);
    await eventually(() => expect(jobs).toEqual(['job.1.progress', 'job.2.done']));
    await eventually(() => expect(controls).toEqual([1, 2]));
    link.cut();
    await eventually(() => expect(gaps).toBe(1));
    await eventually(async () => {
      await event('job.1.again');
      expect(jobs).toContain('job.1.again');
    });
    await events.close();
    await Promise.all([events.close(), control.close()]);
    expect(broker.open).toBe(0);
    const before = jobs.length;
    await event('job.1.last');
    await sleep(50);
    expect(jobs).toHaveLength(before);
    await broker.close();
  });
});
