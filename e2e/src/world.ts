/** The whole platform on servers of its own, a fixture site to collect, and the API as a user calls it. */
import { join, resolve } from 'node:path';
import type { Job, JobError, JobState, Item, Image } from '@magpie/contracts';
import { collectorIds, startPlatform, type Platform } from '@magpie/local';
import { startPrivateServers, type TestServers } from '@magpie/local/testing';
import { startFixtureSite, type FixtureSite } from '@magpie/testing';

/** What Node has compiled once, for every platform of every run: most of a service's start is that. */
export const COMPILED = resolve(import.meta.dirname, '../../node_modules/.cache/magpie-e2e');

export interface WorldOptions {
  /** How many of `storage`, of `transfer` (1 unless said) and of each collector (none unless said). */
  replicas?: Record<string, number>;
  env?: NodeJS.ProcessEnv;
  /** Data in the machine's memory where it has room, which spares the waits for the disk; default true. */
  inMemory?: boolean;
}

export interface Answer<T> {
  status: number;
  headers: Headers;
  body: T;
}

export class World {
  readonly servers: TestServers;
  readonly platform: Platform;
  readonly site: FixtureSite;
  /** Every answer of the API so far: headers and body. */
  readonly heard: string[] = [];

  private constructor(servers: TestServers, platform: Platform, site: FixtureSite) {
    this.servers = servers;
    this.platform = platform;
    this.site = site;
  }

  static async make({ replicas = {}, env = {}, inMemory = true }: WorldOptions = {}): Promise<World> {
    const site = await startFixtureSite();
    const servers = await startPrivateServers(['mongodb', 'rabbitmq'], undefined, { inMemory });
    try {
      const platform = await startPlatform({
        data: join(servers.data, 'platform'),
        amqpUrl: servers.amqpUrl,
        mongodbUrl: servers.mongodbUrl,
        port: 0,
        replicas: { ...Object.fromEntries(collectorIds().map((id) => [id, 0])), ...replicas },
        env: {
          NODE_COMPILE_CACHE: COMPILED,
          MAGPIE_ALLOW_ADDRESSES: '127.0.0.1/32',
          LOG_LEVEL: 'info',
          MAGPIE_HOST_CONCURRENCY: '64',
          ...env,
        },
        say: () => undefined,
      });
      return new World(servers, platform, site);
    } catch (error) {
      await servers.stop();
      await site.close();
      throw error;
    }
  }

  get files(): string {
    return join(this.servers.data, 'platform', 'files');
  }

  async call<T>(method: string, path: string, body?: unknown): Promise<Answer<T>> {
    const answer = await fetch(new URL(path, this.platform.url), {
      method,
      signal: AbortSignal.timeout(60_000),
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await answer.text();
    this.heard.push(`${method} ${path} ${JSON.stringify([...answer.headers])} ${text}`);
    return { status: answer.status, headers: answer.headers, body: parsed(text) as T };
  }

  async submit(
    source: string,
    params: Record<string, unknown>,
    rest: Record<string, unknown> = {},
  ): Promise<string> {
    const { status, body } = await this.call<Job>('POST', '/api/v1/jobs', { source, params, ...rest });
    if (status !== 202) throw new Error(`POST /api/v1/jobs: ${status} ${JSON.stringify(body)}`);
    return body.id;
  }

  /** Images of pages of the fixture site. */
  images(paths: readonly string[], rest: Record<string, unknown> = {}): Promise<string> {
    return this.submit('web-images', { urls: paths.map((path) => this.site.url + path), ...rest });
  }

  control(id: string, action: string): Promise<Answer<Job & { code?: string; allowed?: string[] }>> {
    return this.call('POST', `/api/v1/jobs/${id}/${action}`);
  }

  async job(id: string): Promise<Job> {
    return (await this.call<Job>('GET', `/api/v1/jobs/${id}`)).body;
  }

  until(id: string, state: JobState, ms?: number): Promise<Job> {
    return this.eventually(
      () => this.job(id),
      (job) => job?.state === state,
      ms,
    );
  }

  /** Asks again until it holds; throws with the last answer when it does not in time. */
  async eventually<T>(
    ask: () => Promise<T> | T,
    holds: (value: T) => boolean,
    ms = 120_000,
    every = 50,
  ): Promise<T> {
    const deadline = Date.now() + ms;
    for (;;) {
      let value: T | undefined;
      let fault: unknown;
      try {
        value = await ask();
        if (holds(value)) return value;
      } catch (error) {
        fault = error;
      }
      if (Date.now() > deadline)
        throw new Error(`never: ${JSON.stringify(value ?? String(fault)).slice(0, 2000)}`);
      await pause(every);
    }
  }

  /** All of a list, page by page. */
  async list<T>(path: string): Promise<T[]> {
    const all: T[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { body }: Answer<{ items: T[]; next: string | null }> = await this.call(
        'GET',
        `${path}${path.includes('?') ? '&' : '?'}limit=500${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
      );
      all.push(...body.items);
      cursor = body.next;
    }
    return all;
  }

  items(id: string): Promise<Item[]> {
    return this.list<Item>(`/api/v1/jobs/${id}/items`);
  }

  errors(id: string): Promise<JobError[]> {
    return this.list<JobError>(`/api/v1/jobs/${id}/errors`);
  }

  taskImages(id: string): Promise<Image[]> {
    return this.list<Image>(`/images_tasks/${id}/images`);
  }

  async close(): Promise<void> {
    await this.platform.stop();
    await this.servers.stop();
    await this.site.close();
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** discovered = stored + shared + skipped + failed + pending */
export const addsUp = ({ counts }: Job): boolean =>
  counts.discovered === counts.stored + counts.shared + counts.skipped + counts.failed + counts.pending;

export const range = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => from + i);
