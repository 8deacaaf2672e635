import { nextOrder } from '@magpie/domain';
import type { LinkDocument, Store } from '@magpie/store';
import { attach, expand, hostOf } from '../intake/discover.ts';
import { Ledger } from '../intake/ledger.ts';

const BATCH = 500;

/** What a retry that began `epoch` puts back. */
export const failedBefore = (jobId: string, epoch: number) => ({
  jobId,
  of: { $in: ['item', 'page', 'step'] },
  state: 'failed',
  'error.epoch': { $lt: epoch },
});

/**
 * Puts what failed in an earlier epoch than `epoch` back into the frontier: with fresh attempts, shared with whoever waits for it already,
 * or linked at once where it has been stored since.
 * @returns whether there was anything left to put back
 */
export async function retryBatch(store: Store, jobId: string, epoch: number): Promise<boolean> {
  return store.transaction(async (session) => {
    const links = (await store.links.collection
      .find(failedBefore(jobId, epoch) as never, { session })
      .limit(BATCH)
      .toArray()) as unknown as LinkDocument[];
    if (links.length === 0) return false;
    const ledger = new Ledger(store, session);
    await ledger.lock([jobId]);
    const job = ledger.jobs.get(jobId);
    if (job === undefined) return false;
    await ledger.links.load(links.map(({ _id }) => _id));
    await ledger.steps.load(links.map(({ target }) => target));
    await ledger.items.load(links.filter((link) => link.of === 'item').map(({ target }) => target));
    for (const link of links) {
      if (link.step?.fetches) {
        // What it was to fetch is put back one by one.
        ledger.settle(link, 'done');
        continue;
      }
      const item = link.of === 'item' ? ledger.items.get(link.target) : undefined;
      if (item) {
        attach(ledger, link, item, { fetched: false, brought: false });
        expand(ledger, job.source, job, link, item);
        continue;
      }
      ledger.settle(link, 'pending');
      const step = ledger.steps.get(link.target) ?? {
        _id: link.target,
        source: job.source,
        ...(link.step ?? { kind: link.kind, key: link.url, url: link.url, input: {} }),
        host: hostOf(link.step ? link.step.url : link.url),
        ...(link.of === 'item' ? { item: { kind: link.kind, url: link.url } } : {}),
        jobs: [],
        state: 'failed' as const,
        order: nextOrder(),
        attempt: 1,
        crashes: 0,
        backoffs: 0,
      };
      const jobs = [...new Set([...step.jobs, jobId])];
      ledger.steps.put(
        step.state === 'failed' || step.state === 'parked'
          ? { ...step, jobs, state: 'ready', attempt: 1, crashes: 0, backoffs: 0 }
          : { ...step, jobs },
      );
    }
    await ledger.flush(new Date());
    return true;
  });
}
