import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startServers } from './servers.ts';

/**
 * Keeps RabbitMQ and MongoDB up until SIGTERM or SIGINT, for running the tests again and again:
 * `node keep-servers.ts --data <directory> [--write-env <file>]`. The file gets the test variables.
 */
const { values } = parseArgs({ options: { data: { type: 'string' }, 'write-env': { type: 'string' } } });
const data = resolve(values.data ?? '.magpie/test-servers');
const aborted = new AbortController();
const ended = new Promise<void>((end) => {
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => {
      aborted.abort();
      end();
    });
  }
});
const servers = await startServers({
  data,
  need: ['mongodb', 'rabbitmq'],
  say: console.log,
  signal: aborted.signal,
});
for (const line of servers.sources) console.log(line);
if (values['write-env'] !== undefined) {
  const variables = {
    MAGPIE_TEST_AMQP_URL: servers.amqpUrl,
    MAGPIE_TEST_MONGODB_URL: servers.mongodbUrl,
    MAGPIE_TEST_RABBITMQCTL: join(data, 'rabbitmq', 'rabbitmqctl'),
  };
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(values['write-env'], lines.join(''));
}
await ended;
await servers.stop();
