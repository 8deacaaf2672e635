import { dropStaleTargets, type Store } from '@magpie/store';
import { moveLeftBehind } from './move-samples.ts';

/**
 * Says how long samples are kept; the database removes older ones by itself, by the day or so. Roll-ups stay.
 * @param ms 0 keeps them for good
 */
export async function setRetention(store: Store, ms: number): Promise<void> {
  await store.connection.db?.command({
    collMod: store.samples.collection.name,
    expireAfterSeconds: ms === 0 ? 'off' : Math.max(1, Math.round(ms / 1000)),
  });
}

/** Gaps removed at a time. */
const BATCH = 1000;

/** A bounded piece of what a process left that died over samples or targets, and of gaps older than all samples. */
export async function tidySamples(store: Store, retentionMs: number, now = new Date()): Promise<void> {
  await moveLeftBehind(store);
  await dropStaleTargets(store);
  if (retentionMs > 0) await dropOldGaps(store, new Date(now.getTime() - retentionMs));
}

async function dropOldGaps(store: Store, before: Date): Promise<void> {
  const old = await store.gaps.collection
    .find({ to: { $lt: before } } as never, { projection: { _id: 1 } })
    .limit(BATCH)
    .toArray();
  if (old.length > 0)
    await store.gaps.collection.deleteMany({ _id: { $in: old.map(({ _id }) => _id) } } as never);
}
