import { Type } from 'typebox';
import { Bytes, commonConfig, defineConfig, Duration, healthConfig } from '@magpie/service-kit';

const own = defineConfig({
  AMQP_URL: {
    schema: Type.String({ pattern: '^amqps?://.+', title: 'an amqp:// or amqps:// URL' }),
    secret: true,
    describe: 'The RabbitMQ server',
  },
  MAGPIE_DATA: {
    schema: Type.String({ minLength: 1 }),
    default: '.magpie',
    describe: 'Directory of what the platform keeps; files go to `files/` in it',
  },
  MAGPIE_ALLOW_ADDRESSES: {
    schema: Type.Array(Type.String({ minLength: 1 }), {
      title: 'a comma-separated list of CIDRs or addresses',
    }),
    default: [],
    describe: 'Addresses that may be fetched though they are private or reserved',
  },
  MAGPIE_SECRET: {
    schema: Type.String({ minLength: 16 }),
    optional: true,
    secret: true,
    describe:
      'Seals the keys of providers: the same for the gateway and every collector. Without it no key can be added or used',
  },
  MAGPIE_CONTACT: {
    schema: Type.String({ maxLength: 200 }),
    optional: true,
    describe: 'URL or mail address that the User-Agent names, for the people whose servers are visited',
  },
  MAGPIE_CONCURRENCY: {
    schema: Type.Integer({ minimum: 1, maximum: 1000 }),
    default: 64,
    describe: 'Steps that one replica does at once',
  },
  MAGPIE_PREFETCH: {
    schema: Type.Integer({ minimum: 1, maximum: 500 }),
    default: 32,
    describe:
      'Messages, of up to 100 steps each, that one replica holds at once; a message is held until its slowest step is done',
  },
  MAGPIE_HOST_CONCURRENCY: {
    schema: Type.Integer({ minimum: 1, maximum: 100_000 }),
    default: 8,
    describe: 'Steps under way at once on one host, over all replicas',
  },
  MAGPIE_MAX_BYTES: {
    schema: Bytes({ minimum: 1024 }),
    default: 64 * 1024 * 1024,
    describe: 'The largest body that is fetched, whatever a job asks for',
  },
  MAGPIE_GRACE: {
    schema: Duration({ maximum: 60_000 }),
    default: 5_000,
    describe: 'How long running steps may go on when the collector is told to end',
  },
});

/** What every collector reads. */
export const collectorConfig = { ...own, ...healthConfig, ...commonConfig };
