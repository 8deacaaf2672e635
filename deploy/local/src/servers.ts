import { mkdir } from 'node:fs/promises';
import { dockerEngine } from './docker.ts';
import { startMongoContainer, startRabbitmqContainer } from './docker-servers.ts';
import { downloadMongod, findMongod } from './mongod-binary.ts';
import { startMongod, type MongodTuning } from './mongodb.ts';
import { findRabbitmq, startRabbitmq } from './rabbitmq.ts';
import { serverByUrl, type RunningServer, type ServerKind, type StartOptions } from './server.ts';
import { dataKind, rememberDataKind } from './data-kind.ts';
import { installPackage } from './system-packages.ts';

export type ServerName = 'mongodb' | 'rabbitmq';

export interface StartServersOptions {
  /** Data directory of the platform (`MAGPIE_DATA`); made when missing. */
  data: string;
  need: ServerName[];
  /** Where `AMQP_URL` and `MONGODB_URL` are looked up; default `process.env`. */
  env?: NodeJS.ProcessEnv;
  /** Gets one line for each thing that takes time or is worth knowing. */
  say: (line: string) => void;
  signal?: AbortSignal;
  mongod?: MongodTuning;
  /** Preferred ports; default: the last ones used on this data, then 5672 and 27017. */
  ports?: Partial<Record<ServerName, number>>;
  /** Use this kind alone, and install nothing; default: the order that `startServers` describes. */
  only?: 'binary' | 'docker';
}

export interface Servers {
  /** Empty when RabbitMQ was not asked for. */
  amqpUrl: string;
  /** Empty when MongoDB was not asked for. */
  mongodbUrl: string;
  rabbitmq?: RunningServer;
  mongodb?: RunningServer;
  /** One line each: what is used, where, from where. */
  sources: string[];
  /** Stops what we started, RabbitMQ first, and waits; may be called twice. */
  stop(): Promise<void>;
}

/**
 * Finds or starts the servers, each in this order: a URL in the environment, a binary on this machine, a
 * Docker engine, the system's package manager (RabbitMQ) or a download (MongoDB). Data that one kind of server
 * made is served by the same kind again. All that was started is stopped when one of them fails.
 */
export async function startServers(options: StartServersOptions): Promise<Servers> {
  const env = options.env ?? process.env;
  const start: StartOptions = {
    data: options.data,
    env,
    say: options.say,
    signal: options.signal,
    ports: options.ports ?? {},
    only: options.only,
  };
  await mkdir(options.data, { recursive: true });
  const started = await Promise.allSettled([
    options.need.includes('rabbitmq') ? provideRabbitmq(start) : undefined,
    options.need.includes('mongodb') ? provideMongodb(start, options.mongod) : undefined,
  ]);
  const [rabbitmq, mongodb] = started.map((one) => (one.status === 'fulfilled' ? one.value : undefined));
  const stop = async (): Promise<void> => {
    await rabbitmq?.stop();
    await mongodb?.stop();
  };
  const faults = started.flatMap((one) => (one.status === 'rejected' ? [one.reason as Error] : []));
  if (faults.length > 0) {
    await stop();
    throw faults.length === 1 ? faults[0] : new Error(faults.map((fault) => fault.message).join('\n'));
  }
  return {
    amqpUrl: rabbitmq?.url ?? '',
    mongodbUrl: mongodb?.url ?? '',
    ...(rabbitmq === undefined ? {} : { rabbitmq }),
    ...(mongodb === undefined ? {} : { mongodb }),
    sources: [rabbitmq, mongodb].flatMap((server) => (server === undefined ? [] : [server.source])),
    stop,
  };
}

async function provideRabbitmq(options: StartOptions): Promise<RunningServer> {
  const { env, data, say, signal } = options;
  if (env['AMQP_URL']) return serverByUrl('RabbitMQ', env['AMQP_URL'], 'AMQP_URL');
  return provide('rabbitmq', options, {
    binary: async () => {
      const found = await findRabbitmq(env);
      return found === undefined ? undefined : startRabbitmq(found, options);
    },
    docker: () => startRabbitmqContainer(options),
    otherwise: async () => {
      await installPackage('rabbitmq-server', {
        purpose: 'RabbitMQ',
        say,
        signal,
        elsewhere: 'Install it (macOS: brew install rabbitmq) or set AMQP_URL',
      });
      const found = await findRabbitmq(env);
      if (found === undefined) throw new Error('RabbitMQ was installed but its start script is not found');
      return startRabbitmq(found, { ...options, data });
    },
  });
}

async function provideMongodb(options: StartOptions, tuning?: MongodTuning): Promise<RunningServer> {
  const { env } = options;
  if (env['MONGODB_URL']) return serverByUrl('MongoDB', env['MONGODB_URL'], 'MONGODB_URL');
  return provide('mongodb', options, {
    binary: async () => {
      const found = await findMongod(env);
      return found === undefined ? undefined : startMongod(found, options, tuning);
    },
    docker: () => startMongoContainer(options, tuning),
    otherwise: async () => startMongod(await downloadMongod(options), options, tuning),
  });
}

interface Ways {
  binary(): Promise<RunningServer | undefined>;
  /** Undefined when no engine answers or it can't have the image. */
  docker(): Promise<RunningServer | undefined>;
  otherwise(): Promise<RunningServer>;
}

async function provide(name: ServerName, { data, only }: StartOptions, ways: Ways): Promise<RunningServer> {
  const before = await dataKind(data, name);
  const usual: ServerKind[] = before === 'docker' ? ['docker', 'binary'] : ['binary', 'docker'];
  const order = only === undefined ? usual : [only];
  for (const kind of order) {
    if (kind === 'docker' && (await dockerEngine()) === undefined) continue;
    const server = kind === 'docker' ? await ways.docker() : await ways.binary();
    if (server !== undefined) return rememberDataKind(data, name, server);
  }
  if (only !== undefined) throw new Error(`${name}: no ${only} can be used on this machine`);
  return rememberDataKind(data, name, await ways.otherwise());
}
