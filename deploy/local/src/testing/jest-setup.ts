import { join } from 'node:path';
import { startPrivateServers } from './test-servers.ts';

/** Where setup leaves the servers for teardown: both run in the same process, as separate modules. */
export const STATE = Symbol.for('magpie.test-servers');

/**
 * Jest's global setup for tests that need servers: starts RabbitMQ and MongoDB once a run, and tells the
 * tests by `MAGPIE_TEST_AMQP_URL` and `MAGPIE_TEST_MONGODB_URL`. Uses what these already name.
 */
export default async function setup(): Promise<void> {
  const env = process.env;
  if (env['MAGPIE_TEST_AMQP_URL'] && env['MAGPIE_TEST_MONGODB_URL']) return;
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const servers = await startPrivateServers(['mongodb', 'rabbitmq'], say);
  servers.sources.forEach(say);
  env['MAGPIE_TEST_AMQP_URL'] = servers.amqpUrl;
  env['MAGPIE_TEST_MONGODB_URL'] = servers.mongodbUrl;
  env['MAGPIE_TEST_RABBITMQCTL'] = join(servers.data, 'rabbitmq', 'rabbitmqctl');
  (globalThis as Record<symbol, unknown>)[STATE] = servers;
}
