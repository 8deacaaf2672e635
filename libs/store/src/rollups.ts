/**
 * Hours and days of what was measured. An hour is summed up in its target's document, by the transactions that take
 * its samples in, and put here by the first sample of a later hour: each sample counts exactly once, however often
 * its message comes. The hour that is not over is read from the samples themselves.
 */
import { dayOf, joinSummaries } from '@magpie/domain';
import type { ClientSession } from 'mongoose';
import type { Store } from './connect.ts';
import type { RollupDocument, RollupHour } from './documents.ts';

export interface HourOfTarget {
  source: string;
  target: string;
  /** When the hour begins. */
  from: Date;
  summary: RollupHour;
}

export const rollupId = (source: string, target: string, day: Date): string =>
  `${source}:${target}:${dayOf(day).toISOString().slice(0, 10)}`;

/** One of two, whichever came first; `first` and `last` are of the earlier and the later. */
export function joinHours(a: RollupHour, b: RollupHour): RollupHour {
  const [earlier, later] = a.to <= b.to ? [a, b] : [b, a];
  return { ...joinSummaries(earlier, later), to: later.to };
}

/** Adds hours to the roll-ups. In a transaction, because what is there already (another job's) is read and joined. */
export async function writeHours(
  store: Store,
  session: ClientSession,
  hours: readonly HourOfTarget[],
): Promise<void> {
  if (hours.length === 0) return;
  const ids = [...new Set(hours.map(({ source, target, from }) => rollupId(source, target, from)))];
  const found = (await store.rollups.collection
    .find({ _id: { $in: ids } } as never, { session })
    .toArray()) as unknown as RollupDocument[];
  const known = new Map(found.map((rollup) => [rollup._id, rollup]));
  const changes = new Map<string, { one: HourOfTarget; set: Record<string, RollupHour> }>();
  for (const one of hours) {
    const id = rollupId(one.source, one.target, one.from);
    const name = String(one.from.getUTCHours());
    const change = changes.get(id) ?? { one, set: {} };
    changes.set(id, change);
    const before = change.set[`hours.${name}`] ?? known.get(id)?.hours[name];
    change.set[`hours.${name}`] = before === undefined ? one.summary : joinHours(before, one.summary);
  }
  await store.rollups.collection.bulkWrite(
    [...changes].map(([_id, { one, set }]) => ({
      updateOne: {
        filter: { _id },
        update: {
          $set: set,
          $setOnInsert: { source: one.source, target: one.target, day: dayOf(one.from) },
        },
        upsert: true,
      },
    })) as never,
    { session, ordered: false },
  );
}
