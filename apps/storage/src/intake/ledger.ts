/**
 * The unit of work of one intake transaction: documents are read once, changed in memory, and written back in bulk.
 *
 * Invariants
 * - A job is locked (its `rev` raised) before anything of it is read, so two writers of one job never interleave.
 * - A link's state is changed through `settle` alone, which keeps the job's counts right:
 *   discovered = stored + shared + skipped + failed + pending, whatever happens.
 */
import { nextOrder } from '@magpie/domain';
import {
  recordOrphans,
  type ItemDocument,
  type JobDocument,
  type LinkDocument,
  type LinkState,
  type StepDocument,
  type Store,
} from '@magpie/store';
import { Measurements } from '../samples/take-samples.ts';
import { PASSING_DROPPED } from './states.ts';

export type Session = Parameters<Parameters<Store['transaction']>[0]>[0];

interface Tracked<T> {
  doc: T;
  change: 'none' | 'insert' | 'update' | 'delete';
}

class Collection<T extends { _id: string }> {
  readonly #rows = new Map<string, Tracked<T> | undefined>();
  readonly #read: (ids: string[]) => Promise<T[]>;

  constructor(read: (ids: string[]) => Promise<T[]>) {
    this.#read = read;
  }

  /** Reads those of `ids` that were not read yet. */
  async load(ids: Iterable<string>): Promise<void> {
    const unknown = [...new Set(ids)].filter((id) => !this.#rows.has(id));
    if (unknown.length === 0) return;
    for (const id of unknown) this.#rows.set(id, undefined);
    for (const doc of await this.#read(unknown)) this.#rows.set(doc._id, { doc, change: 'none' });
  }

  /** The document as it is now, in this unit of work; undefined when there is none. It must have been loaded. */
  get(id: string): T | undefined {
    const row = this.#rows.get(id);
    return row === undefined || row.change === 'delete' ? undefined : row.doc;
  }

  put(doc: T): void {
    const row = this.#rows.get(doc._id);
    const fresh = row === undefined || row.change === 'insert';
    this.#rows.set(doc._id, { doc, change: fresh ? 'insert' : 'update' });
  }

  delete(id: string): void {
    const row = this.#rows.get(id);
    if (row === undefined) return;
    if (row.change === 'insert') this.#rows.set(id, undefined);
    else this.#rows.set(id, { doc: row.doc, change: 'delete' });
  }

  changed(change: 'insert' | 'update' | 'delete'): T[] {
    const out: T[] = [];
    for (const row of this.#rows.values()) if (row?.change === change) out.push(row.doc);
    return out;
  }
}

export class Ledger {
  readonly #store: Store;
  readonly #session: Session;
  readonly jobs = new Map<string, JobDocument>();
  readonly steps: Collection<StepDocument>;
  readonly links: Collection<LinkDocument>;
  readonly items: Collection<ItemDocument>;
  readonly measurements: Measurements;
  readonly #touched = new Set<string>();

  constructor(store: Store, session: Session) {
    this.#store = store;
    this.#session = session;
    const reader =
      <T extends { _id: string }>(model: { collection: unknown }) =>
      async (ids: string[]): Promise<T[]> =>
        (model.collection as DriverCollection<T>).find({ _id: { $in: ids } }, { session }).toArray();
    this.steps = new Collection(reader<StepDocument>(store.steps));
    this.links = new Collection(reader<LinkDocument>(store.links));
    this.items = new Collection(reader<ItemDocument>(store.items));
    this.measurements = new Measurements(store, session);
  }

  /** Locks and reads jobs; those that are gone, terminating or terminated stay unknown to `jobs`. */
  async lock(ids: Iterable<string>): Promise<void> {
    const unknown = [...new Set(ids)].filter((id) => !this.#touched.has(id)).sort();
    if (unknown.length === 0) return;
    for (const id of unknown) this.#touched.add(id);
    const session = this.#session;
    await this.#store.jobs.collection.updateMany(
      { _id: { $in: unknown } } as never,
      { $inc: { rev: 1 } },
      { session },
    );
    const found = (await this.#store.jobs.collection
      .find({ _id: { $in: unknown } } as never, { session })
      .toArray()) as unknown as JobDocument[];
    for (const job of found) if (!PASSING_DROPPED.has(job.state)) this.jobs.set(job._id, job);
  }

  /** Adds a line to a job's ledger, and counts it. */
  open(link: LinkDocument): void {
    const job = this.#job(link);
    if (link.of !== 'step') bucket(job, link).discovered++;
    count(job, link, link.state, 1);
    this.links.put(link);
  }

  /** Moves a line of the ledger to another state, and counts that. */
  settle(
    link: LinkDocument,
    state: LinkState,
    rest: Partial<Pick<LinkDocument, 'error' | 'brought' | 'step' | 'run'>> = {},
  ): void {
    const job = this.#job(link);
    count(job, link, link.state, -1);
    count(job, link, state, 1);
    const { error: _error, step: _step, ...kept } = link;
    // In order of what became of them: who pages through a running job's items misses none.
    this.links.put({ ...kept, ...rest, state, order: nextOrder() });
  }

  #job(link: LinkDocument): JobDocument {
    const job = this.jobs.get(link.jobId);
    if (job === undefined) throw new Error(`job ${link.jobId} was not locked`);
    return job;
  }

  /** Paths of files that perhaps no item refers to any more. */
  readonly orphans = new Set<string>();

  /** Writes all changes. */
  async flush(now: Date): Promise<void> {
    const session = this.#session;
    await write(this.#store.steps, this.steps, session, (doc) => ({
      replaceOne: { filter: { _id: doc._id }, replacement: doc },
    }));
    await write(this.#store.items, this.items, session, (doc) => ({
      replaceOne: { filter: { _id: doc._id }, replacement: doc },
    }));
    await writeLinks(this.#store, this.links, session);
    await recordOrphans(this.#store, session, this.orphans);
    await this.measurements.flush();
    if (this.jobs.size > 0)
      await this.#store.jobs.collection.bulkWrite(
        [...this.jobs.values()].map(
          ({ _id, counts, pages, tally, coverage, state, waiting, history, startedAt }) => ({
            updateOne: {
              filter: { _id },
              update: {
                $set: { counts, pages, tally, coverage, state, waiting, history, startedAt, updatedAt: now },
              },
            },
          }),
        ) as never,
        { session, ordered: false },
      );
  }
}

interface DriverCollection<T> {
  find(filter: unknown, options: unknown): { toArray(): Promise<T[]> };
  insertMany(docs: T[], options: unknown): Promise<unknown>;
  bulkWrite(operations: unknown[], options: unknown): Promise<unknown>;
  deleteMany(filter: unknown, options: unknown): Promise<unknown>;
}

async function write<T extends { _id: string }>(
  model: { collection: unknown },
  rows: Collection<T>,
  session: Session,
  update: (doc: T) => unknown,
): Promise<void> {
  const collection = model.collection as DriverCollection<T>;
  const inserts = rows.changed('insert');
  if (inserts.length > 0) await collection.insertMany(inserts, { session, ordered: false });
  const updates = rows.changed('update').map(update);
  if (updates.length > 0) await collection.bulkWrite(updates, { session, ordered: false });
  const gone = rows.changed('delete').map(({ _id }) => _id);
  if (gone.length > 0) await collection.deleteMany({ _id: { $in: gone } }, { session });
}

/** Most links of a batch become the same: those are one update together, the others one each. */
async function writeLinks(store: Store, links: Collection<LinkDocument>, session: Session): Promise<void> {
  const collection = store.links.collection as unknown as DriverCollection<LinkDocument>;
  const inserts = links.changed('insert');
  if (inserts.length > 0) await collection.insertMany(inserts, { session, ordered: false });
  const alike = new Map<string, LinkDocument[]>();
  const operations: unknown[] = [];
  for (const link of links.changed('update')) {
    const { _id, state, order, brought, error, step, run } = link;
    const looked = run === undefined ? {} : { run };
    if (error !== undefined) {
      const set = {
        state,
        order,
        error,
        ...(brought === undefined ? {} : { brought }),
        ...(step ? { step } : {}),
        ...looked,
      };
      operations.push({ updateOne: { filter: { _id }, update: { $set: set } } });
      continue;
    }
    const kind = `${state} ${brought} ${run}`;
    const group = alike.get(kind);
    if (group) group.push(link);
    else alike.set(kind, [link]);
  }
  for (const group of alike.values()) {
    const [{ state, order, brought, run }] = group as [LinkDocument, ...LinkDocument[]];
    operations.push({
      updateMany: {
        filter: { _id: { $in: group.map(({ _id }) => _id) } },
        update: {
          $set: {
            state,
            order,
            ...(brought === undefined ? {} : { brought }),
            ...(run === undefined ? {} : { run }),
          },
          $unset: { error: 1, step: 1 },
        },
      },
    });
  }
  if (operations.length > 0) await collection.bulkWrite(operations, { session, ordered: false });
}

const bucket = (job: JobDocument, link: LinkDocument) => (link.of === 'item' ? job.counts : job.pages);

function count(job: JobDocument, link: LinkDocument, state: LinkState, by: 1 | -1): void {
  if (link.of === 'step') return;
  const counts = bucket(job, link) as unknown as Record<LinkState, number>;
  counts[state] += by;
}
