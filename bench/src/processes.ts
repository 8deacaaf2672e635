/** CPU time and memory of processes with their children, from Linux's /proc (proc(5)). */
import { readdir, readFile } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';

/** What one named process, with its children, took. */
export interface Usage {
  cpuSeconds: number;
  /** The most that was ever resident (VmHWM), summed over the children. */
  peakBytes: number;
}

export interface Sample {
  /** ms since the watch began. */
  at: number;
  rssBytes: Record<string, number>;
}

interface Row {
  pid: number;
  parent: number;
  ticks: number;
}

const ticksASecond = (() => {
  try {
    return Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })) || 100;
  } catch {
    return 100;
  }
})();

async function allProcesses(): Promise<Row[]> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const rows = await Promise.all(
    names.map(async (name): Promise<Row | undefined> => {
      const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
      if (stat === '') return undefined;
      // After the command in parentheses: state, ppid, … utime, stime, cutime, cstime as fields 14 to 17.
      const fields = stat
        .slice(stat.lastIndexOf(')') + 2)
        .split(' ')
        .map(Number);
      const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + (fields[at] ?? 0), 0);
      return { pid: Number(name), parent: fields[1] ?? 0, ticks };
    }),
  );
  return rows.filter((row) => row !== undefined);
}

function familyOf(root: number, rows: readonly Row[]): Row[] {
  const family = rows.filter(({ pid }) => pid === root);
  const ids = new Set([root]);
  for (let grown = true; grown;) {
    grown = false;
    for (const row of rows) {
      if (ids.has(row.pid) || !ids.has(row.parent)) continue;
      ids.add(row.pid);
      family.push(row);
      grown = true;
    }
  }
  return family;
}

async function memoryOf(pid: number): Promise<{ rss: number; peak: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
  return { rss: field('VmRSS') * 1024, peak: field('VmHWM') * 1024 };
}

/** Watches processes from `begin` to `end`; memory is sampled once a second. */
export class Watch {
  readonly samples: Sample[] = [];
  readonly #roots: ReadonlyMap<string, number>;
  readonly #before = new Map<string, number>();
  #began = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param roots process ids by name */
  constructor(roots: ReadonlyMap<string, number>) {
    this.#roots = roots;
  }

  async begin(): Promise<void> {
    const rows = await allProcesses();
    for (const [name, pid] of this.#roots) this.#before.set(name, ticksOf(familyOf(pid, rows)));
    this.#began = Date.now();
    await this.#sample();
    this.#timer = setInterval(() => void this.#sample(), 1000).unref();
  }

  async end(): Promise<Record<string, Usage>> {
    clearInterval(this.#timer);
    const rows = await allProcesses();
    const used: Record<string, Usage> = {};
    for (const [name, pid] of this.#roots) {
      const family = familyOf(pid, rows);
      const memory = await Promise.all(family.map((row) => memoryOf(row.pid)));
      used[name] = {
        cpuSeconds: (ticksOf(family) - (this.#before.get(name) ?? 0)) / ticksASecond,
        peakBytes: memory.reduce((sum, { peak }) => sum + peak, 0),
      };
    }
    return used;
  }

  async #sample(): Promise<void> {
    const rows = await allProcesses();
    const rssBytes: Record<string, number> = {};
    for (const [name, pid] of this.#roots) {
      const memory = await Promise.all(familyOf(pid, rows).map((row) => memoryOf(row.pid)));
      rssBytes[name] = memory.reduce((sum, { rss }) => sum + rss, 0);
    }
    this.samples.push({ at: Date.now() - this.#began, rssBytes });
  }
}

const ticksOf = (rows: readonly Row[]): number => rows.reduce((sum, { ticks }) => sum + ticks, 0);
