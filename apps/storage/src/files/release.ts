/**
 * Removing files of which it is thought that no item refers to them.
 *
 * Equal bytes from several URLs are one file, so a collector may just now have found the file present and be about to
 * report it for another URL. Both sides write the same lock document in their transactions, therefore one waits for
 * the other: either the item is seen here and the file stays, or intake sees that the file has gone and has the step
 * done again.
 */
import { stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { FoundItem } from '@magpie/contracts';
import type { Store } from '@magpie/store';
import type { Session } from '../intake/ledger.ts';

const shaOf = (path: string): string => /([0-9a-f]{64})/.exec(path)?.[1] ?? '';

async function lock(store: Store, sha256: string, session: Session): Promise<void> {
  await store.fileLocks.collection.updateOne(
    { _id: sha256 } as never,
    { $inc: { rev: 1 }, $set: { at: new Date() } },
    { upsert: true, session },
  );
}

const BATCH = 200;

/**
 * Looks at files noted as orphans and removes those (below `root`) that no item refers to.
 * @returns whether there may be more
 */
export async function releaseOrphans(store: Store, root: string): Promise<boolean> {
  const noted = await store.orphans.collection.find({}).limit(BATCH).toArray();
  for (const { _id } of noted) {
    const path = String(_id);
    const sha256 = shaOf(path);
    if (sha256 !== '')
      await store.transaction(async (session) => {
        await lock(store, sha256, session);
        const used = await store.items.collection.findOne(
          { 'file.sha256': sha256 },
          { session, projection: { _id: 1 } },
        );
        if (used === null) await unlink(join(root, path)).catch(ignoreMissing);
      });
    await store.orphans.collection.deleteOne({ _id: path } as never);
  }
  return noted.length === BATCH;
}

/**
 * Whether the file of an item, reported as present already, has gone since.
 * Call it in the transaction that puts the item in.
 */
export async function isFileMissing(
  store: Store,
  root: string,
  session: Session,
  { file }: FoundItem,
): Promise<boolean> {
  if (file === undefined || file.fresh) return false;
  await lock(store, file.sha256, session);
  return stat(join(root, file.path)).then(
    () => false,
    () => true,
  );
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
