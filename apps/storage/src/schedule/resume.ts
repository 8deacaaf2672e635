import { nextOrder } from '@magpie/domain';
import type { JobDocument, LinkDocument, StepDocument, Store } from '@magpie/store';
import { hostOf } from '../intake/discover.ts';
import type { Ledger, Session } from '../intake/ledger.ts';
import { ownFailures } from './counts.ts';

/** A run takes up no more of what the one before it left undone. */
const MOST = 500;
/** What was tried as often as it may be is a fault that passes: so many runs take it up again, one after another. */
const AGAIN_AFTER_RETRIES = 50;

/** What a provider refuses outright, a broken cursor say, is taken up once; then runs begin at the beginning again. */
const mayResume = ({ kind, step, error, resumed = 0 }: LinkDocument): boolean =>
  step !== undefined &&
  kind !== 'start' &&
  resumed < ((error?.attempt ?? 1) > 1 || error?.code === 'host_backoff' ? AGAIN_AFTER_RETRIES : 1);

/**
 * Puts the steps and pages in which the run before ended without success back into the frontier, with fresh attempts:
 * the run that begins goes on from their cursors. Gives how many there are; with none the run begins at the beginning.
 */
export async function resumeFailed(
  store: Store,
  session: Session,
  ledger: Ledger,
  job: JobDocument,
): Promise<number> {
  const failed = (await store.links.collection
    .find(ownFailures(job._id) as never, { session })
    .sort({ order: -1 })
    .limit(MOST)
    .toArray()) as unknown as LinkDocument[];
  const links = failed.filter(mayResume);
  if (links.length === 0) return 0;
  await ledger.links.load(links.map(({ _id }) => _id));
  await ledger.steps.load(links.map(({ target }) => target));
  for (const link of links) {
    ledger.settle(link, 'pending');
    ledger.steps.put(again(job, link, ledger.steps.get(link.target)));
  }
  await store.links.collection.updateMany(
    { _id: { $in: links.map(({ _id }) => _id) } } as never,
    { $inc: { resumed: 1 } },
    { session },
  );
  return links.length;
}

const again = (
  { _id: jobId, source }: JobDocument,
  { target, step, kind, url }: LinkDocument,
  present: StepDocument | undefined,
): StepDocument => ({
  ...(present ?? { _id: target, source, host: hostOf(step?.url ?? url) }),
  ...(step ?? { kind, key: url, url, input: {} }),
  jobs: [...new Set([...(present?.jobs ?? []), jobId])],
  state: 'ready',
  order: nextOrder(),
  attempt: 1,
  crashes: 0,
  backoffs: 0,
});
