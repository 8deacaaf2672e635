/**
 * What requests cost, and what a project may spend.
 *
 * - search.list costs 100 units, videos.list 1; every request costs at least one point, an invalid one too; each
 *   further page costs again; 10,000 units a day for a project, reset at midnight Pacific Time:
 *   https://developers.google.com/youtube/v3/determine_quota_cost
 * - Since 1 June 2026 the same page describes a granular quota: search.list has a bucket of its own, 100 calls a day
 *   at 1 each, and the 10,000 units are for the other methods (`searchCallsPerDay` turns this on):
 *   https://developers.google.com/youtube/v3/revision_history
 * - Quota belongs to the project; its keys share it: https://developers.google.com/youtube/v3/getting-started#quota
 */
export type Method = 'search.list' | 'videos.list';

/** One request's cost, as it ended. */
export interface Charge {
  readonly at: number;
  readonly key: string;
  readonly project: string;
  readonly method: Method;
  units: number;
}

const PACIFIC = new Intl.DateTimeFormat('en-CA', { timeZone: 'America/Los_Angeles', dateStyle: 'short' });

/** The provider's day of an instant, `2026-11-21`. */
export const pacificDay = (at: number): string => PACIFIC.format(at);

export class Quota {
  /** Every request that was charged, in the order of arrival. */
  readonly charges: Charge[] = [];
  readonly #spent = new Map<string, number>();
  readonly #limit: (project: string) => number;
  readonly #searchCalls: number | undefined;

  constructor(limit: number | Readonly<Record<string, number>>, searchCallsPerDay: number | undefined) {
    this.#limit = (project) => (typeof limit === 'number' ? limit : (limit[project] ?? 10_000));
    this.#searchCalls = searchCallsPerDay;
  }

  cost(method: Method): number {
    return method === 'search.list' && this.#searchCalls === undefined ? 100 : 1;
  }

  /** Takes a request's whole cost; undefined, and nothing taken, if that is more than is left today. */
  charge(key: string, project: string, method: Method, at: number): Charge | undefined {
    const units = this.cost(method);
    const bucket = this.#bucket(project, method, at);
    const limit = bucket.startsWith('search/') ? (this.#searchCalls as number) : this.#limit(project);
    const spent = this.#spent.get(bucket) ?? 0;
    if (spent + units > limit) return undefined;
    this.#spent.set(bucket, spent + units);
    const charge = { at, key, project, method, units };
    this.charges.push(charge);
    return charge;
  }

  /** Corrects what a request costs once it is known how it ended. */
  settle(charge: Charge, units: number): void {
    const bucket = this.#bucket(charge.project, charge.method, charge.at);
    this.#spent.set(bucket, (this.#spent.get(bucket) ?? 0) + units - charge.units);
    charge.units = units;
  }

  /** Units of the shared allowance that a project spent on the day of `at`. */
  spent(project: string, at: number): number {
    return this.#spent.get(this.#bucket(project, 'videos.list', at)) ?? 0;
  }

  /** search.list calls that a project spent on the day of `at`, where they have a bucket of their own. */
  searchCalls(project: string, at: number): number {
    return this.#spent.get(`search/${project}/${pacificDay(at)}`) ?? 0;
  }

  clear(): void {
    this.charges.length = 0;
    this.#spent.clear();
  }

  #bucket(project: string, method: Method, at: number): string {
    const own = method === 'search.list' && this.#searchCalls !== undefined;
    return `${own ? 'search' : 'units'}/${project}/${pacificDay(at)}`;
  }
}
