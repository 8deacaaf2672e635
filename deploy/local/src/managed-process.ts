import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, renameSync, statSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { lastLines } from './command.ts';
import { claimPidFile, signalGroup, writePidFile } from './pid-file.ts';

export interface ProcessSpec {
  /** Short name for messages, for example `mongod`. */
  name: string;
  command: string;
  args: string[];
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Output is appended here. */
  logFile: string;
  /** Lets a later start find what an earlier crash left behind. */
  pidFile: string;
  /** Time between SIGTERM and SIGKILL, default 15,000 ms. */
  graceMs?: number;
}

/**
 * A server process of ours. It leads its own session, so Ctrl-C in the terminal reaches only us and we
 * decide the order of the stop. When we die without stopping it (even by SIGKILL), a warden process, which
 * waits for the end of a pipe that only we hold, terminates its whole group.
 */
export class ManagedProcess {
  readonly spec: ProcessSpec;
  #child: ChildProcess | undefined;
  #warden: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #running = false;

  constructor(spec: ProcessSpec) {
    this.spec = spec;
  }

  get pid(): number | undefined {
    return this.#running ? this.#child?.pid : undefined;
  }

  get running(): boolean {
    return this.#running;
  }

  /** Resolves when the process that runs now has ended, at once when none runs. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** Starts the process, after stopping what an earlier crash left; does not wait until it serves. */
  async start(): Promise<void> {
    if (this.#running) return;
    const { spec } = this;
    await claimPidFile(spec.pidFile, spec.name, spec.graceMs);
    const log = openLog(spec.logFile);
    const child = spawn(spec.command, spec.args, {
      stdio: ['ignore', log, log],
      detached: true,
      env: spec.env ?? process.env,
      ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
    });
    closeSync(log);
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) => reject(new Error(`${spec.name} does not start: ${error.message}`)));
    }).catch(async (error: unknown) => {
      await rm(spec.pidFile, { force: true });
      throw error;
    });
    this.#child = child;
    this.#running = true;
    this.#warden = startWarden(child.pid as number, spec.graceMs ?? 15_000);
    this.#ended = new Promise((resolve) => {
      const end = (): void => {
        this.#running = false;
        this.#warden?.kill('SIGKILL');
        resolve();
      };
      if (child.exitCode !== null || child.signalCode !== null) end();
      else child.once('exit', end);
    });
    await writePidFile(spec.pidFile, child.pid as number);
  }

  /** Orderly end: SIGTERM to the group, SIGKILL after the grace. May be called twice, and when it has ended. */
  async stop(): Promise<void> {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    if (this.#running) {
      signalGroup(pid, 'SIGTERM');
      const timer = setTimeout(() => signalGroup(pid, 'SIGKILL'), this.spec.graceMs ?? 15_000);
      await this.#ended;
      clearTimeout(timer);
    }
    // The leader is gone; what it left in its group has no use any more.
    signalGroup(pid, 'SIGKILL');
    await rm(this.spec.pidFile, { force: true });
  }

  /** `kill -9` for the whole group, as a crash test wants it; waits for the end. */
  async kill(): Promise<void> {
    const pid = this.#child?.pid;
    if (pid === undefined || !this.#running) return;
    signalGroup(pid, 'SIGKILL');
    await this.#ended;
  }

  /**
   * Repeats `probe` until it returns without throwing. Throws with the end of the log when the process ends
   * before, when `timeoutMs` is over, or when `signal` fires.
   */
  async waitUntil(probe: () => Promise<void>, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      signal?.throwIfAborted();
      if (!this.#running) throw new Error(`${this.spec.name} ended while starting:\n${await this.logTail()}`);
      try {
        return await probe();
      } catch (error) {
        if (Date.now() > deadline) {
          throw new Error(
            `${this.spec.name} does not answer after ${timeoutMs / 1000} s (${String(error)}):\n${await this.logTail()}`,
          );
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** The last lines of the log. */
  async logTail(): Promise<string> {
    return lastLines(await readFile(this.spec.logFile, 'utf8').catch(() => ''), 12);
  }
}

const LOG_LIMIT = 20_000_000;

/** Opens a log for appending; one that has grown large becomes `<name>.old` first. */
function openLog(file: string): number {
  mkdirSync(dirname(file), { recursive: true });
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > LOG_LIMIT) renameSync(file, `${file}.old`);
  return openSync(file, 'a');
}

const WARDEN_SCRIPT = `
read -r line
kill -s TERM -- "-$1" 2>/dev/null || exit 0
waited=0
while [ "$waited" -lt "$2" ] && kill -s 0 -- "-$1" 2>/dev/null; do sleep 1; waited=$((waited + 1)); done
kill -s KILL -- "-$1" 2>/dev/null
`;

function startWarden(pid: number, graceMs: number): ChildProcess {
  const warden = spawn(
    '/bin/sh',
    ['-c', WARDEN_SCRIPT, 'warden', String(pid), String(Math.ceil(graceMs / 1000))],
    {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    },
  );
  warden.on('error', () => {});
  warden.stdin.on('error', () => {});
  warden.unref();
  (warden.stdin as unknown as { unref?: () => void }).unref?.();
  return warden;
}
