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

/** A bounded piece of what is left to do for samples and targets when a process died over it. */
export async function tidySamples(store: Store): Promise<void> {
  await moveLeftBehind(store);
  await dropStaleTargets(store);
}
