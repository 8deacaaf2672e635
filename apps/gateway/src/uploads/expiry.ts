/** Uploads whose time is over: nobody ever sent their file, or nobody has gone on with it. */
import { randomUUID } from 'node:crypto';
import type { JobState } from '@magpie/contracts';
import {
  abandonedUploads,
  changeTransfer,
  leaseTransfer,
  LeaseLost,
  moveJob,
  releaseTransfer,
  type JobDocument,
  type Store,
} from '@magpie/store';
import { SURE_MS, type TransferJob } from './receiving.ts';

const UNENDED: readonly JobState[] = ['queued', 'running', 'waiting', 'pausing', 'paused', 'stopping'];
const AT_ONCE = 100;
const EXPIRED = { code: 'upload_expired', message: 'It was not finished in time' };

export interface ExpiryOptions {
  store: Store;
  announce: (job: JobDocument) => void;
  /** Removes what there is of an upload's bytes; `before` each file. */
  remove: (id: string, before: () => void) => Promise<void>;
  onError: (error: unknown, jobId: string) => void;
}

/** Ends uploads that nobody has begun or gone on with in time. One that cannot be ended keeps no other from it. */
export async function expireAbandoned(options: ExpiryOptions): Promise<void> {
  for (const { _id } of await abandonedUploads(options.store, new Date(), AT_ONCE))
    await expireUpload(options, _id).catch((error: unknown) => options.onError(error, _id));
}

/** The time of an unfinished upload is over: its bytes go, and it has failed. Nothing when it is not, or is held. */
export async function expireUpload({ store, announce, remove }: ExpiryOptions, id: string): Promise<void> {
  await withUpload(store, id, UNENDED, async (holder, { transfer }, surelyOurs) => {
    // Its client may have come back since it was looked for.
    if ((transfer.expiresAt?.getTime() ?? Infinity) > Date.now()) return;
    await remove(id, surelyOurs);
    const report = { ...transfer.report, expired: true };
    await changeTransfer(store, id, holder, { file: null, expiresAt: null, checkpoint: null, report });
    const failed = await moveJob(store, id, {
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

/**
 * Holds an upload that is in one of these states for as long as `work` takes, and that is seconds. `surelyOurs`, right
 * before a file is touched, throws when it took longer: who was frozen leaves alone what may be another one's by now.
 * False when somebody else has it.
 */
export async function withUpload(
  store: Store,
  id: string,
  states: readonly JobState[],
  work: (holder: string, job: TransferJob, surelyOurs: () => void) => Promise<void>,
): Promise<boolean> {
  const holder = randomUUID();
  const since = performance.now();
  const surelyOurs = (): void => {
    if (performance.now() - since > SURE_MS) throw new LeaseLost();
  };
  const job = (await leaseTransfer(store, id, holder, states)) as TransferJob | null;
  if (job === null) return false;
  try {
    await work(holder, job, surelyOurs);
  } catch (error) {
    if (error instanceof LeaseLost) return false;
    throw error;
  } finally {
    await releaseTransfer(store, id, holder);
  }
  return true;
}
