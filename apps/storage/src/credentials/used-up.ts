import { dayIn } from '@magpie/domain';
import type { QuotaDocument, Store } from '@magpie/store';
import type { Key } from './keys.ts';

/**
 * Stamps the keys of a project whose quota is gone by our count, once in each of its days. What the provider says itself
 * is stamped where its answer is taken in.
 */
export async function noteUsedUp(store: Store, key: Key, quota: QuotaDocument, now: number): Promise<void> {
  const today = dayIn(now, quota.resetTimeZone);
  if (key.lastExhaustedAt !== null && dayIn(key.lastExhaustedAt.getTime(), quota.resetTimeZone) >= today)
    return;
  const at = new Date(now);
  key.lastExhaustedAt = at;
  await store.credentials.collection.updateMany(
    { provider: key.provider, project: key.project } as never,
    { $max: { lastExhaustedAt: at } } as never,
  );
}
