// For tests: brokers of one suite under a prefix of its own.
import { randomBytes } from 'node:crypto';
import { connect, type Channel, type GetMessage } from 'amqplib';
export { faultyLink, type FaultyLink } from './faulty-link.ts';
import { createBroker, type Broker } from './broker.ts';
import type { BrokerOptions } from './options.ts';
import { deleteTopology, type QueueSpec, type Topology } from './topology.ts';

export interface BrokerSuite {
  readonly url: string;
  readonly prefix: string;
  /** A broker of this suite; closed at the end. */
  broker(options?: Partial<BrokerOptions>): Broker;
  /** A bare channel beside the library, opened at the first call. */
  channel(): Promise<Channel>;
  /** Messages of a queue that nobody has. */
  depth(queue: QueueSpec): Promise<number>;
  /** Takes one message from a queue, bare; undefined if there is none. */
  take(queue: QueueSpec): Promise<GetMessage | undefined>;
  /** Takes all that is in a queue, in its order. */
  takeAll(queue: QueueSpec): Promise<GetMessage[]>;
  /** Closes all and deletes the suite's exchanges and queues. Fails if a test left a consumer open. */
  end(): Promise<void>;
}

/** @param url default: MAGPIE_TEST_AMQP_URL */
export function brokerSuite(url: string | undefined = process.env['MAGPIE_TEST_AMQP_URL']): BrokerSuite {
  if (!url) throw new Error('MAGPIE_TEST_AMQP_URL is not set: these tests need a real RabbitMQ');
  const prefix = `test-${randomBytes(5).toString('hex')}.`;
  const brokers: Broker[] = [];
  let bare: Promise<{ channel: Channel; close: () => Promise<void> }> | undefined;
  const open = async () => {
    const model = await connect(url);
    model.on('error', () => (bare = undefined));
    const channel = await model.createChannel().catch(async (error: unknown) => {
      await model.close().catch(() => {});
      throw error;
    });
    channel.on('error', () => {});
    channel.on('close', () => {
      bare = undefined;
      model.close().catch(() => {});
    });
    return { channel, close: () => model.close() };
  };
  const channel = async (): Promise<Channel> => {
    bare ??= open().catch((error: unknown) => {
      bare = undefined;
      throw error;
    });
    return (await bare).channel;
  };

  return {
    url,
    prefix,
    channel,
    broker(options = {}) {
      const broker = createBroker({ url, prefix, ...options });
      brokers.push(broker);
      return broker;
    },
    async depth({ name }) {
      return (await (await channel()).checkQueue(prefix + name)).messageCount;
    },
    async take({ name }) {
      return (await (await channel()).get(prefix + name, { noAck: true })) || undefined;
    },
    async takeAll({ name }) {
      const from = await channel();
      const taken: GetMessage[] = [];
      for (;;) {
        const some = Array.from({ length: 200 }, () => from.get(prefix + name, { noAck: true }));
        const got = (await Promise.all(some)).filter((message) => message !== false);
        taken.push(...got);
        if (got.length < some.length) return taken;
      }
    },
    async end() {
      const leaked = brokers.reduce((sum, broker) => sum + broker.open, 0);
      const topology: Topology = {
        exchanges: [
          ...new Map(brokers.flatMap((b) => b.topology.exchanges.map((e) => [e.name, e]))).values(),
        ],
        queues: [...new Map(brokers.flatMap((b) => b.topology.queues.map((q) => [q.name, q]))).values()],
      };
      await Promise.all(brokers.map((broker) => broker.close({ timeoutMs: 1_000 })));
      await deleteTopology(await channel(), topology, prefix);
      await (await bare)?.close();
      if (leaked > 0) throw new Error(`${leaked} consumers or subscriptions were left open`);
    },
  };
}
