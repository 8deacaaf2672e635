/**
 * Where uploads by tus are: their bytes in a file, all else in their jobs, so that any gateway goes on with them.
 *
 * Offset: how long the file is, but no more than `checkpoint.keep` of the job while that is set: what follows came with
 * an Upload-Checksum that was not compared yet, and is cut off before anything else is written.
 * Kill -9 on any line: the next request finds the offset by the same rule.
 * The last byte: synced, hashed, renamed, then the job is completed; whoever finds all bytes there and the job not
 * completed does that again.
 */
import type { FileHandle } from 'node:fs/promises';
import type { JobState } from '@magpie/contracts';
import { DISPATCHING } from '@magpie/domain';
import { DataStore, Metadata, Upload } from '@tus/server';
import type { Readable } from 'node:stream';
import { renameForGood, requireSha256, writeAt } from '../uploads/file-writer.ts';
import { HttpProblem } from '../problems.ts';
import { Lines } from '../uploads/lines.ts';
import { ReceivingEnded } from '../uploads/gate.ts';
import type { Receiving, TransferJob } from '../uploads/receiving.ts';
import type { Uploads } from '../uploads/uploads.ts';
import { bytesOf, currentExchange, type Exchange } from './exchange.ts';
import { locked, refusal, terminated, tooLong } from './problems.ts';
import { bytesAt, cutOff, digestOf, openAfter, type Paths } from './upload-file.ts';
import type { UploadJobs } from './upload-jobs.ts';

/** What works, in the words of `Tus-Extension`. */
const EXTENSIONS = [
  'creation',
  'creation-with-upload',
  'creation-defer-length',
  'termination',
  'checksum',
  'expiration',
];

const LIVE_OR_PAUSED: readonly JobState[] = [...DISPATCHING, 'pausing', 'paused'];

export interface UploadStoreOptions {
  uploads: Uploads;
  jobs: UploadJobs;
  /** MAGPIE_UPLOAD_MAX_BYTES. */
  maxBytes: number;
  /** MAGPIE_TRANSFER_KEEP, ms. */
  keepMs: number;
}

export class UploadStore extends DataStore {
  override extensions = EXTENSIONS;
  readonly #options: UploadStoreOptions;

  constructor(options: UploadStoreOptions) {
    super();
    this.#options = options;
  }

  override getExpiration(): number {
    return this.#options.keepMs;
  }

  /** Makes the job of an upload, and gives the upload its id. */
  override async create(upload: Upload): Promise<Upload> {
    const exchange = currentExchange();
    const { job, replayed } = await this.#options.jobs.create(exchange, upload.size ?? null);
    exchange.job = job;
    exchange.replayed = replayed;
    upload.id = job._id;
    upload.creation_date = this.#since(job);
    if (!replayed && upload.size === 0) await this.finish(exchange, job._id);
    else if (!replayed && exchange.sends) await this.hold(exchange, job._id);
    return upload;
  }

  override async getUpload(id: string): Promise<Upload> {
    const job = currentExchange().job ?? (await this.#options.jobs.find(id));
    const { metadata } = job.transfer.options;
    const { totalBytes } = job.transfer;
    return new Upload({
      id,
      offset: await this.offsetOf(job),
      ...(totalBytes === null ? {} : { size: totalBytes }),
      ...(typeof metadata === 'string' ? { metadata: Metadata.parse(metadata) } : {}),
      creation_date: this.#since(job),
    });
  }

  /** The server reckons when an upload expires from when it was made. One that is still there has not expired. */
  #since({ transfer }: TransferJob): string {
    const { uploads, keepMs } = this.#options;
    const expiresAt = Math.max((transfer.expiresAt ?? uploads.expiry()).getTime(), Date.now() + 1000);
    return new Date(expiresAt - keepMs).toISOString();
  }

  override async declareUploadLength(id: string, length: number): Promise<void> {
    const { job } = currentExchange();
    if (job !== undefined) await this.#options.jobs.note(job, { totalBytes: length });
  }

  override async remove(id: string): Promise<void> {
    await this.#options.jobs.terminate(await this.#options.jobs.find(id));
  }

  /** Takes the bytes of the request that is being answered; `stream`, which is empty, stands for them. */
  override async write(stream: Readable, id: string, offset: number): Promise<number> {
    stream.resume();
    const exchange = currentExchange();
    const { receiving } = exchange;
    if (receiving === undefined) return exchange.job === undefined ? offset : this.offsetOf(exchange.job);
    const handle = await this.#openAfter(receiving, offset);
    try {
      return await this.#receive(exchange, receiving, handle, offset);
    } catch (error) {
      throw await this.#ended(receiving, handle, error);
    } finally {
      await handle.close();
    }
  }

  async offsetOf({ _id, state, transfer }: TransferJob): Promise<number> {
    if (state === 'completed') return transfer.file?.bytes ?? 0;
    const { keep } = (transfer.checkpoint ?? {}) as { keep?: number };
    return Math.min(await bytesAt(this.#paths(_id)), keep ?? Infinity);
  }

  /**
   * Takes the upload for this request, until its `release`. While its job is paused the request is not read from.
   * @throws HttpProblem `upload_locked`, `invalid_transition` …; unless it `stalls`, `upload_paused`
   */
  async hold(exchange: Exchange, id: string, stalls = true): Promise<Receiving> {
    const held = Promise.withResolvers<Receiving>();
    const over = Promise.withResolvers<void>();
    const states = stalls ? LIVE_OR_PAUSED : DISPATCHING;
    const begin = { protocol: 'tus', states, anew: false } as const;
    const holding = this.#options.uploads.receive(id, begin, (receiving) => {
      held.resolve(receiving);
      return over.promise;
    });
    holding.catch((error: unknown) => held.reject(refusal(error)));
    const receiving = await held.promise;
    exchange.receiving = receiving;
    exchange.job = receiving.job;
    exchange.rows = receiving.job.transfer.rows;
    exchange.release = async () => {
      over.resolve();
      await holding.catch(() => undefined);
    };
    return receiving;
  }

  /** Brings an upload to its end of which all bytes are there. */
  async finish(exchange: Exchange, id: string): Promise<void> {
    const receiving = await this.hold(exchange, id, false);
    const size = receiving.job.transfer.totalBytes ?? 0;
    const handle = await this.#openAfter(receiving, size);
    try {
      receiving.written(size - receiving.bytes);
      exchange.job = await this.#complete(exchange, receiving, handle, size);
    } catch (error) {
      throw await this.#ended(receiving, handle, error);
    } finally {
      await handle.close();
    }
  }

  /**
   * All bytes of it are there, and whoever was to complete it died: it is completed now. A client takes what it is told
   * for all bytes as the end.
   */
  async finishIfWhole(exchange: Exchange, job: TransferJob): Promise<void> {
    const live = LIVE_OR_PAUSED.includes(job.state);
    const { totalBytes } = job.transfer;
    if (live && totalBytes !== null && (await this.offsetOf(job)) >= totalBytes)
      await this.finish(exchange, job._id);
  }

  async #receive(
    exchange: Exchange,
    receiving: Receiving,
    handle: FileHandle,
    offset: number,
  ): Promise<number> {
    const { jobs, uploads, maxBytes } = this.#options;
    const { checksum, body } = exchange;
    // As this request knows it: a look that was under way may not have seen its Upload-Length yet.
    const { job = receiving.job } = exchange;
    const lines = new Lines();
    const rowsBefore = exchange.rows;
    const limit = job.transfer.totalBytes ?? maxBytes;
    // What a crash left uncounted, or counted and lost.
    receiving.written(offset - receiving.bytes);
    await jobs.note(job, {
      checkpoint: checksum === undefined ? null : { keep: offset },
      expiresAt: uploads.expiry(),
    });
    let position = offset;
    let broken = false;
    let failure: unknown;
    try {
      const chunks = bytesOf(body, () => (broken = true));
      for await (const chunk of receiving.gate(chunks)) {
        if (position + chunk.length > limit) throw tooLong();
        checksum?.update(chunk);
        await writeAt(receiving, handle, chunk, position);
        position += chunk.length;
        this.#count(exchange, chunk.length, lines.in(chunk));
      }
    } catch (error) {
      if (receiving.ended === 'lost') throw error;
      failure = error;
    }
    const whole = failure === undefined && !broken;
    const wrong = checksum !== undefined && !(whole && checksum.matches());
    if (wrong || failure instanceof HttpProblem) {
      // Whoever has taken it up meanwhile may have written there.
      if (!(await receiving.holds())) throw new ReceivingEnded('lost');
      await cutOff(handle, offset);
      this.#count(exchange, offset - position, rowsBefore - exchange.rows);
      position = offset;
    } else await handle.datasync();
    await jobs.note(job, { checkpoint: null, expiresAt: uploads.expiry() });
    if (failure !== undefined) throw failure;
    if (broken) throw new ReceivingEnded('cut off');
    if (wrong) throw new HttpProblem('chunk_checksum_mismatch');
    if (position === job.transfer.totalBytes)
      exchange.job = await this.#complete(exchange, receiving, handle, position);
    return position;
  }

  /** @throws HttpProblem `upload_locked` when somebody else may have it by now, and what he wrote would be cut off */
  async #openAfter(receiving: Receiving, offset: number): Promise<FileHandle> {
    if (!receiving.isSure) throw locked();
    return openAfter(this.#paths(receiving.id), offset);
  }

  #count(exchange: Exchange, bytes: number, rows: number): void {
    exchange.rows += rows;
    exchange.receiving?.written(bytes, rows);
  }

  async #complete(
    exchange: Exchange,
    receiving: Receiving,
    handle: FileHandle,
    bytes: number,
  ): Promise<TransferJob> {
    const { id, job } = receiving;
    const { uploads } = this.#options;
    const { filename, filetype } = job.transfer.options;
    const paths = this.#paths(id);
    await handle.sync();
    const { sha256, rows } = await digestOf(handle, bytes, () => {
      if (receiving.ended) throw new ReceivingEnded(receiving.ended);
    });
    this.#count(exchange, 0, rows - exchange.rows);
    // From here to the new name nobody else may take it for his.
    if (!(await receiving.holds())) throw new ReceivingEnded('lost');
    try {
      requireSha256(job, sha256);
    } catch (error) {
      // Sent again it would be the same: it is over.
      await uploads.remove(id, () => receiving.surelyOurs());
      await receiving.fail((error as HttpProblem).code, (error as HttpProblem).message);
      throw error;
    }
    await renameForGood(paths.part, paths.file);
    const file = {
      name: typeof filename === 'string' ? filename : id,
      type: String(filetype),
      bytes,
      sha256,
      path: `uploads/${id}`,
    };
    const expiresAt = uploads.expiry();
    return (await receiving.complete(file, { checkpoint: null, expiresAt })) as TransferJob;
  }

  /** What is answered when an upload cannot go on, and what is asked of its job is done. */
  async #ended(receiving: Receiving, handle: FileHandle, error: unknown): Promise<unknown> {
    const ended = receiving.ended ?? (error instanceof ReceivingEnded ? error.reason : undefined);
    if (ended === 'lost') return locked();
    if (ended === 'terminating') return terminated();
    if (ended === 'stopping') {
      await handle.sync();
      const stopped = await receiving.stopped({ expiresAt: this.#options.uploads.expiry() });
      if (stopped === null) return terminated();
      return new HttpProblem('upload_stopped', 'Its bytes are kept: retry the job to go on.');
    }
    return ended === undefined ? error : new HttpProblem('upload_cut_off', undefined, { retryAfter: 2 });
  }

  #paths(id: string): Paths {
    const { uploads } = this.#options;
    return { part: uploads.part(id), file: uploads.file(id) };
  }
}
