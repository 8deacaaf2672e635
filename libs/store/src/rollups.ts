/**
 * Hours and days of what was measured. An hour is summed up in its target's document, by the transactions that take
 * its samples in, and put here by the first sample of a later hour: each sample counts exactly once, however often
 * its message comes. The hour that is not over is read from the samples themselves.
 */
import { dayOf, emptySummary, joinSummaries, type Summary } from '@magpie/domain';
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
  const rollups = new Map(found.map((rollup) => [rollup._id, rollup]));
  const changed = new Map<string, Set<string>>();
  for (const { source, target, from, summary } of hours) {
    const _id = rollupId(source, target, from);
    const day = dayOf(from);
    const rollup = rollups.get(_id) ?? { _id, source, target, day, hours: {}, total: emptySummary() };
    rollups.set(_id, rollup);
    const hour = String(from.getUTCHours());
    const before = rollup.hours[hour];
    rollup.hours[hour] = before === undefined ? summary : joinHours(before, summary);
    changed.set(_id, (changed.get(_id) ?? new Set()).add(hour));
  }
  const writes = [...changed].map(([_id, names]) => {
    const { source, target, day, hours: all } = rollups.get(_id) as RollupDocument;
    const $set: Record<string, unknown> = { total: totalOf(all) };
    for (const name of names) $set[`hours.${name}`] = all[name];
    const update = { $set, $setOnInsert: { source, target, day } };
    return { updateOne: { filter: { _id }, update, upsert: true } };
  });
  await store.rollups.collection.bulkWrite(writes as never, { session, ordered: false });
}

/** Hours by their number, which is the order of such keys. */
export const totalOf = (hours: RollupDocument['hours']): Summary =>
  Object.values(hours)
    .map(({ count, suspect, values }): Summary => ({ count, suspect, values }))
    .reduce(joinSummaries, emptySummary());
