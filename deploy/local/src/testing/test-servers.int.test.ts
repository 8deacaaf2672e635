import { MongoClient } from 'mongodb';
import { freshVhost } from './vhost.ts';
import { amqpAnswers } from '../rabbitmq.ts';

describe('the servers of a test run', () => {
  it('answer at the addresses in the environment', async () => {
    const amqp = new URL(process.env['MAGPIE_TEST_AMQP_URL'] ?? '');
    await amqpAnswers(amqp.hostname, Number(amqp.port));
    const client = new MongoClient(process.env['MAGPIE_TEST_MONGODB_URL'] ?? '');
    const hello = await client.db('admin').command({ hello: 1 });
    await client.close();
    expect(hello['isWritablePrimary']).toBe(true);
  });

  it('give a test a virtual host of its own', async () => {
    const vhost = await freshVhost();
    expect(vhost.amqpUrl.endsWith(`/${vhost.name}`)).toBe(true);
    await vhost.drop();
  }, 180_000);
});
