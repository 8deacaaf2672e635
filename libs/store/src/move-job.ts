/** Transitions that the platform makes; those that people ask for are `controlJob`'s. */
import type { JobState } from '@magpie/contracts';
import type { ClientSession } from 'mongoose';
import type { Store } from './connect.ts';
import type { JobDocument } from './documents.ts';
import { MAX_HISTORY } from './jobs.ts';

/** Jobs that collect: what a transfer moves is not the director's. */
export const COLLECTED = { transfer: { $exists: false } } as const;

export interface Move {
  from: readonly JobState[];
  to: JobState;
  at: Date;
  /** What else must hold. */
  when?: object;
  set?: Partial<JobDocument>;
  reason?: string | undefined;
}

/** Compare-and-set on the state. Gives the job as it then is; null when it was not where it had to be. */
export async function moveJob(
  store: Store,
  id: string,
  { from, to, at, when = {}, set = {}, reason }: Move,
  session?: ClientSession,
): Promise<JobDocument | null> {
  const transition = {
    rev: { $add: ['$rev', 1] },
    at,
    from: '$state',
    to: { $literal: to },
    ...(reason === undefined ? {} : { reason: { $literal: reason } }),
  };
  return (await store.jobs.collection.findOneAndUpdate(
    { _id: id, state: { $in: from }, ...when } as never,
    [
      {
        $set: {
          ...literal(set),
          history: { $slice: [{ $concatArrays: ['$history', [transition]] }, -MAX_HISTORY] },
          startedAt: to === 'running' ? { $ifNull: ['$startedAt', at] } : '$startedAt',
          state: { $literal: to },
          rev: { $add: ['$rev', 1] },
          updatedAt: at,
        },
      },
    ],
    { returnDocument: 'after', ...(session ? { session } : {}) },
  )) as unknown as JobDocument | null;
}

const literal = (set: object): object =>
  Object.fromEntries(Object.entries(set).map(([key, value]) => [key, { $literal: value }]));
