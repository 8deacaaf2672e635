import { EXCHANGES, type Subscription } from '@magpie/broker';
import { MESSAGES } from '@magpie/contracts';
import { findJobs, type JobDocument } from '@magpie/store';
import fp from 'fastify-plugin';

/** Gets the job at each change; undefined when it is gone. */
export type JobListener = (job: JobDocument | undefined) => void;

export interface JobWatch {
  /** Calls the listener soon with the job as it is, and after each change, at most four times a second. */
  watch(jobId: string, listener: JobListener): () => void;
  /** So many listeners. */
  readonly size: number;
  /** Resolves when the broker's events are heard; not before the first listener. */
  readonly ready: Promise<void> | undefined;
}

declare module 'fastify' {
  interface FastifyInstance {
    jobWatch: JobWatch;
  }
}

/** Least time between two looks at the database, ms. */
const MIN_GAP_MS = 250;

/**
 * Watches the jobs that somebody listens to, for all listeners at once: the broker's events say when to look, and
 * every second it is looked anyway (MAGPIE_WATCH_INTERVAL), so that a broker that is down only makes it slower. The database has the truth.
 */
export default fp(
  async (app) => {
    const listeners = new Map<string, Set<JobListener>>();
    const dirty = new Set<string>();
    let subscription: Subscription | undefined;
    let poll: NodeJS.Timeout | undefined;
    let soon: NodeJS.Timeout | undefined;
    let looking = false;
    let closed = false;
    let lastLook = 0;

    function lookSoon(id: string): void {
      if (!listeners.has(id) || closed) return;
      dirty.add(id);
      if (looking) return;
      soon ??= setTimeout(() => void look(), Math.max(0, lastLook + MIN_GAP_MS - Date.now()));
    }

    async function look(): Promise<void> {
      soon = undefined;
      looking = true;
      lastLook = Date.now();
      const ids = [...dirty];
      dirty.clear();
      try {
        const jobs = new Map((await findJobs(app.store, ids)).map((job) => [job._id, job]));
        for (const id of ids) for (const listener of listeners.get(id) ?? []) listener(jobs.get(id));
      } catch (error) {
        app.log.debug({ err: error }, 'watched jobs were not read');
      }
      looking = false;
      for (const id of [...dirty]) lookSoon(id);
    }

    const jobWatch: JobWatch = {
      get size() {
        return [...listeners.values()].reduce((sum, set) => sum + set.size, 0);
      },
      get ready() {
        return subscription?.ready;
      },
      watch(jobId, listener) {
        subscription ??= app.broker.subscribe({
          exchange: EXCHANGES.events,
          bindingKeys: ['job.#'],
          types: [MESSAGES.jobEvent],
          handler: ({ body }) => lookSoon(body.jobId),
          onGap: () => [...listeners.keys()].forEach(lookSoon),
        });
        poll ??= setInterval(() => [...listeners.keys()].forEach(lookSoon), app.config.MAGPIE_WATCH_INTERVAL);
        listeners.set(jobId, (listeners.get(jobId) ?? new Set()).add(listener));
        lookSoon(jobId);
        return () => {
          const set = listeners.get(jobId);
          set?.delete(listener);
          if (set?.size === 0) listeners.delete(jobId);
          if (listeners.size > 0) return;
          clearInterval(poll);
          poll = undefined;
        };
      },
    };
    app.decorate('jobWatch', jobWatch);
    app.addHook('onClose', async () => {
      closed = true;
      clearInterval(poll);
      clearTimeout(soon);
      await subscription?.close();
    });
  },
  { name: 'job-watch', fastify: '5.x' },
);
