/** The gateway: the platform's only HTTP surface, as a factory that tests boot too. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import autoload from '@fastify/autoload';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { Broker } from '@magpie/broker';
import { createMetrics, type Logger, type Metrics } from '@magpie/service-kit';
import type { Store } from '@magpie/store';
import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import { checkConfig, type GatewayConfig } from './config.ts';
import { rawProblem, sendProblem } from './plugins/errors.ts';
import { publicUrl } from './public-url.ts';

export interface AppOptions {
  config: GatewayConfig;
  store: Store;
  broker: GatewayBroker;
  log: Logger;
  metrics?: Metrics;
}

/** What the gateway asks of the broker. */
export type GatewayBroker = Pick<Broker, 'status' | 'lastError' | 'tryPublish' | 'subscribe' | 'replay'>;

declare module 'fastify' {
  interface FastifyInstance {
    config: GatewayConfig;
    store: Store;
    broker: GatewayBroker;
    metrics: Metrics;
  }
}

/** A request's own id is taken over from the client when it looks like one. */
const REQUEST_ID = /^[\w.:-]{8,64}$/;

/**
 * The app with all plugins and routes, not listening yet. It closes nothing that it was given.
 * @throws ConfigError when the configuration contradicts itself
 */
export async function buildApp({
  config,
  store,
  broker,
  log,
  metrics,
}: AppOptions): Promise<FastifyInstance> {
  checkConfig(config);
  const app = Fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'correlationId' }),
    requestIdHeader: false,
    genReqId: ({ headers }) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    },
    bodyLimit: config.MAGPIE_MAX_BODY,
    trustProxy: config.MAGPIE_TRUSTED_PROXIES.split(',').map((name) => name.trim()),
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 200 },
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    forceCloseConnections: true,
    // Node would end any request whose body takes longer, and an upload takes hours, paused ones days. Headers still
    // have a minute (Node's headersTimeout); nginx bounds the time of all bodies, and buffers all but uploads.
    requestTimeout: 0,
    // Loading the code of all routes takes long on a machine that is busy.
    pluginTimeout: 60_000,
    frameworkErrors: (error, request, reply) => void sendProblem(error, request, reply),
    clientErrorHandler: (error, socket) => {
      if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
      const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
      socket.end(rawProblem(status, publicUrl(config)));
    },
  }).withTypeProvider<TypeBoxTypeProvider>();

  app.decorate('config', config);
  app.decorate('store', store);
  app.decorate('broker', broker);
  app.decorate('metrics', metrics ?? createMetrics({ name: 'gateway', defaults: false }));

  const room = { forceESM: true, dirNameRoutePrefix: false, ignorePattern: /\.test\.ts$/ } as const;
  await app.register(autoload, { ...room, dir: join(import.meta.dirname, 'plugins') });
  await app.register(autoload, { ...room, dir: join(import.meta.dirname, 'routes') });
  await app.ready();
  return app as unknown as FastifyInstance;
}
