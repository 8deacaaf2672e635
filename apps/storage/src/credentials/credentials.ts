/**
 * Who may call a provider: steps get a credential and a charge before they go out, from the first key in order that can
 * serve; the next key is used when the quota of that one is gone. What a step may spend at most is taken, what it did
 * not spend comes back with its result. A director that dies between the two keeps what it took: never overspent.
 */
import type { Provider, SealedCredential, WaitReason } from '@magpie/contracts';
import { DAY_MS, inWindow } from '@magpie/domain';
import type { Logger } from '@magpie/service-kit';
import type {
  CredentialDocument,
  JobDocument,
  KeyNeed,
  QuotaDocument,
  StepCharge,
  StepDocument,
  Store,
} from '@magpie/store';
import type { CallReport } from '../intake/context.ts';
import {
  costsOf,
  explain,
  firstToServe,
  needOf,
  quotaIdOf,
  servesFrom,
  type Key,
  type ProviderKeys,
} from './keys.ts';
import { returnCharges, take } from './quotas.ts';
import { settleCalls } from './settle.ts';
import { noteUsedUp } from './used-up.ts';

const REFRESH_MS = 1000;
/** What was refused is not claimed again sooner: a bucket fills drop by drop. */
const HOLD_MS = 1000;
/** When a job that no key serves is looked at again, if none is added before. */
const NO_KEY_MS = 3_600_000;
const MAX_NEEDS = 50;

export interface CredentialsDeps {
  store: Store;
  log: Pick<Logger, 'warn'>;
  providerOf: (source: string) => Provider | undefined;
  /** Milliseconds since the epoch. */
  clock?: () => number;
}

export interface KeyWait {
  reason: Extract<WaitReason, 'keys_exhausted' | 'rate_limited'>;
  until: Date;
  detail: string;
  needs: KeyNeed[];
}

export interface Leased {
  granted: Map<string, { credential: SealedCredential; charge: StepCharge }>;
  /** Steps that no key serves now. */
  refused: string[];
  wait?: KeyWait;
}

const needKey = ({ kind, distinct }: KeyNeed): string => `${kind} ${distinct ?? ''}`;

export class Credentials {
  readonly #deps: CredentialsDeps;
  readonly #now: () => number;
  #view = new Map<string, ProviderKeys>();
  #readAt = -Infinity;
  /** By job: what was refused, and until when it is left alone at least. */
  readonly #held = new Map<string, Map<string, KeyNeed & { until: number }>>();

  constructor(deps: CredentialsDeps) {
    this.#deps = deps;
    this.#now = deps.clock ?? Date.now;
  }

  /** Looks at all keys, without their secrets, once a second at most. */
  async refresh(): Promise<void> {
    if (performance.now() - this.#readAt < REFRESH_MS) return;
    this.#readAt = performance.now();
    this.#view = await this.#read({}, { sealed: 0 });
  }

  async #read(filter: object, projection: object = {}): Promise<Map<string, ProviderKeys>> {
    const { store } = this.#deps;
    const keys = (await store.credentials.collection
      .find(filter as never, { projection, sort: { provider: 1, order: 1 } })
      .toArray()) as unknown as Key[];
    const quotas = (await store.quotas.collection
      .find(filter as never)
      .toArray()) as unknown as QuotaDocument[];
    const out = new Map<string, ProviderKeys>();
    const of = (provider: string): ProviderKeys => {
      const known = out.get(provider) ?? { keys: [], quotas: new Map() };
      out.set(provider, known);
      return known;
    };
    for (const key of keys) of(key.provider).keys.push(key);
    for (const quota of quotas) of(quota.provider).quotas.set(quota._id, quota);
    return out;
  }

  #known(provider: string): ProviderKeys {
    return this.#view.get(provider) ?? { keys: [], quotas: new Map() };
  }

  /** Whether some key may serve one of these needs, as far as is known: then the job is worth a look. */
  mayServe(source: string, needs: readonly KeyNeed[]): boolean {
    const provider = this.#deps.providerOf(source);
    if (provider === undefined) return true;
    const now = this.#now();
    return needs.some((need) => {
      const first = firstToServe(provider, this.#known(provider.id), need, now);
      return first !== undefined && first.at <= now && first.lacks !== 'too_dear';
    });
  }

  /** What was refused to the job and would be again: a filter of steps that leaves it out, and the wait that it means. */
  held({ _id, source }: Pick<JobDocument, '_id' | 'source'>): { without: object; wait: KeyWait } | undefined {
    const held = this.#held.get(_id);
    const provider = this.#deps.providerOf(source);
    if (held === undefined || provider === undefined) return undefined;
    const now = this.#now();
    for (const [key, need] of held) if (need.until <= now && this.mayServe(source, [need])) held.delete(key);
    if (held.size === 0) {
      this.#held.delete(_id);
      return undefined;
    }
    const needs = [...held.values()].map(({ until: _until, ...need }) => need);
    const without = needs.map(({ kind, distinct }) =>
      distinct === undefined ? { kind } : { kind, distinct },
    );
    return { without: { $nor: without }, wait: this.#wait(provider, needs, now) };
  }

  /** Forgets jobs that are not live any more. */
  retain(live: ReadonlySet<string>): void {
    for (const id of this.#held.keys()) if (!live.has(id)) this.#held.delete(id);
  }

  #wait(provider: Provider, needs: KeyNeed[], now: number): KeyWait {
    const known = this.#known(provider.id);
    const active = known.keys.filter(({ state }) => state === 'active').length;
    const first = needs
      .map((need) => firstToServe(provider, known, need, now))
      .reduce((a, b) => (a === undefined || (b !== undefined && b.at < a.at) ? b : a), undefined);
    const gone = first === undefined || first.lacks === 'quota' || first.lacks === 'too_dear';
    return {
      reason: gone ? 'keys_exhausted' : 'rate_limited',
      until: new Date(first?.at ?? now + NO_KEY_MS),
      detail: explain(provider, first, active),
      needs: needs.slice(0, MAX_NEEDS),
    };
  }

  /**
   * Finds a key for each claimed step that calls its provider, takes the most that it may spend from the quota, and
   * notes the charge on the step while `token` still holds it. Steps of other kinds are in neither list.
   */
  async lease(
    job: Pick<JobDocument, '_id' | 'source'>,
    steps: readonly StepDocument[],
    token: string,
  ): Promise<Leased> {
    const granted: Leased['granted'] = new Map();
    const provider = this.#deps.providerOf(job.source);
    const calling = provider ? steps.filter(({ kind }) => provider.steps[kind] !== undefined) : [];
    if (provider === undefined || calling.length === 0) return { granted, refused: [] };
    const now = this.#now();
    const fresh = (await this.#read({ provider: provider.id })).get(provider.id);
    const known: ProviderKeys = fresh ?? { keys: [], quotas: new Map() };
    this.#view.set(provider.id, known);
    let left = [...calling];
    // A thing that a key was asked for already costs no room there: such keys come first.
    try {
      for (const isNew of provider.distinct ? [false, true] : [true]) {
        for (const key of known.keys) {
          if (left.length === 0) break;
          left = await this.#serve(provider, known, key, left, isNew, token, now, granted);
        }
      }
    } catch (error) {
      await this.giveBack([...granted.values()].map(({ charge }) => charge)).catch(() => undefined);
      throw error;
    }
    if (left.length === 0) return { granted, refused: [] };
    const needs = this.#hold(job._id, left, now);
    return { granted, refused: left.map(({ _id }) => _id), wait: this.#wait(provider, needs, now) };
  }

  #hold(jobId: string, refused: readonly StepDocument[], now: number): KeyNeed[] {
    const held = this.#held.get(jobId) ?? new Map<string, KeyNeed & { until: number }>();
    this.#held.set(jobId, held);
    for (const { kind, distinct } of refused) {
      const need = { kind, ...(distinct === undefined ? {} : { distinct }) };
      held.set(needKey(need), { ...need, until: now + HOLD_MS });
    }
    return [...held.values()].map(({ until: _until, ...need }) => need);
  }

  /** Gives what this key can to the steps; those that are left. */
  async #serve(
    provider: Provider,
    known: ProviderKeys,
    key: Key,
    steps: StepDocument[],
    isNew: boolean,
    token: string,
    now: number,
    granted: Leased['granted'],
  ): Promise<StepDocument[]> {
    const quotaId = quotaIdOf(key);
    if (key.state !== 'active' || key.sealed === undefined || !known.quotas.has(quotaId)) return steps;
    const days = provider.distinct?.days ?? 0;
    const left: StepDocument[] = [];
    for (const group of groups(steps)) {
      const { kind, distinct } = group[0] as StepDocument;
      const quota = known.quotas.get(quotaId) as QuotaDocument;
      const calls = provider.steps[kind] ?? {};
      const need = needOf(provider, quota, calls);
      const bounded = provider.distinct && distinct !== undefined ? distinct : undefined;
      const counts = key.distinct.some(
        ({ what, at }) => what === bounded && at.getTime() > now - days * DAY_MS,
      );
      const { at, lacks } = servesFrom(provider, key, quota, need, distinct, now);
      const may = at <= now;
      if (lacks === 'quota') await noteUsedUp(this.#deps.store, key, quota, now);
      const taken =
        may && (bounded === undefined || counts || isNew)
          ? await take(this.#deps.store, quota, need, group.length, now)
          : undefined;
      if (taken === undefined) {
        left.push(...group);
        continue;
      }
      known.quotas.set(quotaId, taken.quota);
      const charge: StepCharge = {
        credential: key._id,
        quota: quotaId,
        day: taken.quota.day,
        at: new Date(now),
        calls,
        costs: costsOf(provider, quota, calls),
      };
      const served = group.slice(0, taken.count);
      if (bounded !== undefined && !counts && !(await this.#enter(provider, key, bounded, now))) {
        await this.giveBack(served.map(() => charge));
        left.push(...group);
        continue;
      }
      const credential: SealedCredential = {
        id: key._id,
        ...(key.account === undefined ? {} : { account: key.account }),
        sealed: key.sealed,
      };
      for (const { _id } of served) granted.set(_id, { credential, charge });
      await this.#deps.store.steps.collection.updateMany(
        { _id: { $in: served.map(({ _id }) => _id) }, state: 'leased', lease: token } as never,
        { $set: { charge } },
      );
      left.push(...group.slice(taken.count));
    }
    return left;
  }

  /** Enters a thing among those that the key was asked for, if there is room; one atomic update. */
  async #enter(provider: Provider, key: Key, what: string, now: number): Promise<boolean> {
    const { limit, days } = provider.distinct ?? { limit: 0, days: 0 };
    const counting = {
      $filter: { input: '$distinct', cond: { $gt: ['$$this.at', new Date(now - days * DAY_MS)] } },
    };
    const after = (await this.#deps.store.credentials.collection.findOneAndUpdate(
      { _id: key._id } as never,
      [
        { $set: { distinct: counting } },
        {
          $set: {
            distinct: {
              $cond: [
                {
                  $or: [
                    { $in: [{ $literal: what }, '$distinct.what'] },
                    { $gte: [{ $size: '$distinct' }, limit] },
                  ],
                },
                '$distinct',
                { $concatArrays: ['$distinct', [{ what: { $literal: what }, at: new Date(now) }]] },
              ],
            },
          },
        },
      ] as never,
      { returnDocument: 'after', projection: { distinct: 1 } },
    )) as unknown as Pick<CredentialDocument, 'distinct'> | null;
    if (after === null) return false;
    key.distinct = after.distinct;
    const asked = after.distinct.map((one) => ({ what: one.what, at: one.at.getTime() }));
    return inWindow(asked, days, now).some((one) => one.what === what);
  }

  /** Returns charges of steps that certainly did not go out. */
  async giveBack(charges: readonly StepCharge[]): Promise<void> {
    await returnCharges(this.#deps.store, charges, this.#now());
  }

  /** Takes in what became of charged steps; the view is read anew at the next turn. */
  async settle(reports: readonly CallReport[]): Promise<void> {
    if (await settleCalls(this.#deps.store, this.#deps.log, reports, this.#now())) this.#readAt = -Infinity;
  }
}

/** Steps that need the same, in their order. */
function groups(steps: readonly StepDocument[]): StepDocument[][] {
  const out = new Map<string, StepDocument[]>();
  for (const step of steps) {
    const known = out.get(needKey(step));
    if (known) known.push(step);
    else out.set(needKey(step), [step]);
  }
  return [...out.values()];
}
