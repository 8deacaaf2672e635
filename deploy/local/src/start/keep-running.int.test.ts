import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import { ManagedProcess } from '../managed-process.ts';
import { makeTestDirectory, startPrivateServers } from '../testing/test-servers.ts';
import { keepRunning } from './keep-running.ts';

let home: string;
const abort = new AbortController();
let managed: ManagedProcess;
const lines: string[] = [];

beforeAll(async () => {
  home = await makeTestDirectory();
  managed = new ManagedProcess({
    name: 'sleeper',
    command: process.execPath,
    args: ['-e', 'setInterval(() => undefined, 1000)'],
    logFile: join(home, 'sleeper.log'),
    pidFile: join(home, 'sleeper.json'),
  });
});
afterAll(async () => {
  abort.abort();
  await managed.stop();
  await rm(home, { recursive: true, force: true });
});

it('starts again what was killed, and nothing after the end', async () => {
  await managed.start();
  const kept = keepRunning(managed, { say: (line) => lines.push(line), signal: abort.signal });
  const before = managed.pid;
  await managed.kill();
  while (!managed.running) await new Promise((resolve) => setTimeout(resolve, 50));
  expect(managed.pid).not.toBe(before);
  expect(lines).toEqual([
    expect.stringMatching(/^sleeper has ended, and starts again in 1 s; see .*sleeper.log$/),
  ]);

  await managed.kill();
  abort.abort();
  await kept;
  expect(managed.running).toBe(false);
});

it('has a server that was killed serve the same data again', async () => {
  const servers = await startPrivateServers(['mongodb']);
  const over = new AbortController();
  const said: string[] = [];
  const client = new MongoClient(servers.mongodbUrl, { serverSelectionTimeoutMS: 30_000 });
  const notes = client.db('kept').collection<{ text: string }>('notes');
  const server = servers.mongodb;
  const managed = server?.process;
  if (managed === undefined) throw new Error('there is no server of our own');
  try {
    const kept = keepRunning(managed, {
      say: (line) => said.push(line),
      signal: over.signal,
      start: () => server?.restart() ?? Promise.resolve(),
    });
    await notes.insertOne({ text: 'before' }, { writeConcern: { w: 'majority' } });
    process.kill(managed.pid as number, 'SIGKILL');
    await managed.ended;
    while (!managed.running) await new Promise((resolve) => setTimeout(resolve, 50));
    const after = { text: 'after' };
    await managed.waitUntil(
      async () => void (await notes.updateOne(after, { $set: after }, { upsert: true })),
      30_000,
    );
    expect((await notes.find().toArray()).map(({ text }) => text)).toEqual(['before', 'after']);
    expect(said).toEqual([
      expect.stringMatching(/^mongod has ended, and starts again in 1 s; see .*mongod.log$/),
    ]);
    over.abort();
    await servers.stop();
    await kept;
    expect(managed.running).toBe(false);
  } finally {
    over.abort();
    await client.close();
    await servers.stop();
  }
}, 180_000);
