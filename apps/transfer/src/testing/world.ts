/** A transfer service on real servers, in this process or as processes of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { jest } from '@jest/globals';
import { brokerSuite, type BrokerSuite } from '@magpie/broker/testing';
import type { JobState, TransferKind } from '@magpie/contracts';
import { newId, type Action } from '@magpie/domain';
import { createLogger } from '@magpie/service-kit';
import {
  controlJob,
  createTransfer,
  openStore,
  type JobDocument,
  type Store,
  type TransferDocument,
} from '@magpie/store';
import type { Broker } from '@magpie/broker';
import { startTransfer, type TransferOptions } from '../app.ts';
import { placesBelow, type Places } from '../places.ts';
import { lateLink } from './links.ts';

const MAIN = join(import.meta.dirname, '..', 'main.ts');
/** What Node has compiled once, for all that are started: most of a start is that. */
const COMPILED = join(import.meta.dirname, '../../../../node_modules/.cache/magpie-tests');
/** As deployments start it: what it holds at most is looked at. */
const AS_DEPLOYED = {
  NODE_OPTIONS: '--max-semi-space-size=8 --max-old-space-size=128',
  MALLOC_ARENA_MAX: '1',
  UV_THREADPOOL_SIZE: '16',
};
/** So much later answers come to a service that is to be met at work: a batch of an import waits for about seven. */
const LATE_MS = 15;

/** More than the two minutes that a test waits for one thing; jest's limit ends only what hangs. */
jest.setTimeout(180_000);

export type TransferJob = JobDocument & { transfer: TransferDocument };

export class World {
  readonly store: Store;
  readonly broker: Broker;
  /** Directory of the data. */
  readonly data: string;
  readonly places: Places;
  readonly database = `transfer_${newId()}`;
  readonly #suite: BrokerSuite;
  readonly #services: { close(): Promise<void> }[] = [];
  readonly #links: { close(): Promise<void> }[] = [];
  readonly #brokers: Broker[] = [];
  readonly #children = new Set<ChildProcess>();
  readonly #options: Partial<TransferOptions>;

  private constructor(data: string, options: Partial<TransferOptions>) {
    this.data = data;
    this.places = placesBelow(data);
    this.#options = options;
    this.store = openStore({ url: env('MAGPIE_TEST_MONGODB_URL'), database: this.database });
    this.#suite = brokerSuite();
    this.broker = this.#suite.broker();
  }

  /** @param services how many run in this process */
  static async make(options: Partial<TransferOptions> = {}, { services = 1 } = {}): Promise<World> {
    const world = new World(await mkdtemp(join(tmpdir(), 'magpie-transfer-')), options);
    await world.store.prepare();
    await mkdir(world.places.uploads, { recursive: true });
    for (let i = 0; i < services; i++) await world.addService();
    return world;
  }

  async addService(
    options: Partial<TransferOptions> = {},
    store = this.store,
  ): Promise<{ close(): Promise<void> }> {
    const broker = this.#suite.broker();
    this.#brokers.push(broker);
    const service = await startTransfer({
      store,
      broker,
      // Tests do it themselves, and look at what it did.
      tidyEveryMs: 3_600_000,
      log: createLogger({ name: 'transfer', level: process.env['LOG_LEVEL'] === 'info' ? 'info' : 'fatal' }),
      options: {
        MAGPIE_DATA: this.data,
        MAGPIE_PUBLIC_URL: 'http://magpie.test',
        MAGPIE_TRANSFERS: 4,
        MAGPIE_TRANSFER_KEEP: 7 * 86_400_000,
        MAGPIE_DISK_RESERVE: 0,
        MAGPIE_ALLOW_ADDRESSES: '',
        MAGPIE_IMPORT_MAX_ROWS: 10_000_000,
        MAGPIE_IMPORT_MAX_COLUMNS: 1000,
        MAGPIE_IMPORT_MAX_CELL: 1024 * 1024,
        MAGPIE_IMPORT_MAX_BYTES: 64 * 1024 ** 3,
        ...this.#options,
        ...options,
      },
    });
    this.#services.push(service);
    return service;
  }

  /**
   * MongoDB by way of this process: whoever works by it takes so long on any machine that it is met in the middle of
   * it, and comes no further while this process does not come to look.
   */
  async lateUrl(): Promise<string> {
    const link = await lateLink(this.mongodbUrl, LATE_MS);
    this.#links.push(link);
    return link.url;
  }

  /** One that is met in the middle of its work. */
  async addLateService(): Promise<{ close(): Promise<void> }> {
    const store = openStore({ url: await this.lateUrl() });
    this.#links.push(store);
    return this.addService({}, store);
  }

  /** Nothing works on transfers in this process any more. */
  async closeServices(): Promise<void> {
    for (const service of this.#services.splice(0)) await service.close();
    for (const link of this.#links.splice(0).reverse()) await link.close();
    await Promise.all(this.#brokers.splice(0).map((broker) => broker.close()));
  }

  get mongodbUrl(): string {
    const url = new URL(env('MAGPIE_TEST_MONGODB_URL'));
    url.pathname = `/${this.database}`;
    url.searchParams.set('appName', this.database);
    return url.href;
  }

  /** What processes that died held in transactions is free at once, instead of ten seconds later. */
  async #endTransactions(): Promise<void> {
    const admin = this.store.connection.getClient().db('admin');
    const open = await admin
      .aggregate(
        [
          { $currentOp: { allUsers: true, idleSessions: true } },
          { $match: { appName: this.database, transaction: { $exists: true } } },
        ],
        { readConcern: 'local' },
      )
      .toArray();
    const sessions = open.map(({ lsid }) => ({ id: (lsid as { id: unknown }).id }));
    if (sessions.length > 0) await admin.command({ killSessions: sessions });
  }

  /** A service as a process of its own, with the same database and data; `kill()` ends it at once. */
  spawn(variables: Record<string, string> = {}): { child: ChildProcess; kill(): Promise<void> } {
    const child = spawn(process.execPath, [MAIN], {
      env: {
        PATH: process.env['PATH'],
        MONGODB_URL: this.mongodbUrl,
        AMQP_URL: env('MAGPIE_TEST_AMQP_URL'),
        MAGPIE_DATA: this.data,
        MAGPIE_DISK_RESERVE: '0',
        HEALTH_PORT: '0',
        LOG_LEVEL: 'error',
        NODE_COMPILE_CACHE: COMPILED,
        ...AS_DEPLOYED,
        ...variables,
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    this.#children.add(child);
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    return {
      child,
      kill: async () => {
        child.kill('SIGKILL');
        await gone;
        this.#children.delete(child);
        await this.#endTransactions();
      },
    };
  }

  /** The job of a completed upload of these bytes. */
  async upload(content: string | Buffer, name = 'rows.csv'): Promise<string> {
    const { job } = await createTransfer(this.store, { kind: 'upload', options: {}, correlationId: newId() });
    const path = join(this.places.uploads, job._id);
    await writeFile(path, content);
    const { size: bytes } = await stat(path);
    const file = {
      name,
      type: 'application/octet-stream',
      bytes,
      sha256: createHash('sha256').update(content).digest('hex'),
      path: `${basename(this.places.uploads)}/${job._id}`,
    };
    const now = new Date();
    await this.store.jobs.collection.updateOne({ _id: job._id } as never, {
      $set: {
        state: 'completed',
        startedAt: now,
        endedAt: now,
        'transfer.file': file,
        'transfer.bytes': bytes,
      },
    });
    return job._id;
  }

  /** Asks for a transfer; its job's id. */
  async transfer(kind: TransferKind, options: Record<string, unknown>): Promise<string> {
    const { job } = await createTransfer(this.store, { kind, options, correlationId: newId() });
    return job._id;
  }

  control(id: string, action: Action): Promise<JobDocument | undefined> {
    return controlJob(this.store, id, action);
  }

  async job(id: string): Promise<TransferJob> {
    const found = await this.store.jobs.collection.findOne({ _id: id } as never);
    if (found === null) throw new Error(`no job ${id}`);
    return found as unknown as TransferJob;
  }

  /** How many items have so many references, the fewest first. */
  itemsByRefs(): Promise<{ _id: number; items: number }[]> {
    return this.store.items.collection
      .aggregate<{ _id: number; items: number }>([
        { $group: { _id: '$refs', items: { $sum: 1 } } },
        { $sort: { _id: 1 } },
      ])
      .toArray();
  }

  /**
   * Waits for a state, and until who brought the job there has let go of it, a moment later; throws with where the job
   * is when it does not come.
   */
  async until(id: string, state: JobState, seconds?: number): Promise<TransferJob> {
    const at = async (): Promise<TransferJob> => {
      const job = await this.job(id);
      if (job.state !== state && ['completed', 'failed', 'stopped', 'terminated'].includes(job.state))
        throw new Error(`job is ${job.state}, not ${state}: ${JSON.stringify([job.error, job.counts])}`);
      return job;
    };
    const there = ({ state: now, transfer }: TransferJob): boolean =>
      now === state && (now === 'running' || transfer.lease === null);
    return this.eventually(at, there, seconds);
  }

  async eventually<T>(what: () => Promise<T> | T, holds: (value: T) => boolean, seconds = 120): Promise<T> {
    const end = Date.now() + seconds * 1000;
    let value = await what();
    while (!holds(value) && Date.now() < end) {
      await pause(20);
      value = await what();
    }
    if (!holds(value)) throw new Error(`never: ${JSON.stringify(value).slice(0, 2000)}`);
    return value;
  }

  /** As it was made: without services, and nothing in the database that transfers work on. */
  async clear(): Promise<void> {
    await this.closeServices();
    const { jobs, items, links, targets, targetLoads, steps } = this.store;
    for (const { collection } of [jobs, items, links, targets, targetLoads, steps])
      await collection.deleteMany({});
  }

  async close(): Promise<void> {
    for (const child of this.#children) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await gone;
      }
    }
    await this.closeServices();
    await this.broker.close();
    await this.#suite.end();
    await this.store.connection.dropDatabase();
    await this.store.close();
    await rm(this.data, { recursive: true, force: true });
  }
}

function env(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: these tests need real servers`);
  return value;
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** discovered = stored + shared + skipped + failed + pending */
export const addsUp = ({ counts }: JobDocument): boolean =>
  counts.discovered === counts.stored + counts.shared + counts.skipped + counts.failed + counts.pending;
