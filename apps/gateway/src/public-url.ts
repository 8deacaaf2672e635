import type { GatewayConfig } from './config.ts';

/** The base of every address that an answer names, without a slash at its end. */
export const publicUrl = (config: Pick<GatewayConfig, 'MAGPIE_PUBLIC_URL'>): string =>
  config.MAGPIE_PUBLIC_URL.replace(/\/+$/, '');
