import type { ConsumeMessage } from 'amqplib';
import { MESSAGES, type DeadLetterBody } from '@magpie/contracts';
import { idOf } from '@magpie/domain';
import { errorText, InvalidMessage } from './errors.ts';
import { ATTEMPT_HEADER, encode, VERSION_HEADER, type Delivery, type Envelope } from './message.ts';
import { EXCHANGES } from './topology.ts';
import { newId } from '@magpie/domain';

/** A body over the size limit is kept up to here, to be looked at; such a letter can't be replayed. */
const KEPT_OF_TOO_LARGE = 65_536;
const TRUNCATED_HEADER = 'x-magpie-truncated';

/** What is known of a message that nobody could use. */
export interface Corpse {
  readonly about: Pick<
    Delivery,
    'exchange' | 'routingKey' | 'type' | 'messageId' | 'correlationId' | 'headers' | 'attempt'
  >;
  readonly version: number;
  readonly content: Buffer;
}

export function corpseOf(raw: ConsumeMessage, about: Corpse['about']): Corpse {
  const version: unknown = raw.properties.headers?.[VERSION_HEADER];
  return { about, version: typeof version === 'number' ? version : 1, content: raw.content };
}

/** A dead letter larger than a message may be: base64 and the rest of the letter around the largest message. */
const letterLimit = (maxBytes: number): number => Math.ceil(maxBytes * 1.4) + 65_536;

/**
 * The letter as it is published to `magpie.dead`. Its message id is the same whenever the same consumer gives
 * up the same message (of an equal id), so that whoever keeps letters keeps it once.
 */
export function deadLetter(
  corpse: Corpse,
  {
    reason,
    error,
    consumer,
    maxBytes,
  }: { reason: string; error?: unknown; consumer: string; maxBytes: number },
): Envelope {
  const { about, version, content } = corpse;
  const truncated = content.length > maxBytes;
  const kept = truncated ? content.subarray(0, KEPT_OF_TOO_LARGE) : content;
  const body: DeadLetterBody = {
    reason,
    ...(error !== undefined && { error: errorText(error) }),
    exchange: about.exchange,
    routingKey: about.routingKey,
    ...(about.type !== '' && { type: about.type }),
    headers: {
      ...about.headers,
      [VERSION_HEADER]: version,
      [ATTEMPT_HEADER]: about.attempt,
      ...(truncated && { [TRUNCATED_HEADER]: true }),
    },
    body: kept.toString('base64'),
    consumer,
    at: new Date().toISOString(),
  };
  return encode(
    {
      exchange: EXCHANGES.dead,
      routingKey: '',
      type: MESSAGES.deadLetter,
      body,
      messageId: about.messageId === '' ? newId() : idOf(consumer, about.messageId),
      ...(about.correlationId !== undefined && { correlationId: about.correlationId }),
    },
    EXCHANGES.dead,
    letterLimit(maxBytes),
  );
}

/** What a consumer of `DEAD_QUEUE` must take. */
export const deadLetterLimit = letterLimit;

/**
 * The original message, as new: a new id, attempt 1.
 * @throws InvalidMessage when the letter holds only the beginning of a message that was too large
 */
export function resurrect(letter: DeadLetterBody): Envelope {
  if (letter.headers[TRUNCATED_HEADER] === true) {
    throw new InvalidMessage('the dead letter holds only the beginning of its message');
  }
  const headers = Object.entries(letter.headers).filter(([name]) => !/^x-magpie-/i.test(name));
  const version = letter.headers[VERSION_HEADER];
  return {
    content: Buffer.from(letter.body, 'base64'),
    options: {
      ...(letter.type !== undefined && { type: letter.type }),
      contentType: 'application/json',
      messageId: newId(),
      timestamp: Math.floor(Date.now() / 1000),
      mandatory: true,
      persistent: true,
      headers: {
        ...Object.fromEntries(headers),
        [VERSION_HEADER]: typeof version === 'number' ? version : 1,
        [ATTEMPT_HEADER]: 1,
      },
    },
  };
}
