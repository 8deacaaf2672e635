import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { MongoClient, MongoServerError } from 'mongodb';
import { ManagedProcess } from './managed-process.ts';
import type { MongodBinary } from './mongod-binary.ts';
import { stopStale } from './pid-file.ts';
import { pickPort } from './ports.ts';
import type { RunningServer, StartOptions } from './server.ts';

export const REPLICA_SET = 'rs0';

export interface MongodTuning {
  /** Size of WiredTiger's cache in GB, default 0.5. */
  cacheGb?: number;
}

/**
 * Runs a mongod as a replica set of one node (transactions and change streams need one), on loopback.
 * Resolves when it is primary. The data may have been made on another port: the set is then reconfigured.
 */
export async function startMongod(
  binary: MongodBinary,
  options: StartOptions,
  tuning: MongodTuning = {},
): Promise<RunningServer> {
  const { say, signal } = options;
  const data = resolve(options.data);
  const home = join(data, 'mongo');
  await mkdir(join(home, 'db'), { recursive: true });
  const pidFile = join(data, 'run', 'mongod.json');
  if (await stopStale(pidFile, 'MongoDB')) say('MongoDB: stopped one that an earlier crash left');

  const lastPort = Number(await readFile(join(home, 'port'), 'utf8').catch(() => ''));
  const preferred = options.ports.mongodb ?? (lastPort || 27_017);
  const { port, takenBy } = await pickPort(preferred);
  if (takenBy !== undefined) say(`MongoDB: port ${preferred} is taken by ${takenBy}; using ${port}`);
  await writeFile(join(home, 'port'), String(port));

  const server = new ManagedProcess({
    name: 'mongod',
    command: binary.path,
    args: mongodArguments(port, join(home, 'db'), tuning),
    env: options.env,
    logFile: join(data, 'logs', 'mongod.log'),
    pidFile,
    graceMs: 30_000,
  });
  const up = async (): Promise<void> => {
    await server.start();
    await server.waitUntil(() => becomePrimary(port), 60_000, signal);
  };
  try {
    await up();
  } catch (error) {
    await server.stop();
    throw error;
  }
  return {
    url: `mongodb://127.0.0.1:${port}/?replicaSet=${REPLICA_SET}`,
    kind: 'binary',
    source: `MongoDB ${binary.version} at mongodb://127.0.0.1:${port} (${binary.origin}; data in ${home})`,
    process: server,
    kill: () => server.kill(),
    restart: async () => {
      await server.stop();
      await up();
    },
    stop: () => server.stop(),
  };
}

export function mongodArguments(port: number, dbpath: string, tuning: MongodTuning = {}): string[] {
  return [
    ...['--port', String(port), '--bind_ip', '127.0.0.1', '--nounixsocket'],
    ...['--dbpath', dbpath, '--replSet', REPLICA_SET, '--oplogSize', '256'],
    ...['--wiredTigerCacheSizeGB', String(tuning.cacheGb ?? 0.5)],
    ...['--setParameter', 'diagnosticDataCollectionEnabled=false', '--quiet'],
    // What a killed service held in a transaction is free again soon; by default it takes a minute.
    ...['--setParameter', 'transactionLifetimeLimitSeconds=10'],
  ];
}

/**
 * One attempt to bring the node to primary: initiates the set, or, when its configuration names another
 * port, replaces that by force (the only member is this node). Throws while it isn't primary yet.
 */
export async function becomePrimary(port: number): Promise<void> {
  const host = `127.0.0.1:${port}`;
  const client = new MongoClient(`mongodb://${host}/?directConnection=true`, {
    serverSelectionTimeoutMS: 1000,
    connectTimeoutMS: 1000,
  });
  try {
    const admin = client.db('admin');
    const hello = await admin.command({ hello: 1 });
    if (hello['isWritablePrimary'] === true && hello['me'] === host) return;
    const config = await admin.command({ replSetGetConfig: 1 }).then(
      (answer) => answer['config'] as { version: number; members: { host: string }[] },
      (error: unknown) => {
        if (error instanceof MongoServerError && error.code === NOT_YET_INITIALIZED) return undefined;
        throw error;
      },
    );
    const members = [{ _id: 0, host }];
    if (config === undefined) {
      const settings = { electionTimeoutMillis: 1000 };
      await admin.command({ replSetInitiate: { _id: REPLICA_SET, members, settings } });
    } else if (config.members.length !== 1 || config.members[0]?.host !== host) {
      await admin.command({
        replSetReconfig: { ...config, version: config.version + 1, members },
        force: true,
      });
    }
    throw new Error('not primary yet');
  } finally {
    await client.close();
  }
}

const NOT_YET_INITIALIZED = 94;
