/** One request of a tus client, from the moment at which the protocol's server gets it until it is answered. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import type { Idempotency } from '@magpie/store';
import type { Receiving, TransferJob } from '../uploads/receiving.ts';
import type { Checksum } from './checksum.ts';

export interface Exchange {
  method: string;
  /** Whose body are the bytes. */
  body: IncomingMessage;
  /** Whether there are any, by what the request says of itself. */
  sends: boolean;
  correlationId: string;
  /** `Upload-Metadata` as it was sent. */
  metadata: string | undefined;
  checksum: Checksum | undefined;
  idempotency: Idempotency | undefined;
  /** The upload's job, once it is known. */
  job?: TransferJob;
  /** The job was made by an earlier request with the same Idempotency-Key. */
  replayed: boolean;
  /** While this request holds the job. */
  receiving?: Receiving;
  /** Lines counted of the upload so far. */
  rows: number;
  /** Gives the job back. */
  release?: () => Promise<void>;
  /** What was thrown. */
  error?: unknown;
}

const exchanges = new AsyncLocalStorage<Exchange>();

/** What the protocol's server calls while it answers finds its request by this. */
export const during = <T>(exchange: Exchange, answer: () => Promise<T>): Promise<T> =>
  exchanges.run(exchange, answer);

export function currentExchange(): Exchange {
  const exchange = exchanges.getStore();
  if (exchange === undefined) throw new Error('no request of a tus client is being answered');
  return exchange;
}

/**
 * The bytes of a body until its end, or until the connection breaks: `broken` is then called. The connection stays as it
 * is.
 */
export async function* bytesOf(
  body: IncomingMessage,
  broken: () => void,
): AsyncGenerator<Buffer, void, void> {
  try {
    yield* body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
    if (!body.complete) broken();
  } catch {
    broken();
  }
}
