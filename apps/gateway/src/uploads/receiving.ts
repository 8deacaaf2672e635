/**
 * One upload while its bytes come: keeps the lease of its job, does what people ask of the job, and counts.
 *
 * While the lease is not confirmed the gate is closed; of two who hold a job for theirs, one writes.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobState } from '@magpie/contracts';
import { DISPATCHING, isEnded } from '@magpie/domain';
import {
  changeTransfer,
  findJob,
  isUnavailable,
  leaseTransfer,
  LeaseLost,
  moveJob,
  releaseTransfer,
  TRANSFER_LEASE_MS,
  type JobDocument,
  type Move,
  type Store,
  type TransferChange,
  type TransferDocument,
  type TransferFile,
} from '@magpie/store';
import { Gate, ReceivingEnded, type EndReason } from './gate.ts';
import { Pace } from './pace.ts';
import type { Room } from './room.ts';

const LOOK_MS = 250;
const RENEW_MS = 2000;
const PROGRESS_MS = 1000;
/** So long after it was asked for a lease is surely one's own, by this process's clock. */
export const SURE_MS = TRANSFER_LEASE_MS - 2000;

/** In which it comes to run when bytes come. */
const STARTS: readonly JobState[] = ['queued', 'waiting', 'failed', 'stopped'];

export type TransferJob = JobDocument & { transfer: TransferDocument };

export interface ReceivingOptions {
  store: Store;
  /** As `leaseTransfer` gave it. */
  job: TransferJob;
  holder: string;
  /** When the lease was asked for, by `performance.now()`. */
  leasedAt: number;
  /** Tells whoever listens that the job changed. */
  announce: (job: JobDocument) => void;
  onError: (error: unknown) => void;
  room: Room;
  /** A sender that is silent for so long, while bytes are wanted, counts as gone; ms. */
  silenceMs: number;
  /** Of all that are received at once: false while it is not this one's turn. Given when it is paused, and at its end. */
  turn: { take: () => boolean; give: () => void };
}

export class Receiving {
  readonly #options: ReceivingOptions;
  readonly #pace: Pace;
  readonly #gate: Gate;
  #job: TransferJob;
  #bytes: number;
  #rows: number;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #renewedAt: number;
  #toldAt = performance.now();
  /** What the job was last told. */
  #told = '';
  #closed: Promise<void> | undefined;
  /** Its owner writes the last of it: looks write no progress any more. */
  #quiet = false;

  constructor(options: ReceivingOptions) {
    this.#options = options;
    this.#job = options.job;
    this.#renewedAt = options.leasedAt;
    this.#bytes = options.job.transfer.bytes;
    this.#rows = options.job.transfer.rows;
    this.#pace = new Pace(this.#bytes, this.#rows);
    const { room, silenceMs } = options;
    this.#gate = new Gate({
      room,
      silenceMs,
      isWanted: () => this.#goesOn,
      onClosed: () => void this.#look(),
    });
  }

  get id(): string {
    return this.#job._id;
  }

  /** The job as it was seen last. */
  get job(): TransferJob {
    return this.#job;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The lease was renewed lately, so nobody else has it. */
  get isSure(): boolean {
    return performance.now() - this.#renewedAt < SURE_MS;
  }

  /** Why no more bytes are taken; undefined while they are. */
  get ended(): EndReason | undefined {
    return this.#gate.ended;
  }

  /** Whether it was paused when it was looked at last: its sender is kept waiting. */
  get isPaused(): boolean {
    return this.#job.state === 'pausing' || this.#job.state === 'paused';
  }

  /**
   * Brings the job to `running` and begins to look what is wanted; `end` must follow. False, and nothing begun, when
   * something else was asked of the job meanwhile; a paused job is fine.
   */
  async start(): Promise<boolean> {
    const { state } = this.#job;
    if (STARTS.includes(state) || this.#job.retrying) {
      const set = { waiting: null, error: null, endedAt: null, retrying: false };
      const job = await this.#move({ from: [state], to: 'running', set });
      if (job === null) {
        await this.end();
        return false;
      }
    }
    // One look at a time: while the database is slow, they would queue up.
    this.#timer ??= setInterval(() => {
      if (this.#looking === undefined) void this.#look();
    }, LOOK_MS);
    return true;
  }

  /** As `Gate.pass`. */
  gate(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, void> {
    return this.#gate.pass(chunks);
  }

  /** As `Gate.unlessEnded`. */
  unlessEnded(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, void> {
    return this.#gate.unlessEnded(chunks);
  }

  /** As `Gate.whenRoom`. */
  whenRoom(bytes: number): Promise<void> {
    return this.#gate.whenRoom(bytes);
  }

  /** Counts what was written. */
  written(bytes: number, rows = 0): void {
    this.#bytes += bytes;
    this.#rows += rows;
  }

  /** Bytes of others may be taken instead. Idempotent. */
  giveTurn(): void {
    this.#options.turn.give();
  }

  /**
   * Right before a file is touched: throws when the lease was not renewed lately. Who was frozen leaves alone what may be
   * another one's by now.
   * @throws ReceivingEnded
   */
  surelyOurs(): void {
    if (!this.isSure) throw new ReceivingEnded('lost');
  }

  /** Takes no more bytes: the gate throws. What is left to do is its owner's. */
  abort(reason: EndReason): void {
    this.#gate.end(reason);
  }

  /**
   * The file is complete and in its place: the job is. Waits while the job is paused, and while the database is away.
   * @throws ReceivingEnded when something else was asked for in the same moment
   */
  async complete(file: TransferFile, change: Omit<TransferChange, 'file'> = {}): Promise<JobDocument> {
    for (;;) {
      await this.#gate.open();
      await this.#hush();
      try {
        await this.#commit({ ...change, file, totalBytes: file.bytes, rate: { bytes: 0, rows: 0 } });
        const set = { endedAt: new Date(), waiting: null, error: null };
        const job = await this.#leave({ from: DISPATCHING, to: 'completed', set });
        if (job !== null) return job;
      } catch (error) {
        if (error instanceof LeaseLost) this.abort('lost');
        else if (!isUnavailable(error)) throw error;
        else await sleep(LOOK_MS);
      }
      await this.#look();
    }
  }

  /** It cannot be done. Null when something else was asked of the job in the same moment. */
  async fail(code: string, message: string): Promise<JobDocument | null> {
    await this.#hush();
    await this.#commit({ expiresAt: null, rate: { bytes: 0, rows: 0 } });
    const set = { endedAt: new Date(), waiting: null, error: { code, message } };
    return this.#leave({ from: [...DISPATCHING, 'pausing', 'paused'], to: 'failed', set, reason: code });
  }

  /** What was asked for by `stop` is done. Null when it is to be terminated by now. */
  async stopped(change: TransferChange = {}): Promise<JobDocument | null> {
    await this.#hush();
    await this.#commit({ ...change, rate: { bytes: 0, rows: 0 } });
    return this.#leave({ from: ['stopping'], to: 'stopped', set: { endedAt: new Date(), waiting: null } });
  }

  /** Writes how far it came, and gives the lease back. Idempotent; throws nothing. */
  end(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  /**
   * Whether this is still the one that holds the job, renewed now. Not when it is over: then somebody else had it and
   * gave it back, and its files are not this one's to touch. While the database is away and nothing else has ended it,
   * it is waited for.
   */
  async holds(): Promise<boolean> {
    const { store, holder } = this.#options;
    for (;;)
      try {
        const at = performance.now();
        const job = await leaseTransfer(store, this.id, holder);
        if (job === null || isEnded(job.state)) return false;
        this.#renewedAt = at;
        return this.isSure;
      } catch (error) {
        if (!isUnavailable(error) || this.ended !== undefined) throw error;
        await sleep(LOOK_MS);
      }
  }

  async #end(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
    const { store, holder } = this.#options;
    try {
      if (this.ended !== 'lost') await this.#tell({ bytes: 0, rows: 0 });
      await releaseTransfer(store, this.id, holder);
    } catch (error) {
      if (!(error instanceof LeaseLost)) this.#options.onError(error);
    }
  }

  async #hush(): Promise<void> {
    this.#quiet = true;
    await this.#looking;
  }

  get #goesOn(): boolean {
    return (
      (DISPATCHING as readonly JobState[]).includes(this.#job.state) &&
      this.isSure &&
      this.#options.turn.take()
    );
  }

  /** One look at a time; who asks while one is under way gets the next. */
  #look(): Promise<void> {
    const before = this.#looking;
    const now = (async () => {
      await before;
      if (this.#closed === undefined) await this.#lookOnce();
    })();
    this.#looking = now.finally(() => {
      if (this.#looking === current) this.#looking = undefined;
    });
    const current = this.#looking;
    return current;
  }

  async #lookOnce(): Promise<void> {
    try {
      const { store, holder } = this.#options;
      const renews = performance.now() - this.#renewedAt > RENEW_MS;
      const at = performance.now();
      const job = (renews ? await leaseTransfer(store, this.id, holder) : await findJob(store, this.id)) as
        TransferJob | null | undefined;
      if (job?.transfer?.lease?.holder !== holder) return this.abort('lost');
      if (renews) this.#renewedAt = at;
      this.#job = job;
      await this.#follow();
      if (this.isPaused) this.giveTurn();
      if (!this.#quiet && performance.now() - this.#toldAt >= PROGRESS_MS)
        await this.#tell(this.#goesOn && !this.#options.room.full ? undefined : { bytes: 0, rows: 0 });
    } catch (error) {
      if (error instanceof LeaseLost) this.abort('lost');
      else this.#options.onError(error);
    } finally {
      this.#gate.look();
    }
  }

  /** Brings the job where it was asked to be, or where the disk lets it be. */
  async #follow(): Promise<void> {
    const { state } = this.#job;
    if (state === 'stopping' || state === 'terminating') this.abort(state);
    // Somebody else had it meanwhile, and ended it.
    else if (isEnded(state)) this.abort('lost');
    else if (state === 'pausing') {
      // What is being written belongs to the time before the pause.
      if (this.#gate.isWriting) return;
      await this.#tell({ bytes: 0, rows: 0 });
      await this.#move({ from: ['pausing'], to: 'paused' });
    } else if (state !== 'paused') await this.#followDisk();
  }

  async #followDisk(): Promise<void> {
    const { room } = this.#options;
    await room.look();
    if (!room.full && this.#job.state !== 'running')
      await this.#move({ from: ['queued', 'waiting'], to: 'running', set: { waiting: null } });
    const { waiting } = this.#job;
    if (!room.full || (waiting !== null && waiting.until.getTime() > Date.now() + 1000)) return;
    const until = new Date(Date.now() + 10_000);
    const detail = 'The disk is full: it goes on by itself when there is room';
    const set: Partial<JobDocument> = { waiting: { reason: 'disk_full', until, detail } };
    await this.#move({ from: DISPATCHING, to: 'waiting', set, reason: 'disk_full' });
  }

  /** Writes how far it is, if that changed. */
  async #tell(rate = this.#pace.at(this.#bytes, this.#rows)): Promise<void> {
    const change = { bytes: this.#bytes, rows: this.#rows, rate };
    const text = JSON.stringify(change);
    this.#toldAt = performance.now();
    if (text === this.#told) return;
    await this.#commit({ rate });
    this.#told = text;
  }

  #commit(change: TransferChange): Promise<void> {
    const { store, holder } = this.#options;
    return changeTransfer(store, this.id, holder, { ...change, bytes: this.#bytes, rows: this.#rows });
  }

  /** A transition after which nobody holds the job. */
  #leave(move: Omit<Move, 'at'>): Promise<JobDocument | null> {
    return this.#move({ ...move, set: { ...move.set, 'transfer.lease': null } as Partial<JobDocument> });
  }

  async #move(move: Omit<Move, 'at'>): Promise<JobDocument | null> {
    const { store, holder, announce } = this.#options;
    const when = { 'transfer.lease.holder': holder };
    const job = await moveJob(store, this.id, { ...move, at: new Date(), when });
    if (job === null) return null;
    this.#job = job as TransferJob;
    announce(job);
    return job;
  }
}
