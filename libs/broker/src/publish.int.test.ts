import type { DeadLetterBody } from '@magpie/contracts';
import { BrokerUnavailable, InvalidMessage, PublishManyError, UnroutableError } from './errors.ts';
import { faultyLink } from './faulty-link.ts';
import { eventually, TICK, tickQueue, upTo } from './fixtures/tick.ts';
import { brokerSuite } from './testing.ts';
import { DEAD_QUEUE, EXCHANGES } from './topology.ts';

const suite = brokerSuite();
const publishTimeoutMs = 60_000;
const broker = suite.broker({ publishTimeoutMs });

beforeAll(() => broker.whenUp({ timeoutMs: 50_000 }));
afterAll(() => suite.end());

const letterOf = (content: Buffer): DeadLetterBody => JSON.parse(content.toString()) as DeadLetterBody;

describe('publish', () => {
  it('resolves when the message is in its queue, with its envelope', async () => {
    const { queue, tick } = tickQueue('publish-envelope');
    await broker.declare(queue);
    await broker.publish({ ...tick(7), headers: { jobId: 'j1' }, correlationId: 'c1', messageId: 'm1' });
    expect(await suite.depth(queue)).toBe(1);
    const message = await suite.take(queue);
    expect(JSON.parse(message?.content.toString() ?? '')).toEqual({ n: 7 });
    expect(message?.properties).toMatchObject({
      type: 'test.tick',
      messageId: 'm1',
      correlationId: 'c1',
      contentType: 'application/json',
      deliveryMode: 2,
      headers: { jobId: 'j1', 'x-magpie-version': 1, 'x-magpie-attempt': 1 },
    });
  });

  it('keeps the order of publishing', async () => {
    const { queue, ticks } = tickQueue('publish-order');
    await broker.declare(queue);
    await broker.publishMany(ticks(3000));
    const messages = await suite.takeAll(queue);
    const seen = messages.map(({ content }) => (JSON.parse(content.toString()) as { n: number }).n);
    expect(seen).toEqual(upTo(3000));
  });

  it('refuses a body against its schema before anything is sent', async () => {
    const { tick } = tickQueue('publish-invalid');
    await expect(broker.publish({ ...tick(0), body: { n: 'one' } as never })).rejects.toThrow(InvalidMessage);
    expect(broker.tryPublish({ ...tick(0), body: { n: 'one' } as never })).toBe(false);
  });

  it('declares a queue again that was deleted, and publishes once more', async () => {
    const { queue, tick } = tickQueue('publish-deleted');
    await broker.declare(queue);
    await (await suite.channel()).deleteQueue(suite.prefix + queue.name);
    await broker.publish(tick(1));
    expect(await suite.depth(queue)).toBe(1);
  });

  it('parks what no queue takes once, with the reason, and says so', async () => {
    await expect(
      broker.publish({
        exchange: EXCHANGES.steps,
        routingKey: 'nobody.normal',
        type: TICK,
        body: { n: 5 },
        headers: { jobId: 'j5' },
        messageId: 'm5',
      }),
    ).rejects.toThrow(UnroutableError);
    const dead = await eventually(async () => {
      const message = await suite.take(DEAD_QUEUE);
      if (!message) throw new Error('no dead letter yet');
      return message;
    });
    const letter = letterOf(dead.content);
    expect(letter).toMatchObject({
      reason: 'unroutable',
      exchange: 'magpie.steps',
      routingKey: 'nobody.normal',
      type: 'test.tick',
      consumer: 'publisher',
      headers: { jobId: 'j5' },
    });
    expect(Buffer.from(letter.body, 'base64').toString()).toBe('{"n":5}');
    expect(await suite.take(DEAD_QUEUE)).toBeUndefined();

    // still unroutable: the caller has the letter, a second one would be one too many
    await expect(broker.replay(letter)).rejects.toThrow(UnroutableError);
    expect(await suite.take(DEAD_QUEUE)).toBeUndefined();
    const { queue } = tickQueue('nobody');
    await broker.declare(queue);
    await broker.replay(letter);
    const message = await suite.take(queue);
    expect(message?.content.toString()).toBe('{"n":5}');
    expect([undefined, '', 'm5', dead.properties.messageId]).not.toContain(message?.properties.messageId);
    expect(message?.properties.headers).toMatchObject({ jobId: 'j5', 'x-magpie-attempt': 1 });
  });

  it('does not mind that nobody listens to a hint', async () => {
    await broker.publish({ exchange: EXCHANGES.events, routingKey: 'job.1.x', type: TICK, body: { n: 1 } });
    expect(
      broker.tryPublish({ exchange: EXCHANGES.events, routingKey: 'job.1.x', type: TICK, body: { n: 1 } }),
    ).toBe(true);
    expect(await suite.take(DEAD_QUEUE)).toBeUndefined();
  });

  it('tells which of many failed', async () => {
    const { queue, tick } = tickQueue('publish-some');
    await broker.declare(queue);
    const bad = { ...tick(1), body: { n: 0.5 } };
    const failure: unknown = await broker
      .publishMany([tick(0), bad, tick(2), bad])
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(PublishManyError);
    expect((failure as PublishManyError).failures.map(({ index }) => index)).toEqual([1, 3]);
    expect(await suite.depth(queue)).toBe(2);
  });

  it('takes from the messages no more than the window holds', async () => {
    const small = suite.broker({ maxInFlight: 10, publishTimeoutMs });
    await small.whenUp({ timeoutMs: 50_000 });
    const { queue, tick } = tickQueue('publish-window');
    await small.declare(queue);
    let taken = 0;
    let most = 0;
    const endless = function* () {
      for (let n = 0; n < 500; n += 1) {
        taken += 1;
        most = Math.max(most, taken - small.counts.published);
        yield tick(n);
      }
    };
    await small.publishMany(endless());
    expect(await suite.depth(queue)).toBe(500);
    expect(most).toBeLessThanOrEqual(21);
    await small.close();
  });

  it('refuses a body over the limit', async () => {
    const limited = suite.broker({ maxMessageBytes: 8, publishTimeoutMs });
    const { queue, tick } = tickQueue('publish-large');
    await limited.declare(queue);
    await expect(limited.publish(tick(100))).rejects.toThrow(/9 bytes, at most 8/);
    await limited.publish(tick(10));
    expect(await suite.depth(queue)).toBe(1);
    await limited.close();
  });
});

describe('while the broker is away', () => {
  it('waits for it, then gives up with BrokerUnavailable; hints are dropped at once', async () => {
    const link = await faultyLink(suite.url);
    link.shut();
    const away = suite.broker({ url: link.url, publishTimeoutMs: 400 });
    const { queue, tick } = tickQueue('publish-away');
    expect(away.status).toBe('connecting');
    await expect(away.publish(tick(1))).rejects.toThrow(BrokerUnavailable);
    await expect(away.whenUp({ timeoutMs: 50 })).rejects.toThrow(BrokerUnavailable);
    expect(away.tryPublish(tick(1))).toBe(false);
    link.reopen();
    await away.whenUp({ timeoutMs: 50_000 });
    await away.declare(queue);
    // one that was not confirmed in time may be there all the same; what was rejected while nothing was sent is not
    await eventually(() => away.publish(tick(2)));
    const there = (await suite.takeAll(queue)).map(({ content }) => content.toString());
    expect(new Set(there)).toEqual(new Set(['{"n":2}']));
    await away.close();
    await link.close();
  });

  it('publishes what was waiting when it comes back', async () => {
    const link = await faultyLink(suite.url);
    const { queue, tick } = tickQueue('publish-later');
    await broker.declare(queue);
    link.shut();
    const away = suite.broker({ url: link.url, publishTimeoutMs });
    const publishing = away.publish(tick(1));
    setTimeout(() => link.reopen(), 300);
    await publishing;
    expect(await suite.depth(queue)).toBe(1);
    await away.close();
    await link.close();
  });

  it('rejects everything after close, which may be called twice at once', async () => {
    const closed = suite.broker({ publishTimeoutMs });
    await closed.whenUp({ timeoutMs: 50_000 });
    const { queue, ticks, tick } = tickQueue('publish-closed');
    await closed.declare(queue);
    const many = closed.publishMany(ticks(500));
    await Promise.all([closed.close(), closed.close()]);
    await many;
    expect(await suite.depth(queue)).toBe(500);
    await expect(closed.publish(tick(1))).rejects.toThrow(BrokerUnavailable);
    expect(() => closed.consume({ queue, types: [TICK], handler: async () => {} })).toThrow(
      BrokerUnavailable,
    );
    expect(closed.status).toBe('down');
  });

  it('keeps its credentials out of logs and errors', async () => {
    const lines: string[] = [];
    const note = (fields: object, message: string) => void lines.push(JSON.stringify(fields) + message);
    const url = new URL(suite.url);
    url.username = 'nobody';
    url.password = 'topsecret';
    const log = { debug: note, info: note, warn: note, error: note };
    const refused = suite.broker({ url: url.href, log, publishTimeoutMs: 300 });
    const failure: unknown = await refused.publish(tickQueue('x').tick(1)).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(BrokerUnavailable);
    // two connections, one after the other
    await eventually(() => {
      expect(lines.join('\n')).toMatch(/ACCESS_REFUSED/);
      expect(refused.lastError).toMatch(/ACCESS_REFUSED/);
    });
    await refused.close();
    expect(`${lines.join('\n')} ${(failure as Error).message} ${refused.lastError}`).not.toMatch(/topsecret/);
    expect(() => suite.broker({ url: 'http://nobody:topsecret@host' })).toThrow(
      new TypeError('not an amqp:// or amqps:// URL'),
    );
  });

  it('closes promptly though it never connected', async () => {
    const link = await faultyLink(suite.url);
    link.shut();
    const never = suite.broker({ url: link.url });
    const consumer = never.consume({ ...tickQueue('x'), types: [TICK], handler: async () => {} });
    const publishing = never.publish(tickQueue('x').tick(1)).catch((error: unknown) => error);
    await never.close({ timeoutMs: 200 });
    expect(await publishing).toBeInstanceOf(BrokerUnavailable);
    await consumer.close();
    await link.close();
  });
});
