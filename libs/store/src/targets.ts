/**
 * What jobs measure again and again. A job may have 200,000 targets, more than one transaction should hold, so they
 * are put in before their job is, under its id-to-be, with a note of it.
 *
 * Dies while they are put in: the note is found later, and they go with it (`dropStaleTargets`).
 * Dies after the job's transaction: it took the note away, so they are the job's.
 * A job that comes only when its note is gone already is not made: its transaction fails.
 */
import { ENDED, phaseOf, targetKey } from '@magpie/domain';
import type { ClientSession } from 'mongoose';
import { isDuplicateKey, type Store } from './connect.ts';
import type { RollupHour, TargetDocument } from './documents.ts';
import { writeHours, type HourOfTarget } from './rollups.ts';

/** A job has no more. */
export const MAX_TARGETS = 200_000;

const BATCH = 5000;
/** Nobody takes longer than this from the first target to the job. */
const STALE_MS = 15 * 60_000;
/** The date of a note whose targets are being taken away. */
const DROPPING = new Date(0);

/**
 * The distinct keys of what somebody listed, and what of it is no name.
 * Equal but for case, or for being an address or a name, is one target.
 */
export function targetKeys(names: readonly string[]): { keys: string[]; invalid: number[] } {
  const keys = new Set<string>();
  const invalid: number[] = [];
  names.forEach((name, i) => {
    const key = targetKey(name);
    if (key === undefined) invalid.push(i);
    else keys.add(key);
  });
  return { keys: [...keys], invalid };
}

const targetDocument = (jobId: string, source: string, key: string, now: Date): TargetDocument => ({
  _id: `${jobId}:${key}`,
  jobId,
  source,
  key,
  phase: phaseOf(key),
  state: 'active',
  since: now,
  misses: 0,
  addedAt: now,
});

/** Puts in the targets of a job that is to be made next. */
export async function loadTargets(
  store: Store,
  job: { id: string; source: string },
  keys: readonly string[],
): Promise<void> {
  await store.connected();
  const now = new Date();
  await store.targetLoads.collection.insertOne({ _id: job.id, at: now } as never);
  await insertTargets(store, job, keys, now);
}

async function insertTargets(
  store: Store,
  { id, source }: { id: string; source: string },
  keys: readonly string[],
  now: Date,
): Promise<void> {
  for (let from = 0; from < keys.length; from += BATCH) {
    const batch = keys.slice(from, from + BATCH).map((key) => targetDocument(id, source, key, now));
    try {
      await store.targets.collection.insertMany(batch as never, { ordered: false });
    } catch (error) {
      // Somebody else put some of them in; the others are in by now.
      if (!isDuplicateKey(error)) throw error;
    }
  }
}

/** Whoever loads targets bit by bit may be paused for so long. */
const LOADING_MS = 365 * 86_400_000;

/**
 * Puts in more targets of a job that is to be made later, in a transaction of the caller's; those that are in stay.
 * They are not taken for given up within a year: whoever loads them adopts or discards them. Gives how many were new.
 */
export async function loadTargetsWithin(
  store: Store,
  session: ClientSession,
  { id, source }: { id: string; source: string },
  keys: readonly string[],
): Promise<number> {
  if (keys.length === 0) return 0;
  const now = new Date();
  await store.targetLoads.collection.updateOne(
    { _id: id } as never,
    { $set: { at: new Date(now.getTime() + LOADING_MS) } },
    { session, upsert: true },
  );
  const wanted = new Map(keys.map((key) => [`${id}:${key}`, key]));
  const had = await store.targets.collection
    .find({ _id: { $in: [...wanted.keys()] } } as never, { session, projection: { _id: 1 } })
    .toArray();
  for (const { _id } of had) wanted.delete(String(_id));
  if (wanted.size > 0)
    await store.targets.collection.insertMany(
      [...wanted.values()].map((key) => targetDocument(id, source, key, now)) as never,
      { session, ordered: false },
    );
  return wanted.size;
}

/** In the transaction that makes the job: its targets are its own from now on. @throws Error when they were given up */
export async function adoptTargets(store: Store, session: ClientSession, jobId: string): Promise<void> {
  const { deletedCount } = await store.targetLoads.collection.deleteOne(
    { _id: jobId, at: { $gt: DROPPING } } as never,
    { session },
  );
  if (deletedCount !== 1) throw new Error('making the job took so long that its targets were given up');
}

/** Takes away targets whose job was not made; nothing when it was after all. */
export async function discardTargets(store: Store, jobId: string): Promise<void> {
  // From here on no job adopts them.
  const note = await store.targetLoads.collection.findOneAndUpdate({ _id: jobId } as never, {
    $set: { at: DROPPING },
  });
  if (note === null) return;
  while (moreTargets(await removeTargets(store, jobId)));
  await store.targetLoads.collection.deleteOne({ _id: jobId } as never);
}

/** Takes away targets whose job did not come. */
export async function dropStaleTargets(store: Store, now = new Date()): Promise<void> {
  const stale = await store.targetLoads.collection
    .find({ at: { $lt: new Date(now.getTime() - STALE_MS) } } as never)
    .limit(10)
    .toArray();
  for (const { _id } of stale) await discardTargets(store, String(_id));
}

/** The job measures no more. */
export class JobIsOver extends Error {
  override readonly name = 'JobIsOver';
}

const GONE = ['terminating', 'terminated'];

/**
 * Adds a few targets to a job; those that it has stay as they are. Gives how many were new.
 * @throws JobIsOver
 */
export async function addTargets(
  store: Store,
  session: ClientSession,
  job: { id: string; source: string },
  keys: readonly string[],
): Promise<number> {
  if (keys.length === 0) return 0;
  const now = new Date();
  const { upsertedCount } = await store.targets.collection.bulkWrite(
    keys
      .map((key) => targetDocument(job.id, job.source, key, now))
      .map(({ _id, ...rest }) => ({
        updateOne: { filter: { _id }, update: { $setOnInsert: rest }, upsert: true },
      })) as never,
    { session, ordered: false },
  );
  const { matchedCount } = await store.jobs.collection.updateOne(
    {
      _id: job.id,
      state: { $nin: [...ENDED, 'stopping', 'terminating'] },
      removing: { $exists: false },
    } as never,
    { $inc: { targets: upsertedCount, rev: 1 }, $set: { updatedAt: now } },
    { session },
  );
  if (matchedCount === 0) throw new JobIsOver();
  return upsertedCount;
}

/**
 * Makes these the targets of a job: those that it has stay as they are, others come and go; samples are kept.
 * Takes effect with the next round. Cut off in the middle, the job has some of both; the same call again goes on.
 */
export async function replaceTargets(
  store: Store,
  job: { id: string; source: string },
  keys: readonly string[],
): Promise<void> {
  await store.connected();
  const wanted = new Set(keys);
  const had = new Set<string>();
  const found = store.targets.collection.find({ jobId: job.id } as never, {
    projection: { _id: 0, key: 1, phase: 1, nextAt: 1 },
    hint: { jobId: 1, phase: 1, key: 1, nextAt: 1 },
    batchSize: 10_000,
  });
  for await (const { key } of found as AsyncIterable<{ key: string }>) had.add(key);
  await insertTargets(
    store,
    job,
    [...wanted].filter((key) => !had.has(key)),
    new Date(),
  );
  const gone = [...had].filter((key) => !wanted.has(key)).map((key) => `${job.id}:${key}`);
  for (let from = 0; from < gone.length; from += BATCH_REMOVED)
    await removeSome(store, job.id, gone.slice(from, from + BATCH_REMOVED));
  const { matchedCount } = await store.jobs.collection.updateOne(
    { _id: job.id, state: { $nin: GONE }, removing: { $exists: false } } as never,
    { $set: { targets: wanted.size, updatedAt: new Date() }, $inc: { rev: 1 } },
  );
  // It was terminated or removed meanwhile: what came in after that goes too.
  if (matchedCount === 0) while (moreTargets(await removeTargets(store, job.id)));
}

const BATCH_REMOVED = 1000;

/**
 * Removes a batch of a job's targets; their samples stay, and the hours that were being summed up are put away.
 * Gives how many; fewer than it takes at once means that none is left.
 */
export const removeTargets = (store: Store, jobId: string): Promise<number> => removeSome(store, jobId);

/** The same, in a transaction of the caller's. */
export const removeTargetsWithin = (store: Store, session: ClientSession, jobId: string): Promise<number> =>
  removeSomeWithin(store, session, { jobId });

/** Whether another batch may be left after one of so many. */
export const moreTargets = (removed: number): boolean => removed === BATCH_REMOVED;

const removeSome = (store: Store, jobId: string, ids?: readonly string[]): Promise<number> =>
  store.transaction((session) => removeSomeWithin(store, session, ids ? { _id: { $in: ids } } : { jobId }));

async function removeSomeWithin(store: Store, session: ClientSession, which: object): Promise<number> {
  const targets = (await store.targets.collection
    .find(which as never, { session })
    .limit(BATCH_REMOVED)
    .toArray()) as unknown as TargetDocument[];
  if (targets.length === 0) return 0;
  await writeHours(store, session, targets.flatMap(openHour));
  await store.targets.collection.deleteMany({ _id: { $in: targets.map(({ _id }) => _id) } } as never, {
    session,
  });
  return targets.length;
}

/** The hour of a target that is being summed up, as one of its roll-up. */
export function openHour({ source, key, hour }: TargetDocument): HourOfTarget[] {
  if (hour === undefined) return [];
  const { from, ...summary } = hour;
  return [{ source, target: key, from, summary: summary satisfies RollupHour }];
}
