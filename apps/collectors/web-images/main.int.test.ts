import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const MAIN = join(import.meta.dirname, 'main.ts');
const running: ChildProcess[] = [];
let data: string;

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'magpie-main-'));
});
afterEach(async () => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
  await rm(data, { recursive: true });
});

function run(env: Record<string, string>, ...args: string[]) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env['PATH'], MAGPIE_DATA: data, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  const code = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { child, code, out: text(child.stdout), err: text(child.stderr) };
}

test('--help lists every variable', async () => {
  const { code, out } = run({}, '--help');
  expect(await out).toMatch(/AMQP_URL[\s\S]*MAGPIE_DATA[\s\S]*MAGPIE_CONCURRENCY[\s\S]*HEALTH_PORT/);
  expect(await code).toBe(0);
});

test('a configuration with faults names them all, and no secret', async () => {
  const { code, err } = run({ AMQP_URL: 'http://user:hunter2@x', MAGPIE_CONCURRENCY: 'many' });
  const said = await err;
  expect(said).toMatch(/AMQP_URL[\s\S]*MAGPIE_CONCURRENCY/);
  expect(said).not.toContain('hunter2');
  expect(await code).toBe(78);
});

test('without a broker it stays alive, is not ready, and ends in order when told to', async () => {
  const { child, code, out } = run({
    AMQP_URL: 'amqp://user:hunter2@127.0.0.1:1',
    HEALTH_PORT: '0',
    LOG_LEVEL: 'info',
  });
  let said = '';
  const port = await new Promise<string>((resolve) => {
    child.stdout.on('data', (piece: Buffer) => {
      said += piece.toString();
      const [, found] = /"port":(\d+)/.exec(said) ?? [];
      if (found !== undefined) resolve(found);
    });
  });
  const ask = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
  expect((await ask('/healthz')).status).toBe(200);
  expect((await ask('/readyz')).status).toBe(503);
  expect(await (await ask('/metrics')).text()).toContain('magpie_steps_running');
  child.kill('SIGTERM');
  expect(await code).toBe(0);
  expect(await out).not.toContain('hunter2');
});
