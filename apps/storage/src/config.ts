import { commonConfig, defineConfig, Duration, healthConfig } from '@magpie/service-kit';
import { Type } from 'typebox';

const Count = Type.Integer({ minimum: 1, maximum: 100_000 });

/** What the storage service reads. */
export const storageConfig = defineConfig({
  ...commonConfig,
  ...healthConfig,
  MONGODB_URL: {
    schema: Type.String({ pattern: '^mongodb(\\+srv)?://' }),
    secret: true,
    describe: 'Connection string of MongoDB; a replica set, because transactions are used',
  },
  AMQP_URL: { schema: Type.String({ pattern: '^amqps?://' }), secret: true, describe: 'Address of RabbitMQ' },
  MAGPIE_DATA: {
    schema: Type.String(),
    default: '.magpie',
    describe: 'Directory of the data; files are kept in `files/` below it',
  },
  MAGPIE_HOST_CONCURRENCY: {
    schema: Count,
    default: 8,
    describe: 'Steps under way at once on one host, over all replicas',
  },
  MAGPIE_JOB_WINDOW: { schema: Count, default: 256, describe: 'Steps of one job under way at once' },
  MAGPIE_MAX_ATTEMPTS: {
    schema: Count,
    default: 4,
    describe: 'How often a step is tried before it is given up',
  },
  MAGPIE_SAMPLES_RETENTION: {
    schema: Duration(),
    default: 400 * 86_400_000,
    describe: 'How long single samples are kept; 0 keeps them for good. Their hours and days are kept anyway',
  },
  MAGPIE_STEP_TIMEOUT: {
    schema: Duration({ minimum: 1000 }),
    default: 60_000,
    describe: 'How long a step may take; a longer one is aborted and tried again',
  },
});
