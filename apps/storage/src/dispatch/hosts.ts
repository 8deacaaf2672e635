/**
 * How a host is paced, for all replicas: a bound on steps under way, a delay between them where robots.txt wants one,
 * and a pause where it asked for one (429, 503). The director reads it before it claims steps.
 */
import type { HostReport } from '@magpie/contracts';
import type { HostDocument, Store } from '@magpie/store';

const FIRST_BACKOFF_MS = 1000;
const LAST_BACKOFF_MS = 15 * 60_000;

/** Records hosts' wishes and what they answered; each update is idempotent or only lengthens a pause. */
export async function recordHosts(
  store: Store,
  {
    reports,
    backoffs,
    answered,
  }: {
    reports: readonly HostReport[];
    backoffs: ReadonlyMap<string, number | undefined>;
    answered: ReadonlySet<string>;
  },
): Promise<void> {
  const hosts = store.hosts.collection;
  const now = Date.now();
  for (const { host, delayMs } of reports)
    await hosts.updateOne(
      { _id: host } as never,
      { $set: { delayMs }, $setOnInsert: { backoffUntil: null, backoffs: 0 } },
      { upsert: true },
    );
  for (const [host, until] of backoffs) {
    const power = { $pow: [2, { $min: [20, { $ifNull: ['$backoffs', 0] }] }] };
    const wait = { $min: [LAST_BACKOFF_MS, { $multiply: [FIRST_BACKOFF_MS, power] }] };
    const at = until === undefined ? { $add: [new Date(now), wait] } : new Date(until);
    await hosts.updateOne(
      { _id: host } as never,
      [
        {
          $set: {
            backoffUntil: { $max: ['$backoffUntil', at] },
            backoffs: { $add: [{ $ifNull: ['$backoffs', 0] }, 1] },
            delayMs: { $ifNull: ['$delayMs', 0] },
          },
        },
      ],
      { upsert: true },
    );
  }
  const fine = [...answered].filter((host) => !backoffs.has(host));
  if (fine.length > 0)
    await hosts.updateMany(
      { _id: { $in: fine }, backoffs: { $gt: 0 }, backoffUntil: { $lt: new Date(now) } } as never,
      { $set: { backoffs: 0 } },
    );
}

const REFRESH_MS = 200;

/** The director's view of hosts: how many more steps one takes now. */
export class HostPacer {
  readonly #store: Store;
  readonly #concurrency: number;
  readonly #special = new Map<string, HostDocument>();
  readonly #nextAt = new Map<string, number>();
  readonly #since = Date.now();
  #refreshedAt = 0;
  #busy = new Map<string, number>();

  /** @param concurrency steps under way at once on one host */
  constructor(store: Store, concurrency: number) {
    this.#store = store;
    this.#concurrency = concurrency;
  }

  /** @param busy steps under way, by host */
  async refresh(busy: Map<string, number>): Promise<void> {
    this.#busy = busy;
    const now = Date.now();
    if (now - this.#refreshedAt < REFRESH_MS) return;
    this.#refreshedAt = now;
    const found = (await this.#store.hosts.collection
      .find({
        $or: [{ delayMs: { $gt: 0 } }, { backoffs: { $gt: 0 } }, { backoffUntil: { $gt: new Date(now) } }],
      } as never)
      .toArray()) as unknown as HostDocument[];
    this.#special.clear();
    for (const host of found) this.#special.set(host._id, host);
    for (const [host, at] of this.#nextAt) if (at < now - 60_000) this.#nextAt.delete(host);
  }

  /** Until when the host wants to be left alone (ms), or 0. */
  backoffUntil(host: string): number {
    const until = this.#special.get(host)?.backoffUntil?.getTime() ?? 0;
    return until > Date.now() ? until : 0;
  }

  /** Hosts on a pause that they asked for, with its end (ms). */
  backoffs(): Map<string, number> {
    const out = new Map<string, number>();
    for (const host of this.#special.keys()) {
      const until = this.backoffUntil(host);
      if (until > 0) out.set(host, until);
    }
    return out;
  }

  /** Hosts that take nothing now, as far as is known. */
  closed(): string[] {
    const known = new Set([...this.#busy.keys(), ...this.#special.keys()]);
    return [...known].filter((host) => this.capacity(host) <= 0);
  }

  /** How many steps may be dispatched to the host now. Host '' is none, and not paced. */
  capacity(host: string): number {
    if (host === '') return Infinity;
    if (this.backoffUntil(host) > 0) return 0;
    const busy = this.#busy.get(host) ?? 0;
    const special = this.#special.get(host);
    if (special && special.delayMs > 0) {
      const next = this.#nextAt.get(host) ?? this.#since + special.delayMs;
      return busy === 0 && Date.now() >= next ? 1 : 0;
    }
    if (special && special.backoffs > 0) return busy === 0 ? 1 : 0;
    return Math.max(0, this.#concurrency - busy);
  }

  /** Counts steps that were claimed. */
  took(host: string, count: number): void {
    if (host === '' || count === 0) return;
    this.#busy.set(host, (this.#busy.get(host) ?? 0) + count);
    const delay = this.#special.get(host)?.delayMs ?? 0;
    if (delay > 0) this.#nextAt.set(host, Date.now() + delay);
  }
}
