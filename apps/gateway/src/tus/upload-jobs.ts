/** The jobs behind uploads by tus: an upload's id is its job's. */
import { randomUUID } from 'node:crypto';
import { ENDED, isEnded, type State } from '@magpie/domain';
import {
  abandonedUploads,
  changeTransfer,
  controlJob,
  createTransfer,
  findJob,
  isBeingRemoved,
  leaseTransfer,
  LeaseLost,
  moveJob,
  releaseTransfer,
  type JobDocument,
  type Store,
  type TransferChange,
} from '@magpie/store';
import { Metadata } from '@tus/server';
import { fileName, mediaType } from '../uploads/names.ts';
import type { TransferJob } from '../uploads/receiving.ts';
import type { Exchange } from './exchange.ts';
import { expired, locked, noUpload, terminated } from './problems.ts';

/** As `newId` makes them. */
const ID = /^[0-9a-v]{22}$/;
export const isUploadId = (id: string): boolean => ID.test(id);

const UNENDED = [
  'queued',
  'running',
  'waiting',
  'pausing',
  'paused',
  'stopping',
] as const satisfies readonly State[];

const EXPIRED_AT_ONCE = 100;
const EXPIRED = { code: 'upload_expired', message: 'It was not finished in time' };

export interface UploadJobsOptions {
  store: Store;
  announce: (job: JobDocument) => void;
  /** Removes what there is of an upload's bytes. */
  remove: (id: string) => Promise<void>;
  /** An unfinished upload expires so long after its last request, ms. */
  keepMs: number;
}

export class UploadJobs {
  readonly #options: UploadJobsOptions;

  constructor(options: UploadJobsOptions) {
    this.#options = options;
  }

  /** Makes the job of a new upload, or gives the one that the same Idempotency-Key made. */
  async create(
    { metadata, correlationId, idempotency }: Exchange,
    totalBytes: number | null,
  ): Promise<{ job: TransferJob; replayed: boolean }> {
    const { filename, name, filetype, type } = metadata ? Metadata.parse(metadata) : {};
    const { job, replayed } = await createTransfer(this.#options.store, {
      kind: 'upload',
      options: {
        protocol: 'tus',
        filename: fileName(filename ?? name ?? undefined) ?? null,
        filetype: mediaType(filetype ?? type ?? undefined),
        ...(metadata === undefined ? {} : { metadata }),
      },
      correlationId,
      totalBytes,
      expiresAt: this.expiry(),
      idempotency,
    });
    if (!replayed) this.#options.announce(job);
    return { job: job as TransferJob, replayed };
  }

  expiry = (): Date => new Date(Date.now() + this.#options.keepMs);

  /**
   * The job of an upload that can still be asked for. An unfinished one whose time is over ends here; the file of one
   * that has ended goes when no import reads it any more, which is looked after elsewhere.
   * @throws HttpProblem `not_found`, `upload_terminated`, `upload_expired`
   */
  async find(id: string): Promise<TransferJob> {
    const job = isUploadId(id) ? await findJob(this.#options.store, id) : undefined;
    if (!isUpload(job) || isBeingRemoved(job)) throw noUpload();
    if (job.state === 'terminating' || job.state === 'terminated') throw terminated();
    if (isGone(job)) throw expired();
    if (isOver(job)) {
      if (!isEnded(job.state)) await this.expire(job);
      throw expired();
    }
    return job;
  }

  /** Writes of an upload what changed, while this request holds it. @throws LeaseLost as an answer */
  async note({ _id, transfer }: TransferJob, change: TransferChange): Promise<void> {
    try {
      await changeTransfer(this.#options.store, _id, transfer.lease?.holder ?? '', change);
    } catch (error) {
      throw error instanceof LeaseLost ? locked() : error;
    }
    Object.assign(transfer, change);
  }

  /** Ends an upload for good, whatever it is doing; of a finished one the file goes. */
  async terminate(job: TransferJob): Promise<void> {
    if (isEnded(job.state)) {
      const removed = await this.#holding(job._id, ENDED, async (holder, { transfer }) => {
        await this.#options.remove(job._id);
        await changeTransfer(this.#options.store, job._id, holder, {
          file: null,
          expiresAt: null,
          report: { ...transfer.report, expired: true },
        });
      });
      if (!removed) throw locked();
      return;
    }
    const changed = await controlJob(this.#options.store, job._id, 'terminate');
    if (changed === undefined) throw noUpload();
    this.#options.announce(changed);
  }

  /** The time of an unfinished upload is over: its bytes go, and it has failed. */
  async expire({ _id }: Pick<TransferJob, '_id'>): Promise<void> {
    const { store, announce, remove } = this.#options;
    await this.#holding(_id, UNENDED, async (holder, job) => {
      // Its client may have come back since it was looked for.
      if ((job.transfer.expiresAt?.getTime() ?? Infinity) > Date.now()) return;
      await remove(job._id);
      const report = { ...job.transfer.report, expired: true };
      await changeTransfer(store, job._id, holder, { file: null, expiresAt: null, checkpoint: null, report });
      const failed = await moveJob(store, job._id, {
        from: UNENDED,
        to: 'failed',
        at: new Date(),
        when: { 'transfer.lease.holder': holder },
        set: { endedAt: new Date(), waiting: null, error: EXPIRED },
        reason: EXPIRED.code,
      });
      if (failed !== null) announce(failed);
    });
  }

  /** Ends uploads that nobody has gone on with in time. */
  async expireAbandoned(): Promise<void> {
    for (const job of await abandonedUploads(this.#options.store, new Date(), EXPIRED_AT_ONCE))
      await this.expire(job);
  }

  async #holding(
    id: string,
    states: readonly State[],
    work: (holder: string, job: TransferJob) => Promise<void>,
  ): Promise<boolean> {
    const { store } = this.#options;
    const holder = randomUUID();
    const job = (await leaseTransfer(store, id, holder, states)) as TransferJob | null;
    if (job === null) return false;
    try {
      await work(holder, job);
    } finally {
      await releaseTransfer(store, id, holder);
    }
    return true;
  }
}

const isUpload = (job: JobDocument | undefined): job is TransferJob =>
  job?.transfer?.kind === 'upload' && job.transfer.options['protocol'] === 'tus';

/** Its bytes are removed already. */
const isGone = ({ state, transfer }: TransferJob): boolean =>
  isEnded(state) &&
  (transfer.report['expired'] === true || (state === 'completed' && transfer.file === null));

/** Past its time, and nobody is sending. */
const isOver = ({ transfer: { expiresAt, lease } }: TransferJob, now = Date.now()): boolean =>
  expiresAt !== null && expiresAt.getTime() <= now && (lease === null || lease.until.getTime() <= now);
