/** One transfer while it is worked on: what is wanted of it now, and the only ways to write it. */
import type { WaitReason } from '@magpie/contracts';
import {
  changeTransfer,
  type JobDocument,
  type Store,
  type TransferChange,
  type TransferDocument,
} from '@magpie/store';

type Session = Parameters<Parameters<Store['transaction']>[0]>[0];

/** What cannot be done, however often it is tried: the job fails with this code. */
export class TransferFault extends Error {
  override readonly name = 'TransferFault';
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** What cannot be done now: the job waits, looks again by itself, and goes on from its checkpoint. */
export class TransferWait extends Error {
  override readonly name = 'TransferWait';
  readonly reason: WaitReason;
  readonly afterMs: number;
  constructor(reason: WaitReason, message: string, afterMs = 5000) {
    super(message);
    this.reason = reason;
    this.afterMs = afterMs;
  }
}

/** A transfer that this replica has the lease of. */
export interface Work {
  readonly store: Store;
  readonly id: string;
  /** The job as it was when it was taken up, with what was committed since. */
  readonly job: JobDocument & { transfer: TransferDocument };
  /** Aborted when it is to be left at once: it is terminated, the lease is lost, or this service ends. */
  readonly signal: AbortSignal;
  /** Whether it is to go on: false once it is paused, stopped or terminated. Looked at between batches. */
  readonly goesOn: boolean;
  /**
   * Throws when the lease was not renewed lately: somebody else may have it. Right before whatever is written outside
   * of a commit, where a replica that was frozen would otherwise go on with what is another one's by now.
   * @throws LeaseLost
   */
  surelyOurs(): void;
  /**
   * Writes how far it is, with what `inside` writes: all or nothing, and only while the lease is ours.
   * `inside` may run more than once, and must have no effect but through its session.
   * @throws LeaseLost
   */
  commit(
    change: TransferChange | ((job: JobDocument) => TransferChange),
    options?: {
      counts?: JobDocument['counts'] | undefined;
      inside?: ((session: Session) => Promise<void>) | undefined;
    },
  ): Promise<void>;
}

/** What a kind of transfer can do. Each may be called again after a death on any line. */
export interface Handler {
  /** Goes on from the checkpoint until all is done or the work does not go on; gives whether all is done. */
  run(work: Work): Promise<boolean>;
  /** The job is over before all was done; what there is is kept, and brought to a good end. */
  stop(work: Work): Promise<void>;
  /** Takes back a bounded part of what it brought; gives whether there is more. */
  undo(work: Work): Promise<boolean>;
}

export type { Session };

export async function commitWork(
  store: Store,
  id: string,
  holder: string,
  change: TransferChange,
  { counts, inside }: Parameters<Work['commit']>[1] & object = {},
): Promise<void> {
  if (inside === undefined) return changeTransfer(store, id, holder, change, { counts });
  await store.transaction(async (session) => {
    // First: of two that hold it for theirs, one meets the other here and starts over, or finds it lost.
    await changeTransfer(store, id, holder, change, { counts, session });
    await inside(session);
  });
}
