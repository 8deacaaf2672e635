import { setTimeout as sleep } from 'node:timers/promises';
import { MESSAGES, type DeadLetterBody } from '@magpie/contracts';
import { createBroker } from './broker.ts';
import { Poison, RetryLater, Unavailable } from './errors.ts';
import { eventually, TICK, tickQueue, upTo } from './fixtures/tick.ts';
import type { Delivery } from './message.ts';
import { brokerSuite } from './testing.ts';
import { DEAD_QUEUE, EXCHANGES, suspectsQueue } from './topology.ts';

const suite = brokerSuite();
const retryDelaysMs = [300, 900];
const publishTimeoutMs = 60_000;
const broker = suite.broker({ retryDelaysMs, publishTimeoutMs, maxMessageBytes: 10_000, holdTryMs: 100 });

beforeAll(() => broker.whenUp({ timeoutMs: 50_000 }));
afterAll(() => suite.end());

async function nextLetter(): Promise<DeadLetterBody> {
  return eventually(async () => {
    const message = await suite.take(DEAD_QUEUE);
    if (!message) throw new Error('no dead letter yet');
    return JSON.parse(message.content.toString()) as DeadLetterBody;
  });
}

describe('consume', () => {
  it('acks when the handler has returned, not before', async () => {
    const { queue, ticks } = tickQueue('consume-ack');
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const seen: number[] = [];
    const consumer = broker.consume({
      queue,
      types: [TICK],
      handler: async ({ body }) => {
        seen.push(body.n);
        if (body.n === 1) await held;
      },
    });
    await consumer.ready;
    await broker.publishMany(ticks(4));
    await eventually(() => expect(seen).toEqual([0, 1, 2, 3]));
    // a consumer that goes gives back what it has not acked: only the one still in work
    await consumer.close({ timeoutMs: 100 });
    await eventually(async () => expect(await suite.depth(queue)).toBe(1));
    release();
    const message = await suite.take(queue);
    expect(message?.fields.redelivered).toBe(true);
    expect(JSON.parse(message?.content.toString() ?? '')).toEqual({ n: 1 });
  });

  it('keeps the order of the queue with concurrency 1, and never exceeds the concurrency', async () => {
    for (const concurrency of [1, 4]) {
      const { queue, ticks } = tickQueue(`consume-order-${concurrency}`);
      const seen: number[] = [];
      let running = 0;
      let most = 0;
      let fill = (): void => {};
      const full = new Promise<void>((resolve) => (fill = resolve));
      const consumer = broker.consume({
        queue,
        types: [TICK],
        prefetch: 50,
        concurrency,
        handler: async ({ body }) => {
          most = Math.max(most, ++running);
          if (running === concurrency) fill();
          await full;
          await sleep(1);
          running -= 1;
          seen.push(body.n);
        },
      });
      await consumer.ready;
      await broker.publishMany(ticks(100));
      await eventually(() => expect(seen).toHaveLength(100));
      if (concurrency === 1) expect(seen).toEqual(upTo(100));
      expect(most).toBe(concurrency);
      await consumer.close();
      expect(await suite.depth(queue)).toBe(0);
    }
  });

  it('retries after the delay of each attempt, then gives up with the error', async () => {
    const { queue, tick } = tickQueue('consume-retry');
    const calls: { attempt: number; at: number; delivery: Delivery }[] = [];
    const consumer = broker.consume({
      queue,
      types: [TICK],
      handler: async (delivery) => {
        calls.push({ attempt: delivery.attempt, at: Date.now(), delivery });
        throw new Error('the page is on fire');
      },
    });
    await consumer.ready;
    await broker.publish({ ...tick(9), headers: { jobId: 'j9' }, messageId: 'm9', correlationId: 'c9' });
    const letter = await nextLetter();
    expect(calls.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    const [first, second, third] = calls.map(({ at }) => at) as [number, number, number];
    expect(second - first).toBeGreaterThanOrEqual(290);
    expect(third - second).toBeGreaterThanOrEqual(890);
    for (const { delivery } of calls) {
      expect(delivery).toMatchObject({
        messageId: 'm9',
        correlationId: 'c9',
        exchange: 'magpie.steps',
        routingKey: 'consume-retry.normal',
        headers: { jobId: 'j9' },
        redelivered: false,
      });
      expect(delivery.headers).toEqual({ jobId: 'j9' });
    }
    expect(letter).toMatchObject({
      reason: 'attempts_exhausted',
      error: 'the page is on fire',
      consumer: queue.name,
      exchange: 'magpie.steps',
      routingKey: 'consume-retry.normal',
      headers: { jobId: 'j9', 'x-magpie-attempt': 3 },
    });
    expect(await suite.take(DEAD_QUEUE)).toBeUndefined();
    await consumer.close();
    expect(await suite.depth(queue)).toBe(0);
  });

  it('lets a short delay overtake a long one', async () => {
    const patient = suite.broker({ retryDelaysMs: [300, 60_000], publishTimeoutMs });
    const { queue, tick } = tickQueue('consume-overtake');
    const seen: string[] = [];
    const consumer = patient.consume({
      queue,
      types: [TICK],
      handler: async ({ body, attempt }) => {
        seen.push(`${body.n}/${attempt}`);
        if (attempt === 1) throw new RetryLater('later', { delayMs: body.n });
      },
    });
    await consumer.ready;
    await patient.publishMany([tick(60_000), tick(10)]);
    await eventually(() => expect(seen).toEqual(['60000/1', '10/1', '10/2']));
    await patient.close();
  });

  it('makes Poison a dead letter once, with its reason; a replay starts from attempt 1', async () => {
    const { queue, ticks } = tickQueue('consume-poison');
    let mended = false;
    const done: number[] = [];
    const attempts: number[] = [];
    const consumer = broker.consume({
      queue,
      types: [TICK],
      handler: async ({ body, attempt }) => {
        if (body.n === 1) attempts.push(attempt);
        if (body.n === 1 && !mended) throw new Poison('cursed_number', 'one is cursed');
        done.push(body.n);
      },
    });
    await consumer.ready;
    await broker.publishMany(ticks(3));
    const letter = await nextLetter();
    expect(letter).toMatchObject({ reason: 'cursed_number', error: 'one is cursed', consumer: queue.name });
    await eventually(() => expect(done).toEqual([0, 2]));
    expect(await suite.take(DEAD_QUEUE)).toBeUndefined();
    mended = true;
    await broker.replay(letter);
    await eventually(() => expect(done).toEqual([0, 2, 1]));
    expect(attempts).toEqual([1, 1]);
    await consumer.close();
  });

  it.each([
    ['not JSON', 'test.tick', Buffer.from('{"n":'), /not JSON/],
    ['against its schema', 'test.tick', Buffer.from('{"n":1,"extra":true}'), /test.tick@1/],
    ['of an unknown type', 'test.tock', Buffer.from('{"n":1}'), /unknown message type "test.tock@1"/],
    ['too large', 'test.tick', Buffer.alloc(10_001, 32), /10001 bytes/],
  ])('makes a message that is %s a dead letter once', async (name, type, content, text) => {
    const { queue } = tickQueue(`consume-malformed-${name.replace(/ /g, '-')}`);
    let calls = 0;
    const consumer = broker.consume({ queue, types: [TICK], handler: async () => void (calls += 1) });
    await consumer.ready;
    const channel = await suite.channel();
    channel.sendToQueue(suite.prefix + queue.name, content, { type, messageId: `bad ${name}` });
    const letter = await nextLetter();
    expect(letter.reason).toBe('malformed');
    expect(letter.error).toMatch(text);
    if (name !== 'too large') expect(Buffer.from(letter.body, 'base64')).toEqual(content);
    expect(await suite.take(DEAD_QUEUE)).toBeUndefined();
    expect(calls).toBe(0);
    await consumer.close();
    expect(await suite.depth(queue)).toBe(0);
  });

  it('holds messages while a dependency is down, and uses up no attempt', async () => {
    const { queue, ticks } = tickQueue('consume-hold');
    let down = true;
    let calls = 0;
    const done: [number, number][] = [];
    const consumer = broker.consume({
      queue,
      types: [TICK],
      prefetch: 5,
      handler: async ({ body, attempt }) => {
        calls += 1;
        if (down) throw new Unavailable('no database');
        done.push([body.n, attempt]);
      },
    });
    await consumer.ready;
    await broker.publishMany(ticks(10));
    await eventually(() => expect(consumer.holding).toBe(true));
    await sleep(500);
    expect(done).toEqual([]);
    // one at a time tries, so far fewer calls than five messages trying by themselves
    expect(calls).toBeLessThan(25);
    down = false;
    await eventually(() => expect(done).toHaveLength(10));
    expect(done.map(([n]) => n).sort()).toEqual(upTo(10));
    expect(done.every(([, attempt]) => attempt === 1)).toBe(true);
    expect(consumer.holding).toBe(false);
    await consumer.close();
    expect(await suite.depth(queue)).toBe(0);
    expect(await suite.take(DEAD_QUEUE)).toBeUndefined();
  });

  it('puts what it has held too long at the end of the queue, as new', async () => {
    const patient = suite.broker({ retryDelaysMs, holdTryMs: 50, holdMaxMs: 200 });
    const { queue, ticks } = tickQueue('consume-refresh');
    let down = true;
    const done: { n: number; attempt: number; deliveryCount: number | undefined }[] = [];
    const consumer = patient.consume({
      queue,
      types: [TICK],
      prefetch: 4,
      concurrency: 2,
      handler: async ({ body, attempt, deliveryCount }) => {
        if (down) throw new Unavailable('no database');
        done.push({ n: body.n, attempt, deliveryCount });
      },
    });
    await consumer.ready;
    await patient.publishMany(ticks(4));
    await eventually(() => expect(patient.counts.consumed).toBeGreaterThanOrEqual(10));
    down = false;
    await eventually(() => expect(done).toHaveLength(4));
    await sleep(200);
    expect(done.map(({ n }) => n).sort()).toEqual(upTo(4));
    for (const one of done) expect(one).toMatchObject({ attempt: 1, deliveryCount: undefined });
    await consumer.close();
    expect(await suite.depth(queue)).toBe(0);
    await patient.close();
  });

  it('gives messages back when it closes while holding', async () => {
    const { queue, ticks } = tickQueue('consume-hold-close');
    const consumer = broker.consume({
      queue,
      types: [TICK],
      handler: async () => {
        throw new Unavailable('no database');
      },
    });
    await consumer.ready;
    await broker.publishMany(ticks(3));
    await eventually(() => expect(consumer.holding).toBe(true));
    await Promise.all([consumer.close(), consumer.close()]);
    await eventually(async () => expect(await suite.depth(queue)).toBe(3));
  });

  it('lets a handler publish and end while the broker closes', async () => {
    const closing = suite.broker();
    const { queue, tick } = tickQueue('consume-closing');
    const after = tickQueue('consume-closing-after');
    await closing.declare(after.queue);
    let begun = false;
    const consumer = closing.consume({
      queue,
      types: [TICK],
      handler: async ({ body }) => {
        begun = true;
        await sleep(300);
        await closing.publish(after.tick(body.n));
      },
    });
    await consumer.ready;
    await closing.publish(tick(5));
    await eventually(() => expect(begun).toBe(true));
    await Promise.all([closing.close(), consumer.close(), closing.close()]);
    expect(await suite.depth(after.queue)).toBe(1);
    expect(await suite.depth(queue)).toBe(0);
  });

  it('aborts a handler that does not end in time, and does not ack its message', async () => {
    const { queue, tick } = tickQueue('consume-abort');
    let begun = false;
    let aborted = false;
    const consumer = broker.consume({
      queue,
      types: [TICK],
      handler: (_, signal) =>
        new Promise((_resolve, reject) => {
          begun = true;
          signal.addEventListener('abort', () => {
            aborted = true;
            reject(signal.reason as Error);
          });
        }),
    });
    await consumer.ready;
    await broker.publish(tick(1));
    await eventually(() => expect(begun).toBe(true));
    await consumer.close({ timeoutMs: 100 });
    expect(aborted).toBe(true);
    await eventually(async () => expect(await suite.depth(queue)).toBe(1));
    const message = await suite.take(queue);
    expect(message?.properties.headers?.['x-magpie-attempt']).toBe(1);
  });

  it('never makes a dead letter of a dead letter', async () => {
    const channel = await suite.channel();
    const letters: unknown[] = [];
    const consumer = broker.consume({
      queue: DEAD_QUEUE,
      types: [MESSAGES.deadLetter],
      handler: async ({ body, attempt }) => {
        if (attempt === 1) throw new Poison('unreadable');
        letters.push([body.reason, attempt]);
      },
    });
    await consumer.ready;
    await broker
      .publish({ exchange: EXCHANGES.steps, routingKey: 'void.normal', type: TICK, body: { n: 1 } })
      .catch(() => {});
    await eventually(() => expect(letters).toEqual([['unroutable', 2]]));
    await consumer.close();
    expect((await channel.checkQueue(suite.prefix + DEAD_QUEUE.name)).messageCount).toBe(0);
  });
});

describe('the end of a suite', () => {
  it('deletes the suspects of a queue that a broker outside the suite consumed', async () => {
    const other = brokerSuite();
    const { queue } = tickQueue('outside');
    const inside = other.broker();
    await inside.declare(queue);
    const outside = createBroker({ url: other.url, prefix: other.prefix });
    const consumer = outside.consume({ queue, types: [TICK], handler: async () => {} });
    await Promise.all([consumer.ready, outside.whenUp()]);
    const bare = await suite.channel();
    const suspects = other.prefix + suspectsQueue(queue).name;
    await eventually(async () => expect((await other.depth(suspectsQueue(queue))) === 0).toBe(true));
    await outside.close();
    await other.end();
    await expect(bare.checkQueue(suspects)).rejects.toThrow(/NOT_FOUND/);
  });
});
