import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ManagedProcess } from '../managed-process.ts';
import { makeTestDirectory } from '../testing/test-servers.ts';
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
}, 30_000);
