import { setTimeout as sleep } from 'node:timers/promises';
import type { ConsumeMessage } from 'amqplib';
import { corpseOf, deadLetter } from './dead-letters.ts';
import { BrokerUnavailable, errorText, Poison, RetryLater } from './errors.ts';
import type { Log } from './log.ts';
import { again, type Delivery, type Envelope } from './message.ts';
import type { Address, Publisher } from './publisher.ts';
import { DEAD_QUEUE, EXCHANGES } from './topology.ts';

/** What a message that was not handled becomes. */
export type Fate =
  | { readonly kind: 'retry'; readonly delayMs: number; readonly attempt: number }
  | { readonly kind: 'dead'; readonly reason: string };

/**
 * The class of the error decides. A dead letter that can't be handled never becomes a dead letter itself: it
 * stays in the last retry level until it can.
 */
export function fateOf(
  error: unknown,
  { attempt, queue, retryDelaysMs }: { attempt: number; queue: string; retryDelaysMs: readonly number[] },
): Fate {
  const last = retryDelaysMs.at(-1);
  if (queue === DEAD_QUEUE.name && last !== undefined) {
    return { kind: 'retry', delayMs: retryDelaysMs[attempt - 1] ?? last, attempt: attempt + 1 };
  }
  if (error instanceof Poison) return { kind: 'dead', reason: error.reason };
  const byAttempt = retryDelaysMs[attempt - 1];
  if (byAttempt === undefined || last === undefined) return { kind: 'dead', reason: 'attempts_exhausted' };
  const wanted = error instanceof RetryLater ? error.delayMs : undefined;
  const delayMs = wanted === undefined ? byAttempt : (retryDelaysMs.find((level) => level >= wanted) ?? last);
  return { kind: 'retry', delayMs, attempt: attempt + 1 };
}

export interface Undertaker {
  readonly publisher: Publisher;
  readonly log: Log;
  readonly prefix: string;
  readonly maxBytes: number;
  readonly retryDelaysMs: readonly number[];
  readonly count: (what: 'retried' | 'deadLettered') => void;
}

type About = Omit<Delivery, 'body' | 'version'>;

/** Sends a message to its fate, confirmed; only then may it be acked. False: it was given up (`alive` ended). */
export async function meetFate(
  error: unknown,
  raw: ConsumeMessage,
  about: About,
  queue: string,
  by: Undertaker,
  alive: () => boolean,
): Promise<boolean> {
  const { retryDelaysMs, prefix, maxBytes, log, count } = by;
  const fate = fateOf(error, { attempt: about.attempt, queue, retryDelaysMs });
  const told = { queue, messageId: about.messageId, type: about.type, attempt: about.attempt };
  let address: Address;
  let envelope: Envelope;
  if (fate.kind === 'retry') {
    address = { exchange: EXCHANGES.retry.name, routingKey: prefix + queue };
    envelope = again(raw, about, { attempt: fate.attempt, retryLevelMs: fate.delayMs });
  } else {
    address = { exchange: EXCHANGES.dead.name, routingKey: '' };
    envelope = deadLetter(corpseOf(raw, about), { reason: fate.reason, error, consumer: queue, maxBytes });
  }
  if (!(await publishUntil(by, address, envelope, alive))) return false;
  count(fate.kind === 'retry' ? 'retried' : 'deadLettered');
  const reason = errorText(error);
  if (fate.kind === 'retry') log.info({ ...told, reason, delayMs: fate.delayMs }, 'message to be retried');
  else log.warn({ ...told, reason, fate: fate.reason }, 'message is a dead letter');
  return true;
}

/** Puts a copy at the end of a queue, without counting an attempt. */
export function requeueCopy(
  raw: ConsumeMessage,
  about: About,
  queue: string,
  by: Undertaker,
  alive: () => boolean,
): Promise<boolean> {
  const envelope = again(raw, about, { attempt: about.attempt });
  return publishUntil(by, { exchange: '', routingKey: by.prefix + queue }, envelope, alive);
}

async function publishUntil(
  { publisher, log }: Undertaker,
  address: Address,
  envelope: Envelope,
  alive: () => boolean,
): Promise<boolean> {
  while (alive()) {
    try {
      await publisher.send(address, envelope);
      return true;
    } catch (error) {
      if (!(error instanceof BrokerUnavailable)) {
        log.error({ ...address, error: errorText(error) }, 'could not move a message');
      }
      await sleep(500);
    }
  }
  return false;
}
