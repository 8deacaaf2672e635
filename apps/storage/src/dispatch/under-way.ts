import type { Store } from '@magpie/store';

/** How many steps are under way, by the job that they were dispatched for and by host. */
export async function underWay(
  store: Store,
): Promise<{ byJob: Map<string, number>; byHost: Map<string, number> }> {
  const byJob = new Map<string, number>();
  const byHost = new Map<string, number>();
  const groups = store.steps.collection.aggregate<{
    _id: { job: string; host: string };
    count: number;
  }>(
    [
      { $match: { state: 'leased', leaseUntil: { $gte: new Date(0) } } },
      { $group: { _id: { job: '$leasedFor', host: '$host' }, count: { $sum: 1 } } },
    ],
    { hint: 'leased' },
  );
  for await (const { _id, count } of groups) {
    byJob.set(_id.job, (byJob.get(_id.job) ?? 0) + count);
    byHost.set(_id.host, (byHost.get(_id.host) ?? 0) + count);
  }
  return { byJob, byHost };
}
