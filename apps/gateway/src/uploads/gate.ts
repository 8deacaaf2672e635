/**
 * What lets an upload's bytes in: whoever reads through it gets a chunk only while bytes are wanted and there is room.
 * While it is closed nothing is pulled from the source, so the sender's socket fills up and stalls.
 */
import type { Room } from './room.ts';

/** Longer than this nobody keeps a sender waiting that is paused: nginx lets go of it too, ms. */
const PAUSE_MS = 24 * 3_600_000;

/**
 * Why no more bytes are taken: what was asked of the job; its lease went to another one; the gateway closes; the sender
 * is gone, has been silent for too long, or was paused for too long.
 */
export type EndReason = 'stopping' | 'terminating' | 'lost' | 'closing' | 'cut off';

/** No more bytes are taken. */
export class ReceivingEnded extends Error {
  override readonly name = 'ReceivingEnded';
  readonly reason: EndReason;
  constructor(reason: EndReason) {
    super(`no more bytes are taken: ${reason}`);
    this.reason = reason;
  }
}

export interface GateOptions {
  room: Room;
  /** A sender that is silent for so long, while bytes are wanted, counts as gone; ms. */
  silenceMs: number;
  /** So long a sender is kept waiting at most; ms. */
  pauseMs?: number;
  /** Whether bytes are wanted, as far as is known. */
  isWanted: () => boolean;
  /** Milliseconds since some time. */
  now?: () => number;
  /** Somebody waits for the gate to open: whether bytes are wanted is to be looked at. */
  onClosed: () => void;
}

export class Gate {
  readonly #options: GateOptions;
  readonly #waiting = new Set<() => void>();
  /** What is waited for from the sender, and since when. */
  readonly #silences = new Set<{ since: number }>();
  #closedAt: number | undefined;
  #ended: ReceivingEnded | undefined;
  #writing = false;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** Why no more bytes are taken; undefined while they are. */
  get ended(): EndReason | undefined {
    return this.#ended?.reason;
  }

  /** A chunk was given out and is not written yet. */
  get isWriting(): boolean {
    return this.#writing;
  }

  /** Takes no more bytes: whoever waits here gets an error. */
  end(reason: EndReason): void {
    this.#ended ??= new ReceivingEnded(reason);
    this.look();
  }

  /**
   * The chunks, each only while it is wanted and there is room for it; pulls none otherwise. A chunk counts as written
   * when the next one is asked for. Ends with its source, but not while the job is paused. Leaves the source open.
   * @throws ReceivingEnded at once, also while the source is silent
   */
  async *pass(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, void> {
    const source = chunks[Symbol.asyncIterator]();
    try {
      for (;;) {
        await this.open();
        const next = await this.#heard(source.next());
        await this.open(next.done ? 0 : next.value.length);
        if (next.done) return;
        this.#writing = true;
        yield next.value;
        this.#writing = false;
      }
    } finally {
      this.#writing = false;
      void Promise.resolve(source.return?.()).catch(() => undefined);
    }
  }

  /**
   * The chunks as they come, wanted or not: for what surrounds a file, whose own bytes go through `pass`.
   * @throws ReceivingEnded at once, also while the source is silent
   */
  async *unlessEnded(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, void> {
    const source = chunks[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.#heard(source.next());
        if (next.done) return;
        yield next.value;
      }
    } finally {
      void Promise.resolve(source.return?.()).catch(() => undefined);
    }
  }

  /**
   * Resolves when `bytes` more may be written.
   * @throws ReceivingEnded
   */
  async open(bytes = 0): Promise<void> {
    const { isWanted, room, onClosed } = this.#options;
    for (let first = true; ; first = false) {
      if (this.#ended) throw this.#ended;
      if (isWanted() && (await room.has(bytes)) && isWanted()) return;
      if (first) onClosed();
      await this.#change();
    }
  }

  /**
   * The disk had no room for so many bytes though there seemed to be: resolves when they may be tried again.
   * @throws ReceivingEnded
   */
  async whenRoom(bytes: number): Promise<void> {
    this.#options.room.wait(bytes);
    const writing = this.#writing;
    this.#writing = false;
    await this.open();
    this.#writing = writing;
  }

  /** Whoever waits looks again. Silence counts only while bytes are wanted, and nobody is kept waiting for ever. */
  look(): void {
    const now = this.#now();
    const { isWanted, room, silenceMs, pauseMs = PAUSE_MS } = this.#options;
    if (isWanted()) this.#closedAt = undefined;
    else if (now - (this.#closedAt ??= now) > pauseMs) this.#ended ??= new ReceivingEnded('cut off');
    for (const silence of this.#silences)
      if (!isWanted() || room.full) silence.since = now;
      else if (now - silence.since > silenceMs) this.#ended ??= new ReceivingEnded('cut off');
    for (const woken of [...this.#waiting]) woken();
  }

  #now(): number {
    return (this.#options.now ?? (() => performance.now()))();
  }

  /** What the sender gives next, or the end, whichever is first. */
  async #heard<T>(pending: Promise<T>): Promise<T> {
    const silence = { since: this.#now() };
    this.#silences.add(silence);
    try {
      return await this.#orEnd(pending);
    } finally {
      this.#silences.delete(silence);
    }
  }

  #orEnd<T>(pending: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const woken = (): void => {
        if (this.#ended) reject(this.#ended);
      };
      this.#waiting.add(woken);
      const done = (): void => void this.#waiting.delete(woken);
      pending.finally(done).then(resolve, reject);
      woken();
    });
  }

  /** Resolves after the next look, or at the end. */
  #change(): Promise<void> {
    return new Promise((resolve) => {
      const woken = (): void => {
        this.#waiting.delete(woken);
        resolve();
      };
      this.#waiting.add(woken);
      if (this.#ended) woken();
    });
  }
}
