/** Listens in on every message of the platform, as whoever may read its broker can. */
import { EXCHANGES } from '@magpie/broker';
import { brokerSuite, type BrokerSuite } from '@magpie/broker/testing';

const QUEUE = 'test.tap';

export class Tap {
  /** What went over each exchange: routing key, properties, body. */
  readonly messages: { exchange: string; text: string }[] = [];
  readonly #suite: BrokerSuite;

  private constructor(suite: BrokerSuite) {
    this.#suite = suite;
  }

  static async open(url: string): Promise<Tap> {
    const tap = new Tap(brokerSuite(url));
    const channel = await tap.#suite.channel();
    await channel.assertQueue(QUEUE, { autoDelete: true });
    for (const { name, type } of Object.values(EXCHANGES))
      await channel.bindQueue(QUEUE, name, '#', type === 'headers' ? { 'x-match': 'all' } : {});
    await channel.consume(
      QUEUE,
      (message) => {
        if (message === null) return;
        const { fields, properties, content } = message;
        const text = `${JSON.stringify(fields)} ${JSON.stringify(properties)} ${content.toString('latin1')}`;
        tap.messages.push({ exchange: fields.exchange, text });
      },
      { noAck: true },
    );
    return tap;
  }

  async close(): Promise<void> {
    await this.#suite.end();
  }
}
