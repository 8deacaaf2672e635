/**
 * The steps of one round: what a job measures, in as few requests as there can be, spread over the interval.
 *
 * Targets are sorted by phase and cut into pieces of one size, so that each piece, and a target with it, is at the same
 * place of every interval for as long as the job has the same targets. Those that are not to be looked at yet are left
 * out of their piece; they do not move the others.
 */
import { TARGET_STATES, type SourceDescription } from '@magpie/contracts';
import { beginsAt, idOf, nextOrder, parseDuration, phaseOf, roughly } from '@magpie/domain';
import type { JobDocument, OpenRun, StepDocument, Store } from '@magpie/store';
import type { Session } from '../intake/ledger.ts';

const NOT_ACTIVE = TARGET_STATES.filter((state) => state !== 'active');

/** What a step of a round carries: the round that its samples stand for. */
export interface RoundInput {
  number: number;
  /** When the round was due; ms since the epoch. */
  at: number;
  /** From one round to the next, ms; 0 in a job that measures once. */
  intervalMs: number;
}

/**
 * The steps of a run that is being opened, in the order of their times; none in a job without targets.
 * Reads keys and phases alone, from the index; of 100,000 targets less than a second.
 * @param run `intervalMs`: from this run to the next; 0 when there is none
 */
export async function targetSteps(
  store: Store,
  session: Session,
  job: Pick<JobDocument, '_id' | 'source' | 'params' | 'targets' | 'schedule'>,
  description: Pick<SourceDescription, 'targets'>,
  run: Pick<OpenRun, 'number' | 'dueAt'> & { intervalMs: number },
): Promise<StepDocument[]> {
  const { targets: terms } = description;
  if (terms === undefined || job.targets === 0) return [];
  const round: RoundInput = {
    number: run.number,
    at: run.dueAt.getTime(),
    intervalMs: run.intervalMs || usual(job),
  };
  const steps: StepDocument[] = [];
  const ids = await knownIds(store, session, job._id);
  let piece: string[] = [];
  let phase = 0;
  let place = 0;
  const close = (): void => {
    if (piece.length > 0) steps.push(stepOf(job, terms.step, steps.length, piece, ids, phase, round));
    piece = [];
  };
  for (let part = 0; part < PARTS; part++)
    for (const { key, due } of await targetsOf(store, session, job._id, part, run.dueAt)) {
      if (place++ % terms.perStep === 0) {
        close();
        phase = phaseOf(key);
      }
      if (due) piece.push(key);
    }
  close();
  return steps;
}

/** Targets are read in so many parts, by phase; a part is one answer, of some megabytes at most. */
const PARTS = 40;

/** Those of a part, in the order of their phases, as one array: reading it costs far less than that many documents. */
async function targetsOf(
  store: Store,
  session: Session,
  jobId: string,
  part: number,
  dueAt: Date,
): Promise<{ key: string; due: boolean }[]> {
  const [found] = await store.targets.collection
    .aggregate<{ keys: string[]; later: string[] }>(
      [
        { $match: { jobId, phase: { $gte: part / PARTS, $lt: (part + 1) / PARTS } } },
        { $sort: { phase: 1, key: 1 } },
        {
          $group: {
            _id: null,
            keys: { $push: '$key' },
            later: { $push: { $cond: [{ $gt: ['$nextAt', dueAt] }, '$key', '$$REMOVE'] } },
          },
        },
      ],
      { session, hint: { jobId: 1, phase: 1, key: 1, nextAt: 1 } },
    )
    .toArray();
  const later = new Set(found?.later);
  return (found?.keys ?? []).map((key) => ({ key, due: !later.has(key) }));
}

/** Of what is not as it was when it was last measured by its name: the provider's identifier, where it is known. */
async function knownIds(store: Store, session: Session, jobId: string): Promise<Map<string, string>> {
  const found = store.targets.collection.find({ jobId, state: { $in: NOT_ACTIVE } } as never, {
    session,
    projection: { _id: 0, key: 1, providerId: 1 },
  });
  const ids = new Map<string, string>();
  for await (const { key, providerId } of found as AsyncIterable<{ key: string; providerId?: string }>)
    if (providerId !== undefined) ids.set(key, providerId);
  return ids;
}

/** The last run of a schedule is spread as the others were; where there is no schedule, all is measured at once. */
const usual = ({ schedule }: Pick<JobDocument, 'schedule'>): number =>
  schedule?.every ? roughly(parseDuration(schedule.every)) : 0;

function stepOf(
  { _id: jobId, source, params }: Pick<JobDocument, '_id' | 'source' | 'params'>,
  kind: string,
  piece: number,
  targets: string[],
  ids: ReadonlyMap<string, string>,
  phase: number,
  run: RoundInput,
): StepDocument {
  const key = `${run.number}:${piece}`;
  const known = targets.flatMap((target): [string, string][] => {
    const id = ids.get(target);
    return id === undefined ? [] : [[target, id]];
  });
  return {
    _id: idOf(jobId, kind, key),
    source,
    kind,
    key,
    host: '',
    input: { targets, ...(known.length > 0 ? { ids: Object.fromEntries(known) } : {}), params, run },
    jobs: [jobId],
    state: 'later',
    notBefore: beginsAt(new Date(run.at), phase, run.intervalMs),
    order: nextOrder(),
    attempt: 1,
    crashes: 0,
    backoffs: 0,
  };
}
