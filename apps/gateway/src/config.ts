import { parseCidrs } from '@magpie/domain';
import { Bytes, commonConfig, ConfigError, defineConfig, Duration, type Config } from '@magpie/service-kit';
import { Type } from 'typebox';

/** What the gateway reads from the environment. */
export const gatewayConfig = defineConfig({
  ...commonConfig,
  MONGODB_URL: {
    schema: Type.String({ pattern: '^mongodb(\\+srv)?://', title: 'a mongodb:// URL' }),
    default: 'mongodb://127.0.0.1:27017/magpie?replicaSet=rs0',
    describe: 'Where MongoDB is: a replica set, of one node at least',
  },
  AMQP_URL: {
    schema: Type.String({ pattern: '^amqps?://', title: 'an amqp:// URL' }),
    default: 'amqp://guest:guest@127.0.0.1:5672',
    describe: 'Where RabbitMQ is',
  },
  MAGPIE_HOST: {
    schema: Type.String(),
    default: '127.0.0.1',
    describe: 'Address that the gateway is bound to; any but loopback needs `MAGPIE_ADMIN_KEY`',
  },
  MAGPIE_GATEWAY_PORT: {
    schema: Type.Integer({ minimum: 0, maximum: 65_535 }),
    default: 3000,
    describe: 'Port of the gateway, behind nginx; 0 takes a free one',
  },
  MAGPIE_PUBLIC_URL: {
    schema: Type.String({ pattern: '^https?://[^/]+', title: 'an http:// or https:// URL' }),
    default: 'http://127.0.0.1:8080',
    describe: 'Where users reach nginx: the base of static URLs and of the addresses in answers',
  },
  MAGPIE_DATA: {
    schema: Type.String(),
    default: '.magpie',
    describe: 'Directory of the data, shared with the transfer service: `uploads/` and `transfers/` below it',
  },
  MAGPIE_ADMIN_KEY: {
    schema: Type.String({ minLength: 12 }),
    optional: true,
    secret: true,
    describe: 'The key that every request must bring, once it is set',
  },
  MAGPIE_SECRET: {
    schema: Type.String({ minLength: 16 }),
    optional: true,
    secret: true,
    describe:
      'Seals the keys of providers: the same for the gateway and every collector. Without it no key can be added or used',
  },
  MAGPIE_ALLOW_ADDRESSES: {
    schema: Type.String(),
    default: '',
    describe: 'CIDR blocks, comma-separated, that may be fetched from though they are private',
  },
  MAGPIE_TRUSTED_PROXIES: {
    schema: Type.String(),
    default: 'loopback',
    describe:
      'Whose X-Forwarded-For is believed: CIDR blocks or `loopback`, `linklocal`, `uniquelocal`, comma-separated',
  },
  MAGPIE_MAX_BODY: {
    schema: Bytes({ minimum: 1024 }),
    default: 1024 * 1024,
    describe: 'The largest body of a request',
  },
  MAGPIE_UPLOADS: {
    schema: Type.Integer({ minimum: 1, maximum: 1000 }),
    default: 16,
    describe:
      'Uploads that are received at a time; one that is resumed beyond it waits its turn. Four times as many may be open',
  },
  MAGPIE_UPLOAD_MAX_BYTES: {
    schema: Bytes({ minimum: 1 }),
    default: 64 * 1024 ** 3,
    describe: 'The largest uploaded file',
  },
  MAGPIE_UPLOAD_SILENCE: {
    schema: Duration({ minimum: 1000 }),
    default: 10 * 60_000,
    describe:
      'A sender of an upload that is silent for so long, while it is not paused, is cut off; by tus after a minute at most',
  },
  MAGPIE_TRANSFER_KEEP: {
    schema: Duration({ minimum: 1000 }),
    default: 7 * 86_400_000,
    describe: 'How long a finished upload is kept',
  },
  MAGPIE_DISK_RESERVE: {
    schema: Bytes({ minimum: 0 }),
    default: 1024 ** 3,
    describe: 'Room that is left free on the disk: with less an upload waits',
  },
  MAGPIE_RATE_LIMIT: {
    schema: Type.Integer({ minimum: 1 }),
    default: 12_000,
    describe: 'Requests a minute that one client address may make',
  },
  MAGPIE_MAX_STREAMS: {
    schema: Type.Integer({ minimum: 1 }),
    default: 1000,
    describe: 'Live event streams open at a time',
  },
  MAGPIE_WATCH_INTERVAL: {
    schema: Duration({ minimum: 100 }),
    default: 1000,
    describe: 'How often a job that is watched live is looked at, also when the broker tells nothing',
  },
  MAGPIE_MAX_EVENT_LOOP_DELAY: {
    schema: Duration({ minimum: 50 }),
    default: 5000,
    describe: 'A gateway whose event loop lags more than this answers `overloaded`',
  },
});

export type GatewayConfig = Config<typeof gatewayConfig>;

/** Whether this address is reached from this machine alone. */
export const isLoopback = (host: string): boolean =>
  /^(127(\.\d{1,3}){3}|::1|\[::1\]|localhost)$/i.test(host);

/**
 * Faults that one variable alone does not show.
 * @throws ConfigError
 */
export function checkConfig(config: GatewayConfig): void {
  const faults = [];
  if (!isLoopback(config.MAGPIE_HOST) && config.MAGPIE_ADMIN_KEY === undefined)
    faults.push({
      env: 'MAGPIE_ADMIN_KEY',
      problem: `is not set; it must be when MAGPIE_HOST is not loopback (${config.MAGPIE_HOST})`,
    });
  try {
    parseCidrs(config.MAGPIE_ALLOW_ADDRESSES);
  } catch (error) {
    faults.push({ env: 'MAGPIE_ALLOW_ADDRESSES', problem: (error as Error).message });
  }
  if (faults.length > 0) throw new ConfigError(faults);
}
