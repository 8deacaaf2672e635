import './heap-growth.ts';
import { createBroker } from '@magpie/broker';
import { bootConfig, createLogger, createMetrics, runService } from '@magpie/service-kit';
import { openStore } from '@magpie/store';
import { buildApp } from './app.ts';
import { checkConfig, gatewayConfig } from './config.ts';

const about = { name: 'gateway', summary: 'the HTTP surface: jobs, items, live progress' };
const config = bootConfig(gatewayConfig, about);
try {
  checkConfig(config);
} catch (error) {
  process.stderr.write(`${about.name}: ${(error as Error).message}\nSee ${about.name} --help\n`);
  process.exit(78);
}

const log = createLogger({ name: about.name, level: config.LOG_LEVEL });

await runService({
  name: about.name,
  log,
  async start(signal, opened) {
    const store = opened.add('store', openStore({ url: config.MONGODB_URL }));
    const broker = opened.add('broker', createBroker({ url: config.AMQP_URL, name: about.name, log }));
    const metrics = createMetrics({ name: about.name });
    const app = opened.add('http', await buildApp({ config, store, broker, log, metrics }));
    store.prepare().catch((error: unknown) => {
      if (!signal.aborted) log.error({ err: error }, 'the database was not prepared');
    });
    await app.listen({ host: config.MAGPIE_HOST, port: config.MAGPIE_GATEWAY_PORT });
  },
});
