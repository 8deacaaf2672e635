/** One round: floors and platform on the same servers, one after the other. */
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Job } from '@magpie/contracts';
import { ask, startBenchPlatform, type BenchPlatform } from '../platform.ts';
import { Watch, type Usage } from '../processes.ts';
import { writeTable } from './table.ts';

const run = promisify(execFile);
const ASK_MS = 500;
/** Floors and platform alike, as `docker-compose.yml` sets it: a million rows and their indexes thrash in a smaller one. */
const DEPLOYED_CACHE_GB = 1;

/** Seconds for all rows. */
export interface Way {
  seconds: number;
  /** Of the platform: CPU and peak memory of each process. */
  usage?: Record<string, Usage>;
}

export interface TransferRound {
  bytes: number;
  in: { bare: Way; items: Way; platform: Way; mongoimport: Way | null };
  out: { floor: Way; platform: Way; mongoexport: Way | null };
}

export async function runRound(
  rows: number,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<TransferRound> {
  const none = {
    'web-images': 0,
    'web-text': 0,
    'instagram-hashtag': 0,
    'facebook-pages': 0,
    'youtube-search': 0,
  };
  const world = await startBenchPlatform({
    replicas: none,
    env: { MAGPIE_DISK_RESERVE: '0' },
    cacheGb: DEPLOYED_CACHE_GB,
    signal,
  });
  try {
    const file = join(world.servers.data, 'table.csv');
    await writeTable(file, rows);
    const { size: bytes } = await stat(file);
    say(`a table of ${rows} rows, ${(bytes / 1e6).toFixed(0)} MB`);
    const told = async (name: string, way: Promise<Way>): Promise<Way> => {
      const { seconds, usage } = await way;
      say(`${name}: ${seconds.toFixed(1)} s, ${Math.round(rows / seconds)} rows/s`);
      return { seconds, ...(usage ? { usage } : {}) };
    };
    const floor = (...args: string[]): Promise<Way> => runFloor(args, rows, signal);
    const database = (name: string): string => withDatabase(world.servers.mongodbUrl, name);

    const bare = await told('csv-parse → bulkWrite, bare', floor('in', database('bare'), file, 'bare'));
    await dropDatabase(world, 'bare');
    const mongoimport = await tool(
      'mongoimport',
      [
        `--uri=${database('tool')}`,
        '--collection=rows',
        '--type=csv',
        '--headerline',
        `--file=${file}`,
        '--quiet',
      ],
      signal,
    );
    await dropDatabase(world, 'tool');
    const items = await told('csv-parse → bulkWrite, items', floor('in', database('items'), file, 'items'));
    await dropDatabase(world, 'items');
    const platformIn = await told(
      'platform, in',
      watched(world, () => importFile(world, file, rows, signal)),
    );

    const output = join(world.servers.data, 'out.csv');
    const out = await told('find → csv-stringify', floor('out', database('magpie'), output));
    await rm(output);
    const mongoexport = await tool(
      'mongoexport',
      [
        `--uri=${database('magpie')}`,
        '--collection=items',
        '--type=csv',
        '--fields=_id,kind,url,page,source,storedAt,data',
        `--out=${output}`,
        '--quiet',
      ],
      signal,
    );
    const platformOut = await told(
      'platform, out',
      watched(world, () => exportAll(world, rows, signal)),
    );
    return {
      bytes,
      in: { bare, items, platform: platformIn, mongoimport },
      out: { floor: out, platform: platformOut, mongoexport },
    };
  } finally {
    await world.stop();
  }
}

async function runFloor(args: string[], rows: number, signal: AbortSignal): Promise<Way> {
  const { stdout } = await run(process.execPath, [join(import.meta.dirname, 'floor.ts'), ...args], {
    signal,
  });
  const result = JSON.parse(stdout) as Way & { rows: number };
  if (result.rows !== rows) throw new Error(`the floor moved ${result.rows} of ${rows} rows`);
  return { seconds: result.seconds };
}

/** A tool of MongoDB's, if it is installed. */
async function tool(name: string, args: string[], signal: AbortSignal): Promise<Way | null> {
  const began = performance.now();
  try {
    await run(name, args, { signal });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  return { seconds: (performance.now() - began) / 1000 };
}

async function watched(world: BenchPlatform, work: () => Promise<number>): Promise<Way> {
  const watch = new Watch(world.roots);
  await watch.begin();
  const seconds = await work();
  return { seconds, usage: await watch.end() };
}

/** Uploads the file, which is not counted, and imports it as items. */
async function importFile(
  world: BenchPlatform,
  file: string,
  rows: number,
  signal: AbortSignal,
): Promise<number> {
  const { url } = world.platform;
  const upload = await ask<{ job_id: string }>(`${url}/api/v1/new-job/`, { filename: 'table.csv' });
  const answer = await fetch(`${url}/api/v1/upload/?job_id=${upload.job_id}`, {
    method: 'POST',
    headers: { 'content-type': 'text/csv' },
    body: createReadStream(file) as never,
    duplex: 'half',
    signal,
  } as RequestInit);
  if (!answer.ok) throw new Error(`the upload: ${answer.status} ${await answer.text()}`);
  const job = await ask<Job>(`${url}/api/v1/imports`, { upload: upload.job_id, as: 'items' });
  const ended = await untilEnded(world, job.id, signal);
  if (ended.counts.stored !== rows)
    throw new Error(`${ended.counts.stored} of ${rows} rows: ${JSON.stringify(ended)}`);
  return secondsOf(ended);
}

async function exportAll(world: BenchPlatform, rows: number, signal: AbortSignal): Promise<number> {
  const fields = ['id', 'kind', 'url', 'page', 'source', 'storedAt', 'data'];
  const job = await ask<Job>(`${world.platform.url}/api/v1/exports`, { format: 'csv', fields });
  const ended = await untilEnded(world, job.id, signal);
  if (ended.transfer?.rows !== rows) throw new Error(`${ended.transfer?.rows} of ${rows} rows`);
  return secondsOf(ended);
}

async function untilEnded(world: BenchPlatform, id: string, signal: AbortSignal): Promise<Job> {
  for (;;) {
    const job = await ask<Job>(`${world.platform.url}/api/v1/jobs/${id}`);
    if (job.state === 'completed') return job;
    if (job.endedAt !== null) throw new Error(`the job is ${job.state}: ${JSON.stringify(job)}`);
    await sleep(ASK_MS, undefined, { signal });
  }
}

/** From when it was asked for: waiting to be taken up counts. */
const secondsOf = ({ createdAt, endedAt }: Job): number =>
  (Date.parse(endedAt ?? '') - Date.parse(createdAt)) / 1000;

const withDatabase = (url: string, name: string): string => {
  const parsed = new URL(url);
  parsed.pathname = `/${name}`;
  return parsed.href;
};

const dropDatabase = async ({ store }: BenchPlatform, name: string): Promise<void> => {
  await store.connected();
  await store.connection.getClient().db(name).dropDatabase();
};
