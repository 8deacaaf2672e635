import type { RunState } from '@magpie/contracts';
import type { FindQuery } from './queries.ts';

/** The `_id` of a run: those of a job follow each other. */
export const runId = (jobId: string, number: number): string =>
  `${jobId}:${String(number).padStart(10, '0')}`;

export const RUN_QUERIES = {
  /** Newest first; a range of the primary key. A job has no more than some thousands. */
  runs: (
    jobId: string,
    { state }: { state?: RunState | undefined },
    limit: number,
    before?: number,
  ): FindQuery => ({
    from: 'runs',
    filter: {
      _id: { $gte: runId(jobId, 0), $lt: before === undefined ? `${jobId};` : runId(jobId, before) },
      ...(state === undefined ? {} : { state }),
    },
    sort: { _id: -1 },
    limit,
  }),
} as const;
