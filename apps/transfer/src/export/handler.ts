/**
 * Exports: items become a file that nginx serves.
 *
 * First the spool: rows as they come, in parts of the work directory, each with a checkpoint. Then the finished file, of
 * all parts. What was asked for bounds the snapshot (see `export-items.ts` of the store), so what is read is the same
 * however often it was cut off.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { countExport } from '@magpie/store';
import { orDiskFull } from '../disk.ts';
import type { Handler, Work } from '../engine/work.ts';
import type { Places } from '../places.ts';
import type { TransferOptions } from '../app.ts';
import { asDocument, BEGINNING, checkpointOf } from './checkpoint.ts';
import { finish, removeTries } from './finish.ts';
import { planOf, type ExportPlan } from './plan.ts';
import { fillSpool, orStopped, tidySpool } from './spool.ts';

/** So many files are removed at once when an export is taken back. */
const REMOVED_AT_ONCE = 200;

export function exportHandler(places: Places, options: TransferOptions): Handler {
  const base = options.MAGPIE_PUBLIC_URL.replace(/\/+$/, '');
  const reserve = options.MAGPIE_DISK_RESERVE;

  const finished = async (work: Work, plan: ExportPlan, partial: boolean): Promise<boolean> => {
    const directory = places.work(work.id);
    const { exports } = places;
    const done = await finish(work, plan, {
      directory,
      exports,
      reserve,
      keepMs: options.MAGPIE_TRANSFER_KEEP,
      partial,
    }).catch((error: unknown) => {
      throw orDiskFull(error);
    });
    if (done) await rm(directory, { recursive: true, force: true });
    return done;
  };

  /** Begins anew, with the same bound: what was there of it is gone. */
  const beginAnew = async (work: Work): Promise<void> => {
    await removeTries(work, places.exports);
    await work.commit({
      file: null,
      expiresAt: null,
      report: {},
      rows: 0,
      bytes: 0,
      totalBytes: null,
      checkpoint: asDocument(BEGINNING),
      failures: work.job.transfer.failures,
    });
    await tidySpool(places.work(work.id), BEGINNING);
  };

  return {
    async run(work) {
      const { file, report, checkpoint, expiresAt } = work.job.transfer;
      const directory = places.work(work.id);
      // What is not in this checkpoint is removed: it might be in that of who took over from a replica that was frozen.
      work.surelyOurs();
      const over = report['partial'] === true || (expiresAt !== null && expiresAt.getTime() <= Date.now());
      if (file !== null && !over) {
        await rm(directory, { recursive: true, force: true });
        return true;
      }
      // Stopped and taken up again, expired, or the disk has lost what was written: there is no place to go on from.
      if (file !== null || !(await tidySpool(directory, checkpointOf(work.job.transfer))))
        await beginAnew(work);
      const plan = planOf(work.job, base);
      if (checkpoint === null) {
        const totalRows = await orStopped(work, countExport(work.store, plan.selection));
        if (totalRows === undefined) return false;
        await work.commit({ totalRows, checkpoint: asDocument(checkpointOf(work.job.transfer)) });
      }
      if (!checkpointOf(work.job.transfer).read && !(await fillSpool(work, plan, directory, reserve)))
        return false;
      return finished(work, plan, false);
    },

    async stop(work) {
      if (work.job.transfer.file !== null) return;
      if (!(await tidySpool(places.work(work.id), checkpointOf(work.job.transfer)))) await beginAnew(work);
      const { read } = checkpointOf(work.job.transfer);
      if (!(await finished(work, planOf(work.job, base), !read))) work.signal.throwIfAborted();
    },

    async undo(work) {
      const directory = places.work(work.id);
      const left = await readdir(directory).catch(() => []);
      for (const name of left.slice(0, REMOVED_AT_ONCE))
        await rm(join(directory, name), { recursive: true, force: true });
      if (left.length > REMOVED_AT_ONCE) return true;
      await rm(directory, { recursive: true, force: true });
      await removeTries(work, places.exports);
      const { file } = work.job.transfer;
      await work.commit({
        file: null,
        expiresAt: null,
        checkpoint: null,
        report: { removed: { files: file === null ? 0 : 1, bytes: file?.bytes ?? 0 } },
      });
      return false;
    },
  };
}
