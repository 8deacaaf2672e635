import { spawn } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ManagedProcess, type ProcessSpec } from './managed-process.ts';
import { processBegan, writePidFile } from './pid-file.ts';
import { makeTestDirectory } from './testing/test-servers.ts';

let folder: string;
beforeAll(async () => {
  folder = await makeTestDirectory();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let made = 0;
function spec(script: string, more: Partial<ProcessSpec> = {}): ProcessSpec {
  const name = `process-${++made}`;
  const files = { logFile: join(folder, `${name}.log`), pidFile: join(folder, `${name}.json`) };
  return { name, command: '/bin/sh', args: ['-c', script], ...files, ...more };
}

async function gone(pid: number): Promise<void> {
  for (let i = 0; (await processBegan(pid)) !== ''; i++) {
    if (i > 200) throw new Error(`process ${pid} is still there`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The pid that the script printed. */
async function printed(file: string): Promise<number> {
  for (let i = 0; i < 200; i++) {
    const pid = Number((await readFile(file, 'utf8').catch(() => '')).trim().split('\n').at(-1));
    if (pid > 0) return pid;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing in ${file}`);
}

describe('a managed process', () => {
  it('stops in order, twice without harm, with all its children', async () => {
    const one = new ManagedProcess(spec('trap "echo bye; exit 0" TERM; sleep 60 & echo $!; wait'));
    await one.start();
    const child = await printed(one.spec.logFile);
    await one.stop();
    await one.stop();
    expect(one.running).toBe(false);
    await gone(child);
    expect(await readFile(one.spec.logFile, 'utf8')).toContain('bye');
    await expect(readFile(one.spec.pidFile)).rejects.toThrow();
  });

  it('is killed when it does not listen', async () => {
    const deaf = new ManagedProcess(
      spec('trap "" TERM; echo $$; while :; do sleep 1; done', { graceMs: 300 }),
    );
    await deaf.start();
    const pid = await printed(deaf.spec.logFile);
    expect(pid).toBe(deaf.pid);
    await deaf.stop();
    await gone(pid);
  });

  it('can be killed and started again', async () => {
    const one = new ManagedProcess(spec('echo $$; exec sleep 60'));
    await one.start();
    const first = one.pid;
    await one.kill();
    expect(one.pid).toBeUndefined();
    await one.start();
    expect(one.pid).not.toBe(first);
    await one.stop();
  });

  it('that ends while we wait for it is reported with its last words', async () => {
    const one = new ManagedProcess(spec('echo "no space left"; exit 3'));
    await one.start();
    const waiting = one.waitUntil(() => Promise.reject(new Error('not yet')), 10_000);
    await expect(waiting).rejects.toThrow(/ended while starting:\nno space left/);
    await one.stop();
  });

  it.each([['/nowhere/server'], [import.meta.filename]])('says so when %s cannot be run', async (command) => {
    const missing = new ManagedProcess(spec('', { command }));
    await missing.start();
    const waiting = missing.waitUntil(() => Promise.reject(new Error('not yet')), 10_000);
    await expect(waiting).rejects.toThrow(new RegExp(`ended while starting:\n.*${command}: `));
    await missing.stop();
  });

  it('leaves nothing in its folder or among the processes when it cannot be started', async () => {
    const one = spec('echo $$; exec sleep 600', { cwd: join(folder, 'not-there') });
    await expect(new ManagedProcess(one).start()).rejects.toThrow(`${one.name} does not start: `);
    await expect(readFile(one.pidFile)).rejects.toThrow();
  });

  it('takes its children with it when it crashes', async () => {
    const one = new ManagedProcess(spec('sleep 600 & echo $!; exit 3'));
    await one.start();
    const child = await printed(one.spec.logFile);
    await one.ended;
    await gone(child);
    await one.stop();
  });

  it('does not outlive a parent that is killed', async () => {
    const child = spec('echo $$; exec sleep 600');
    const script = join(folder, 'parent.ts');
    const code = `import { ManagedProcess } from ${JSON.stringify(join(import.meta.dirname, 'managed-process.ts'))};
      await new ManagedProcess(${JSON.stringify(child)}).start();
      setInterval(() => {}, 1000);`;
    await writeFile(script, code);
    const parent = spawn(process.execPath, [script], { stdio: 'ignore' });
    const pid = await printed(child.logFile);
    expect(await processBegan(pid)).not.toBe('');
    parent.kill('SIGKILL');
    await gone(pid);
  });

  it('stops what an earlier crash left, and refuses what another live start runs', async () => {
    const one = spec('exec sleep 600');
    const left = spawn('/bin/sh', one.args, { stdio: 'ignore', detached: true });
    const pid = left.pid as number;
    await writePidFile(one.pidFile, pid);
    const again = new ManagedProcess(one);
    await expect(again.start()).rejects.toThrow(`already runs on this data directory (pid ${pid}`);
    const record = JSON.parse(await readFile(one.pidFile, 'utf8')) as Record<string, unknown>;
    await writeFile(one.pidFile, JSON.stringify({ ...record, ownerBegan: '1' }));
    await again.start();
    await gone(pid);
    await again.stop();
  });

  it('is started once, however many try at the same moment', async () => {
    const one = spec('exec sleep 600');
    const starts = [new ManagedProcess(one), new ManagedProcess(one)];
    const ended = await Promise.allSettled(starts.map((start) => start.start()));
    expect(ended.filter((end) => end.status === 'fulfilled')).toHaveLength(1);
    await Promise.all(starts.map((start) => start.stop()));
  });

  it('takes a reused pid for somebody else', async () => {
    const one = spec('exec sleep 600');
    const other = spawn('/bin/sleep', ['600'], { stdio: 'ignore', detached: true });
    await writePidFile(one.pidFile, other.pid as number);
    const record = JSON.parse(await readFile(one.pidFile, 'utf8')) as Record<string, unknown>;
    await writeFile(one.pidFile, JSON.stringify({ ...record, began: '1' }));
    const again = new ManagedProcess(one);
    await again.start();
    expect(await processBegan(other.pid as number)).not.toBe('');
    await again.stop();
    other.kill('SIGKILL');
  });
});
