import type { ClientSession } from 'mongoose';
import type { Store } from './connect.ts';
import type { Query } from './queries.ts';

/** A request waits no longer than this for one query, ms; MongoDB then ends it. */
const MAX_TIME_MS = 10_000;

/** Runs a query of `queries.ts` and gives all that it found, at most its limit. */
export async function runQuery<T>(store: Store, query: Query, session?: ClientSession): Promise<T[]> {
  await store.connected();
  const collection = store[query.from].collection;
  const options = { maxTimeMS: MAX_TIME_MS, ...(session === undefined ? {} : { session }) };
  if ('pipeline' in query) {
    const { pipeline, hint } = query;
    return (await collection
      .aggregate(pipeline, { ...options, ...(hint === undefined ? {} : { hint }) })
      .toArray()) as T[];
  }
  const { filter, sort, limit, projection, hint } = query;
  return (await collection
    .find(filter, {
      ...options,
      ...(sort === undefined ? {} : { sort }),
      ...(limit === undefined ? {} : { limit }),
      ...(projection === undefined ? {} : { projection }),
      ...(hint === undefined ? {} : { hint }),
    })
    .toArray()) as unknown as T[];
}

/** The first that a query finds. */
export async function runOne<T>(store: Store, query: Query, session?: ClientSession): Promise<T | undefined> {
  return (await runQuery<T>(store, query, session))[0];
}
