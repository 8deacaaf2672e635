/** The transfer service: works on imports and exports, and ends uploads. Any number of replicas. */
import { mkdir } from 'node:fs/promises';
import { EXCHANGES, type Broker } from '@magpie/broker';
import { MESSAGES } from '@magpie/contracts';
import type { Config, Logger } from '@magpie/service-kit';
import type { JobDocument, Store } from '@magpie/store';
import type { transferConfig } from './config.ts';
import { Engine } from './engine/engine.ts';
import { exportHandler } from './export/handler.ts';
import { importHandler } from './import/handler.ts';
import { placesBelow } from './places.ts';
import { startTidy } from './tidy/tidy.ts';
import { uploadHandler } from './upload/handler.ts';

export type TransferOptions = Omit<
  Config<typeof transferConfig>,
  'LOG_LEVEL' | 'HEALTH_PORT' | 'HEALTH_HOST' | 'MONGODB_URL' | 'AMQP_URL'
>;

export interface TransferDeps {
  store: Store;
  broker: Broker;
  log: Logger;
  options: TransferOptions;
  /** How often old files are looked for; default a minute. */
  tidyEveryMs?: number;
}

/** Begins to work on transfers. `close` leaves what is under way at its last checkpoint; idempotent. */
export async function startTransfer({
  store,
  broker,
  log,
  options,
  tidyEveryMs,
}: TransferDeps): Promise<{ close(): Promise<void> }> {
  const places = placesBelow(options.MAGPIE_DATA);
  await mkdir(places.uploads, { recursive: true });
  await mkdir(places.exports, { recursive: true });
  await store.prepare();
  const engine = new Engine({
    store,
    atOnce: options.MAGPIE_TRANSFERS,
    handlers: {
      upload: uploadHandler(places, options),
      import: importHandler(places, options),
      export: exportHandler(places, options),
    },
    changed: ({ _id, state, rev, correlationId }: JobDocument, event = 'changed') => {
      if (event === 'changed') log.info({ jobId: _id, correlationId, state }, 'job changed');
      broker.tryPublish({
        exchange: EXCHANGES.events,
        routingKey: `job.${_id}.${event}`,
        type: MESSAGES.jobEvent,
        body: { jobId: _id, event, state, rev },
      });
    },
    onError: (err, jobId) => log.error({ err, jobId }, 'a transfer failed; tried again'),
    refused: ({ code, message }, jobId) => log.info({ jobId, code, reason: message }, 'a transfer failed'),
  });
  engine.start();
  const tidying = startTidy({
    store,
    places,
    onError: (err) => log.error({ err }, 'old files were not removed; tried again'),
    everyMs: tidyEveryMs,
  });
  return {
    close: async () => {
      await Promise.all([engine.close(), tidying.close()]);
    },
  };
}
