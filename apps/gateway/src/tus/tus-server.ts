/**
 * Resumable uploads: tus 1.0 (https://tus.io/protocols/resumable-upload), spoken by @tus/server, with the bytes on
 * disk and all else in jobs.
 *
 * The protocol's server gets a request without its body, and gives an answer that the gateway sends as any other; so
 * access, limits, logs and the form of errors are those of every route. The bytes go from the request through the gate
 * of the upload straight to the file.
 *
 * Who sends bytes holds the job's lease, in MongoDB, for as long as the request lasts: another one is answered 423 at
 * once, by any gateway. HEAD needs no lease. While the job is paused, a request is not read from, also one that comes
 * then, and goes on by itself.
 */
import { Server, type Lock } from '@tus/server';
import type { JobDocument, Store } from '@magpie/store';
import type { FastifyRequest } from 'fastify';
import { requestIdempotency } from '../idempotency.ts';
import type { Uploads } from '../uploads/uploads.ts';
import { Checksum, CHECKSUM_ALGORITHMS } from './checksum.ts';
import { currentExchange, during, type Exchange } from './exchange.ts';
import { problemOf, typeNeeded, TUS_VERSION, versionNeeded } from './problems.ts';
import { isUploadId, UploadJobs } from './upload-jobs.ts';
import { UploadStore } from './upload-store.ts';

const BYTES = 'application/offset+octet-stream';
/** Headers that say something to the protocol's server. */
const PASSED = /^(tus-|upload-|content-(type|length)$)/;

export interface TusOptions {
  store: Store;
  uploads: Uploads;
  announce: (job: JobDocument) => void;
  /** Where clients reach uploads: an upload is `<url>/<id>`. */
  url: string;
  /** MAGPIE_UPLOAD_MAX_BYTES. */
  maxBytes: number;
  /** MAGPIE_TRANSFER_KEEP, ms. */
  keepMs: number;
}

export interface TusAnswer {
  status: number;
  headers: Record<string, string>;
}

export class TusServer {
  readonly jobs: UploadJobs;
  readonly #server: Server;

  constructor(options: TusOptions) {
    const { store, uploads, announce, url, maxBytes, keepMs } = options;
    const jobs = new UploadJobs({ store, uploads, announce });
    const datastore = new UploadStore({ uploads, jobs, maxBytes, keepMs });
    this.jobs = jobs;
    this.#server = new Server({
      path: new URL(url).pathname,
      datastore,
      maxSize: maxBytes,
      // Access from other origins is not for this room to allow.
      allowedOrigins: [],
      // An upload gets its id with its job.
      namingFunction: () => 'new',
      generateUrl: (_request, { id }) => `${url}/${id}`,
      getFileIdFromRequest: (_request, id) => (id !== undefined && isUploadId(id) ? id : undefined),
      locker: { newLock: (id) => lockOf(datastore, jobs, id) },
      onResponseError: (_request, error) => {
        currentExchange().error = error;
        return undefined;
      },
    });
  }

  /**
   * Answers a request, whose method may be another one than that of HTTP (X-HTTP-Method-Override).
   * @throws HttpProblem and what else the gateway makes an answer of
   */
  async answer(request: FastifyRequest, method = request.method): Promise<TusAnswer> {
    const exchange = exchangeOf(request, method);
    const { headers } = request.raw;
    const asked = new Request(`http://gateway${request.raw.url ?? '/'}`, {
      method,
      headers: Object.entries(headers).flatMap(([name, value]) =>
        PASSED.test(name) && typeof value === 'string' ? [[name, value] as [string, string]] : [],
      ),
    });
    try {
      const response = await during(exchange, () => this.#server.handleWeb(asked));
      if (response.status >= 400) throw problemOf(exchange.error, response.status, await response.text());
      return { status: response.status, headers: this.#headersOf(exchange, response) };
    } catch (error) {
      // Nobody learns of an upload whose creation was answered with an error.
      if (method === 'POST' && exchange.job !== undefined && exchange.idempotency === undefined)
        await this.jobs.terminate(exchange.job).catch(() => undefined);
      throw error;
    } finally {
      await exchange.release?.();
    }
  }

  #headersOf({ method, replayed }: Exchange, response: { headers: Headers }): Record<string, string> {
    const headers = Object.fromEntries(
      [...response.headers].filter(([name]) => !/^(access-control-|content-length$|connection$)/.test(name)),
    );
    if (method === 'OPTIONS') headers['tus-checksum-algorithm'] = CHECKSUM_ALGORITHMS;
    if (replayed) headers['idempotent-replayed'] = 'true';
    return headers;
  }
}

/** What a request says that must be right before anything else is looked at. @throws HttpProblem */
function exchangeOf(request: FastifyRequest, method: string): Exchange {
  const { headers } = request.raw;
  const text = (name: string): string | undefined =>
    typeof headers[name] === 'string' ? headers[name] : undefined;
  if (method !== 'OPTIONS' && text('tus-resumable') !== TUS_VERSION) throw versionNeeded();
  const type = text('content-type');
  if (method === 'PATCH' && type !== BYTES) throw typeNeeded();
  const sends = type === BYTES && (method === 'PATCH' || method === 'POST');
  const checksum = sends ? text('upload-checksum') : undefined;
  const metadata = text('upload-metadata');
  return {
    method,
    body: request.raw,
    sends,
    correlationId: request.id,
    metadata,
    checksum: checksum === undefined ? undefined : new Checksum(checksum),
    idempotency:
      method === 'POST'
        ? requestIdempotency(request, { metadata, length: text('upload-length') ?? null })
        : undefined,
    replayed: false,
    rows: 0,
  };
}

/** Bytes are sent by whoever holds the job; nothing else needs it. */
function lockOf(datastore: UploadStore, jobs: UploadJobs, id: string): Lock {
  return {
    async lock() {
      const exchange = currentExchange();
      if (exchange.method === 'POST' || exchange.method === 'DELETE') return;
      const job = await jobs.find(id);
      exchange.job = job;
      if (exchange.method === 'PATCH') {
        if (job.state !== 'completed') await datastore.hold(exchange, id);
      } else await datastore.finishIfWhole(exchange, job);
    },
    async unlock() {
      await currentExchange().release?.();
    },
  };
}
