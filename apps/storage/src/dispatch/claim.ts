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

/** Claims at most `room` ready steps that `jobId` waits for, host by host, as much as each host takes. */
export async function claimTurn(
  store: Store,
  pacer: HostPacer,
  cursors: HostCursors,
  jobId: string,
  room: number,
  lease: Lease,
): Promise<Turn> {
  const steps = store.steps.collection;
  const ready = { jobs: jobId, state: 'ready' };
  const picked: StepDocument[] = [];
  const backoffs: number[] = [];
  let anyReady = false;
  let busy = false;
  const began = cursors.get(jobId);
  cursors.delete(jobId);
  let from: Record<string, string> = began === undefined ? { $gte: '' } : { $gt: began };
  let round = began === undefined ? 2 : 1;
  for (let turn = 0; turn < HOSTS_A_TURN && picked.length < room; turn++) {
    const host = await firstHost(steps, {
      ...ready,
      host: round === 2 && began !== undefined ? { ...from, $lte: began } : from,
    });
    if (host === undefined) {
      if (round === 2) break;
      round = 2;
      from = { $gte: '' };
      continue;
    }
    anyReady = true;
    from = { $gt: host };
    const take = Math.min(pacer.capacity(host), room - picked.length);
    if (take <= 0) {
      const until = pacer.backoffUntil(host);
      if (until > 0) backoffs.push(until);
      else busy = true;
      continue;
    }
    const found = (await steps
      .find({ ...ready, host } as never)
      .sort({ order: 1 })
      .limit(take)
      .toArray()) as unknown as StepDocument[];
    picked.push(...found);
    pacer.took(host, found.length);
    cursors.set(jobId, host);
  }
  const blockedUntil = busy || backoffs.length === 0 ? 0 : Math.min(...backoffs);
  if (picked.length === 0) return { steps: [], blockedUntil, anyReady };
  const ids = picked.map(({ _id }) => _id);
  const { modifiedCount } = await steps.updateMany({ _id: { $in: ids }, state: 'ready' } as never, {
    $set: { state: 'leased', lease: lease.token, leasedFor: jobId, leaseUntil: lease.until },
  });
  if (modifiedCount === ids.length) return { steps: picked, blockedUntil, anyReady };
  const won = new Set(
    (
      await steps
        .find({ _id: { $in: ids }, lease: lease.token } as never, { projection: { _id: 1 } })
        .toArray()
    ).map(({ _id }) => String(_id)),
  );
  return { steps: picked.filter(({ _id }) => won.has(_id)), blockedUntil, anyReady };
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
): Promise<number> {
  const { modifiedCount } = await store.steps.collection.updateMany(
    { state: 'leased', lease: token, ...(ids ? { _id: { $in: ids } } : {}) } as never,
    { ...FREE, $set: { state } },
  );
  return modifiedCount;
}

/** Gives back steps whose lease has run out: their message was lost, or whoever had them. */
export async function reapExpired(store: Store, now: Date): Promise<number> {
  const { modifiedCount } = await store.steps.collection.updateMany(
    { state: 'leased', leaseUntil: { $lt: now } } as never,
    FREE,
  );
  return modifiedCount;
}

/** Makes steps ready whose time has come. */
export async function promoteDue(store: Store, now: Date): Promise<number> {
  const { modifiedCount } = await store.steps.collection.updateMany(
    { state: 'later', notBefore: { $lte: now } } as never,
    FREE,
  );
  return modifiedCount;
}

/** Gives back what was claimed by a director that died before it had published it. */
export async function recoverDispatches(
  store: Store,
  before: Date,
  mine: ReadonlySet<string>,
): Promise<number> {
  const found = await store.dispatches.collection.find({ at: { $lt: before } } as never).toArray();
  let count = 0;
  for (const { _id } of found) {
    const token = String(_id);
    if (mine.has(token)) continue;
    count += await giveBackLease(store, token);
    await store.dispatches.collection.deleteOne({ _id: token } as never);
  }
  return count;
}
