import { createLogger, loadConfig } from '@magpie/service-kit';
import type { Store } from '@magpie/store';
import { buildApp, type GatewayBroker } from './app.ts';
import { gatewayConfig } from './config.ts';

/** The OpenAPI 3.1 document of the gateway, made without any server: no route is called. */
export async function openapiDocument(): Promise<Record<string, unknown>> {
  const app = await buildApp({
    config: loadConfig(gatewayConfig, {}),
    store: {} as Store,
    broker: {} as GatewayBroker,
    log: createLogger({ name: 'openapi', level: 'silent' }),
  });
  try {
    return app.swagger() as unknown as Record<string, unknown>;
  } finally {
    await app.close();
  }
}
