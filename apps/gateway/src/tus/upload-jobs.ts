/** The jobs behind uploads by tus: an upload's id is its job's. */
import { ENDED, isEnded } from '@magpie/domain';
import {
  changeTransfer,
  controlJob,
  createTransfer,
  findJob,
  isBeingRemoved,
  LeaseLost,
  type JobDocument,
  type Store,
  type TransferChange,
} from '@magpie/store';
import { Metadata } from '@tus/server';
import { HttpProblem } from '../problems.ts';
import { withUpload } from '../uploads/expiry.ts';
import { requireUnread } from '../uploads/readers.ts';
import { fileName, mediaType } from '../uploads/names.ts';
import type { TransferJob } from '../uploads/receiving.ts';
import type { Uploads } from '../uploads/uploads.ts';
import type { Exchange } from './exchange.ts';
import { deleted, expired, invalid, locked, notResumable, noUpload, terminated } from './problems.ts';

/** As `newId` makes them. */
const ID = /^[0-9a-v]{22}$/;
export const isUploadId = (id: string): boolean => ID.test(id);

export interface UploadJobsOptions {
  store: Store;
  uploads: Uploads;
  announce: (job: JobDocument) => void;
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
    const { filename, name, filetype, type, sha256 } = metadata ? Metadata.parse(metadata) : {};
    const { job, replayed } = await createTransfer(this.#options.store, {
      kind: 'upload',
      options: {
        protocol: 'tus',
        filename: fileName(filename ?? name ?? undefined) ?? null,
        filetype: mediaType(filetype ?? type ?? undefined),
        ...(sha256 === undefined ? {} : { sha256: sha256Of(sha256) }),
        ...(metadata === undefined ? {} : { metadata }),
      },
      correlationId,
      totalBytes,
      expiresAt: this.#options.uploads.expiry(),
      idempotency,
    });
    if (!replayed) this.#options.announce(job);
    return { job: job as TransferJob, replayed };
  }

  /**
   * The job of an upload that can still be asked for. An unfinished one whose time is over ends here; the file of one
   * that has ended goes when no import reads it any more, which is looked after elsewhere.
   * @throws HttpProblem `not_found`, `upload_terminated`, `upload_expired`, `checksum_mismatch`
   */
  async find(id: string): Promise<TransferJob> {
    const job = isUploadId(id) ? await findJob(this.#options.store, id) : undefined;
    if (job?.transfer?.kind === 'upload' && job.transfer.options['protocol'] !== 'tus')
      throw notResumable(id);
    if (!isUpload(job) || isBeingRemoved(job)) throw noUpload();
    if (job.state === 'terminating' || job.state === 'terminated') throw terminated();
    if (isGone(job)) throw job.transfer.report['deleted'] === true ? deleted() : expired(job.state);
    if (job.state === 'failed' && job.error?.code === 'checksum_mismatch')
      throw new HttpProblem('checksum_mismatch', job.error.message);
    if (isOver(job)) {
      if (!isEnded(job.state)) await this.#options.uploads.expire(id);
      throw expired(job.state);
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
      const { store, uploads } = this.#options;
      await requireUnread(store, job);
      const removed = await withUpload(store, job._id, ENDED, async (holder, { transfer }, surelyOurs) => {
        await uploads.remove(job._id, surelyOurs);
        await changeTransfer(store, job._id, holder, {
          file: null,
          expiresAt: null,
          report: { ...transfer.report, expired: true, deleted: true },
        });
      });
      if (!removed) throw locked();
      return;
    }
    const changed = await controlJob(this.#options.store, job._id, 'terminate');
    if (changed === undefined) throw noUpload();
    this.#options.announce(changed);
  }
}

/** @throws HttpProblem `invalid_request` */
function sha256Of(given: string | null): string {
  if (given !== null && /^[0-9a-f]{64}$/i.test(given)) return given.toLowerCase();
  throw invalid('`sha256` in Upload-Metadata is 64 hexadecimal digits.');
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
