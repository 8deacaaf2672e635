import type { DeadLetterBody } from '@magpie/contracts';
import { Poison, RetryLater, Unavailable } from './errors.ts';
import { eventually, TICK, tickQueue, upTo } from './fixtures/tick.ts';
import type { Delivery } from './message.ts';
import { brokerSuite } from './testing.ts';
import { DEAD_QUEUE } from './topology.ts';

const suite = brokerSuite();
const broker = suite.broker({ retryDelaysMs: [300, 900], holdTryMs: 100, publishTimeoutMs: 60_000 });

beforeAll(() => broker.whenUp({ timeoutMs: 50_000 }));
afterAll(() => suite.end());

async function nextLetter(): Promise<DeadLetterBody> {
  return eventually(async () => {
    const message = await suite.take(DEAD_QUEUE);
    if (!message) throw new Error('no dead letter yet');
    return JSON.parse(message.content.toString()) as DeadLetterBody;
  });
}

describe('consume in batches', () => {
  it.each([
    { name: 'full batches', count: 20, waitMs: 600_000, expected: [10, 10] },
    { name: 'what there is when the first has waited', count: 5, waitMs: 200 },
  ])('hands over $name', async ({ count, waitMs, expected }) => {
    const { queue, ticks } = tickQueue(`batch-${count}`);
    const sizes: number[] = [];
    const seen: number[] = [];
    await broker.declare(queue);
    await broker.publishMany(ticks(count));
    const consumer = broker.consume({
      queue,
      types: [TICK],
      batch: { max: 10, waitMs },
      handler: async (deliveries) => {
        sizes.push(deliveries.length);
        for (const { body } of deliveries) seen.push(body.n);
      },
    });
    await eventually(() => expect(seen).toEqual(upTo(count)));
    if (expected) expect(sizes).toEqual(expected);
    await consumer.close();
    expect(await suite.depth(queue)).toBe(0);
  });

  it('acks of a batch only what was not rejected; the rest meets its fate', async () => {
    const { queue, ticks } = tickQueue('batch-rejected');
    const done: [number, number][] = [];
    let down = 2;
    await broker.declare(queue);
    await broker.publishMany(ticks(6));
    const consumer = broker.consume({
      queue,
      types: [TICK],
      batch: { max: 6 },
      handler: async (deliveries) => {
        const rejected = new Map<Delivery, Error>();
        for (const delivery of deliveries) {
          const { n } = delivery.body;
          if (n === 1) rejected.set(delivery, new Poison('one'));
          else if (n === 2 && delivery.attempt === 1) rejected.set(delivery, new RetryLater('two'));
          else if (n === 4 && down-- > 0) rejected.set(delivery, new Unavailable('four'));
          else done.push([n, delivery.attempt]);
        }
        return { rejected };
      },
    });
    await eventually(() =>
      expect([...done].sort()).toEqual([
        [0, 1],
        [2, 2],
        [3, 1],
        [4, 1],
        [5, 1],
      ]),
    );
    expect(await nextLetter()).toMatchObject({ reason: 'one' });
    await consumer.close();
    expect(await suite.depth(queue)).toBe(0);
    expect(await suite.take(DEAD_QUEUE)).toBeUndefined();
  });

  it('tries each alone when a batch fails, so that a bad one costs no other an attempt', async () => {
    const { queue, ticks } = tickQueue('batch-split');
    const done: [number, number][] = [];
    await broker.declare(queue);
    await broker.publishMany(ticks(8));
    const consumer = broker.consume({
      queue,
      types: [TICK],
      batch: { max: 8 },
      handler: async (deliveries) => {
        if (deliveries.some(({ body }) => body.n === 3)) throw new Poison('three');
        for (const { body, attempt } of deliveries) done.push([body.n, attempt]);
      },
    });
    expect(await nextLetter()).toMatchObject({ reason: 'three' });
    await eventually(() => expect(done.map(([n]) => n)).toEqual([0, 1, 2, 4, 5, 6, 7]));
    expect(done.every(([, attempt]) => attempt === 1)).toBe(true);
    await consumer.close();
    expect(await suite.depth(queue)).toBe(0);
  });
});

describe('test hooks', () => {
  it('deliver every message twice, as two genuine messages', async () => {
    const doubling = suite.broker({ testHooks: { duplicateDeliveries: true } });
    const { queue, ticks } = tickQueue('twice');
    const seen: string[] = [];
    const consumer = doubling.consume({
      queue,
      types: [TICK],
      handler: async ({ body, messageId, redelivered }) =>
        void seen.push(`${body.n} ${messageId} ${redelivered}`),
    });
    await consumer.ready;
    await doubling.publishMany(ticks(20));
    await eventually(() => expect(seen).toHaveLength(40));
    expect(new Set(seen).size).toBe(20);
    expect(seen.every((one) => one.endsWith('false'))).toBe(true);
    await consumer.close();
    expect(doubling.counts.published).toBe(20);
    await doubling.close();
  });

  it('a suite that leaves a consumer open fails', async () => {
    const leaky = brokerSuite();
    const { queue } = tickQueue('leak');
    leaky.broker().consume({ queue, types: [TICK], handler: async () => {} });
    await expect(leaky.end()).rejects.toThrow(/1 consumers or subscriptions were left open/);
  });
});
