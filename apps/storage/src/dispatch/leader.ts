/**
 * One storage replica at a time directs: it dispatches, looks after leases and brings jobs through their states.
 * The others take results in. A lock with a lease of 4 s decides, by the database's clock; whoever holds it renews it
 * each second and stops directing when it could not for 3 s, so at no time do two direct.
 */
import type { Store } from '@magpie/store';

const LEASE_MS = 4000;
const TRUST_MS = 3000;
const RENEW_MS = 1000;

export class Leader {
  readonly #store: Store;
  readonly #holder: string;
  readonly #onError: (error: unknown) => void;
  #renewedAt = -Infinity;
  #timer: NodeJS.Timeout | undefined;
  #trying: Promise<void> = Promise.resolve();

  constructor(store: Store, holder: string, onError: (error: unknown) => void) {
    this.#store = store;
    this.#holder = holder;
    this.#onError = onError;
  }

  /** Tries for the lock now, and renews it or tries again each second. */
  start(): void {
    const again = (): void => {
      this.#trying = this.#try();
    };
    again();
    this.#timer = setInterval(again, RENEW_MS);
  }

  /** Whether this replica directs at this moment. */
  get leads(): boolean {
    return performance.now() - this.#renewedAt < TRUST_MS;
  }

  async #try(): Promise<void> {
    const began = performance.now();
    try {
      this.#renewedAt = (await this.#acquire()) ? began : -Infinity;
    } catch (error) {
      this.#onError(error);
    }
  }

  async #acquire(): Promise<boolean> {
    const locks = this.#store.locks.collection;
    await locks.updateOne(
      { _id: 'director' } as never,
      { $setOnInsert: { holder: '', until: new Date(0) } },
      { upsert: true },
    );
    const lock = await locks.findOneAndUpdate(
      {
        _id: 'director',
        $expr: { $or: [{ $eq: ['$holder', this.#holder] }, { $lt: ['$until', '$$NOW'] }] },
      } as never,
      [{ $set: { holder: this.#holder, until: { $add: ['$$NOW', LEASE_MS] } } }],
      { returnDocument: 'after' },
    );
    return lock !== null;
  }

  /** Gives the lock up, so that another replica need not wait for it to run out. */
  async resign(): Promise<void> {
    clearInterval(this.#timer);
    await this.#trying;
    this.#renewedAt = -Infinity;
    await this.#store.locks.collection.updateOne({ _id: 'director', holder: this.#holder } as never, {
      $set: { holder: '', until: new Date(0) },
    });
  }
}
