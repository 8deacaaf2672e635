import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, renameSync, statSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import type { Writable } from 'node:stream';
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
  /** SIGTERM is repeated this often until it ends: for what may miss one that comes too early. Default: told once. */
  termEveryMs?: number;
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

  /**
   * Starts the process, after stopping what an earlier crash left; does not wait until it serves. It begins its work
   * when its warden is there and its pid file is written: whenever we die, it dies with us or is found by a later start.
   */
  async start(): Promise<void> {
    if (this.#running) return;
    const { name, pidFile, graceMs } = this.spec;
    await claimPidFile(pidFile, name, graceMs);
    try {
      await this.#launch();
    } catch (error) {
      await rm(pidFile, { force: true });
      throw new Error(`${name} does not start: ${(error as Error).message}`, { cause: error });
    }
  }

  async #launch(): Promise<void> {
    const { name, command, args, cwd, env, logFile, pidFile, graceMs } = this.spec;
    const log = openLog(logFile);
    const child = spawn('/bin/sh', ['-c', GATE_SCRIPT, name, command, ...args], {
      stdio: ['pipe', log, log],
      detached: true,
      env: env ?? process.env,
      ...(cwd === undefined ? {} : { cwd }),
    });
    closeSync(log);
    const begun = spawned(child);
    // Without a pipe, when there are no more file descriptors: then it has not begun either.
    const gate = child.stdin as Writable | undefined;
    gate?.on('error', () => {});
    try {
      const pid = await begun;
      this.#child = child;
      this.#running = true;
      this.#ended = new Promise((resolve) => child.once('exit', () => resolve(this.#end(pid))));
      this.#warden = startWarden(pid, graceMs ?? 15_000);
      await spawned(this.#warden);
      await writePidFile(pidFile, pid);
      gate?.end('go\n');
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  /**
   * What the leader left in its group has no use any more. It is ended now, and never later: the number of a group
   * that is gone may be given to another.
   */
  #end(pid: number): void {
    this.#running = false;
    signalGroup(pid, 'SIGKILL');
    this.#warden?.kill('SIGKILL');
  }

  /** Orderly end: SIGTERM to the group, SIGKILL after the grace. May be called twice, and when it has ended. */
  async stop(): Promise<void> {
    const pid = this.pid;
    if (pid !== undefined) {
      const { graceMs = 15_000, termEveryMs } = this.spec;
      signalGroup(pid, 'SIGTERM');
      const again = termEveryMs && setInterval(() => signalGroup(pid, 'SIGTERM'), termEveryMs);
      const timer = setTimeout(() => signalGroup(pid, 'SIGKILL'), graceMs);
      await this.#ended;
      clearTimeout(timer);
      clearInterval(again);
    }
    if (this.#child !== undefined) await rm(this.spec.pidFile, { force: true });
  }

  /** `kill -9` for the whole group, as a crash test wants it; waits for the end. */
  async kill(): Promise<void> {
    const { pid } = this;
    if (pid === undefined) return;
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

/** Becomes the process when a line comes, and ends without it when we die before. */
const GATE_SCRIPT = 'read -r go && exec "$@" </dev/null';

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
  const pipe = warden.stdin as Socket | undefined;
  pipe?.on('error', () => {});
  pipe?.unref();
  warden.unref();
  return warden;
}

/** The pid; rejects when there is no room for another process. */
async function spawned(child: ChildProcess): Promise<number> {
  await once(child, 'spawn');
  return child.pid as number;
}
