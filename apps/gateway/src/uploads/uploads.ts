/** The uploads that this gateway receives, and how one begins. */
import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { JobState } from '@magpie/contracts';
import { allowedActions } from '@magpie/domain';
import {
  changeTransfer,
  findJob,
  isBeingRemoved,
  leaseTransfer,
  type JobDocument,
  type Store,
} from '@magpie/store';
import { HttpProblem } from '../problems.ts';
import { expireAbandoned, expireUpload, type ExpiryOptions } from './expiry.ts';
import { Receiving, type TransferJob } from './receiving.ts';
import { freeBytes, Room } from './room.ts';

/** How an upload's bytes come: in one request, or by tus in as many as it takes. */
export type UploadProtocol = 'raw' | 'tus';

/** So many times as many as are received at once may be open: the others are paused, and hold a connection each. */
const OPEN = 4;
/** A client of tus that is silent for longer comes back by another connection, and is not to find it locked, ms. */
const TUS_SILENCE_MS = 60_000;
const EXPIRE_EVERY_MS = 60_000;

export interface UploadsOptions {
  store: Store;
  announce: (job: JobDocument) => void;
  /** Without a job: of those whose time is over. */
  onError: (error: unknown, jobId?: string) => void;
  /** MAGPIE_DATA. */
  data: string;
  /** MAGPIE_DISK_RESERVE, bytes. */
  reserve: number;
  /** How many are received at once; paused ones are not counted. One that is resumed beyond that waits its turn. */
  atOnce: number;
  /** MAGPIE_TRANSFER_KEEP, ms. */
  keepMs: number;
  /** How long a sender may be silent, ms. */
  silenceMs: number;
}

export interface Begin {
  protocol: UploadProtocol;
  /** States in which it may begin. */
  states: readonly JobState[];
  /** What came before is forgotten: it starts over. */
  anew: boolean;
  totalBytes?: number | null;
}

const noJob = (): HttpProblem => new HttpProblem('not_found', 'There is no such job.');

export class Uploads {
  /** Where the files are. */
  readonly directory: string;
  /** Tells how much room there is. */
  freeBytes = freeBytes;
  /** Gets how many there are, when that changes. */
  onSize: (size: number) => void = () => undefined;
  readonly #options: UploadsOptions;
  readonly #open = new Map<Receiving, Promise<unknown>>();
  /** Those whose turn it is, by their holder: bytes are taken of no other. */
  readonly #turns = new Set<string>();
  #beginning = 0;
  #closed = false;
  readonly #expiresAbandoned: NodeJS.Timeout;
  #expiring: Promise<void> = Promise.resolve();

  constructor(options: UploadsOptions) {
    this.#options = options;
    this.directory = join(resolve(options.data), 'uploads');
    this.#expiresAbandoned = setInterval(() => {
      this.#expiring = this.#expiring.then(() => this.expireAbandoned()).catch(options.onError);
    }, EXPIRE_EVERY_MS);
  }

  /** The file of a complete upload. */
  file(id: string): string {
    return join(this.directory, id);
  }

  /** The file of one that is not complete. */
  part(id: string): string {
    return join(this.directory, `${id}.part`);
  }

  /** Removes what there is of an upload's bytes; `before` each file, which may throw. */
  async remove(id: string, before: () => void): Promise<void> {
    for (const path of [this.part(id), this.file(id)]) {
      before();
      await rm(path, { force: true });
    }
  }

  /** When what is written or asked for now is kept no longer. */
  expiry(): Date {
    return new Date(Date.now() + this.#options.keepMs);
  }

  /** Ends an upload whose time is over and that nobody sends; does nothing to others. */
  expire(id: string): Promise<void> {
    return expireUpload(this.#expiryOptions, id);
  }

  /** Ends uploads that nobody has begun or gone on with in time. */
  expireAbandoned(): Promise<void> {
    return expireAbandoned(this.#expiryOptions);
  }

  /**
   * Takes the lease of an upload's job for one request and works with it until `work` is over.
   * @throws HttpProblem `not_found`, `not_an_upload`, `upload_expired`, `invalid_transition`, `upload_in_progress`,
   *   `too_many_uploads`
   */
  async receive<T>(id: string, begin: Begin, work: (receiving: Receiving) => Promise<T>): Promise<T> {
    this.#requireRoom();
    this.#beginning++;
    let receiving: Receiving;
    try {
      receiving = await this.#begin(id, begin);
    } finally {
      this.#beginning--;
    }
    const working = (async () => {
      try {
        return await work(receiving);
      } finally {
        await receiving.end();
      }
    })();
    const over = working
      .catch(() => undefined)
      .then(() => {
        this.#open.delete(receiving);
        receiving.giveTurn();
        this.onSize(this.#open.size);
      });
    this.#open.set(receiving, over);
    this.onSize(this.#open.size);
    if (this.#closed) receiving.abort('closing');
    return working;
  }

  /** Ends those under way, and begins no more. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#expiresAbandoned);
    await this.#expiring;
    for (const receiving of this.#open.keys()) receiving.abort('closing');
    await Promise.all(this.#open.values());
  }

  get #expiryOptions(): ExpiryOptions {
    const { store, announce, onError } = this.#options;
    return { store, announce, onError, remove: (id, before) => this.remove(id, before) };
  }

  #requireRoom(): void {
    const { atOnce } = this.#options;
    const open = this.#open.size + this.#beginning;
    const paused = [...this.#open.keys()].filter((receiving) => receiving.isPaused).length;
    const full = { retryAfter: 10 };
    if (this.#closed) throw new HttpProblem('too_many_uploads', 'The gateway is about to close.', full);
    if (open - paused >= atOnce)
      throw new HttpProblem('too_many_uploads', `${atOnce} are received already.`, full);
    if (open >= atOnce * OPEN)
      throw new HttpProblem(
        'too_many_uploads',
        `${paused} are paused, with a connection open for each: resume or end some.`,
        full,
      );
  }

  async #begin(id: string, { protocol, states, anew, totalBytes = null }: Begin): Promise<Receiving> {
    const { store, announce, onError, silenceMs } = this.#options;
    await store.connected();
    const found = await findJob(store, id);
    if (found === undefined || isBeingRemoved(found)) throw noJob();
    if (found.transfer?.kind !== 'upload') throw new HttpProblem('not_an_upload');
    if (protocol === 'raw' && found.transfer.options['protocol'] === 'tus')
      throw new HttpProblem(
        'not_an_upload',
        `It is a resumable one: send it by tus to /api/v1/uploads/${id}.`,
      );
    if (found.transfer.report['expired'] === true) throw new HttpProblem('upload_expired');
    await mkdir(this.directory, { recursive: true });
    const holder = randomUUID();
    const leasedAt = performance.now();
    const stays = { removing: { $exists: false } };
    const job = (await leaseTransfer(store, id, holder, states, stays)) as TransferJob | null;
    if (job === null) throw await this.#refusal(id, states);
    const options = { ...job.transfer.options, protocol };
    const start = {
      options,
      // Whoever dies with it while it is paused leaves it to expire.
      ...(anew ? { bytes: 0, rows: 0, totalBytes, file: null, expiresAt: this.expiry(), report: {} } : {}),
    };
    await changeTransfer(store, id, holder, start);
    Object.assign(job.transfer, start);
    const receiving = new Receiving({
      store,
      job,
      holder,
      announce,
      onError: (error) => onError(error, id),
      leasedAt,
      silenceMs: protocol === 'tus' ? Math.min(silenceMs, TUS_SILENCE_MS) : silenceMs,
      turn: {
        take: () => this.#takeTurn(holder),
        give: () => void this.#turns.delete(holder),
      },
      room: new Room(this.directory, this.#options.reserve, (directory) => this.freeBytes(directory)),
    });
    if (!(await receiving.start())) throw await this.#refusal(id, states);
    return receiving;
  }

  #takeTurn(holder: string): boolean {
    if (this.#turns.size < this.#options.atOnce) this.#turns.add(holder);
    return this.#turns.has(holder);
  }

  async #refusal(id: string, states: readonly JobState[]): Promise<HttpProblem> {
    const job = await findJob(this.#options.store, id);
    if (job === undefined || isBeingRemoved(job)) return noJob();
    if (states.includes(job.state))
      return new HttpProblem('upload_in_progress', undefined, { retryAfter: 10 });
    const allowed = allowedActions(job.state, job.transfer);
    const another = allowed.length === 0 ? ' A file takes a job of its own: POST /api/v1/new-job/.' : '';
    return new HttpProblem('invalid_transition', `The job is ${job.state}.${another}`, {
      state: job.state,
      allowed,
    });
  }
}
