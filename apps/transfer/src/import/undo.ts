/** Takes back what an import brought, and nothing else. */
import { rm } from 'node:fs/promises';
import {
  discardTargets,
  moreTargets,
  removeTargetsWithin,
  takeBackBatch,
  terminateImported,
  type JobDocument,
  type Store,
} from '@magpie/store';
import type { Session, Work } from '../engine/work.ts';
import type { Places } from '../places.ts';
import { forgetUnlinked } from './items-sink.ts';
import type { ImportOptions } from './options.ts';
import { stateOf } from './state.ts';

/** So many lines of the ledger, and jobs, at once. */
const LINKS = 1000;
const JOBS = 50;

/** Takes back a bounded part; gives whether there is more. The directory of the work goes last. */
export async function undoImport(work: Work, places: Places): Promise<boolean> {
  const { store, id } = work;
  if ((await terminateImported(store, id, JOBS)) > 0) return true;
  const { load } = await forgetUnlinked(work, stateOf(work.job.transfer));
  if (load !== null) {
    let removed = 0;
    await work.commit(
      {},
      {
        inside: async (session) => {
          removed = await removeTargetsWithin(store, session, load.id);
          if (removed > 0) await add(work, session, { targets: removed });
        },
      },
    );
    if (moreTargets(removed)) return true;
    await discardTargets(store, load.id);
  }
  let links = 0;
  await work.commit(
    {},
    {
      inside: async (session) => {
        const { links: gone, items } = await takeBackBatch(store, session, id, LINKS);
        links = gone;
        if (gone > 0) await add(work, session, { links: gone, items });
      },
    },
  );
  if (links > 0) return true;
  const { rolledBack } = await reportOf(store, id);
  const targets = (rolledBack?.targets ?? 0) + targetsOfJobs(work);
  const jobs = await store.jobs.collection.countDocuments({
    importedBy: id,
    state: { $in: ['terminating', 'terminated'] },
  } as never);
  await rm(places.work(id), { recursive: true, force: true });
  await work.commit(
    {
      checkpoint: null,
      expiresAt: null,
      rows: 0,
      bytes: 0,
      report: { rolledBack: { links: 0, items: 0, ...rolledBack, targets, jobs } },
    },
    { counts: { discovered: 0, stored: 0, shared: 0, skipped: 0, failed: 0, pending: 0 } },
  );
  return false;
}

/** Those that the jobs it made got; what is loaded for none yet is counted when it goes. */
function targetsOfJobs({ job }: Work): number {
  const { stored, load } = stateOf(job.transfer);
  const { as, dryRun = false } = job.transfer.options as Partial<ImportOptions>;
  return as === 'targets' && !dryRun ? Math.max(0, stored - (load?.count ?? 0)) : 0;
}

type Told = Partial<Record<'links' | 'items' | 'targets', number>>;

/** Adds to what the job says was taken back. */
async function add({ store, id }: Work, session: Session, told: Told): Promise<void> {
  const inc = Object.fromEntries(
    Object.entries(told).map(([what, much]) => [`transfer.report.rolledBack.${what}`, much]),
  );
  await store.jobs.collection.updateOne({ _id: id } as never, { $inc: inc }, { session });
}

async function reportOf(store: Store, id: string): Promise<{ rolledBack?: Told }> {
  const job = (await store.jobs.collection.findOne({ _id: id } as never, {
    projection: { 'transfer.report': 1 },
  })) as unknown as Pick<JobDocument, 'transfer'> | null;
  return job?.transfer?.report ?? {};
}
