import { EXCHANGES, type Broker } from '@magpie/broker';
import { MESSAGES, type SourceDescription } from '@magpie/contracts';
import type { Closable, Logger } from '@magpie/service-kit';

const EVERY_MS = 15_000;

/** Says that the source runs here: whenever the broker is reached, and every 15 s. */
export function announce(broker: Broker, body: SourceDescription, log: Logger): Closable {
  const say = (): void => {
    if (broker.status !== 'up') return;
    broker
      .publish({
        exchange: EXCHANGES.events,
        routingKey: `source.${body.id}.announced`,
        type: MESSAGES.sourceAnnounced,
        body,
        mandatory: true,
      })
      .catch((error: unknown) => log.warn({ err: error }, 'source not announced'));
  };
  const forget = broker.onStatus(say);
  const timer = setInterval(say, EVERY_MS);
  say();
  return {
    close: () => {
      clearInterval(timer);
      forget();
    },
  };
}
