/** A dry run: reads and checks as another sink would, looks what is there already, and writes nothing. */
import { idOf } from '@magpie/domain';
import type { ImportTargets, Store } from '@magpie/store';
import type { ItemRow } from './item-rows.ts';
import { Seen } from './seen.ts';
import type { DrySink, Sink } from './sink.ts';
import type { TargetRow } from './target-rows.ts';
import { mayMake, mostOf } from './targets-sink.ts';

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
        unsure: seen.full,
      };
    },
  };
}

/** @throws TransferFault `too_many_jobs`, by `weigh`, as an import of these rows would */
export function dryTargetsSink(
  { how, most }: ImportTargets,
  read: Sink<TargetRow>['read'],
): DrySink<TargetRow> {
  const seen = new Seen();
  let jobs = 0;
  return {
    read,
    async weigh(batch) {
      const stored = batch.filter(({ key }) => seen.add(idOf(key))).length;
      if (how !== 'measured') {
        const made = Math.ceil(stored / mostOf({ how, most }));
        mayMake(jobs, made);
        jobs += made;
      }
      return { stored, shared: 0, duplicate: batch.length - stored, unsure: seen.full };
    },
  };
}
