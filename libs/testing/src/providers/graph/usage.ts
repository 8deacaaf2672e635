/**
 * The rolling hour of calls, and the headers that tell it.
 *
 * https://developers.facebook.com/docs/graph-api/overview/rate-limiting: `X-App-Usage` holds whole percentages of the
 * calls and times allowed in a rolling hour, `X-Business-Use-Case-Usage` the same by business and type, with the
 * minutes until access is regained. Calls made while throttled are counted too.
 */
const HOUR = 3_600_000;

export class CallWindow {
  readonly limit: number;
  readonly #now: () => number;
  readonly #calls: { at: number; n: number }[] = [];
  #sum = 0;

  constructor({ limit, now }: { limit: number; now: () => number }) {
    this.limit = limit;
    this.#now = now;
  }

  /** Counts calls; false when the limit had been reached before them. */
  take(n = 1): boolean {
    const free = this.used() < this.limit;
    this.#calls.push({ at: this.#now(), n });
    this.#sum += n;
    return free;
  }

  /** Calls in the last hour. */
  used(): number {
    const since = this.#now() - HOUR;
    let over = 0;
    while (over < this.#calls.length && (this.#calls[over] as { at: number }).at <= since)
      this.#sum -= (this.#calls[over++] as { n: number }).n;
    if (over > 0) this.#calls.splice(0, over);
    return this.#sum;
  }

  /** Whole percent of the limit; may exceed 100. */
  percent(): number {
    return Math.floor((100 * this.used()) / this.limit);
  }

  /** Minutes until the count is below the limit; 0 when it is. */
  regainMinutes(): number {
    let left = this.used();
    for (const call of this.#calls) {
      if (left < this.limit) return 0;
      left -= call.n;
      if (left < this.limit) return Math.max(1, Math.ceil((call.at + HOUR - this.#now()) / 60_000));
    }
    return 0;
  }
}

export interface Usage {
  readonly percent: number;
  readonly regainMinutes?: number;
  readonly businessId: string;
  /** The use case, as `instagram` or `pages`. */
  readonly type: string;
}

/** Both usage headers. The times are told a little lower than the calls, so that a reader must take the maximum. */
export function usageHeaders({
  percent,
  regainMinutes = 0,
  businessId,
  type,
}: Usage): Record<string, string> {
  const time = Math.floor(percent * 0.8);
  const app = { call_count: percent, total_cputime: Math.floor(percent * 0.6), total_time: time };
  const business = [{ type, ...app, estimated_time_to_regain_access: regainMinutes }];
  return {
    'x-app-usage': JSON.stringify(app),
    'x-business-use-case-usage': JSON.stringify({ [businessId]: business }),
  };
}
