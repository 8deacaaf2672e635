/**
 * Rows become what a source collects from. What is measured is loaded for one job, which is made when all is read, or
 * when it has as many as a job may; addresses and words become jobs with each batch.
 */
import { idOf, newId, nextOrder } from '@magpie/domain';
import {
  createJobsWithin,
  loadTargetsWithin,
  type ImportTargets,
  type JobDocument,
  type LinkDocument,
  type NewJob,
  type Store,
} from '@magpie/store';
import { TransferFault, type Session } from '../engine/work.ts';
import { NOTHING, type Sink } from './sink.ts';
import type { Load, Outcome } from './state.ts';
import type { TargetRow } from './target-rows.ts';

/** One import makes no more. */
const MAX_JOBS = 10_000;

export interface Importing {
  store: Store;
  job: Pick<JobDocument, '_id' | 'priority' | 'correlationId'>;
  targets: ImportTargets;
}

/** Without a way to read rows, it is there to finish what was written. */
export const targetsSinkOf = (importing: Importing): Omit<Sink<TargetRow>, 'read'> =>
  importing.targets.how === 'measured' ? measuredSink(importing) : jobsSink(importing);

/** Repeated from when it is made, not from when the import was asked for. */
const newJob = ({ job, targets }: Importing, id: string, rest: Partial<NewJob>): NewJob & { id: string } => ({
  id,
  source: targets.source,
  params: targets.params,
  priority: job.priority,
  correlationId: job.correlationId,
  schedule: targets.schedule && { ...targets.schedule, anchor: new Date() },
  warnings: targets.warnings,
  importedBy: job._id,
  ...rest,
});

/** So many targets one job gets. */
export const mostOf = ({ how, most }: Pick<ImportTargets, 'how' | 'most'>): number =>
  how === 'one' ? 1 : most;

/** @throws TransferFault `too_many_jobs` */
export function mayMake(before: number, made: number): void {
  if (before + made > MAX_JOBS)
    throw new TransferFault(
      'too_many_jobs',
      `One import makes ${MAX_JOBS.toLocaleString('en-US')} jobs at most; what it made is kept.`,
    );
}

/** By key, each as it was first written. */
function distinct(batch: readonly TargetRow[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const { key, value } of batch) if (!values.has(key)) values.set(key, value);
  return values;
}

function measuredSink(importing: Importing): Omit<Sink<TargetRow>, 'read'> {
  const { store, targets } = importing;

  const make = (session: Session, { id, count }: Load): Promise<unknown> =>
    createJobsWithin(store, session, [newJob(importing, id, { loaded: count })]);

  /** Those that no job has that this import made before. */
  async function unknown(session: Session, loaded: readonly string[], keys: string[]): Promise<string[]> {
    const known = new Set<string>();
    for (const id of loaded) {
      const found = await store.targets.collection
        .find({ _id: { $in: keys.map((key) => `${id}:${key}`) } } as never, {
          session,
          projection: { _id: 1 },
        })
        .toArray();
      for (const { _id } of found) known.add(String(_id).slice(id.length + 1));
    }
    return keys.filter((key) => !known.has(key));
  }

  return {
    async write(session, state, batch) {
      const loaded: string[] = [];
      let load = state.load;
      let stored = 0;
      let keys = await unknown(session, state.loaded, [...distinct(batch).keys()]);
      while (keys.length > 0) {
        load ??= { id: newId(), count: 0 };
        const room = targets.most - load.count;
        const fresh = await loadTargetsWithin(
          store,
          session,
          { id: load.id, source: targets.source },
          keys.slice(0, room),
        );
        keys = keys.slice(room);
        stored += fresh;
        load = { id: load.id, count: load.count + fresh };
        if (load.count < targets.most) continue;
        await make(session, load);
        loaded.push(load.id);
        load = null;
        keys = await unknown(session, loaded, keys);
      }
      return { stored, shared: 0, duplicate: batch.length - stored, load, loaded, jobs: loaded };
    },
    async finish(session, { load }) {
      if (load === null) return NOTHING;
      await make(session, load);
      return { ...NOTHING, load: null, loaded: [load.id], jobs: [load.id] };
    },
  };
}

/** Addresses become jobs of up to so many, words a job each. What was met before is known by the import's ledger. */
function jobsSink(importing: Importing): Omit<Sink<TargetRow>, 'read'> {
  const { store, job, targets } = importing;
  const { how, param, params } = targets;
  const most = mostOf(targets);
  const linkOf = (key: string): LinkDocument => {
    const target = idOf('target', targets.source, key);
    return {
      _id: `${job._id}:${target}`,
      jobId: job._id,
      target,
      of: 'step',
      kind: 'target',
      url: how === 'listed' ? key : '',
      state: 'stored',
      order: nextOrder(),
    };
  };

  return {
    async write(session, state, batch): Promise<Outcome> {
      const rows = [...distinct(batch)].map(([key, value]) => ({ link: linkOf(key), value }));
      const met = new Set(
        (
          await store.links.collection
            .find({ _id: { $in: rows.map(({ link }) => link._id) } } as never, {
              session,
              projection: { _id: 1 },
            })
            .toArray()
        ).map(({ _id }) => String(_id)),
      );
      const fresh = rows.filter(({ link }) => !met.has(link._id));
      const jobs: (NewJob & { id: string })[] = [];
      for (let from = 0; from < fresh.length; from += most) {
        const values = fresh.slice(from, from + most).map(({ value }) => value);
        jobs.push(
          newJob(importing, newId(), {
            params: { ...params, [param]: how === 'listed' ? values : values[0] },
          }),
        );
      }
      mayMake(state.jobs.count, jobs.length);
      if (fresh.length > 0)
        await store.links.collection.insertMany(fresh.map(({ link }) => link) as never, {
          session,
          ordered: false,
        });
      await createJobsWithin(store, session, jobs);
      return {
        stored: fresh.length,
        shared: 0,
        duplicate: batch.length - fresh.length,
        jobs: jobs.map(({ id }) => id),
      };
    },
    finish: () => Promise.resolve(NOTHING),
  };
}
