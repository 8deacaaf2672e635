import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startTestContainers, type RunServers } from './containers.ts';
import { makeTestDirectory, startPrivateServers } from './test-servers.ts';

/** Where the setup leaves what the teardown needs: both run in one process. */
export const RUN = Symbol.for('magpie.test-run');

/**
 * Jest's global setup for tests that need servers: starts RabbitMQ and MongoDB once a run, by testcontainers
 * or as processes of our own, and tells the tests by `MAGPIE_TEST_AMQP_URL`, `MAGPIE_TEST_MONGODB_URL` and
 * `MAGPIE_TEST_RABBITMQCTL`. Uses what these name already.
 */
export default async function setup(): Promise<void> {
  const env = process.env;
  if (env['MAGPIE_TEST_AMQP_URL'] && env['MAGPIE_TEST_MONGODB_URL']) return;
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const servers = await startRun(say);
  servers.sources.forEach(say);
  env['MAGPIE_TEST_AMQP_URL'] = servers.amqpUrl;
  env['MAGPIE_TEST_MONGODB_URL'] = servers.mongodbUrl;
  env['MAGPIE_TEST_RABBITMQCTL'] = servers.rabbitmqctl;
  (globalThis as Record<symbol, unknown>)[RUN] = servers;
}

async function startRun(say: (line: string) => void): Promise<RunServers> {
  const folder = await makeTestDirectory();
  const removeFolder = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const containers = await startTestContainers(folder, say).catch((error: unknown) => {
    say(`testcontainers: ${String(error)}; using servers of our own`);
    return undefined;
  });
  if (containers !== undefined) {
    return { ...containers, stop: () => containers.stop().finally(removeFolder) };
  }
  await removeFolder();
  const servers = await startPrivateServers(['mongodb', 'rabbitmq'], say, { inMemory: true });
  return { ...servers, rabbitmqctl: join(servers.data, 'rabbitmq', 'rabbitmqctl') };
}
