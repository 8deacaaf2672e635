import type { ConsumeMessage, Options } from 'amqplib';
import type { MessageType } from '@magpie/contracts';
import { newId } from '@magpie/domain';
import type { Static } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { InvalidMessage, Poison } from './errors.ts';
import { RETRY_LEVEL_HEADER } from './topology.ts';

/** The body that a message type describes. */
export type BodyOf<M extends MessageType> = Static<M['schema']>;

export type HeaderValue = string | number | boolean;

/** A message to publish. */
export interface OutgoingMessage<M extends MessageType = MessageType> {
  /** One of `EXCHANGES`. */
  readonly exchange: { readonly name: string };
  readonly routingKey: string;
  readonly type: M;
  readonly body: BodyOf<M>;
  /** Names beginning with `x-` or `magpie-` are the broker's own. */
  readonly headers?: Readonly<Record<string, HeaderValue>>;
  /** Defaults to a new id. Equal ids mean the same message, published again. */
  readonly messageId?: string;
  readonly correlationId?: string;
  /** Whether it is an error that no queue takes it; default: what the exchange says. */
  readonly mandatory?: boolean;
  /** Whether it survives a restart of the broker; default: what the exchange says. */
  readonly persistent?: boolean;
}

/** A message as its handler gets it. The body has been validated against the type's schema. */
export interface Delivery<T = unknown> {
  readonly body: T;
  /** The type's name. */
  readonly type: string;
  readonly version: number;
  readonly headers: Readonly<Record<string, HeaderValue>>;
  readonly messageId: string;
  readonly correlationId: string | undefined;
  /** From 1; raised each time the handler failed. A redelivery after a lost connection does not raise it. */
  readonly attempt: number;
  /** The broker handed it out before, and was not told what became of it. */
  readonly redelivered: boolean;
  /** How often it came back unacked to this queue; undefined at first. */
  readonly deliveryCount: number | undefined;
  /** Where it was published at first, whatever its way back through the retry queues. */
  readonly exchange: string;
  readonly routingKey: string;
  /** ms since the epoch */
  readonly receivedAt: number;
}

/** Narrows a delivery of a consumer of several types. */
export function isOfType<M extends MessageType>(
  delivery: Delivery,
  type: M,
): delivery is Delivery<BodyOf<M>> {
  return delivery.type === type.name && delivery.version === type.version;
}

export const VERSION_HEADER = 'x-magpie-version';
export const ATTEMPT_HEADER = 'x-magpie-attempt';
export const EXCHANGE_HEADER = 'x-magpie-exchange';
export const ROUTING_KEY_HEADER = 'x-magpie-routing-key';

const isOwn = (header: string): boolean => /^(?:x-|magpie-|b?cc$)/i.test(header);

const validators = new WeakMap<object, Validator>();

function validatorOf({ schema }: MessageType): Validator {
  let validator = validators.get(schema);
  if (!validator) validators.set(schema, (validator = Compile(schema) as Validator));
  return validator;
}

/** Undefined when the body is as its schema says; else where it is not. */
function bodyFault(type: MessageType, body: unknown): string | undefined {
  const validator = validatorOf(type);
  if (validator.Check(body)) return undefined;
  const [first] = validator.Errors(body);
  return `${type.name}@${type.version}: ${first ? `${first.instancePath || '/'} ${first.message}` : 'not valid'}`;
}

/** What goes on the wire. */
export interface Envelope {
  readonly content: Buffer;
  readonly options: Options.Publish & { readonly headers: Record<string, unknown> };
}

/**
 * The message as bytes and AMQP properties.
 * @throws InvalidMessage when the body breaks its schema or is over `maxBytes`, or a header has a reserved name
 */
export function encode(
  message: OutgoingMessage,
  defaults: { mandatory: boolean; persistent: boolean },
  maxBytes: number,
): Envelope {
  const { type, body, headers = {} } = message;
  const fault = bodyFault(type, body);
  if (fault) throw new InvalidMessage(fault);
  const reserved = Object.keys(headers).find(isOwn);
  if (reserved) throw new InvalidMessage(`the header "${reserved}" has a reserved name`);
  const content = Buffer.from(JSON.stringify(body));
  if (content.length > maxBytes) {
    throw new InvalidMessage(`${type.name}: ${content.length} bytes, at most ${maxBytes} are taken`);
  }
  return {
    content,
    options: {
      type: type.name,
      contentType: 'application/json',
      messageId: message.messageId ?? newId(),
      ...(message.correlationId !== undefined && { correlationId: message.correlationId }),
      timestamp: Math.floor(Date.now() / 1000),
      mandatory: message.mandatory ?? defaults.mandatory,
      persistent: message.persistent ?? defaults.persistent,
      headers: { ...headers, [VERSION_HEADER]: type.version, [ATTEMPT_HEADER]: 1 },
    },
  };
}

const numberOf = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;

/** What can be told of any message, understood or not. Exchange names lose the prefix. */
export function describe(raw: ConsumeMessage, prefix: string): Omit<Delivery, 'body' | 'version'> {
  const { fields, properties } = raw;
  const all: Record<string, unknown> = properties.headers ?? {};
  const headers: Record<string, HeaderValue> = {};
  for (const [name, value] of Object.entries(all)) {
    if (isOwn(name)) continue;
    if (['string', 'number', 'boolean'].includes(typeof value)) headers[name] = value as HeaderValue;
  }
  const exchange = String(all[EXCHANGE_HEADER] ?? fields.exchange);
  return {
    type: typeof properties.type === 'string' ? properties.type : '',
    headers,
    messageId: typeof properties.messageId === 'string' ? properties.messageId : '',
    correlationId: typeof properties.correlationId === 'string' ? properties.correlationId : undefined,
    attempt: Math.max(1, numberOf(all[ATTEMPT_HEADER]) ?? 1),
    redelivered: fields.redelivered,
    deliveryCount: numberOf(all['x-delivery-count']) || undefined,
    exchange: exchange.startsWith(prefix) ? exchange.slice(prefix.length) : exchange,
    routingKey: String(all[ROUTING_KEY_HEADER] ?? fields.routingKey),
    receivedAt: Date.now(),
  };
}

/**
 * The delivery as its handler gets it.
 * @throws Poison `malformed`: too large, not JSON, of a type that is not among `types`, or against its schema
 */
export function decode(
  raw: ConsumeMessage,
  about: Omit<Delivery, 'body' | 'version'>,
  types: readonly MessageType[],
  maxBytes: number,
): Delivery {
  if (raw.content.length > maxBytes) {
    throw new Poison('malformed', `${raw.content.length} bytes, at most ${maxBytes} are taken`);
  }
  const version = numberOf(raw.properties.headers?.[VERSION_HEADER]) ?? 1;
  const type = types.find((known) => known.name === about.type && known.version === version);
  if (!type) throw new Poison('malformed', `unknown message type "${about.type}@${version}"`);
  let body: unknown;
  try {
    body = JSON.parse(raw.content.toString('utf8'));
  } catch (cause) {
    throw new Poison('malformed', 'not JSON', { cause });
  }
  const fault = bodyFault(type, body);
  if (fault) throw new Poison('malformed', fault);
  return { ...about, version, body };
}

/** The same message on its way back to a queue: same id and body, its origin kept, the broker's marks removed. */
export function again(
  raw: ConsumeMessage,
  about: Omit<Delivery, 'body' | 'version'>,
  { attempt, retryLevelMs }: { attempt: number; retryLevelMs?: number },
): Envelope {
  const { properties } = raw;
  const set = <K extends string>(name: K, value: unknown): Partial<Record<K, string>> =>
    typeof value === 'string' ? ({ [name]: value } as Record<K, string>) : {};
  return {
    content: raw.content,
    options: {
      ...set('type', properties.type),
      ...set('contentType', properties.contentType),
      ...set('messageId', properties.messageId),
      ...set('correlationId', properties.correlationId),
      ...(typeof properties.timestamp === 'number' && { timestamp: properties.timestamp }),
      mandatory: true,
      persistent: true,
      headers: {
        ...about.headers,
        [VERSION_HEADER]: numberOf(properties.headers?.[VERSION_HEADER]) ?? 1,
        [ATTEMPT_HEADER]: attempt,
        [EXCHANGE_HEADER]: about.exchange,
        [ROUTING_KEY_HEADER]: about.routingKey,
        ...(retryLevelMs !== undefined && { [RETRY_LEVEL_HEADER]: String(retryLevelMs) }),
      },
    },
  };
}
