import { Type } from 'typebox';
import { defineConfig } from './config.ts';
import { LOG_LEVELS } from './logger.ts';

/** What every service reads. */
export const commonConfig = defineConfig({
  LOG_LEVEL: {
    schema: Type.Enum([...LOG_LEVELS]),
    default: 'info' as const,
    describe: 'The least important lines that are logged',
  },
});

/** What a service without an HTTP surface of its own reads. */
export const healthConfig = defineConfig({
  HEALTH_PORT: {
    schema: Type.Integer({ minimum: 0, maximum: 65_535 }),
    optional: true,
    describe: 'Port of `/healthz`, `/readyz` and `/metrics`; 0 takes a free one, none serves nothing',
  },
  HEALTH_HOST: {
    schema: Type.String(),
    default: '127.0.0.1',
    describe: 'Address that the health port is bound to',
  },
});
