/**
 * Moves samples from their pending documents into the time-series collection.
 *
 * Dies before anything is moved, or in the middle: the pending document is there, and is taken up some seconds later:
 * what is in the collection already is looked up by target and time, the rest is put in.
 * Dies after the move, before the pending document goes: the same, and nothing is left to put in.
 * Two at once (one that was thought dead is only slow): a sample may be there twice; readers drop equal ones.
 */
import type { PendingSamplesDocument, SampleDocument, Store } from '@magpie/store';

/** Whoever moves samples has done so by then. */
const LEFT_BEHIND_MS = 15_000;
/** Documents taken up at a time: some 5,000 samples. */
const BATCH = 100;

/** Moves what was just committed. */
export async function moveSamples(store: Store, pending: readonly PendingSamplesDocument[]): Promise<void> {
  if (pending.length === 0) return;
  const samples = pending.flatMap((document) => document.samples);
  await insert(store, samples);
  await forget(store, pending);
}

/** Moves what was left behind. Gives whether there may be more. */
export async function moveLeftBehind(
  store: Store,
  now = new Date(),
  olderThanMs = LEFT_BEHIND_MS,
): Promise<boolean> {
  const pending = (await store.pendingSamples.collection
    .find({ at: { $lt: new Date(now.getTime() - olderThanMs) } } as never)
    .sort({ at: 1 })
    .limit(BATCH)
    .toArray()) as unknown as PendingSamplesDocument[];
  if (pending.length === 0) return false;
  const samples = pending.flatMap((document) => document.samples);
  const there = await present(store, samples);
  await insert(
    store,
    samples.filter((sample) => !there.has(placeOf(sample))),
  );
  await forget(store, pending);
  return pending.length === BATCH;
}

const placeOf = ({ of, at }: Pick<SampleDocument, 'of' | 'at'>): string =>
  `${of.source} ${of.target} ${at.getTime()}`;

/** Those of these samples that are in the collection. */
async function present(store: Store, samples: readonly SampleDocument[]): Promise<Set<string>> {
  const there = new Set<string>();
  const times = samples.map(({ at }) => at.getTime());
  const at = { $gte: new Date(Math.min(...times)), $lte: new Date(Math.max(...times)) };
  for (const source of new Set(samples.map(({ of }) => of.source))) {
    const targets = [...new Set(samples.flatMap(({ of }) => (of.source === source ? of.target : [])))];
    const found = store.samples.collection.find(
      { 'of.source': source, 'of.target': { $in: targets }, at } as never,
      { projection: { _id: 0, of: 1, at: 1 } },
    );
    for await (const sample of found as unknown as AsyncIterable<SampleDocument>) there.add(placeOf(sample));
  }
  return there;
}

async function insert(store: Store, samples: readonly SampleDocument[]): Promise<void> {
  if (samples.length > 0)
    await store.samples.collection.insertMany(samples as never, {
      ordered: false,
      // No `_id`: it would be a third of what a sample takes on disk.
      forceServerObjectId: true,
    });
}

async function forget(store: Store, pending: readonly PendingSamplesDocument[]): Promise<void> {
  await store.pendingSamples.collection.deleteMany({ _id: { $in: pending.map(({ _id }) => _id) } } as never);
}
