/**
 * Removing files of which it is thought that no item refers to them.
 *
 * Equal bytes from several URLs are one file, so a collector may just now have found the file present and be about to
 * report it for another URL. So a file first goes out of sight, into `.trash/`: intake, which looks for the file of
 * every item that it puts in, then misses it and has the step done again. What was put in between intake's look and
 * its commit shows within the longest time that a transaction may take; then the file comes back, or goes for good.
 * Every move may be done twice.
 */
import { access, mkdir, rename, unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { FoundItem } from '@magpie/contracts';
import type { OrphanDocument, Store } from '@magpie/store';
import type { Session } from '../intake/ledger.ts';

const BATCH = 200;
/** Longer than MongoDB lets a transaction live (60 s). */
export const TRASH_MS = 90_000;

const shaOf = (path: string): string => /([0-9a-f]{64})/.exec(path)?.[1] ?? '';

/**
 * Looks at files noted as orphans; those (below `root`) that no item refers to go out of sight, and later for good.
 * One that can't be moved stays noted.
 */
export async function releaseOrphans(
  store: Store,
  root: string,
  onError: (error: unknown) => void,
  trashMs = TRASH_MS,
): Promise<void> {
  const due = {
    $or: [{ trashedAt: { $exists: false } }, { trashedAt: { $lt: new Date(Date.now() - trashMs) } }],
  };
  const noted = (await store.orphans.collection
    .find(due)
    .limit(BATCH)
    .toArray()) as unknown as OrphanDocument[];
  for (const note of noted) {
    try {
      await release(store, root, note);
    } catch (error) {
      onError(error);
    }
  }
}

async function release(
  store: Store,
  root: string,
  { _id: path, rev, trashedAt }: OrphanDocument,
): Promise<void> {
  const done = () => store.orphans.collection.deleteOne({ _id: path, rev } as never);
  const sha256 = shaOf(path);
  if (sha256 === '') return void (await done());
  const kept = join(root, path);
  const trashed = join(root, '.trash', basename(path));
  const used = await store.items.collection.findOne({ 'file.sha256': sha256 }, { projection: { _id: 1 } });
  if (trashedAt === undefined) {
    if (used !== null) return void (await done());
    await mkdir(join(root, '.trash'), { recursive: true });
    await rename(kept, trashed).catch(ignoreMissing);
    await store.orphans.collection.updateOne({ _id: path, rev } as never, {
      $set: { trashedAt: new Date() },
    });
    return;
  }
  if (used !== null && !(await exists(kept))) await rename(trashed, kept).catch(ignoreMissing);
  else await unlink(trashed).catch(ignoreMissing);
  await done();
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/**
 * Of the files that items were reported with, those that have gone since. Nothing goes without having been noted
 * first, so only what is noted has to be looked for.
 */
export async function missingFiles(
  store: Store,
  root: string,
  session: Session,
  found: readonly FoundItem[],
): Promise<ReadonlySet<string>> {
  const paths = found.flatMap(({ file }) => file?.path ?? []);
  const missing = new Set<string>();
  if (paths.length === 0) return missing;
  const noted = await store.orphans.collection.find({ _id: { $in: paths } } as never, { session }).toArray();
  for (const { _id } of noted) if (!(await exists(join(root, String(_id))))) missing.add(String(_id));
  return missing;
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
