import { setTimeout as pause } from 'node:timers/promises';
import type { ManagedProcess } from '../managed-process.ts';

/** Waits before a start, ms; twice as long each time, until one has run for the last of these. */
const FIRST_MS = 1000;
const MOST_MS = 30_000;
const CALM_MS = 60_000;

interface KeepOptions {
  say: (line: string) => void;
  signal: AbortSignal;
  /** How it is started again, where that is more than starting the process. */
  start?: () => Promise<void>;
}

/** Starts a process again whenever it ends, at first after a second; resolves when it ends after `signal`. */
export async function keepRunning(
  managed: ManagedProcess,
  { say, signal, start = () => managed.start() }: KeepOptions,
): Promise<void> {
  const { name, logFile } = managed.spec;
  for (let wait = FIRST_MS; ;) {
    const began = Date.now();
    await managed.ended;
    if (signal.aborted) return;
    if (Date.now() - began >= CALM_MS) wait = FIRST_MS;
    say(`${name} has ended, and starts again in ${String(wait / 1000)} s; see ${logFile}`);
    await pause(wait, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    await start().catch((error: unknown) => {
      if (!signal.aborted) say((error as Error).message);
    });
    if (signal.aborted) return managed.stop();
    wait = Math.min(MOST_MS, wait * 2);
  }
}
