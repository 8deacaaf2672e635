/**
 * Rows become items, as if collected: unique by kind and URL, one reference for each job that has one.
 *
 * A line of the ledger is unique by job and item, so a row that the file has twice is brought once, also after a death.
 */
import { nextOrder } from '@magpie/domain';
import type { ItemDocument, LinkDocument, Store } from '@magpie/store';
import type { ItemRow } from './item-rows.ts';
import { NOTHING, type Sink } from './sink.ts';

export function itemsSink(
  store: Store,
  importId: string,
  source: string,
  read: Sink<ItemRow>['read'],
): Sink<ItemRow> {
  const linkOf = (row: ItemRow, state: 'stored' | 'shared'): LinkDocument => ({
    _id: `${importId}:${row.id}`,
    jobId: importId,
    target: row.id,
    of: 'item',
    kind: row.kind,
    url: row.url,
    state,
    order: nextOrder(),
    ...(state === 'stored' ? { brought: true } : {}),
  });

  const itemOf = ({ id, kind, url, host, page, data, terms }: ItemRow, now: Date): ItemDocument => ({
    _id: id,
    kind,
    url,
    host,
    finalUrl: url,
    page,
    source,
    data,
    ...(terms === undefined ? {} : { terms }),
    refs: 1,
    revision: 1,
    order: nextOrder(),
    storedAt: now,
    checkedAt: now,
  });

  return {
    read,
    async write(session, _state, batch) {
      const rows = new Map(batch.map((row) => [row.id, row]));
      const idsAmong = async (model: Store['items'] | Store['links'], ids: string[]): Promise<string[]> =>
        ids.length === 0
          ? []
          : (
              await (model as Store['items']).collection
                .find({ _id: { $in: ids } } as never, { session, projection: { _id: 1 } })
                .toArray()
            ).map(({ _id }) => String(_id));
      const kept = new Set(await idsAmong(store.items, [...rows.keys()]));
      // Whatever this import has is kept: only among those can there be one that it met before.
      const linked = new Set(
        await idsAmong(
          store.links,
          [...kept].map((id) => `${importId}:${id}`),
        ),
      );
      const fresh = [...rows.values()].filter(({ id }) => !kept.has(id));
      const shared = [...rows.values()].filter(({ id }) => kept.has(id) && !linked.has(`${importId}:${id}`));
      const now = new Date();
      const options = { session, ordered: false } as const;
      if (fresh.length > 0)
        await store.items.collection.insertMany(fresh.map((row) => itemOf(row, now)) as never, options);
      const links = [
        ...fresh.map((row) => linkOf(row, 'stored')),
        ...shared.map((row) => linkOf(row, 'shared')),
      ];
      if (links.length > 0) await store.links.collection.insertMany(links as never, options);
      if (shared.length > 0)
        await store.items.collection.updateMany(
          { _id: { $in: shared.map(({ id }) => id) } } as never,
          { $inc: { refs: 1 } },
          { session },
        );
      return {
        stored: fresh.length,
        shared: shared.length,
        duplicate: batch.length - fresh.length - shared.length,
      };
    },
    finish: () => Promise.resolve(NOTHING),
  };
}
