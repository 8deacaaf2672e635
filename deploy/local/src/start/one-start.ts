import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Makes sure that one start at a time uses a data directory.
 * @returns what gives it free again
 * @throws Error naming the process that has it
 */
export async function claimData(data: string): Promise<() => Promise<void>> {
  const file = join(data, 'run', 'start.pid');
  await mkdir(join(data, 'run'), { recursive: true });
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      await writeFile(file, String(process.pid), { flag: 'wx' });
      return () => rm(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const pid = Number(await readFile(file, 'utf8').catch(() => ''));
      if (pid > 0 && (await isStart(pid)))
        throw new Error(
          `Magpie runs already on ${data} (process ${pid}). End it first, or give another --data.`,
        );
      await rm(file, { force: true });
    }
  }
  throw new Error(`${file} can't be claimed`);
}

async function isStart(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => 'start/main.ts');
  return command.includes('start/main.ts');
}
