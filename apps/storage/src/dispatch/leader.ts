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
  #renewedAt = 0;
  #nextTry = 0;

  constructor(store: Store, holder: string) {
    this.#store = store;
    this.#holder = holder;
  }

  /** Whether this replica directs now. Renews or tries for the lock when that is due; throws when the database is away. */
  async leads(): Promise<boolean> {
    const now = Date.now();
    if (now >= this.#nextTry) {
      this.#nextTry = now + RENEW_MS;
      if (await this.#acquire()) this.#renewedAt = now;
      else this.#renewedAt = 0;
    }
    return Date.now() - this.#renewedAt < TRUST_MS;
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
    this.#renewedAt = 0;
    await this.#store.locks.collection.updateOne({ _id: 'director', holder: this.#holder } as never, {
      $set: { holder: '', until: new Date(0) },
    });
  }
}
