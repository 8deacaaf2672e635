import type { Channel } from 'amqplib';
import type { Log } from './log.ts';

export interface BrokerOptions {
  /** amqp:// or amqps://, with credentials; they are never logged. */
  readonly url: string;
  /** Who connects, for the broker's management; default `magpie`. */
  readonly name?: string;
  readonly log?: Log;
  /** Before the name of every exchange and queue, so that tests share a virtual host. */
  readonly prefix?: string;
  /** How long a publish may take, being offline included; default 10,000. */
  readonly publishTimeoutMs?: number;
  /** Unconfirmed at a time: messages (default 2,000) and bytes of bodies (default 32 MiB). */
  readonly maxInFlight?: number;
  readonly maxInFlightBytes?: number;
  /** A larger body is neither sent nor taken; default 8 MiB. */
  readonly maxMessageBytes?: number;
  /** Default `RETRY_DELAYS_MS`. */
  readonly retryDelaysMs?: readonly number[];
  readonly heartbeatSeconds?: number;
  /** While a dependency is down: the longest pause between two tries (default 5,000), and how long one message is held (default 10 min; RabbitMQ's ack timeout is 30). */
  readonly holdTryMs?: number;
  readonly holdMaxMs?: number;
  /** Redeliveries after which a message is tried alone (default 2), and then given up (default 3). */
  readonly isolateAfter?: number;
  readonly giveUpAfter?: number;
  readonly testHooks?: {
    /** Every message is published twice; so does MAGPIE_TEST_DUPLICATE=1 in the environment. */
    readonly duplicateDeliveries?: boolean;
    readonly onConsumerChannel?: (channel: Channel, queue: string) => void;
  };
}

export type BrokerStatus = 'connecting' | 'up' | 'down';

/** Since the start of this process. */
export interface BrokerCounts {
  published: number;
  consumed: number;
  acked: number;
  retried: number;
  deadLettered: number;
}
