/**
 * Taking steps out of the frontier. A claim is one atomic update from `ready` to `leased`: of two claimers one wins a step.
 */
import type { Store, StepDocument } from '@magpie/store';
import type { HostPacer } from './hosts.ts';

const HOSTS_A_TURN = 48;

export interface Lease {
  token: string;
  until: Date;
}

export interface Turn {
  steps: StepDocument[];
  /** With every host on a pause that it asked for: when the first may be asked again (ms); else 0. */
  blockedUntil: number;
  /** Whether there was a ready step at all. */
  anyReady: boolean;
}

/** Where a job's last turn ended among its hosts, so that all get their turn. */
export type HostCursors = Map<string, string>;

async function firstHost(steps: Store['steps']['collection'], filter: object): Promise<string | undefined> {
  const found = await steps.findOne(filter as never, {
    sort: { host: 1, order: 1 },
    projection: { host: 1 },
  });
  return found === null ? undefined : String(found['host']);
}

/**
 * Claims at most `room` ready steps that `jobId` waits for, host by host, as much as each host takes.
 * `beforeClaim` is awaited when there is something to claim. Steps are left out that `filter` does not match.
 */
export async function claimTurn(
  store: Store,
  pacer: HostPacer,
  cursors: HostCursors,
  jobId: string,
  room: number,
  lease: Lease,
  beforeClaim: () => Promise<void>,
  filter: object = {},
): Promise<Turn> {
  const steps = store.steps.collection;
  const ready = { ...filter, jobs: jobId, state: 'ready' };
  const closed = pacer.closed();
  const picked: StepDocument[] = [];
  const began = cursors.get(jobId);
  cursors.delete(jobId);
  let after = began;
  let round = began === undefined ? 2 : 1;
  for (let turn = 0; turn < HOSTS_A_TURN && picked.length < room; turn++) {
    const within = {
      ...(after === undefined ? { $gte: '' } : { $gt: after }),
      ...(round === 2 && began !== undefined ? { $lte: began } : {}),
    };
    const host = await firstHost(steps, { ...ready, host: { ...within, $nin: closed } });
    if (host === undefined) {
      if (round === 2) break;
      round = 2;
      after = undefined;
      continue;
    }
    after = host;
    const take = Math.min(pacer.capacity(host), room - picked.length);
    if (take <= 0) continue;
    const found = (await steps
      .find({ ...ready, host } as never)
      .sort({ order: 1 })
      .limit(take)
      .toArray()) as unknown as StepDocument[];
    picked.push(...found);
    pacer.took(host, found.length);
    cursors.set(jobId, host);
  }
  if (picked.length === 0) return { steps: [], ...(await whyNone(steps, pacer, ready)) };
  const ids = picked.map(({ _id }) => _id);
  await beforeClaim();
  const { modifiedCount } = await steps.updateMany({ _id: { $in: ids }, state: 'ready' } as never, {
    $set: { state: 'leased', lease: lease.token, leasedFor: jobId, leaseUntil: lease.until },
  });
  if (modifiedCount === ids.length) return { steps: picked, blockedUntil: 0, anyReady: true };
  const won = new Set(
    (
      await steps
        .find({ _id: { $in: ids }, lease: lease.token } as never, { projection: { _id: 1 } })
        .toArray()
    ).map(({ _id }) => String(_id)),
  );
  return { steps: picked.filter(({ _id }) => won.has(_id)), blockedUntil: 0, anyReady: true };
}

/** Whether nothing is ready, or what is ready is busy, or every host of it is on a pause that it asked for. */
async function whyNone(
  steps: Store['steps']['collection'],
  pacer: HostPacer,
  ready: { jobs: string; state: string },
): Promise<Omit<Turn, 'steps'>> {
  if ((await firstHost(steps, ready)) === undefined) return { blockedUntil: 0, anyReady: false };
  const pauses = pacer.backoffs();
  const other = await firstHost(steps, { ...ready, host: { $nin: [...pauses.keys()] } });
  if (other !== undefined || pauses.size === 0) return { blockedUntil: 0, anyReady: true };
  const hosts = (await steps.distinct('host', ready as never)) as string[];
  return { blockedUntil: Math.min(...hosts.map((host) => pauses.get(host) ?? 0)), anyReady: true };
}

const FREE = {
  $set: { state: 'ready' },
  $unset: { lease: 1, leasedFor: 1, leaseUntil: 1, notBefore: 1 },
} as const;

/** Gives back what a dispatch had claimed. */
export async function giveBackLease(
  store: Store,
  token: string,
  state: 'ready' | 'parked' = 'ready',
  ids?: string[],
  leasedFor?: string,
): Promise<number> {
  const { modifiedCount } = await store.steps.collection.updateMany(
    {
      state: 'leased',
      lease: token,
      ...(ids ? { _id: { $in: ids } } : {}),
      ...(leasedFor === undefined ? {} : { leasedFor }),
    } as never,
    { ...FREE, $set: { state } },
  );
  return modifiedCount;
}

/** Steps whose lease has run out: their message was lost, or whoever had them. */
export async function findExpired(store: Store, now: Date): Promise<StepDocument[]> {
  return (await store.steps.collection
    .find({ state: 'leased', leaseUntil: { $lt: now } } as never)
    .hint('leased')
    .limit(500)
    .toArray()) as unknown as StepDocument[];
}

/** Makes steps ready whose time has come. */
export async function promoteDue(store: Store, now: Date): Promise<number> {
  const { modifiedCount } = await store.steps.collection.updateMany(
    { state: 'later', notBefore: { $lte: now } } as never,
    FREE,
  );
  return modifiedCount;
}

/**
 * Of a dispatch's claimer and its recoverer one wins: the claimer publishes only what it could mark so, and only what
 * was not marked is given back at once. Steps of a director that died while it published come back by their lease.
 */
export async function markPublishing(store: Store, token: string): Promise<boolean> {
  const { modifiedCount } = await store.dispatches.collection.updateOne(
    { _id: token, state: 'claimed' } as never,
    { $set: { state: 'publishing' } },
  );
  return modifiedCount === 1;
}

/** Gives back what was claimed by a director that died, or was deposed, before it published it. */
export async function recoverDispatches(store: Store, before: Date): Promise<void> {
  const found = await store.dispatches.collection.find({ at: { $lt: before } } as never).toArray();
  for (const { _id, state } of found) {
    const token = String(_id);
    const { deletedCount } = await store.dispatches.collection.deleteOne({
      _id: token,
      state: 'claimed',
    } as never);
    if (deletedCount === 1) await giveBackLease(store, token);
    else if (state === 'publishing') await store.dispatches.collection.deleteOne({ _id: token } as never);
  }
}
