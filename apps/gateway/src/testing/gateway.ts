/** A gateway for one test: a database of its own on the run's MongoDB, exchanges of its own on the run's RabbitMQ. */
import { randomBytes } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { brokerSuite } from '@magpie/broker/testing';
import { createLogger, loadConfig } from '@magpie/service-kit';
import { openStore, type Store, type StoreOptions } from '@magpie/store';
import type { FastifyInstance } from 'fastify';
import { buildApp, type GatewayBroker } from '../app.ts';
import { gatewayConfig } from '../config.ts';
import { PARAMS } from './params.ts';

export interface TestGateway {
  app: FastifyInstance;
  store: Store;
  broker: GatewayBroker;
  /** What was logged so far, one object a line. */
  logged(): Record<string, unknown>[];
  /** Resolves when what is published reaches the gateway's live events. */
  listens(): Promise<void>;
  /** Starts listening; the base address. */
  listen(): Promise<string>;
  close(): Promise<void>;
}

export interface TestGatewayOptions {
  env?: Record<string, string>;
  store?: Partial<StoreOptions>;
  /** Of a broker that is not there: what waits for it gives up after two seconds. */
  amqpUrl?: string;
  /** Sources that have announced themselves; default: both built-in ones. */
  sources?: boolean;
}

export async function startGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const { env = {}, amqpUrl, sources = true } = options;
  const url = process.env['MAGPIE_TEST_MONGODB_URL'];
  if (!url) throw new Error('MAGPIE_TEST_MONGODB_URL is not set: these tests need a real MongoDB');
  const database = `gateway-${randomBytes(6).toString('hex')}`;
  const direct = openStore({ url, database });
  await direct.prepare();
  if (sources) await announceSources(direct);
  const store = options.store ? openStore({ url, database, ...options.store }) : direct;
  const suite = brokerSuite();
  const broker = suite.broker(amqpUrl === undefined ? {} : { url: amqpUrl, publishTimeoutMs: 2000 });
  const stream = new PassThrough();
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  const app = await buildApp({
    config: loadConfig(gatewayConfig, {
      MAGPIE_PUBLIC_URL: 'http://magpie.test/',
      LOG_LEVEL: 'info',
      // The machine of a test run may stall; only the test of overload means it.
      MAGPIE_MAX_EVENT_LOOP_DELAY: '10m',
      ...env,
    }),
    store,
    broker,
    log: createLogger({ name: 'gateway', level: 'info', stream }),
  });
  return {
    app,
    store: direct,
    broker,
    logged: () =>
      Buffer.concat(chunks)
        .toString('utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    async listens() {
      await broker.whenUp({ timeoutMs: 30_000 });
      app.jobWatch.watch('nobody', () => undefined)();
      await app.jobWatch.ready;
    },
    listen: () => app.listen({ host: '127.0.0.1', port: 0 }),
    async close() {
      await app.close();
      await suite.end();
      if (store !== direct) await store.close();
      await direct.connection.dropDatabase();
      await direct.close();
    },
  };
}

export async function announceSources(store: Store): Promise<void> {
  for (const [id, kind] of [
    ['web-images', 'image'],
    ['web-text', 'text'],
  ] as const)
    await store.sources.collection.insertOne({
      _id: id as never,
      summary: `Every ${kind} on the given pages`,
      version: '1',
      params: PARAMS,
      emits: { [kind]: { type: 'object' } },
      batch: {},
      lastSeenAt: new Date(),
    });
}

export const URLS = { urls: ['https://example.org/gallery'] };

/** Makes a job by the API; its id. */
export async function makeJob(app: FastifyInstance, source = 'web-images'): Promise<string> {
  const answer = await app.inject({ method: 'POST', url: '/api/v1/jobs', payload: { source, params: URLS } });
  if (answer.statusCode !== 202) throw new Error(answer.body);
  return answer.json<{ id: string }>().id;
}
