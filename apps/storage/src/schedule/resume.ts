import { idOf, nextOrder } from '@magpie/domain';
import type { JobDocument, LinkDocument, StepDocument, Store } from '@magpie/store';
import { attach, hostOf, linkId } from '../intake/discover.ts';
import type { Ledger, Session } from '../intake/ledger.ts';
import { ownFailures } from './counts.ts';

/** A run takes up no more of what the one before it left undone. */
const MOST = 500;
/** Of steps that fetch items together so many: what is left of them comes when these are done. */
const MOST_TOGETHER = 20;
/** What was tried as often as it may be is a fault that passes: so many runs take it up again, one after another. */
const AGAIN_AFTER_RETRIES = 10;

/** What a provider refuses outright, a broken cursor say, is taken up once; then runs begin at the beginning again. */
const mayResume = ({ kind, step, error, resumed = 0 }: LinkDocument): boolean =>
  step !== undefined &&
  kind !== 'start' &&
  resumed < ((error?.attempt ?? 1) > 1 || error?.code === 'host_backoff' ? AGAIN_AFTER_RETRIES : 1);

export interface Resumed {
  /** How many failures were taken off the ledger. */
  count: number;
  /** Whether that goes on with what the run before was reading: then nothing begins at the beginning. */
  onward: boolean;
}

/**
 * Puts the steps and pages in which the run before ended without success back into the frontier, with fresh attempts:
 * the run that begins goes on from their cursors. One that was to fetch items together fetches those that are missing;
 * it leads nowhere further, so the run begins at the beginning besides.
 */
export async function resumeFailed(
  store: Store,
  session: Session,
  ledger: Ledger,
  job: JobDocument,
): Promise<Resumed> {
  const failed = (await store.links.collection
    .find(ownFailures(job._id) as never, { session })
    .sort({ order: -1 })
    .limit(MOST)
    .toArray()) as unknown as LinkDocument[];
  const taken = failed.filter(mayResume);
  const alone = taken.filter(({ step }) => step?.fetches === undefined);
  const links = [...alone, ...taken.filter(({ step }) => step?.fetches).slice(0, MOST_TOGETHER)];
  if (links.length === 0) return { count: 0, onward: false };
  const together = links.flatMap(({ step }) => membersOf(step?.fetches));
  await ledger.links.load([...links.map(({ _id }) => _id), ...together.map((id) => linkId(job._id, id))]);
  await ledger.items.load(together);
  await ledger.steps.load(links.map(({ target }) => target));
  for (const link of links) {
    const fetches = link.step?.fetches;
    const wanted = fetches && stillMissing(ledger, job, fetches);
    if (wanted?.length === 0) {
      ledger.settle(link, 'done');
      continue;
    }
    ledger.settle(link, 'pending');
    ledger.steps.put(again(job, link, ledger.steps.get(link.target), wanted));
  }
  await store.links.collection.updateMany(
    { _id: { $in: links.map(({ _id }) => _id) } } as never,
    { $inc: { resumed: 1 } },
    { session },
  );
  return { count: links.length, onward: alone.length > 0 };
}

const membersOf = (fetches: StepDocument['fetches']): string[] =>
  (fetches?.urls ?? []).map((url) => idOf(fetches?.kind ?? '', url));

/** Of the items that a step was to fetch, those that the job still lacks: they are waited for again. */
function stillMissing(
  ledger: Ledger,
  job: JobDocument,
  { kind, urls }: NonNullable<StepDocument['fetches']>,
): string[] {
  return urls.filter((url) => {
    const id = idOf(kind, url);
    const link = ledger.links.get(linkId(job._id, id));
    if (link?.state !== 'failed') return false;
    const kept = ledger.items.get(id);
    if (kept) attach(ledger, link, kept, { fetched: false, brought: false });
    else ledger.settle(link, 'pending');
    return kept === undefined;
  });
}

const again = (
  { _id: jobId, source }: JobDocument,
  { target, step, kind, url }: LinkDocument,
  present: StepDocument | undefined,
  wanted: string[] | undefined,
): StepDocument => ({
  ...(present ?? { _id: target, source, host: hostOf(step?.url ?? url) }),
  ...(step ?? { kind, key: url, url, input: {} }),
  ...(step?.fetches && wanted
    ? { input: { ...step.input, urls: wanted }, fetches: { ...step.fetches, urls: wanted } }
    : {}),
  jobs: [...new Set([...(present?.jobs ?? []), jobId])],
  state: 'ready',
  order: nextOrder(),
  attempt: 1,
  crashes: 0,
  backoffs: 0,
});
