import { access, constants, mkdtemp, readdir, rm, statfs } from 'node:fs/promises';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../ports.ts';
import { processBegan } from '../pid-file.ts';
import { startServers, type ServerName, type Servers } from '../servers.ts';

const PREFIX = 'magpie-test-';
/** Linux's file system in memory. */
const MEMORY = '/dev/shm';
const MEMORY_NEEDED = 4 * 1024 ** 3;

/** A private set of servers for one test, which may kill and restart them; its data goes with `stop`. */
export interface TestServers extends Servers {
  data: string;
}

/**
 * Starts servers of their own on free ports in a new temporary data directory, never those that the
 * environment names. For crash tests: `servers.rabbitmq.kill()`, `servers.mongodb.restart()`.
 *
 * @param inMemory keeps the data in memory where it can: quicker, and gone with the machine
 * @param cacheGb MongoDB's cache; small, since tests run beside each other
 */
export async function startPrivateServers(
  need: ServerName[] = ['mongodb', 'rabbitmq'],
  say: (line: string) => void = () => {},
  { inMemory = false, cacheGb = 0.25 } = {},
): Promise<TestServers> {
  const data = await makeTestDirectory({ inMemory });
  const env = { ...process.env };
  delete env['AMQP_URL'];
  delete env['MONGODB_URL'];
  try {
    const ports = { rabbitmq: await freePort(), mongodb: await freePort() };
    const servers = await startServers({ data, need, env, say, ports, mongod: { cacheGb } });
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

/**
 * A temporary directory that bears our pid; removes those of test runs that died without tidying up.
 *
 * @param inMemory in the machine's memory, where it has a file system there and room; else on disk
 */
export async function makeTestDirectory({ inMemory = false } = {}): Promise<string> {
  for (const parent of [tmpdir(), MEMORY]) await removeLeftOvers(parent);
  const parent = inMemory && (await hasRoom()) ? MEMORY : tmpdir();
  return mkdtemp(join(parent, `${PREFIX}${process.pid}-`));
}

async function removeLeftOvers(parent: string): Promise<void> {
  for (const name of await readdir(parent).catch(() => [])) {
    const pid = /^magpie-test-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || Number(pid) === process.pid || (await processBegan(Number(pid))) !== '')
      continue;
    await rm(join(parent, name), { recursive: true, force: true }).catch(() => {});
  }
}

async function hasRoom(): Promise<boolean> {
  try {
    const { bavail, bsize } = await statfs(MEMORY);
    await access(MEMORY, constants.W_OK);
    return Math.min(bavail * bsize, freemem()) >= MEMORY_NEEDED;
  } catch {
    return false;
  }
}
