import { randomBytes } from 'node:crypto';
import { chmod, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { GenericContainer, Wait, type StartedTestContainer } from 'testcontainers';
import { runCommand } from '../command.ts';
import { dockerEngine, haveImage, IMAGES } from '../docker.ts';
import { becomePrimary, REPLICA_SET } from '../mongodb.ts';
import { processBegan } from '../pid-file.ts';
import { freePort } from '../ports.ts';
import { amqpAnswers } from '../rabbitmq.ts';
import { eventually } from './eventually.ts';

/** The servers of a test run, wherever they run. */
export interface RunServers {
  amqpUrl: string;
  mongodbUrl: string;
  /** A script that takes rabbitmqctl's arguments. */
  rabbitmqctl: string;
  sources: string[];
  stop(): Promise<void>;
}

/**
 * RabbitMQ and MongoDB by testcontainers; undefined where no Docker engine answers or it can't have the
 * images. `folder` is for the rabbitmqctl script.
 */
export async function startTestContainers(
  folder: string,
  say: (line: string) => void,
): Promise<RunServers | undefined> {
  if ((await dockerEngine()) === undefined) return undefined;
  for (const image of [IMAGES.mongodb, IMAGES.rabbitmq]) {
    if (!(await haveImage(image, say))) return undefined;
  }
  // Ryuk removes containers of a run that was killed; without its image we go without.
  if (!process.env['TESTCONTAINERS_RYUK_DISABLED'] && !(await haveImage(RYUK, say))) {
    process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true';
  }
  await removeLeftContainers();
  const labels = { ...OURS, [PID]: String(process.pid), [BEGAN]: await processBegan(process.pid) };
  const started = await Promise.allSettled([startMongo(labels), startRabbitmq(labels, folder)]);
  const stop = async (): Promise<void> => {
    for (const one of started) if (one.status === 'fulfilled') await one.value.container.stop();
  };
  const [mongodb, rabbitmq] = started;
  if (mongodb.status === 'rejected' || rabbitmq.status === 'rejected') {
    await stop();
    throw mongodb.status === 'rejected' ? mongodb.reason : (rabbitmq as PromiseRejectedResult).reason;
  }
  return {
    amqpUrl: rabbitmq.value.url,
    mongodbUrl: mongodb.value.url,
    rabbitmqctl: rabbitmq.value.script,
    sources: [
      `RabbitMQ at ${rabbitmq.value.url.replace(/\/\/.*@/, '//')} (testcontainers, ${IMAGES.rabbitmq})`,
      `MongoDB at ${mongodb.value.url} (testcontainers, ${IMAGES.mongodb})`,
    ],
    stop,
  };
}

const RYUK = 'testcontainers/ryuk:0.14.0';
const PID = 'magpie.test.pid';
const BEGAN = 'magpie.test.began';
const OURS = { 'magpie.test.host': hostname() };

type Labels = Record<string, string>;

/** Removes the containers of test runs on this host that were killed: without Ryuk nobody else would. */
async function removeLeftContainers(): Promise<void> {
  const format = `{{.ID}} {{.Label "${PID}"}} {{.Label "${BEGAN}"}}`;
  const filter = `label=${Object.entries(OURS)[0]?.join('=')}`;
  const listed = await runCommand('docker', ['ps', '-a', '--filter', filter, '--format', format]);
  for (const line of listed.stdout.trim().split('\n')) {
    const [id, pid, ...began] = line.split(' ');
    if (!id || (await processBegan(Number(pid))) === began.join(' ')) continue;
    await runCommand('docker', ['rm', '-f', '-v', id]);
  }
}

async function startMongo(labels: Labels): Promise<{ container: StartedTestContainer; url: string }> {
  // The same port inside and outside: the replica set tells its address to clients.
  const port = await freePort();
  const container = await new GenericContainer(IMAGES.mongodb)
    .withExposedPorts({ container: port, host: port })
    .withCommand([
      ...['mongod', '--port', String(port), '--bind_ip_all', '--replSet', REPLICA_SET],
      ...['--setParameter', 'transactionLifetimeLimitSeconds=10'],
      ...['--wiredTigerCacheSizeGB', '0.25'],
    ])
    .withWaitStrategy(Wait.forLogMessage(/Waiting for connections/i))
    .withLabels(labels)
    .withStartupTimeout(120_000)
    .start();
  await eventually(() => becomePrimary(port));
  return { container, url: `mongodb://127.0.0.1:${port}/?replicaSet=${REPLICA_SET}` };
}

async function startRabbitmq(
  labels: Labels,
  folder: string,
): Promise<{ container: StartedTestContainer; url: string; script: string }> {
  const port = await freePort();
  const password = randomBytes(9).toString('hex');
  const container = await new GenericContainer(IMAGES.rabbitmq)
    .withExposedPorts({ container: 5672, host: port })
    .withEnvironment({ RABBITMQ_DEFAULT_USER: 'magpie', RABBITMQ_DEFAULT_PASS: password })
    .withWaitStrategy(Wait.forLogMessage(/Server startup complete/i))
    .withLabels(labels)
    .withStartupTimeout(120_000)
    .start();
  await eventually(() => amqpAnswers('127.0.0.1', port));
  const script = join(folder, 'rabbitmqctl');
  await writeFile(script, `#!/bin/sh\nexec docker exec ${container.getId()} rabbitmqctl "$@"\n`);
  await chmod(script, 0o755);
  return { container, url: `amqp://magpie:${password}@127.0.0.1:${port}`, script };
}
