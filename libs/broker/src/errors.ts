/** Thrown by a handler: not now. The message comes back after the delay of its attempt, with the attempt raised. */
export class RetryLater extends Error {
  override readonly name = 'RetryLater';
  /** At least this long, in ms, as near as the retry levels allow. Without it the attempt decides. */
  readonly delayMs: number | undefined;
  constructor(message: string, options: ErrorOptions & { delayMs?: number } = {}) {
    super(message, options);
    this.delayMs = options.delayMs;
  }
}

/** Thrown by a handler: no attempt will ever help. The message becomes a dead letter with this reason. */
export class Poison extends Error {
  override readonly name = 'Poison';
  /** A stable code, such as `malformed`. */
  readonly reason: string;
  constructor(reason: string, message: string = reason, options: ErrorOptions = {}) {
    super(message, options);
    this.reason = reason;
  }
}

/**
 * Thrown by a handler: something it depends on is down. The message is held, no attempt is used up, and the
 * handler is called again, with back-off, until it works or the consumer closes.
 */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
}

/** A publish was not confirmed in its time. It may still have been queued: publishing again may double it. */
export class BrokerUnavailable extends Error {
  override readonly name = 'BrokerUnavailable';
}

/** No queue takes messages of this exchange and routing key, although the topology was declared again. */
export class UnroutableError extends Error {
  override readonly name = 'UnroutableError';
  readonly exchange: string;
  readonly routingKey: string;
  constructor(exchange: string, routingKey: string) {
    super(`no queue takes "${routingKey}" of exchange "${exchange}"`);
    this.exchange = exchange;
    this.routingKey = routingKey;
  }
}

/** The message breaks its schema, its size limit, or names an unknown exchange: a fault of the caller. */
export class InvalidMessage extends Error {
  override readonly name = 'InvalidMessage';
}

/** Some messages of one `publishMany` were not confirmed; the others were. */
export class PublishManyError extends Error {
  override readonly name = 'PublishManyError';
  /** `index` counts from 0 in the order given. */
  readonly failures: readonly { readonly index: number; readonly error: Error }[];
  constructor(failures: readonly { index: number; error: Error }[], total: number) {
    super(`${failures.length} of ${total} messages not published: ${failures[0]?.error.message ?? ''}`, {
      cause: failures[0]?.error,
    });
    this.failures = failures;
  }
}

/** The text of anything thrown, bounded, for logs and dead letters. */
export function errorText(error: unknown, max = 2000): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.length > max ? `${text.slice(0, max)}…` : text;
}
