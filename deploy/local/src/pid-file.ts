import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { runCommand } from './command.ts';

/** Who started which process, kept beside the data so that a later start can tidy up after a crash. */
export interface PidRecord {
  pid: number;
  /** When that process began, in the system's own notation: a reused pid has another one. */
  began: string;
  owner: number;
  ownerBegan: string;
}

/** A mark that differs between two processes which had the same pid one after the other; '' when not alive. */
export async function processBegan(pid: number): Promise<string> {
  if (process.platform === 'linux') {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return stat === '' || fields[0] === 'Z' ? '' : (fields[19] ?? '');
  }
  const seen = await runCommand('ps', ['-o', 'lstart=', '-p', String(pid)], { timeoutMs: 5000 });
  return seen.stdout.trim();
}

export async function writePidFile(file: string, pid: number): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, JSON.stringify(await pidRecord(pid)));
}

/**
 * Takes the pid file for a process about to be started by us, after tidying up what a crash left. Of two starts at
 * the same moment one throws.
 */
export async function claimPidFile(file: string, name: string, graceMs?: number): Promise<void> {
  await stopStale(file, name, graceMs);
  await mkdir(dirname(file), { recursive: true });
  const claim = JSON.stringify(await pidRecord(process.pid));
  await writeFile(file, claim, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
    throw new Error(`${name} is being started on this data directory by somebody else (see ${file})`);
  });
}

async function pidRecord(pid: number): Promise<PidRecord> {
  const [began, ownerBegan] = [await processBegan(pid), await processBegan(process.pid)];
  return { pid, began, owner: process.pid, ownerBegan };
}

/**
 * Makes sure that nothing from an earlier start still runs on this data: a process whose starter died is
 * stopped (SIGTERM, after `graceMs` SIGKILL). Throws when its starter is alive, since two servers
 * must never share one data directory.
 */
export async function stopStale(file: string, name: string, graceMs = 15_000): Promise<boolean> {
  const record = await readFile(file, 'utf8')
    .then((text) => JSON.parse(text) as PidRecord)
    .catch(() => undefined);
  if (record === undefined) return false;
  const alive = async (): Promise<boolean> =>
    record.began !== '' && (await processBegan(record.pid)) === record.began;
  if (!(await alive())) {
    await rm(file, { force: true });
    return false;
  }
  const ownerAlive = record.ownerBegan !== '' && (await processBegan(record.owner)) === record.ownerBegan;
  if (ownerAlive) {
    throw new Error(
      `${name} already runs on this data directory (pid ${record.pid}, started by pid ${record.owner}): ` +
        'stop that one first, or set MAGPIE_DATA to another directory',
    );
  }
  signalGroup(record.pid, 'SIGTERM');
  const deadline = Date.now() + graceMs;
  while (await alive()) {
    if (Date.now() > deadline) signalGroup(record.pid, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await rm(file, { force: true });
  return true;
}

/** Signals a process group led by `pid`; false when it is gone. */
export function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}
