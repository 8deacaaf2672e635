import type { Logger } from './logger.ts';

/** Anything that was opened and must be closed. */
export interface Closable {
  close(): Promise<unknown> | unknown;
}

/** What was opened, to be closed in the opposite order. */
export interface Opened extends Closable {
  /** Notes that `thing` is open and gives it back: `const broker = opened.add('broker', await connect(…))`. */
  add<T extends Closable>(name: string, thing: T): T;
  /** Closes everything once, last opened first; one that fails doesn't keep the others open. */
  close(): Promise<void>;
}

/**
 * A stack of open things. `close()` may be called twice, and then gives the same promise.
 * Rejects with an AggregateError, after all were tried, when some could not be closed.
 */
export function createOpened(log?: Logger): Opened {
  const stack: { name: string; thing: Closable }[] = [];
  let closing: Promise<void> | undefined;
  const closeAll = async () => {
    const errors: unknown[] = [];
    for (let top = stack.pop(); top; top = stack.pop()) {
      try {
        await top.thing.close();
        log?.debug({ part: top.name }, 'closed');
      } catch (error) {
        errors.push(error);
        log?.error({ part: top.name, err: error }, 'could not be closed');
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'some parts could not be closed');
  };
  return {
    add(name, thing) {
      stack.push({ name, thing });
      return thing;
    },
    close: () => (closing ??= closeAll()),
  };
}

export interface Service {
  name: string;
  log: Logger;
  /**
   * Opens everything and returns when the service works. `signal` aborts when the service is asked to end, also in
   * the middle of the start. What was added to `opened` is closed last-first, also when the start fails half-way;
   * a returned `close` runs before that.
   */
  start(signal: AbortSignal, opened: Opened): Promise<Closable | void>;
  /** How long an orderly end may take, in milliseconds; default 15000. */
  deadlineMs?: number;
}

export interface RunningService {
  /** Ends the service as a signal would: orderly, then the process exits with `code` (default 0). */
  stop(reason: string, code?: number): Promise<void>;
}

/**
 * Runs a service until SIGINT or SIGTERM, then closes it once and exits 0. Exits 1 when the start fails, when closing
 * fails or takes longer than the deadline, on a second signal (at once), and on an unhandled rejection or uncaught
 * exception, which are logged first.
 */
export async function runService({
  name,
  log,
  start,
  deadlineMs = 15_000,
}: Service): Promise<RunningService> {
  const abort = new AbortController();
  const opened = createOpened(log);
  let started: Promise<Closable | void> = Promise.resolve();
  let ending: Promise<void> | undefined;

  const end = async (reason: string, code: number) => {
    log.info({ reason }, `${name} is ending`);
    const timer = setTimeout(() => {
      log.fatal({ deadlineMs }, `${name} did not end in time`);
      process.exit(1);
    }, deadlineMs);
    abort.abort(new Error(`${name} is ending: ${reason}`));
    let exitCode = code;
    try {
      const service = await started.catch(() => undefined);
      await service?.close();
    } catch (error) {
      log.error({ err: error }, `${name} could not be closed`);
      exitCode = 1;
    }
    try {
      await opened.close();
    } catch {
      exitCode = 1;
    }
    clearTimeout(timer);
    log.info(`${name} ended`);
    process.exit(exitCode);
  };
  const stop = (reason: string, code = 0) => (ending ??= end(reason, code));

  const onSignal = (signal: NodeJS.Signals) => {
    if (ending) {
      log.warn({ signal }, `${name} is forced to end`);
      process.exit(1);
    }
    void stop(signal);
  };
  const onFault = (error: unknown) => {
    log.fatal({ err: error }, `${name} failed`);
    process.exit(1);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  process.on('unhandledRejection', onFault);
  process.on('uncaughtException', onFault);

  started = start(abort.signal, opened);
  try {
    await started;
    if (!abort.signal.aborted) log.info(`${name} is running`);
  } catch (error) {
    if (!abort.signal.aborted) {
      log.fatal({ err: error }, `${name} could not start`);
      await stop('start failed', 1);
    }
  }
  return { stop };
}
