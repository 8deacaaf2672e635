import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import { processBegan } from './pid-file.ts';
import { freePort } from './ports.ts';
import { amqpAnswers, rabbitmqctl, startRabbitmq } from './rabbitmq.ts';
import { startServers, type StartServersOptions } from './servers.ts';
import { eventually } from './testing/eventually.ts';
import { makeTestDirectory, startPrivateServers } from './testing/test-servers.ts';

const say = (): void => {};
const noServers = { ...process.env, AMQP_URL: '', MONGODB_URL: '' };

async function note(url: string, text: string): Promise<string[]> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 20_000 });
  const notes = client.db('servers').collection<{ text: string }>('notes');
  const session = client.startSession();
  await session.withTransaction(() => notes.insertOne({ text }, { session }));
  await session.endSession();
  const all = await notes.find().sort({ _id: 1 }).toArray();
  await client.close();
  return all.map((one) => one.text);
}

async function answers(amqpUrl: string): Promise<void> {
  const { hostname, port } = new URL(amqpUrl);
  await eventually(() => amqpAnswers(hostname, Number(port)));
}

describe('servers of our own', () => {
  it('keep their data through a crash, a restart, and other ports', async () => {
    const data = await makeTestDirectory();
    const options: StartServersOptions = { data, need: ['mongodb', 'rabbitmq'], env: noServers, say };
    const ctl = join(data, 'rabbitmq', 'rabbitmqctl');
    const ports = async (): Promise<{ mongodb: number; rabbitmq: number }> => ({
      mongodb: await freePort(),
      rabbitmq: await freePort(),
    });
    let servers = await startServers({ ...options, ports: await ports() });
    try {
      await note(servers.mongodbUrl, 'first');
      await rabbitmqctl(ctl, ['add_vhost', 'kept']);
      await Promise.all([servers.mongodb?.kill(), servers.rabbitmq?.kill()]);
      await expect(amqpAnswers('127.0.0.1', Number(new URL(servers.amqpUrl).port))).rejects.toThrow();
      await Promise.all([servers.mongodb?.restart(), servers.rabbitmq?.restart()]);
      await answers(servers.amqpUrl);
      expect(await note(servers.mongodbUrl, 'second')).toEqual(['first', 'second']);

      // The same data a second time at once would be the end of it.
      await expect(startServers(options)).rejects.toThrow(/already runs on this data directory/);
      await answers(servers.amqpUrl);

      await servers.stop();
      await servers.stop();
      servers = await startServers({ ...options, ports: await ports() });
      expect(await note(servers.mongodbUrl, 'third')).toEqual(['first', 'second', 'third']);
      expect(await rabbitmqctl(ctl, ['list_vhosts', '--silent'])).toContain('kept');
      expect(servers.sources.join('\n')).toMatch(/RabbitMQ \d+\.\d+.*\nMongoDB \d+\.\d+/);

      const last = { mongodb: servers.mongodbUrl, amqp: servers.amqpUrl };
      await servers.stop();
      servers = await startServers(options);
      expect({ mongodb: servers.mongodbUrl, amqp: servers.amqpUrl }).toEqual(last);
    } finally {
      await servers.stop();
      await rm(data, { recursive: true, force: true });
    }
  }, 400_000);

  it('stand side by side', async () => {
    const both = await Promise.all([startPrivateServers(), startPrivateServers()]);
    try {
      expect(await note(both[0].mongodbUrl, 'a')).toEqual(['a']);
      expect(await note(both[1].mongodbUrl, 'b')).toEqual(['b']);
      await Promise.all(both.map((servers) => answers(servers.amqpUrl)));
    } finally {
      await Promise.all(both.map((servers) => servers.stop()));
    }
  }, 400_000);

  it('are all stopped when the start is given up', async () => {
    const data = await makeTestDirectory();
    const aborted = new AbortController();
    const ports = { mongodb: await freePort(), rabbitmq: await freePort() };
    const starting = startServers({
      data,
      need: ['mongodb', 'rabbitmq'],
      env: noServers,
      say,
      ports,
      signal: aborted.signal,
    });
    const pidOf = async (name: string): Promise<number> =>
      Number(
        /"pid":(\d+)/.exec(await readFile(join(data, 'run', `${name}.json`), 'utf8').catch(() => ''))?.[1],
      );
    // Until a server has begun the file names who starts it.
    const begun = async (name: string): Promise<number> => {
      const pid = await pidOf(name);
      if (!(pid > 0) || pid === process.pid) throw new Error(`${name} has not begun`);
      return pid;
    };
    const both = async (): Promise<number[]> => {
      const names = ['mongod', 'rabbitmq'];
      const pids = await eventually(() => Promise.all(names.map((name) => begun(name))));
      aborted.abort();
      return pids;
    };
    const [, pids] = await Promise.all([expect(starting).rejects.toThrow(/abort/i), both()]);
    for (const pid of pids) expect(await processBegan(pid)).toBe('');
    expect((await readdir(join(data, 'run'))).filter((file) => file.endsWith('.json'))).toEqual([]);
    await expect(amqpAnswers('127.0.0.1', ports.rabbitmq)).rejects.toThrow();
    await rm(data, { recursive: true, force: true });
  }, 180_000);

  it('end in order though the first signal is missed: RabbitMQ is told again', async () => {
    const data = await makeTestDirectory();
    const binary = join(data, 'rabbitmq-server');
    const log = join(data, 'logs', 'rabbitmq.log');
    const script = 'told() { [ -n "$once" ] && { echo over; exit; }; once=1; }; trap told TERM; echo begun';
    await writeFile(binary, `#!/bin/sh\n${script}\nwhile :; do sleep 0.1; done\n`, { mode: 0o755 });
    const aborted = new AbortController();
    const ports = { rabbitmq: await freePort() };
    const { signal } = aborted;
    const starting = startRabbitmq(binary, { data, env: noServers, say, signal, ports, only: undefined });
    const begun = async (): Promise<void> => {
      await eventually(async () => expect(await readFile(log, 'utf8')).toContain('begun'));
      aborted.abort();
    };
    await Promise.all([expect(starting).rejects.toThrow(/abort/i), begun()]);
    expect(await readFile(log, 'utf8')).toMatch(/^over$/m);
    await rm(data, { recursive: true, force: true });
  });
});

describe('servers of others', () => {
  it('are used as they are and never stopped', async () => {
    const data = await makeTestDirectory();
    const env = {
      AMQP_URL: process.env['MAGPIE_TEST_AMQP_URL'] ?? '',
      MONGODB_URL: process.env['MAGPIE_TEST_MONGODB_URL'] ?? '',
    };
    const servers = await startServers({ data, need: ['mongodb', 'rabbitmq'], env, say });
    expect([servers.amqpUrl, servers.mongodbUrl]).toEqual([env.AMQP_URL, env.MONGODB_URL]);
    expect(servers.sources.join()).not.toContain('guest:guest');
    await expect(servers.rabbitmq?.kill()).rejects.toThrow(/AMQP_URL/);
    await servers.stop();
    await answers(env.AMQP_URL);
    await rm(data, { recursive: true, force: true });
  });
});
