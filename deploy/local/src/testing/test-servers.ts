import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../ports.ts';
import { processBegan } from '../pid-file.ts';
import { startServers, type ServerName, type Servers } from '../servers.ts';

const PREFIX = 'magpie-test-';

/** A private set of servers for one test, which may kill and restart them; its data goes with `stop`. */
export interface TestServers extends Servers {
  data: string;
}

/**
 * Starts servers of their own on free ports in a new temporary data directory, never those that the
 * environment names. For crash tests: `servers.rabbitmq.kill()`, `servers.mongodb.restart()`.
 */
export async function startPrivateServers(
  need: ServerName[] = ['mongodb', 'rabbitmq'],
  say: (line: string) => void = () => {},
): Promise<TestServers> {
  const data = await makeTestDirectory();
  const env = { ...process.env };
  delete env['AMQP_URL'];
  delete env['MONGODB_URL'];
  try {
    const ports = { rabbitmq: await freePort(), mongodb: await freePort() };
    const servers = await startServers({ data, need, env, say, ports, mongod: { cacheGb: 0.25 } });
    const stop = async (): Promise<void> => {
      await servers.stop();
      await rm(data, { recursive: true, force: true, maxRetries: 5 });
    };
    return { ...servers, data, stop };
  } catch (error) {
    await rm(data, { recursive: true, force: true, maxRetries: 5 });
    throw error;
  }
}

/** A temporary directory that bears our pid; removes those of test runs that died without tidying up. */
export async function makeTestDirectory(): Promise<string> {
  for (const name of await readdir(tmpdir())) {
    const pid = /^magpie-test-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || Number(pid) === process.pid || (await processBegan(Number(pid))) !== '')
      continue;
    await rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => {});
  }
  return mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
}
