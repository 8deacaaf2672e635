import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const FILE = 'demo.json';
/** After so long there are new posts and videos from the beginning: the providers would have grown large. */
const LIFETIME_MS = 7 * 86_400_000;

/** What a demo goes on with at its next start on the same data directory. */
export interface DemoMemory {
  /** When the first posts and videos were published, ms since the epoch. */
  since: number;
  /** The ports of the providers' doubles. */
  ports: Record<string, number>;
  /** The jobs, by source. */
  jobs: Record<string, string>;
}

/** Whether a demo has used this data directory. */
export const isDemoData = async (data: string): Promise<boolean> => (await read(data)) !== undefined;

/** What was noted; after a week a new beginning, with the jobs that are there. */
export async function recallDemo(data: string): Promise<DemoMemory> {
  const noted = await read(data);
  const fresh = noted !== undefined && Date.now() - noted.since < LIFETIME_MS;
  return fresh ? noted : { since: Date.now(), ports: noted?.ports ?? {}, jobs: noted?.jobs ?? {} };
}

export async function noteDemo(data: string, memory: DemoMemory): Promise<void> {
  const file = join(data, FILE);
  await writeFile(`${file}.new`, `${JSON.stringify(memory, undefined, 2)}\n`);
  await rename(`${file}.new`, file);
}

async function read(data: string): Promise<DemoMemory | undefined> {
  const text = await readFile(join(data, FILE), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as DemoMemory);
}
