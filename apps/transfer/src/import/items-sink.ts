/**
 * Rows become items, as if collected: unique by kind and URL, one reference for each job that has one.
 *
 * An item is put in before the transaction that links it, because that takes half as long. Until then nobody counts it,
 * and its id is announced: `forgetUnlinked` takes it away again.
 *
 * Whose it is, and by which row, an item says itself, and so whether it is linked: it is, once that row is committed.
 * A line of the ledger is named by its row, which grows, and not by its item, whose id is a hash: an index of those is
 * written in all its places at once, and with a million lines a third of the database's work was that. Only what was
 * there already is named by its item. A row that the file has twice is brought once, also after a death.
 */
import { nextOrder } from '@magpie/domain';
import { handOn, type ItemDocument, type LinkDocument, type Store } from '@magpie/store';
import type { Session, Work } from '../engine/work.ts';
import type { ItemRow } from './item-rows.ts';
import { NOTHING, type Sink } from './sink.ts';
import type { ImportState } from './state.ts';

/** More batches than are under way at once. */
const REMEMBERED = 4;
const DUPLICATE_KEY = 11_000;
/** In order as text, as many as an import may have. */
const ROW_DIGITS = 9;

const sharedId = (importId: string, item: string): string => `${importId}:${item}`;

export function itemsSink(
  store: Store,
  importId: string,
  source: string,
  read: Sink<ItemRow>['read'],
  surelyOurs: () => void,
): Sink<ItemRow> {
  /** Ids of the last batches: what one of them puts in is not put in by the next. */
  const recent: Set<string>[] = [];
  /** Whether the last batch had something that is kept already. To look first costs less than to be refused. */
  let looks = true;

  const linkOf = (row: ItemRow, state: 'stored' | 'shared'): LinkDocument => ({
    _id:
      state === 'stored'
        ? `${importId}:${String(row.row).padStart(ROW_DIGITS, '0')}`
        : sharedId(importId, row.id),
    jobId: importId,
    target: row.id,
    of: 'item',
    kind: row.kind,
    url: row.url,
    state,
    order: nextOrder(),
    brought: state === 'stored',
  });

  const itemOf = ({ id, row, kind, url, host, page, data, terms }: ItemRow, now: Date): ItemDocument => ({
    _id: id,
    kind,
    url,
    host,
    finalUrl: url,
    page,
    source,
    data,
    ...(terms === undefined ? {} : { terms }),
    importedBy: importId,
    importedRow: row,
    refs: 1,
    revision: 1,
    order: nextOrder(),
    storedAt: now,
    checkedAt: now,
  });

  return {
    read,
    ahead: {
      idsOf: (batch) => [...new Set(batch.map(({ id }) => id))],
      async put(batch) {
        const rows = byId(batch);
        const begun = recent.slice();
        recent.push(new Set(rows.keys()));
        if (recent.length > REMEMBERED) recent.shift();
        for (const ids of begun) for (const id of ids) rows.delete(id);
        const asked = rows.size;
        if (looks) for (const { _id } of await itemsAmong(store, [...rows.keys()])) rows.delete(_id);
        surelyOurs();
        const put = await putIn(store, [...rows.values()], (row) => itemOf(row, new Date()));
        looks = put.size < asked;
        return put;
      },
    },
    async write(session, state, batch, put) {
      const rows = byId(batch);
      const others = [...rows.keys()].filter((id) => !put.has(id));
      const kept = await itemsAmong(store, others, session);
      // Gone since it was looked for: its batch is read and put in again.
      if (kept.length < others.length) throw new Error('an item went away while it was imported');
      const mine = kept.filter(({ importedBy }) => importedBy === importId);
      const unlinked = mine.filter(({ importedRow = 0 }) => importedRow > state.rows);
      const theirs = kept.filter(({ importedBy }) => importedBy !== importId).map(({ _id }) => _id);
      const had = await sharedAmong(store, importId, theirs, session);
      const brings = new Set([...put, ...unlinked.map(({ _id }) => _id)]);
      const shares = new Set(theirs.filter((id) => !had.has(id)));
      const fresh = [...rows.values()].filter(({ id }) => brings.has(id));
      const shared = [...rows.values()].filter(({ id }) => shares.has(id));
      const links = [
        ...fresh.map((row) => linkOf(row, 'stored')),
        ...shared.map((row) => linkOf(row, 'shared')),
      ];
      if (links.length > 0)
        await store.links.collection.insertMany(links as never, { session, ordered: false });
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

/** Each as it first comes. */
function byId(batch: readonly ItemRow[]): Map<string, ItemRow> {
  const rows = new Map<string, ItemRow>();
  for (const row of batch) if (!rows.has(row.id)) rows.set(row.id, row);
  return rows;
}

type Kept = Pick<ItemDocument, '_id' | 'importedBy' | 'importedRow'>;

async function itemsAmong(store: Store, ids: readonly string[], session?: Session): Promise<Kept[]> {
  if (ids.length === 0) return [];
  // Without a session only whether they are there is asked: the index alone knows.
  const projection = session ? { _id: 1, importedBy: 1, importedRow: 1 } : { _id: 1 };
  const found = store.items.collection.find({ _id: { $in: ids } } as never, {
    projection,
    ...(session ? { session } : {}),
  });
  return (await found.toArray()) as unknown as Kept[];
}

/** Those of others' items that this import has too. */
async function sharedAmong(
  store: Store,
  importId: string,
  ids: readonly string[],
  session: Session,
): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const found = await store.links.collection
    .find({ _id: { $in: ids.map((id) => sharedId(importId, id)) } } as never, {
      session,
      projection: { target: 1 },
    })
    .toArray();
  return new Set(found.map((link) => String(link['target'])));
}

/** Gives the ids of those that went in: of the others somebody else was first. */
async function putIn(
  store: Store,
  rows: readonly ItemRow[],
  itemOf: (row: ItemRow) => ItemDocument,
): Promise<Set<string>> {
  const put = new Set(rows.map(({ id }) => id));
  if (rows.length === 0) return put;
  try {
    await store.items.collection.insertMany(rows.map(itemOf) as never, { ordered: false });
  } catch (error) {
    const refused = [(error as { writeErrors?: unknown }).writeErrors ?? []].flat() as {
      code: number;
      index: number;
    }[];
    if (refused.length === 0 || refused.some(({ code }) => code !== DUPLICATE_KEY)) throw error;
    for (const { index } of refused) put.delete(rows[index]?.id ?? '');
  }
  return put;
}

/** Takes away what was put in but never linked; what others have of it by now stays, as theirs. */
export async function forgetAnnounced(
  store: Store,
  session: Session,
  importId: string,
  { announced, rows }: Pick<ImportState, 'announced' | 'rows'>,
): Promise<void> {
  if (announced.length === 0) return;
  const mine = { _id: { $in: announced }, importedBy: importId, importedRow: { $gt: rows } };
  await store.items.collection.updateMany(mine as never, { $inc: { refs: -1 } }, { session });
  await store.items.collection.deleteMany({ ...mine, refs: { $lte: 0 } } as never, { session });
  const stay = await store.items.collection
    .find(mine as never, { session, projection: { _id: 1 } })
    .toArray();
  await handOn(
    store,
    session,
    importId,
    stay.map(({ _id }) => String(_id)),
  );
}

/** Takes away what a death left between being put in and being linked. */
export async function forgetUnlinked(work: Work, state: ImportState): Promise<ImportState> {
  if (state.announced.length === 0) return state;
  const after = { ...state, announced: [] };
  await work.commit(
    { checkpoint: after },
    { inside: (session) => forgetAnnounced(work.store, session, work.id, state) },
  );
  return after;
}
