/** The sources that collectors announced: kept in the database, held in memory by the director. */
import type { SourceDescription } from '@magpie/contracts';
import type { SourceDocument, Store } from '@magpie/store';

/** As long a director may not know what was announced to another replica: a new source's steps would get no key. */
const REFRESH_MS = 1000;

export class SourceCatalogue {
  readonly #store: Store;
  #sources = new Map<string, SourceDocument>();
  /** When what is held was read; Infinity while it is read, 0 when it is to be read anew. */
  #readAt = 0;
  #reading: Promise<void> = Promise.resolve();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Keeps what a collector says of its source. Idempotent; the latest announcement wins. */
  async announce(description: SourceDescription): Promise<void> {
    const { id, ...rest } = description;
    await this.#store.sources.collection.updateOne(
      { _id: id } as never,
      { $set: { ...rest, lastSeenAt: new Date() } },
      { upsert: true },
    );
    this.#readAt = 0;
  }

  /** Whoever comes while it is read waits for that: no result is taken in by terms that are not there yet. */
  refresh(): Promise<void> {
    if (Date.now() - this.#readAt >= REFRESH_MS) {
      this.#readAt = Infinity;
      // One after the other, so that what was read last stays.
      const read = (): Promise<void> => this.#read();
      this.#reading = this.#reading.then(read, read);
    }
    return this.#reading;
  }

  async #read(): Promise<void> {
    this.#readAt = Infinity;
    try {
      const found = (await this.#store.sources.collection.find({}).toArray()) as unknown as SourceDocument[];
      this.#sources = new Map(found.map((source) => [source._id, source]));
      // Not if more was announced meanwhile.
      if (this.#readAt === Infinity) this.#readAt = Date.now();
    } catch (error) {
      this.#readAt = 0;
      throw error;
    }
  }

  /** Whether a collector of the source has said so lately (they do every 15 s). */
  isAlive(source: string): boolean {
    return Date.now() - (this.#sources.get(source)?.lastSeenAt.getTime() ?? 0) < 45_000;
  }

  /** What was announced of a source; undefined before. */
  get(source: string): SourceDocument | undefined {
    return this.#sources.get(source);
  }

  /** How many steps of a kind go into one message. */
  batch(source: string, kind: string): number {
    return this.#sources.get(source)?.batch[kind] ?? 1;
  }
}
