/** Extraction beside the collector's own thread, so that no page holds up anything but itself. */
import { Worker, type ResourceLimits } from 'node:worker_threads';
import { Permanent } from '@magpie/collector-kit';
import type { ExtractedText } from './extract.ts';
import type { ExtractionAnswer, ExtractionTask } from './worker.ts';

export interface ExtractOptions {
  /** Rejects with the signal's reason; a page being read is given up. */
  signal?: AbortSignal | undefined;
  /** Milliseconds of reading, waiting for a free thread not counted. Default 5000. */
  timeoutMs?: number | undefined;
  /** The document is plain text: it is taken as it is, see `describeText`. */
  isPlain?: boolean | undefined;
}

export interface PoolOptions {
  /** Threads; each is started when it is first needed. Default 1. */
  workers?: number;
  /** Memory of each thread. */
  limits?: ResourceLimits;
  /** Milliseconds without work after which a thread ends and its memory is free. Default 60,000. */
  idleMs?: number;
}

/** Reading needs about 40 MB beyond the page; a page that needs more than this is given up. */
const LIMITS: ResourceLimits = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4, stackSizeMb: 4 };
/** A thread on a busy machine may take so many times its time, as long as it did not have that much processor. */
const PATIENCE = 4;

interface Task {
  page: string;
  url: string;
  isPlain: boolean;
  timeoutMs: number;
  settle: (outcome: { text: ExtractedText } | { error: unknown }) => void;
}

interface Thread {
  worker: Worker;
  ready: boolean;
  idle?: NodeJS.Timeout | undefined;
  task: (Task & { id: number; timer?: NodeJS.Timeout }) | undefined;
}

/**
 * Threads that extract text. A page is refused with `Permanent`: `parse_timeout` when reading takes too long,
 * `parse_too_large` when it needs too much memory, `parse_failed` when it can't be read. The thread that had it is
 * ended and another started in its place when one is needed.
 */
export class ExtractionPool {
  #threads = new Set<Thread>();
  #queue: Task[] = [];
  #workers: number;
  #limits: ResourceLimits;
  #idleMs: number;
  #lastId = 0;
  #closed = false;

  constructor({ workers = 1, limits = LIMITS, idleMs = 60_000 }: PoolOptions = {}) {
    this.#workers = workers;
    this.#limits = limits;
    this.#idleMs = idleMs;
  }

  /** Threads that run or are being started. */
  get threads(): number {
    return this.#threads.size;
  }

  /** Like `extractText`, in another thread. Pages wait for a free one in their order. */
  extract(
    page: string,
    url: string,
    { signal, timeoutMs = 5000, isPlain = false }: ExtractOptions = {},
  ): Promise<ExtractedText> {
    if (this.#closed) return Promise.reject(new Error('the extraction pool is closed'));
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
    return new Promise((resolve, reject) => {
      const task: Task = {
        page,
        url,
        isPlain,
        timeoutMs,
        settle: (outcome) => {
          signal?.removeEventListener('abort', onAbort);
          if ('text' in outcome) resolve(outcome.text);
          else reject(outcome.error as Error);
        },
      };
      const onAbort = (): void => this.#giveUp(task, signal?.reason);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#queue.push(task);
      this.#dispatch();
    });
  }

  /** Ends all threads; pages not read yet are refused. May be called twice, and the pool is not usable after. */
  async close(): Promise<void> {
    this.#closed = true;
    const error = new Error('the extraction pool is closed');
    for (const task of this.#queue.splice(0)) task.settle({ error });
    await Promise.all([...this.#threads].map((thread) => this.#end(thread, error)));
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const idle = [...this.#threads].find((thread) => thread.ready && thread.task === undefined);
      if (idle === undefined) {
        const starting = [...this.#threads].filter((thread) => !thread.ready).length;
        if (this.#threads.size < this.#workers && starting < this.#queue.length) this.#start();
        return;
      }
      const task = this.#queue.shift();
      if (task !== undefined) this.#give(idle, task);
    }
  }

  #start(): void {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      name: 'extract',
      resourceLimits: this.#limits,
    });
    const thread: Thread = { worker, ready: false, task: undefined };
    this.#threads.add(thread);
    worker.on('message', (answer: ExtractionAnswer) => this.#answered(thread, answer));
    worker.on('error', (error: NodeJS.ErrnoException) => {
      const large = error.code === 'ERR_WORKER_OUT_OF_MEMORY';
      const code = large ? 'parse_too_large' : 'parse_failed';
      const reason = large
        ? 'reading the page needs too much memory'
        : `reading the page failed: ${error.message}`;
      // A thread that can't even start would be started for ever.
      const victim = thread.task ?? (thread.ready ? undefined : this.#queue.shift());
      void this.#end(thread, undefined);
      victim?.settle({ error: new Permanent(code, reason, { url: victim.url, cause: error }) });
      this.#dispatch();
    });
    worker.on('exit', () => {
      if (!this.#threads.has(thread)) return;
      void this.#end(thread, new Permanent('parse_failed', 'the thread that read the page ended'));
      this.#dispatch();
    });
  }

  #give(thread: Thread, task: Task): void {
    this.#lastId += 1;
    thread.task = Object.assign(task, { id: this.#lastId });
    clearTimeout(thread.idle);
    // Only a thread at work keeps the process alive.
    thread.worker.ref();
    const { id, page, url, isPlain } = thread.task;
    thread.worker.postMessage({ id, page, url, isPlain } satisfies ExtractionTask);
    void this.#watch(thread, thread.task.id, task.timeoutMs);
  }

  /** Ends the thread when its page has had its time of the processor, or several times that by the clock. */
  async #watch(thread: Thread, id: number, timeoutMs: number): Promise<void> {
    const before = await thread.worker.cpuUsage().catch(() => undefined);
    const started = performance.now();
    const isAtWork = (): boolean => thread.task?.id === id && this.#threads.has(thread);
    const check = async (): Promise<void> => {
      if (!isAtWork()) return;
      const used =
        before === undefined ? undefined : await thread.worker.cpuUsage(before).catch(() => undefined);
      const busyMs = used === undefined ? Infinity : (used.user + used.system) / 1000;
      const left = Math.min(timeoutMs * 0.9 - busyMs, timeoutMs * PATIENCE - (performance.now() - started));
      if (!isAtWork()) return;
      if (left > 0) return wait(Math.max(left, 10));
      const { url } = thread.task as Task;
      const error = new Permanent('parse_timeout', `reading the page took more than ${timeoutMs} ms`, {
        url,
      });
      await this.#end(thread, error);
      this.#dispatch();
    };
    const wait = (delayMs: number): void => {
      if (thread.task?.id === id) thread.task.timer = setTimeout(() => void check(), delayMs);
    };
    wait(timeoutMs);
  }

  #answered(thread: Thread, answer: ExtractionAnswer): void {
    if (answer === 'ready') {
      thread.ready = true;
    } else if (thread.task?.id === answer.id) {
      const { task } = thread;
      clearTimeout(task.timer);
      thread.task = undefined;
      if ('text' in answer) task.settle({ text: answer.text });
      else
        task.settle({
          error: new Permanent('parse_failed', `reading the page failed: ${answer.failure}`, {
            url: task.url,
          }),
        });
    }
    this.#dispatch();
    if (thread.task === undefined) this.#rest(thread);
  }

  #rest(thread: Thread): void {
    thread.worker.unref();
    clearTimeout(thread.idle);
    thread.idle = setTimeout(() => void this.#end(thread, undefined), this.#idleMs).unref();
  }

  #giveUp(task: Task, reason: unknown): void {
    const waiting = this.#queue.indexOf(task);
    if (waiting >= 0) this.#queue.splice(waiting, 1);
    task.settle({ error: reason });
    const thread = [...this.#threads].find((candidate) => candidate.task === task);
    if (thread !== undefined) void this.#end(thread, undefined).then(() => this.#dispatch());
  }

  async #end(thread: Thread, error: unknown): Promise<void> {
    this.#threads.delete(thread);
    const { task } = thread;
    thread.task = undefined;
    clearTimeout(task?.timer);
    clearTimeout(thread.idle);
    if (error !== undefined) task?.settle({ error });
    await thread.worker.terminate();
  }
}

let shared: ExtractionPool | undefined;

/**
 * Extracts a page's text in the process's one extraction thread.
 * @throws Permanent `parse_timeout`, `parse_too_large` or `parse_failed`; the signal's reason when it aborts
 */
export function extractInWorker(
  page: string,
  url: string,
  options: ExtractOptions = {},
): Promise<ExtractedText> {
  shared ??= new ExtractionPool();
  return shared.extract(page, url, options);
}

/** Ends the thread of {@link extractInWorker}; a later call starts another. */
export async function close(): Promise<void> {
  const pool = shared;
  shared = undefined;
  await pool?.close();
}
