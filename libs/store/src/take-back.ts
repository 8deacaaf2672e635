/** Taking back what a job brought: lines of its ledger go with what hangs on them, what others have stays. */
import type { ClientSession } from 'mongoose';
import type { Store } from './connect.ts';
import type { ItemDocument, LinkDocument } from './documents.ts';

/** So many lines of a ledger a transaction. */
const BATCH = 500;

export interface TakenBack {
  /** Lines of the ledger. */
  links: number;
  /** Items that it brought and nobody else has. */
  items: number;
}

/**
 * Removes a batch of a job's ledger with what hangs on it, in a transaction of the caller's: an item goes only when
 * this job brought it and no other job is linked to it. Gives what went; no links, when none was left.
 * What it brought and another job has is that one's to take away from then on: it goes with the last of them.
 * The write to an item's `refs` meets that of a job which links it at the same time, so neither is lost.
 */
export async function takeBackBatch(
  store: Store,
  session: ClientSession,
  jobId: string,
  limit = BATCH,
): Promise<TakenBack> {
  const links = (await store.links.collection
    .find({ jobId } as never, { session })
    .limit(limit)
    .toArray()) as unknown as LinkDocument[];
  if (links.length === 0) return { links: 0, items: 0 };
  await store.links.collection.deleteMany({ _id: { $in: links.map(({ _id }) => _id) } } as never, {
    session,
  });

  const held = links
    .filter(({ state }) => state === 'stored' || state === 'shared')
    .map(({ target }) => target);
  if (held.length > 0)
    await store.items.collection.updateMany(
      { _id: { $in: held } } as never,
      { $inc: { refs: -1 } },
      { session },
    );
  const brought = links.filter((link) => link.brought).map(({ target }) => target);
  const mine = (await store.items.collection
    .find({ _id: { $in: brought }, refs: { $lte: 0 } } as never, { session, projection: { file: 1 } })
    .toArray()) as unknown as Pick<ItemDocument, '_id' | 'file'>[];
  if (mine.length > 0)
    await store.items.collection.deleteMany({ _id: { $in: mine.map(({ _id }) => _id) } } as never, {
      session,
    });

  const gone = new Set(mine.map(({ _id }) => _id));
  const stays = brought.filter((id) => !gone.has(id));
  await handOn(store, session, jobId, stays);

  const failed = links.filter(({ state }) => state === 'failed').map(({ target }) => target);
  if (failed.length > 0) await forgetFailed(store, session, failed);
  await recordOrphans(store, session, new Set(mine.flatMap(({ file }) => file?.path ?? [])));
  return { links: links.length, items: mine.length };
}

/**
 * Items lose the job that brought them, and others have them: the first of those has brought it from now on, so that
 * it goes when that one is terminated too.
 */
export async function handOn(
  store: Store,
  session: ClientSession,
  jobId: string,
  items: readonly string[],
): Promise<void> {
  if (items.length === 0) return;
  await store.items.collection.updateMany(
    { _id: { $in: items }, importedBy: jobId } as never,
    { $unset: { importedBy: 1, importedRow: 1 } },
    { session },
  );
  const heirs = await store.links.collection
    .aggregate(
      [
        { $match: { target: { $in: items }, brought: false } },
        { $group: { _id: '$target', link: { $first: '$_id' } } },
      ],
      { session, hint: 'heirs' },
    )
    .toArray();
  if (heirs.length > 0)
    await store.links.collection.updateMany(
      { _id: { $in: heirs.map((heir) => heir['link'] as string) } } as never,
      { $set: { brought: true } },
      { session },
    );
}

/** What failed leaves its step behind; it goes with the last line of a ledger that names it. */
async function forgetFailed(store: Store, session: ClientSession, failed: readonly string[]): Promise<void> {
  const wanted = new Set(
    (
      await store.links.collection
        .find({ target: { $in: failed }, state: 'failed' } as never, { session, projection: { target: 1 } })
        .toArray()
    ).map((link) => String(link['target'])),
  );
  await store.steps.collection.deleteMany(
    { _id: { $in: failed.filter((id) => !wanted.has(id)) }, state: 'failed', jobs: [] } as never,
    { session },
  );
}

/** Notes files to be looked at, in the transaction that took an item away from them. */
export async function recordOrphans(
  store: Store,
  session: ClientSession,
  paths: ReadonlySet<string>,
): Promise<void> {
  if (paths.size === 0) return;
  const notes = [...paths].map((_id) => ({
    updateOne: { filter: { _id }, update: { $inc: { rev: 1 }, $unset: { trashedAt: 1 } }, upsert: true },
  }));
  await store.orphans.collection.bulkWrite(notes as never, { session, ordered: false });
}
