import type { JobTransition } from '@magpie/contracts';
import { isEnded } from '@magpie/domain';
import type { JobDocument } from '@magpie/store';
import type { JobWatch } from './plugins/job-watch.ts';
import { jobView } from './views.ts';

export interface StreamOptions {
  watch: JobWatch;
  /** Public address, without a slash at its end. */
  base: string;
  /** Ends the stream. */
  signal: AbortSignal;
  /** The revision that the client knows; transitions after it are sent first. */
  after?: number | undefined;
  /** A comment this often, so that nobody on the way takes the connection for dead; default 15 s. */
  heartbeatMs?: number;
}

const event = (name: string, id: number, data: unknown): string =>
  `event: ${name}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;

const transition = ({ rev, at, from, to, reason }: JobDocument['history'][number]): JobTransition => ({
  rev,
  at: at.toISOString(),
  from,
  to,
  ...(reason === undefined ? {} : { reason }),
});

/** The transitions after a revision, then the job as it is. */
const since = (job: JobDocument, rev: number, base: string): string =>
  [
    ...job.history.filter((step) => step.rev > rev).map((step) => event('state', step.rev, transition(step))),
    event('progress', job.rev, jobView(job, base)),
  ].join('');

/**
 * A job's life as server-sent events (the HTML standard, 9.2): `progress` with the job, at once and then as it changes;
 * `state` with every transition; `end`, the last. Ids are revisions, so a client that comes again with the last one
 * misses no transition. A reader that is slow gets fewer `progress` events: nothing is made before it is asked for.
 */
export async function* jobEventStream(
  first: JobDocument,
  { watch, base, signal, after, heartbeatMs = 15_000 }: StreamOptions,
): AsyncGenerator<string> {
  let latest: JobDocument | undefined = first;
  let news = false;
  let wake = (): void => {};
  const stop = watch.watch(first._id, (job) => {
    if (job !== undefined && latest !== undefined && job.rev <= latest.rev) return;
    latest = job;
    news = true;
    wake();
  });
  signal.addEventListener('abort', () => wake(), { once: true });

  /** Whether something happened before the heartbeat was due. */
  const changed = async (): Promise<boolean> => {
    if (news || signal.aborted) return true;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      wake = resolve;
      timer = setTimeout(resolve, heartbeatMs);
    });
    clearTimeout(timer);
    return news || signal.aborted;
  };

  try {
    let job = first;
    let seen = Math.min(after ?? first.rev, first.rev);
    yield `retry: 2000\n\n${since(job, seen, base)}`;
    seen = job.rev;
    while (!signal.aborted) {
      if (isEnded(job.state)) {
        yield event('end', job.rev, { state: job.state });
        return;
      }
      if (!(await changed())) {
        yield ': still here\n\n';
        continue;
      }
      if (signal.aborted) return;
      news = false;
      if (latest === undefined) {
        yield event('end', job.rev, { state: 'removed' });
        return;
      }
      job = latest;
      yield since(job, seen, base);
      seen = job.rev;
    }
  } finally {
    stop();
  }
}
