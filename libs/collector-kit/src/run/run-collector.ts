import { join } from 'node:path';
import {
  bootConfig,
  createLogger,
  createMetrics,
  runService,
  startHealthServer,
  type ConfigTable,
  type RunningService,
} from '@magpie/service-kit';
import type { Source } from '../source/define-source.ts';
import { collectorConfig } from './config.ts';
import { startCollector } from './start-collector.ts';

/**
 * The main of a collector service: reads the environment (`--help` lists it, the source's own settings too), runs the source until SIGINT or
 * SIGTERM, serves `/healthz`, `/readyz` and `/metrics`.
 */
export function runCollector(source: Source): Promise<RunningService> {
  const name = `collector-${source.id}`;
  const own: ConfigTable = source.settings;
  const table = { ...collectorConfig, ...own } as typeof collectorConfig;
  const config = bootConfig(table, { name, summary: source.summary });
  const values: Readonly<Record<string, unknown>> = config;
  const settings = Object.fromEntries(Object.keys(own).map((key) => [key, values[key]]));
  const log = createLogger({ name, level: config.LOG_LEVEL });
  return runService({
    name,
    log,
    deadlineMs: config.MAGPIE_GRACE + 15_000,
    async start(_signal, opened) {
      const metrics = createMetrics({ name });
      const collector = opened.add(
        'collector',
        await startCollector(source, {
          amqpUrl: config.AMQP_URL,
          filesRoot: join(config.MAGPIE_DATA, 'files'),
          allow: config.MAGPIE_ALLOW_ADDRESSES,
          contact: config.MAGPIE_CONTACT,
          secret: config.MAGPIE_SECRET,
          settings,
          concurrency: config.MAGPIE_CONCURRENCY,
          prefetch: config.MAGPIE_PREFETCH,
          maxBytes: config.MAGPIE_MAX_BYTES,
          hostConcurrency: config.MAGPIE_HOST_CONCURRENCY,
          graceMs: config.MAGPIE_GRACE,
          log,
          metrics,
        }),
      );
      const health = await startHealthServer({
        port: config.HEALTH_PORT,
        host: config.HEALTH_HOST,
        metrics,
        checks: {
          broker: () => {
            if (collector.broker.status !== 'up') {
              throw new Error(collector.broker.lastError ?? 'the broker is not reached');
            }
          },
        },
      });
      opened.add('health', health);
      if (health.port !== undefined) log.info({ port: health.port }, 'health is served');
    },
  });
}
