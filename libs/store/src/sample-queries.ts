/** Reads of what is measured: targets, samples, their hours and days, gaps, and who asked for it. */
import type { TargetState } from '@magpie/contracts';
import { dayOf } from '@magpie/domain';
import type { FindQuery, PipelineQuery } from './queries.ts';
import { rollupId } from './rollups.ts';

/** What is measured, across jobs. */
export interface Measured {
  source: string;
  target: string;
}

const meta = ({ source, target }: Measured) => ({ 'of.source': source, 'of.target': target });

/** All that can follow the target's name in a roll-up's id: a day. */
const rollupIds = ({ source, target }: Measured, from: Date, to: Date) => ({
  $gte: rollupId(source, target, from),
  $lte: rollupId(source, target, to),
});

const DAWN = new Date(0);
const DUSK = new Date(Date.UTC(9999, 11, 31));

export const SAMPLE_QUERIES = {
  /** By key. */
  targetsOfJob: (jobId: string, state: TargetState | undefined, limit: number, past?: string): FindQuery => ({
    from: 'targets',
    filter:
      state === undefined
        ? { _id: { [past === undefined ? '$gte' : '$gt']: `${jobId}:${past ?? ''}`, $lt: `${jobId};` } }
        : { jobId, state, ...(past === undefined ? {} : { key: { $gt: past } }) },
    sort: state === undefined ? { _id: 1 } : { key: 1 },
    limit,
  }),

  /** Of a target that some job has. */
  targetOfSource: ({ source, target }: Measured): FindQuery => ({
    from: 'targets',
    filter: { source, key: target },
    limit: 1,
  }),

  /** Some sample, whichever. */
  anySample: (of: Measured): FindQuery => ({
    from: 'samples',
    filter: meta(of),
    limit: 1,
    projection: { _id: 0, at: 1 },
  }),

  /** Oldest first, both ends included. */
  samples: (of: Measured, from: Date, to: Date, limit: number): FindQuery => ({
    from: 'samples',
    filter: { ...meta(of), at: { $gte: from, $lte: to } },
    sort: { at: 1 },
    limit,
    projection: { _id: 0, of: 0 },
  }),

  /** Newest first. */
  latestSamples: (of: Measured, from: Date, to: Date, limit: number): FindQuery => ({
    from: 'samples',
    filter: { ...meta(of), at: { $gte: from, $lte: to } },
    sort: { at: -1 },
    limit,
    projection: { _id: 0, of: 0 },
  }),

  /** Days that begin within, oldest first. */
  rollups: (of: Measured, from: Date, to: Date, limit: number): FindQuery => ({
    from: 'rollups',
    filter: { _id: rollupIds(of, from, to), target: of.target },
    sort: { _id: 1 },
    limit,
  }),

  /** The same, without their hours. */
  rollupDays: (of: Measured, from: Date, to: Date, limit: number): FindQuery => ({
    from: 'rollups',
    filter: { _id: rollupIds(of, from, to), target: of.target },
    sort: { _id: 1 },
    limit,
    projection: { day: 1, total: 1 },
  }),

  /** Days that begin within, newest first. */
  latestRollups: (of: Measured, from: Date, to: Date, limit: number): FindQuery => ({
    from: 'rollups',
    filter: { _id: rollupIds(of, dayOf(from), to), target: of.target },
    sort: { _id: -1 },
    limit,
  }),

  /** The day of the last hour that is summed up. */
  lastRollup: (of: Measured): FindQuery => ({
    from: 'rollups',
    filter: { _id: rollupIds(of, DAWN, DUSK), target: of.target },
    sort: { _id: -1 },
    limit: 1,
  }),

  /** Newest first. */
  gapsOfJob: (jobId: string, limit: number, past?: readonly [from: Date, id: string]): FindQuery => ({
    from: 'gaps',
    filter:
      past === undefined
        ? { jobId }
        : { jobId, from: { $lte: past[0] }, $or: [{ from: { $lt: past[0] } }, { _id: { $lt: past[1] } }] },
    sort: { from: -1, _id: -1 },
    limit,
  }),

  /**
   * Of a job's targets, by state: how many, how many samples were due since each was added, and of how many the last
   * one is older than `late`.
   */
  coverageOfJob: (jobId: string, now: Date, intervalMs: number, late: Date): PipelineQuery => ({
    from: 'targets',
    pipeline: [
      { $match: { jobId } },
      {
        $group: {
          _id: '$state',
          count: { $sum: 1 },
          due: {
            $sum:
              intervalMs > 0
                ? {
                    $max: [
                      0,
                      { $add: [1, { $floor: { $divide: [{ $subtract: [now, '$addedAt'] }, intervalMs] } }] },
                    ],
                  }
                : 1,
          },
          late: { $sum: { $cond: [{ $lt: [{ $ifNull: ['$last.at', '$addedAt'] }, late] }, 1, 0] } },
          lateSince: {
            $min: {
              $cond: [
                { $lt: [{ $ifNull: ['$last.at', '$addedAt'] }, late] },
                { $ifNull: ['$last.at', '$addedAt'] },
                null,
              ],
            },
          },
        },
      },
    ],
  }),

  company: (id: string): FindQuery => ({ from: 'companies', filter: { _id: id }, limit: 1 }),

  /** By name. */
  companies: (limit: number, past?: string): FindQuery => ({
    from: 'companies',
    filter: past === undefined ? {} : { _id: { $gt: past } },
    sort: { _id: 1 },
    limit,
  }),
};
