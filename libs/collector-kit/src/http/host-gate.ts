/**
 * Politeness within one process: how many requests a host has at once, how far apart they begin, and whether
 * it asked to be left alone. The dispatcher holds the same across replicas; this is the second lock.
 */
import { Aborted } from '../errors.ts';

interface Host {
  active: number;
  waiting: Waiter[];
  /** The earliest time of the next start. */
  nextAt: number;
  delayMs: number;
  restUntil: number;
  timer: NodeJS.Timeout | undefined;
}

interface Waiter {
  readonly enter: (leave: () => void) => void;
  readonly refuse: (error: Error) => void;
}

const SWEEP_FROM = 1024;

export class HostGate {
  readonly #limit: number;
  readonly #hosts = new Map<string, Host>();
  #sweepAt = SWEEP_FROM;
  #closed = false;

  constructor(perHostConcurrency: number) {
    this.#limit = perHostConcurrency;
  }

  /** How many hosts are remembered; idle ones are forgotten when there are many. */
  get size(): number {
    return this.#hosts.size;
  }

  /**
   * Waits for a turn at `host`, in order of asking, starts being `delayMs` apart. Resolves to what must be
   * called once when the exchange is over; a second call does nothing.
   * @throws Aborted when the signal aborts or the gate closes before the turn
   */
  enter(host: string, delayMs: number, signal?: AbortSignal): Promise<() => void> {
    if (this.#closed) return Promise.reject(new Aborted('the client was closed'));
    if (signal?.aborted === true) return Promise.reject(new Aborted());
    const state = this.#host(host);
    state.delayMs = delayMs;
    return new Promise((resolve, reject) => {
      const forget = (): void => signal?.removeEventListener('abort', onAbort);
      const waiter: Waiter = {
        enter: (leave) => {
          forget();
          resolve(leave);
        },
        refuse: (error) => {
          forget();
          reject(error);
        },
      };
      const onAbort = (): void => {
        const index = state.waiting.indexOf(waiter);
        if (index >= 0) state.waiting.splice(index, 1);
        waiter.refuse(new Aborted());
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      state.waiting.push(waiter);
      this.#admit(state);
    });
  }

  /** No request to `host` before `untilMs`; an earlier wish never shortens a later one. */
  rest(host: string, untilMs: number): void {
    const state = this.#host(host);
    state.restUntil = Math.max(state.restUntil, untilMs);
  }

  /** Until when the host wants to be left alone, ms since the epoch; 0 when it does not. */
  restUntil(host: string): number {
    const until = this.#hosts.get(host)?.restUntil ?? 0;
    return until > Date.now() ? until : 0;
  }

  /** Refuses everybody who waits, and everybody who comes later. */
  close(): void {
    this.#closed = true;
    for (const state of this.#hosts.values()) {
      clearTimeout(state.timer);
      for (const { refuse } of state.waiting.splice(0)) refuse(new Aborted('the client was closed'));
    }
    this.#hosts.clear();
  }

  #admit(state: Host): void {
    while (state.active < this.#limit && state.waiting.length > 0) {
      const wait = state.nextAt > 0 ? state.nextAt - Date.now() : 0;
      if (wait > 0) {
        state.timer ??= setTimeout(() => {
          state.timer = undefined;
          this.#admit(state);
        }, wait);
        return;
      }
      state.active++;
      state.nextAt = state.delayMs > 0 ? Date.now() + state.delayMs : 0;
      state.waiting.shift()?.enter(this.#leaving(state));
    }
  }

  #leaving(state: Host): () => void {
    let left = false;
    return () => {
      if (left) return;
      left = true;
      state.active--;
      this.#admit(state);
    };
  }

  #host(key: string): Host {
    let state = this.#hosts.get(key);
    if (state === undefined) {
      if (this.#hosts.size >= this.#sweepAt) this.#sweep();
      state = { active: 0, waiting: [], nextAt: 0, delayMs: 0, restUntil: 0, timer: undefined };
      this.#hosts.set(key, state);
    }
    return state;
  }

  #sweep(): void {
    const now = Date.now();
    for (const [key, { active, waiting, nextAt, restUntil }] of this.#hosts) {
      if (active === 0 && waiting.length === 0 && nextAt <= now && restUntil <= now) this.#hosts.delete(key);
    }
    this.#sweepAt = Math.max(SWEEP_FROM, this.#hosts.size * 2);
  }
}
