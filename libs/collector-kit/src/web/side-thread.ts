/** Work that takes long on a hostile page, in a thread beside the process's own: it holds up nothing but itself. */
import { parentPort, Worker } from 'node:worker_threads';
import { Aborted, Permanent } from '../errors.ts';

export interface SideThreadOptions {
  /** A task that takes longer is given up; default 20,000 ms by the clock, since the machine may be busy. */
  readonly timeoutMs?: number;
  /** A thread without work ends after this; default 30,000 ms. */
  readonly idleMs?: number;
  /** Default 128 MiB of heap. */
  readonly memoryMb?: number;
}

type Answer = { result: unknown } | { failure: string };

interface Job {
  readonly task: unknown;
  readonly settle: (answer: Answer | Error) => void;
}

/** One thread that does tasks one after the other; started when there is one, ended when there was none for a while. */
export class SideThread<T, R> {
  readonly #module: URL;
  readonly #options: Required<SideThreadOptions>;
  #waiting: Job[] = [];
  #worker: Worker | undefined;
  #current: Job | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param module whose top level calls {@link serveSideThread} */
  constructor(module: URL, options: SideThreadOptions = {}) {
    this.#module = module;
    this.#options = { timeoutMs: 20_000, idleMs: 30_000, memoryMb: 128, ...options };
  }

  /**
   * @throws Permanent `parse_timeout` when it takes too long, `parse_error` when it fails or needs too much memory
   * @throws Aborted when the signal aborts
   */
  run(task: T, signal: AbortSignal): Promise<R> {
    if (signal.aborted) return Promise.reject(new Aborted());
    return new Promise((resolve, reject) => {
      const job: Job = {
        task,
        settle: (answer) => {
          signal.removeEventListener('abort', onAbort);
          if (answer instanceof Error) reject(answer);
          else if ('result' in answer) resolve(answer.result as R);
          else reject(new Permanent('parse_error', answer.failure));
        },
      };
      const onAbort = (): void => {
        if (job === this.#current) void this.#discard(new Aborted());
        else {
          this.#waiting = this.#waiting.filter((one) => one !== job);
          job.settle(new Aborted());
        }
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(job);
      this.#next();
    });
  }

  /** Refuses what waits and ends the thread; it starts again when it is used again. */
  async close(): Promise<void> {
    for (const job of this.#waiting.splice(0)) job.settle(new Aborted());
    await this.#discard(new Aborted());
  }

  #next(): void {
    if (this.#current) return;
    const job = this.#waiting.shift();
    clearTimeout(this.#timer);
    if (job === undefined) {
      this.#worker?.unref();
      this.#timer = setTimeout(() => void this.#discard(new Aborted()), this.#options.idleMs).unref();
      return;
    }
    this.#current = job;
    this.#worker ??= this.#start();
    this.#worker.ref();
    this.#worker.postMessage(job.task);
    const { timeoutMs } = this.#options;
    this.#timer = setTimeout(
      () => void this.#discard(new Permanent('parse_timeout', `it took more than ${timeoutMs} ms`)),
      timeoutMs,
    );
  }

  #start(): Worker {
    const worker = new Worker(this.#module, {
      resourceLimits: { maxOldGenerationSizeMb: this.#options.memoryMb, maxYoungGenerationSizeMb: 16 },
    });
    worker.on('message', (answer: Answer) => {
      if (worker !== this.#worker) return;
      const job = this.#current;
      this.#current = undefined;
      job?.settle(answer);
      this.#next();
    });
    worker.on('error', (error) => {
      if (worker === this.#worker)
        void this.#discard(new Permanent('parse_error', error.message, { cause: error }));
    });
    worker.on('exit', (code) => {
      const error = new Permanent('parse_error', `the thread ended by itself with code ${code}`);
      if (worker === this.#worker) void this.#discard(error);
    });
    return worker;
  }

  /** Ends the thread and what it is doing; what waits gets another. */
  async #discard(error: Error): Promise<void> {
    clearTimeout(this.#timer);
    const [worker, job] = [this.#worker, this.#current];
    this.#worker = undefined;
    this.#current = undefined;
    job?.settle(error);
    if (this.#waiting.length > 0) this.#next();
    await worker?.terminate();
  }
}

/** In the module of a {@link SideThread}: answers each task. */
export function serveSideThread<T, R>(work: (task: T) => R): void {
  parentPort?.on('message', (task: T) => {
    let answer: Answer;
    try {
      answer = { result: work(task) };
    } catch (error) {
      answer = { failure: error instanceof Error ? error.message : String(error) };
    }
    parentPort?.postMessage(answer);
  });
}
