import { setTimeout as sleep } from 'node:timers/promises';
import { BrokerUnavailable, EXCHANGES, InvalidMessage, UnroutableError, type Broker } from '@magpie/broker';
import { MESSAGES, type Outcome, type ResultsMessage } from '@magpie/contracts';
import type { Logger } from '@magpie/service-kit';

/**
 * Publishes results until they are confirmed, however long the broker is away; rejects only when `signal`
 * aborts. One outcome that can't be sent (a fault of the source) does not take its neighbours along: it becomes
 * a failure that can.
 */
export function createResultsPublisher(broker: Broker, log: Logger, signal: AbortSignal) {
  const publish = async (body: ResultsMessage): Promise<void> => {
    for (;;) {
      signal.throwIfAborted();
      try {
        await broker.publish({
          exchange: EXCHANGES.results,
          routingKey: body.source,
          type: MESSAGES.results,
          body,
        });
        return;
      } catch (error) {
        if (error instanceof UnroutableError) return; // parked as a dead letter, from where it can be replayed
        if (error instanceof InvalidMessage) return publishApart(body, error);
        if (!(error instanceof BrokerUnavailable)) log.error({ err: error }, 'results not published');
        else
          log.warn({ reason: error.message, outcomes: body.outcomes.length }, 'results wait for the broker');
        await sleep(500, undefined, { signal }).catch(() => {});
      }
    }
  };

  const publishApart = async ({ source, outcomes }: ResultsMessage, error: Error): Promise<void> => {
    const [only] = outcomes;
    if (outcomes.length > 1 || only === undefined) {
      await Promise.all(outcomes.map((outcome) => publish({ source, outcomes: [outcome] })));
      return;
    }
    log.error({ stepId: only.id, err: error }, 'an outcome can not be sent');
    if ('code' in only && only.code === 'source_error') return;
    const failed: Outcome = {
      id: only.id,
      lease: only.lease,
      outcome: 'failed',
      code: 'source_error',
      message: `what the step brought can not be sent: ${error.message}`.slice(0, 500),
    };
    await publish({ source, outcomes: [failed] });
  };

  return publish;
}
