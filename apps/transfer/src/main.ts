import './modest-heap.ts';
import { createBroker } from '@magpie/broker';
import { bootConfig, createLogger, createMetrics, runService, startHealthServer } from '@magpie/service-kit';
import { openStore } from '@magpie/store';
import { startTransfer } from './app.ts';
import { transferConfig } from './config.ts';

const name = 'transfer';
const options = bootConfig(transferConfig, {
  name,
  summary: 'moves data in and out: imports of uploaded files, exports',
});
const log = createLogger({ name, level: options.LOG_LEVEL });

await runService({
  name,
  log,
  async start(_signal, opened) {
    const store = opened.add('store', openStore({ url: options.MONGODB_URL }));
    const broker = opened.add('broker', createBroker({ url: options.AMQP_URL, name, log }));
    const metrics = createMetrics({ name });
    opened.add(
      'health',
      await startHealthServer({
        port: options.HEALTH_PORT,
        host: options.HEALTH_HOST,
        metrics,
        checks: {
          mongodb: async () => {
            if (!(await store.ping())) throw new Error('does not answer');
          },
          rabbitmq: () => broker.whenUp({ timeoutMs: 1500 }),
        },
      }),
    );
    return startTransfer({ store, broker, log, options });
  },
});
