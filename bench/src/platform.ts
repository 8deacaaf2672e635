/** The whole platform on servers of its own, and one job on it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from '@magpie/contracts';
import { startPlatform, type Platform } from '@magpie/local';
import { startPrivateServers, type TestServers } from '@magpie/local/testing';
import { openStore, type Store } from '@magpie/store';

export interface Collected {
  seconds: number;
  job: Job;
}

export interface BenchPlatform {
  readonly store: Store;
  readonly servers: TestServers;
  readonly platform: Platform;
  /** Process ids by name: broker and database, nginx, and each process of the platform. */
  readonly roots: ReadonlyMap<string, number>;
  /** Collects every image of the site at `url`; throws when the job ends otherwise than completed. */
  collect(url: string, onProgress?: (job: Job) => void): Promise<Collected>;
  stop(): Promise<void>;
}

export interface BenchPlatformOptions {
  replicas: Readonly<Record<string, number>>;
  env: Readonly<Record<string, string>>;
  /** MongoDB's cache, when it is to be larger than that of tests. */
  cacheGb?: number;
  signal: AbortSignal;
}

/** Seldom, so that the asking costs little; the job itself says when it ended. */
const ASK_MS = 250;

export async function startBenchPlatform({
  replicas,
  env,
  cacheGb,
  signal,
}: BenchPlatformOptions): Promise<BenchPlatform> {
  const servers = await startPrivateServers(undefined, undefined, cacheGb === undefined ? {} : { cacheGb });
  const data = join(servers.data, 'platform');
  let platform: Platform | undefined;
  const store = openStore({ url: servers.mongodbUrl });
  const stop = async (): Promise<void> => {
    await store.close();
    await platform?.stop();
    await servers.stop();
  };
  try {
    signal.throwIfAborted();
    platform = await startPlatform({
      data,
      amqpUrl: servers.amqpUrl,
      mongodbUrl: servers.mongodbUrl,
      port: 0,
      replicas,
      env: { LOG_LEVEL: 'info', ...env, MAGPIE_ALLOW_ADDRESSES: '127.0.0.1/32' },
      say: () => undefined,
      signal,
    });
    const { url } = platform;
    const roots = new Map([
      ['RabbitMQ', await pidIn(join(servers.data, 'run', 'rabbitmq.json'))],
      ['MongoDB', await pidIn(join(servers.data, 'run', 'mongod.json'))],
      ['nginx', await pidIn(join(data, 'run', 'nginx.json'))],
      ...[...platform.processes].map(([name, { pid = 0 }]): [string, number] => [name, pid]),
    ]);
    return {
      store,
      servers,
      platform,
      roots,
      stop,
      async collect(site, onProgress) {
        const began = Date.now();
        const params = { urls: [`${site}/`], depth: 1 };
        let job = await ask<Job>(`${url}/api/v1/jobs`, { source: 'web-images', params });
        while (job.endedAt === null) {
          await sleep(ASK_MS, undefined, { signal });
          job = await ask<Job>(`${url}/api/v1/jobs/${job.id}`);
          onProgress?.(job);
        }
        const seconds = (Date.parse(job.endedAt) - began) / 1000;
        if (job.state !== 'completed') throw new Error(`the job is ${job.state}: ${JSON.stringify(job)}`);
        return { seconds, job };
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Asks the API: a POST with a body, a GET without. @throws Error for any answer that is not a success */
export async function ask<T>(url: string, body?: unknown): Promise<T> {
  const post = {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  };
  const answer = await fetch(url, {
    signal: AbortSignal.timeout(20_000),
    ...(body === undefined ? {} : post),
  });
  if (!answer.ok) throw new Error(`${url} answers ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as T;
}

async function pidIn(file: string): Promise<number> {
  return (JSON.parse(await readFile(file, 'utf8')) as { pid: number }).pid;
}
