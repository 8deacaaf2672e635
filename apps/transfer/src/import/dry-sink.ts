/** A dry run: reads and checks as another sink would, looks what is there already, and writes nothing. */
import { idOf } from '@magpie/domain';
import type { Store } from '@magpie/store';
import type { ItemRow } from './item-rows.ts';
import { Seen } from './seen.ts';
import type { DrySink, Sink } from './sink.ts';
import type { TargetRow } from './target-rows.ts';

export function dryItemsSink(store: Store, read: Sink<ItemRow>['read']): DrySink<ItemRow> {
  const seen = new Seen();
  return {
    read,
    async weigh(batch) {
      const fresh = batch.filter(({ id }) => seen.add(id)).map(({ id }) => id);
      const shared =
        fresh.length === 0
          ? []
          : await store.items.collection
              .find({ _id: { $in: fresh } } as never, { projection: { _id: 1 } })
              .toArray();
      return {
        stored: fresh.length - shared.length,
        shared: shared.length,
        duplicate: batch.length - fresh.length,
      };
    },
  };
}

export function dryTargetsSink(read: Sink<TargetRow>['read']): DrySink<TargetRow> {
  const seen = new Seen();
  return {
    read,
    weigh(batch) {
      const stored = batch.filter(({ key }) => seen.add(idOf(key))).length;
      return Promise.resolve({ stored, shared: 0, duplicate: batch.length - stored });
    },
  };
}
