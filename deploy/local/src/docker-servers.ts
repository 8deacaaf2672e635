import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { asOurselves, Container, haveImage, IMAGES } from './docker.ts';
import { becomePrimary, REPLICA_SET, type MongodTuning } from './mongodb.ts';
import { pickPort } from './ports.ts';
import { amqpAnswers, amqpServerVersion } from './rabbitmq.ts';
import type { RunningServer, StartOptions } from './server.ts';

/** RabbitMQ in a container; undefined when the engine can't have the image. Data as in `startRabbitmq`. */
export async function startRabbitmqContainer(options: StartOptions): Promise<RunningServer | undefined> {
  const { say, signal, ports } = options;
  if (!(await haveImage(IMAGES.rabbitmq, say))) return undefined;
  const data = resolve(options.data);
  const home = join(data, 'rabbitmq');
  await mkdir(join(home, 'docker'), { recursive: true });
  const port = await keptPort('RabbitMQ', home, ports.rabbitmq, 5672, say);
  const container = new Container({
    name: 'rabbitmq',
    data,
    image: IMAGES.rabbitmq,
    options: [
      ...asOurselves(),
      // The node's data is bound to its host name.
      ...['--hostname', 'magpie', '-p', `127.0.0.1:${port}:5672`],
      ...['-v', `${join(home, 'docker')}:/var/lib/rabbitmq`],
      ...['-e', 'RABBITMQ_DEFAULT_USER=magpie', '-e', 'RABBITMQ_DEFAULT_PASS=magpie'],
    ],
  });
  const script = join(home, 'rabbitmqctl');
  await writeFile(script, `#!/bin/sh\nexec docker exec ${container.id} rabbitmqctl "$@"\n`);
  await chmod(script, 0o755);
  const probe = (): Promise<void> => amqpAnswers('127.0.0.1', port);
  return containerServer(container, () => container.process.waitUntil(probe, 120_000, signal), {
    url: `amqp://magpie:magpie@127.0.0.1:${port}`,
    source: async () =>
      `RabbitMQ ${(await amqpServerVersion('127.0.0.1', port)) ?? ''} at amqp://127.0.0.1:${port} ` +
      `(Docker image ${IMAGES.rabbitmq}; data in ${home})`,
  });
}

/** MongoDB in a container; undefined when the engine can't have the image. Data as in `startMongod`. */
export async function startMongoContainer(
  options: StartOptions,
  tuning: MongodTuning = {},
): Promise<RunningServer | undefined> {
  const { say, signal, ports } = options;
  if (!(await haveImage(IMAGES.mongodb, say))) return undefined;
  const data = resolve(options.data);
  const home = join(data, 'mongo');
  await mkdir(join(home, 'docker'), { recursive: true });
  const port = await keptPort('MongoDB', home, ports.mongodb, 27_017, say);
  const container = new Container({
    name: 'mongod',
    data,
    image: IMAGES.mongodb,
    // The same port inside and outside: the replica set tells its address to clients.
    options: [
      ...asOurselves(),
      ...['-p', `127.0.0.1:${port}:${port}`, '-v', `${join(home, 'docker')}:/data/db`],
    ],
    command: [
      ...['mongod', '--port', String(port), '--bind_ip_all', '--replSet', REPLICA_SET],
      ...['--setParameter', 'transactionLifetimeLimitSeconds=10'],
      ...['--oplogSize', '256', '--wiredTigerCacheSizeGB', String(tuning.cacheGb ?? 0.5)],
    ],
  });
  return containerServer(
    container,
    () => container.process.waitUntil(() => becomePrimary(port), 120_000, signal),
    {
      url: `mongodb://127.0.0.1:${port}/?replicaSet=${REPLICA_SET}`,
      source: async () =>
        `MongoDB at mongodb://127.0.0.1:${port} (Docker image ${IMAGES.mongodb}; data in ${home})`,
    },
  );
}

async function containerServer(
  container: Container,
  ready: () => Promise<void>,
  about: { url: string; source: () => Promise<string> },
): Promise<RunningServer> {
  const up = async (): Promise<void> => {
    await container.start();
    await ready();
  };
  try {
    await up();
  } catch (error) {
    await container.stop();
    throw error;
  }
  return {
    url: about.url,
    kind: 'docker',
    source: await about.source(),
    process: container.process,
    kill: () => container.kill(),
    restart: async () => {
      await container.stop();
      await up();
    },
    stop: () => container.stop(),
  };
}

async function keptPort(
  name: string,
  home: string,
  wanted: number | undefined,
  usual: number,
  say: (line: string) => void,
): Promise<number> {
  const last = Number(await readFile(join(home, 'port'), 'utf8').catch(() => ''));
  const preferred = wanted ?? (last || usual);
  const { port, takenBy } = await pickPort(preferred);
  if (takenBy !== undefined) say(`${name}: port ${preferred} is taken by ${takenBy}; using ${port}`);
  await writeFile(join(home, 'port'), String(port));
  return port;
}
