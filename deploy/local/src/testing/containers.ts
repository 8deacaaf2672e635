import { randomBytes } from 'node:crypto';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GenericContainer, Wait, type StartedTestContainer } from 'testcontainers';
import { dockerEngine, haveImage, IMAGES } from '../docker.ts';
import { becomePrimary, REPLICA_SET } from '../mongodb.ts';
import { freePort } from '../ports.ts';
import { amqpAnswers } from '../rabbitmq.ts';

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
  const started = await Promise.allSettled([startMongo(), startRabbitmq(folder)]);
  const stop = async (): Promise<void> => {
    await Promise.all(
      started.map((one) => (one.status === 'fulfilled' ? one.value.container.stop() : undefined)),
    );
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

async function startMongo(): Promise<{ container: StartedTestContainer; url: string }> {
  // The same port inside and outside: the replica set tells its address to clients.
  const port = await freePort();
  const container = await new GenericContainer(IMAGES.mongodb)
    .withExposedPorts({ container: port, host: port })
    .withCommand([
      ...['mongod', '--port', String(port), '--bind_ip_all', '--replSet', REPLICA_SET],
      ...['--wiredTigerCacheSizeGB', '0.25'],
    ])
    .withWaitStrategy(Wait.forLogMessage(/Waiting for connections/i))
    .withStartupTimeout(120_000)
    .start();
  await until(() => becomePrimary(port));
  return { container, url: `mongodb://127.0.0.1:${port}/?replicaSet=${REPLICA_SET}` };
}

async function startRabbitmq(
  folder: string,
): Promise<{ container: StartedTestContainer; url: string; script: string }> {
  const port = await freePort();
  const password = randomBytes(9).toString('hex');
  const container = await new GenericContainer(IMAGES.rabbitmq)
    .withExposedPorts({ container: 5672, host: port })
    .withEnvironment({ RABBITMQ_DEFAULT_USER: 'magpie', RABBITMQ_DEFAULT_PASS: password })
    .withWaitStrategy(Wait.forLogMessage(/Server startup complete/i))
    .withStartupTimeout(120_000)
    .start();
  await until(() => amqpAnswers('127.0.0.1', port));
  const script = join(folder, 'rabbitmqctl');
  await writeFile(script, `#!/bin/sh\nexec docker exec ${container.getId()} rabbitmqctl "$@"\n`);
  await chmod(script, 0o755);
  return { container, url: `amqp://magpie:${password}@127.0.0.1:${port}`, script };
}

async function until(probe: () => Promise<void>): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await probe();
    } catch (error) {
      if (attempt === 300) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
