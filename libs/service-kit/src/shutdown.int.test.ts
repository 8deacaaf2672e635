import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createOpened } from './shutdown.ts';

const room = fileURLToPath(new URL('.', import.meta.url));

/** Runs a service of the given start function in a process of its own. */
function service(start: string, { deadlineMs = 10_000 } = {}) {
  const source = `
    import { createLogger } from '${room}logger.ts';
    import { runService } from '${room}shutdown.ts';
    const log = createLogger({ name: 'svc', level: 'debug' });
    const say = (what) => ({ close: () => void process.stdout.write(what + ' closed\\n') });
    const never = () => new Promise(() => {});
    const alive = () => setInterval(() => {}, 1000);
    await runService({ name: 'svc', log, deadlineMs: ${deadlineMs}, start: ${start} });
  `;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--no-warnings', '-e', source], {
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  const closed = once(child, 'close');
  return {
    child,
    output: () => output,
    async until(text: string) {
      while (!output.includes(text))
        await Promise.race([once(child.stdout, 'data'), closed.then(() => fail())]);
      function fail(): never {
        throw new Error(`ended without "${text}":\n${output}`);
      }
    },
    async ended() {
      const [code] = (await closed) as [number | null];
      return code;
    },
  };
}

const OPEN = `async (signal, opened) => {
  opened.add('first', say('first'));
  opened.add('second', say('second'));
  signal.addEventListener('abort', () => process.stdout.write('aborted\\n'));
  alive();
  return say('service');
}`;

describe('runService', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    'on %s closes once, last opened first, and exits 0',
    async (signal) => {
      const svc = service(OPEN);
      await svc.until('svc is running');
      svc.child.kill(signal);
      expect(await svc.ended()).toBe(0);
      expect(svc.output().match(/^(aborted|\w+ closed)$/gm)).toEqual([
        'aborted',
        'service closed',
        'second closed',
        'first closed',
      ]);
    },
  );

  it('is forced by a second signal', async () => {
    const svc = service(`async () => { alive(); return { close: never }; }`);
    await svc.until('svc is running');
    svc.child.kill('SIGTERM');
    await svc.until('svc is ending');
    svc.child.kill('SIGTERM');
    expect(await svc.ended()).toBe(1);
    expect(svc.output()).toContain('svc is forced to end');
  });

  it('exits 1 when closing takes longer than the deadline, or fails', async () => {
    const slow = service(`async () => { alive(); return { close: never }; }`, { deadlineMs: 50 });
    const broken = service(`async (_s, opened) => {
      opened.add('first', say('first'));
      opened.add('second', { close: async () => { throw new Error('stuck') } });
      alive();
    }`);
    await Promise.all([slow.until('svc is running'), broken.until('svc is running')]);
    slow.child.kill('SIGTERM');
    broken.child.kill('SIGTERM');
    expect(await slow.ended()).toBe(1);
    expect(slow.output()).toContain('did not end in time');
    expect(await broken.ended()).toBe(1);
    expect(broken.output()).toContain('first closed');
  });

  it('closes what was open when the start fails, or is interrupted', async () => {
    const failing = service(`async (_s, opened) => {
      opened.add('first', say('first'));
      throw new Error('no broker at amqp://u:c4n4ry@h/');
    }`);
    expect(await failing.ended()).toBe(1);
    expect(failing.output()).toContain('first closed');
    expect(failing.output()).not.toContain('c4n4ry');

    const waiting = service(`async (signal, opened) => {
      opened.add('first', say('first'));
      process.stdout.write('waiting\\n');
      alive();
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    }`);
    await waiting.until('waiting');
    waiting.child.kill('SIGINT');
    expect(await waiting.ended()).toBe(0);
    expect(waiting.output()).toContain('first closed');
  });

  it.each([
    [
      'an unhandled rejection',
      `async () => { setTimeout(() => void Promise.reject(new Error('lost promise')), 1); }`,
    ],
    ['an uncaught exception', `async () => { setTimeout(() => { throw new Error('lost promise') }, 1); }`],
  ])('logs %s and exits 1', async (_what, start) => {
    const svc = service(start);
    expect(await svc.ended()).toBe(1);
    expect(svc.output()).toMatch(/"level":"fatal".*lost promise/);
  });
});

describe('createOpened', () => {
  it('closes once, however often it is asked', async () => {
    const opened = createOpened();
    let closed = 0;
    expect(opened.add('a', { close: async () => void closed++ })).toHaveProperty('close');
    await Promise.all([opened.close(), opened.close()]);
    expect(closed).toBe(1);
  });
});
