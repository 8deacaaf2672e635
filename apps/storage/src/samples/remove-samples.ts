/** What goes with a terminated job: its targets, gaps, and the samples of what no other job measures. */
import type { PendingSamplesDocument, Store } from '@magpie/store';
import { rollupId } from '@magpie/store';

const BATCH = 200;

/**
 * Removes a batch. Targets go last, so that what is cut off is gone over again.
 * @returns whether there was anything left to remove
 */
export async function removeMeasuredBatch(store: Store, jobId: string): Promise<boolean> {
  const gaps = await store.gaps.collection
    .find({ jobId } as never, { projection: { _id: 1 } })
    .limit(BATCH * 10)
    .toArray();
  if (gaps.length > 0) {
    await store.gaps.collection.deleteMany({ _id: { $in: gaps.map(({ _id }) => _id) } } as never);
    return true;
  }
  const targets = (await store.targets.collection
    .find({ jobId } as never, { projection: { source: 1, key: 1 } })
    .limit(BATCH)
    .toArray()) as unknown as { _id: string; source: string; key: string }[];
  if (targets.length === 0) return false;
  const source = targets[0]?.source ?? '';
  const keys = targets.map(({ key }) => key);
  const others = await store.targets.collection
    .find({ source, key: { $in: keys }, jobId: { $ne: jobId } } as never, { projection: { _id: 0, key: 1 } })
    .toArray();
  const shared = new Set(others.map((target) => String(target['key'])));
  const alone = keys.filter((key) => !shared.has(key));
  if (alone.length > 0) {
    await dropPending(store, source, new Set(alone));
    await store.samples.collection.deleteMany({ 'of.source': source, 'of.target': { $in: alone } } as never);
    await store.rollups.collection.deleteMany({
      $or: alone.map((key) => ({
        _id: { $gte: rollupId(source, key, new Date(0)), $lt: `${source}:${key}:A` },
        target: key,
      })),
    } as never);
  }
  await store.targets.collection.deleteMany({ _id: { $in: targets.map(({ _id }) => _id) } } as never);
  return true;
}

/** Samples of these targets that are still on their way. There are few: they wait for some seconds at most. */
async function dropPending(store: Store, source: string, keys: ReadonlySet<string>): Promise<void> {
  const found = store.pendingSamples.collection.find({ 'samples.of.target': { $in: [...keys] } } as never);
  for await (const document of found as unknown as AsyncIterable<PendingSamplesDocument>) {
    const rest = document.samples.filter(({ of }) => of.source !== source || !keys.has(of.target));
    if (rest.length === 0) await store.pendingSamples.collection.deleteOne({ _id: document._id } as never);
    else
      await store.pendingSamples.collection.updateOne({ _id: document._id } as never, {
        $set: { samples: rest },
      });
  }
}
