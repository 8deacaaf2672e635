/** What a run has done is what the job's numbers have grown by since it began. */
import type { JobDocument, OpenRun, Store } from '@magpie/store';
import type { Session } from '../intake/ledger.ts';

/** Lines of a ledger that are not items: steps and pages that were given up. */
export const ownFailures = (jobId: string) => ({ jobId, of: { $in: ['step', 'page'] }, state: 'failed' });

export const countOwnFailures = (store: Store, session: Session, jobId: string): Promise<number> =>
  store.links.collection.countDocuments(ownFailures(jobId) as never, { session });

export const numbersOf = (
  { counts, tally }: Pick<JobDocument, 'counts' | 'tally'>,
  ownFailed: number,
): OpenRun['before'] => ({
  discovered: counts.discovered,
  stored: counts.stored,
  shared: counts.shared,
  failed: counts.failed + ownFailed,
  ...tally,
});

/** What came since; what failed in an earlier run and was done in this one counts as nothing. */
export function grownBy(now: OpenRun['before'], before: OpenRun['before']): OpenRun['before'] {
  const grown = { ...now };
  for (const name of Object.keys(now) as (keyof OpenRun['before'])[])
    grown[name] = Math.max(0, now[name] - before[name]);
  return grown;
}
