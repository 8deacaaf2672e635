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

/**
 * Compare-and-set on the state. Gives the job as it then is; null when it was not where it had to be.
 *
 * The history keeps what a job went through however often it waits: a wait that goes on is none of its entries, and of
 * waits for one reason in a row, with nothing but running between them, it has the first and the last.
 */
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
          history: {
            $cond: [
              { $and: [{ $eq: ['$state', to] }, { $eq: [to, 'waiting'] }] },
              '$history',
              { $slice: [{ $concatArrays: [withoutRepeat(to, reason), [transition]] }, -MAX_HISTORY] },
            ],
          },
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

/** The history before a transition, without the wait that is repeated by it. */
function withoutRepeat(to: JobState, reason: string | undefined): unknown {
  if (to !== 'waiting' || reason === undefined) return '$history';
  const last = { $slice: ['$history', -4] };
  const said = { $concat: ['$$this.to', ' ', { $ifNull: ['$$this.reason', ''] }] };
  const wait = [`waiting ${reason}`, 'running '];
  return {
    $cond: [
      { $eq: [{ $map: { input: last, in: said } }, { $literal: [...wait, ...wait] }] },
      { $slice: ['$history', { $subtract: [{ $size: '$history' }, 2] }] },
      '$history',
    ],
  };
}

const literal = (set: object): object =>
  Object.fromEntries(Object.entries(set).map(([key, value]) => [key, { $literal: value }]));
