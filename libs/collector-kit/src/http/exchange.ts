/**
 * One HTTP exchange on undici's dispatcher: a request, the head of its response, and its body as it comes over
 * the wire, pulled by the reader with back-pressure to the socket.
 *
 * It ends exactly once: the body was complete, a limit or the socket failed it, the signal aborted it, or the
 * reader gave it up. At that moment its timer and listener are gone, the socket is either reusable or destroyed,
 * and `onEnd` has been called.
 */
import type { Dispatcher } from 'undici';
import { Aborted, Permanent, Retryable, type StepError } from '../errors.ts';
import { failureOf, isStaleConnection, type Phase } from './failure.ts';

type Headers = Record<string, string | string[] | undefined>;

export interface Head {
  readonly status: number;
  readonly headers: Headers;
}

export interface ExchangeOptions {
  readonly url: URL;
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly headers: Record<string, string>;
  readonly body?: string | Uint8Array | undefined;
  readonly headersMs: number;
  /** What is left of the whole transfer's time. */
  readonly remainingMs: number;
  readonly maxWireBytes: number;
  readonly signal?: AbortSignal | undefined;
  /** Called once, at the end. */
  readonly onEnd: (exchange: Exchange) => void;
}

/** Bytes kept for a slow reader before the socket is paused, and below which it goes on. */
const PAUSE_AT = 256 * 1024;
const RESUME_AT = 64 * 1024;
/** A body nobody wants is read to its end, for the sake of the connection, within these. */
const DISCARD_BYTES = 64 * 1024;
const DISCARD_MS = 2000;

export class Exchange implements Dispatcher.DispatchHandler {
  /** Rejects with a StepError. */
  readonly head: Promise<Head>;
  readonly #options: ExchangeOptions;
  readonly #settleHead: { resolve: (head: Head) => void; reject: (error: StepError) => void };
  #controller: Dispatcher.DispatchController | undefined;
  #phase: Phase = 'connect';
  #timer: NodeJS.Timeout | undefined;
  #chunks: Buffer[] = [];
  #buffered = 0;
  #received = 0;
  #discarding = false;
  #ended = false;
  #error: StepError | undefined;
  #reader: { resolve: (chunk: Buffer | undefined) => void; reject: (error: StepError) => void } | undefined;
  #stale = false;

  constructor(dispatcher: Dispatcher, options: ExchangeOptions) {
    this.#options = options;
    const { promise, resolve, reject } = Promise.withResolvers<Head>();
    this.head = promise;
    this.#settleHead = { resolve, reject };
    const { signal, remainingMs, url, method, headers, body = null, headersMs } = options;
    if (signal?.aborted === true) {
      this.#fail(this.#aborted());
      return;
    }
    signal?.addEventListener('abort', this);
    this.#timer = setTimeout(() => this.#fail(this.#timedOut()), remainingMs);
    const path = url.pathname + url.search;
    dispatcher.dispatch({ origin: url.origin, path, method, headers, body, headersTimeout: headersMs }, this);
  }

  /** Whether it failed before a response in the way that a kept-alive connection fails when it was just closed. */
  get stale(): boolean {
    return this.#stale;
  }

  /** The next piece of the body; undefined at its end. @throws StepError */
  read(): Promise<Buffer | undefined> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#options.signal?.aborted === true) return Promise.reject(this.#aborted());
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) {
      this.#buffered -= chunk.length;
      if (this.#buffered <= RESUME_AT && this.#controller?.paused === true) this.#controller.resume();
      return Promise.resolve(chunk);
    }
    if (this.#ended) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  /** Gives up the rest of the body. The socket is destroyed unless the body was complete. */
  cancel(): void {
    this.#chunks = [];
    this.#buffered = 0;
    if (this.#ended || this.#error !== undefined) return;
    this.#fail(new Aborted('the body was not wanted any more', { url: this.#options.url.href }));
  }

  /** Gives up the body too, but reads the rest of a small one so that the connection can be used again. */
  discard(declaredBytes = 0): void {
    this.#chunks = [];
    this.#buffered = 0;
    if (this.#ended || this.#error !== undefined) return;
    if (declaredBytes > DISCARD_BYTES || this.#received > DISCARD_BYTES) {
      this.cancel();
      return;
    }
    this.#discarding = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.cancel(), Math.min(DISCARD_MS, this.#options.remainingMs));
    if (this.#controller?.paused === true) this.#controller.resume();
  }

  /** The signal's listener. */
  handleEvent(): void {
    this.#fail(this.#aborted());
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#error !== undefined) {
      controller.abort(this.#error);
      return;
    }
    this.#controller = controller;
    this.#phase = 'headers';
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Headers): void {
    if (status < 200) return;
    this.#phase = 'body';
    this.#settleHead.resolve({ status, headers });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#error !== undefined) return;
    this.#received += chunk.length;
    if (this.#discarding) {
      if (this.#received > DISCARD_BYTES) this.cancel();
      return;
    }
    if (this.#received > this.#options.maxWireBytes) {
      this.#fail(bodyTooLarge(this.#options.url.href, this.#options.maxWireBytes));
      return;
    }
    if (this.#reader !== undefined) {
      this.#reader.resolve(chunk);
      this.#reader = undefined;
      return;
    }
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    if (this.#buffered >= PAUSE_AT) controller.pause();
  }

  onResponseEnd(): void {
    if (this.#error !== undefined || this.#ended) return;
    this.#ended = true;
    this.#finish();
    this.#reader?.resolve(undefined);
    this.#reader = undefined;
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#error !== undefined || this.#ended) return;
    this.#stale = this.#phase === 'headers' && isStaleConnection(error);
    this.#fail(failureOf(error, this.#options.url.href, this.#phase));
  }

  #fail(error: StepError): void {
    if (this.#error !== undefined || this.#ended) return;
    this.#error = error;
    this.#chunks = [];
    this.#finish();
    this.#settleHead.reject(error);
    this.#reader?.reject(error);
    this.#reader = undefined;
    this.#controller?.abort(error);
  }

  #finish(): void {
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener('abort', this);
    this.#options.onEnd(this);
  }

  #aborted(): Aborted {
    return new Aborted(undefined, { url: this.#options.url.href });
  }

  #timedOut(): StepError {
    const url = this.#options.url.href;
    if (this.#phase === 'connect') return new Retryable('connect_timeout', 'no connection in time', { url });
    return new Retryable('transfer_timeout', 'the whole transfer took too long', { url });
  }
}

/** @internal */
export function bodyTooLarge(url: string, limit: number): Permanent {
  return new Permanent('body_too_large', `the body has more than ${limit} bytes`, { url });
}
