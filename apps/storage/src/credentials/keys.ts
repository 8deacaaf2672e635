/** A provider's keys, and which of them may serve a need, or when. */
import type { Provider } from '@magpie/contracts';
import { carriesFrom, distinctFrom, type Need, type Shortage } from '@magpie/domain';
import type { CredentialDocument, KeyNeed, QuotaDocument } from '@magpie/store';
import { costOf, stateOf } from './quotas.ts';

/** A credential as far as it is known without its secret. */
export type Key = Omit<CredentialDocument, 'sealed'> & { sealed?: string };

export interface ProviderKeys {
  /** In the order in which they are used. */
  keys: Key[];
  quotas: Map<string, QuotaDocument>;
}

export const quotaIdOf = ({ provider, project }: Pick<Key, 'provider' | 'project'>): string =>
  `${provider}:${project}`;

/** What each call of an operation costs a quota's project. */
export const costsOf = (
  provider: Provider,
  quota: QuotaDocument,
  calls: Readonly<Record<string, number>>,
): Record<string, number> =>
  Object.fromEntries(
    Object.keys(calls).map((operation) => [
      operation,
      quota.costs[operation] ?? provider.operations[operation] ?? 0,
    ]),
  );

export const needOf = (
  provider: Provider,
  quota: QuotaDocument,
  calls: Readonly<Record<string, number>>,
): Need => costOf({ calls, costs: costsOf(provider, quota, calls) });

export interface Availability {
  /** Now, or when it may serve, ms. */
  at: number;
  lacks: Shortage | null;
}

/** When a key may serve a step that asks for `distinct`. */
export function servesFrom(
  provider: Provider,
  key: Key,
  quota: QuotaDocument,
  need: Need,
  distinct: string | undefined,
  now: number,
): Availability {
  let at = now;
  let lacks: Shortage | null = null;
  const rests = key.restUntil?.getTime() ?? 0;
  if (rests > at) [at, lacks] = [rests, 'rest'];
  if (provider.distinct && distinct !== undefined) {
    const asked = key.distinct.map((one) => ({ what: one.what, at: one.at.getTime() }));
    const open = distinctFrom(asked, distinct, provider.distinct, at);
    if (open > at) [at, lacks] = [open, 'distinct'];
  }
  const carried = carriesFrom(stateOf(quota), need, at);
  return carried.lacks === null ? { at, lacks } : carried;
}

/** When the first of the keys may serve the need; undefined when there is no active key. */
export function firstToServe(
  provider: Provider,
  { keys, quotas }: ProviderKeys,
  { kind, distinct }: KeyNeed,
  now: number,
): Availability | undefined {
  const calls = provider.steps[kind] ?? {};
  let first: Availability | undefined;
  for (const key of keys) {
    const quota = quotas.get(quotaIdOf(key));
    if (key.state !== 'active' || quota === undefined) continue;
    const one = servesFrom(provider, key, quota, needOf(provider, quota, calls), distinct, now);
    if (first === undefined || rank(one) < rank(first)) first = one;
  }
  return first;
}

/** What never fits comes last. */
const rank = ({ at, lacks }: Availability): number => (lacks === 'too_dear' ? Infinity : at);

/** In words, why a job has to wait and until when. */
export function explain(provider: Provider, availability: Availability | undefined, active: number): string {
  if (availability === undefined) return `There is no active key for ${provider.id}.`;
  const at = new Date(availability.at).toISOString();
  const keys = active === 1 ? 'The key' : `All ${active} keys`;
  switch (availability.lacks) {
    case 'distinct':
      return `${provider.distinct?.limit} different ${provider.distinct?.what} were asked for in ${provider.distinct?.days} days; there is room again at ${at}.`;
    case 'rest':
      return `${provider.title} wants a pause; it goes on at ${at}.`;
    case 'tokens':
      return `The calls of an hour are used up; it goes on at ${at}.`;
    case 'too_dear':
      return `A step may take more units than ${active === 1 ? 'the key has' : 'any key has'} in a day; looked at again at ${at}.`;
    default:
      return `${keys} of ${provider.id} ${active === 1 ? 'is' : 'are'} used up for the day; there is quota again at ${at}.`;
  }
}
