/** Which jobs may have something to do, and whose turn it is. */
import { WAIT_REASONS } from '@magpie/contracts';
import { DISPATCHING } from '@magpie/domain';
import { COLLECTED, type JobDocument, type KeyNeed, type Store } from '@magpie/store';

/** A job of a lower priority that was passed over for so many turns comes first. */
const TURNS_A_RANK = 5;

export type LiveJob = Pick<
  JobDocument,
  | '_id'
  | 'source'
  | 'priority'
  | 'state'
  | 'epoch'
  | 'waiting'
  | 'correlationId'
  | 'rank'
  | 'retrying'
  | 'stopWhenExhausted'
  | 'warnings'
>;

/**
 * Jobs that may have something to do: of those that wait, the ones whose time has come, and the ones that may go on
 * earlier. There may be thousands that wait for their schedule, of which none is read before its time.
 */
export const liveBy = (now: number) => ({
  ...COLLECTED,
  $or: [
    { state: { $in: DISPATCHING.filter((state) => state !== 'waiting') } },
    { state: 'waiting', 'waiting.reason': 'host_backoff' },
    {
      state: 'waiting',
      'waiting.reason': { $in: ['keys_exhausted', 'rate_limited'] },
      'waiting.needs': { $exists: true },
    },
    {
      state: 'waiting',
      'waiting.reason': { $in: WAIT_REASONS },
      'waiting.until': { $lte: new Date(now) },
    },
  ],
});

/** The index it goes by: left to choose, MongoDB may read all that wait. */
export const LIVE_BY = { state: 1, 'waiting.reason': 1, 'waiting.until': 1 } as const;

const PROJECTION: Record<keyof LiveJob, 1> = {
  _id: 1,
  source: 1,
  priority: 1,
  state: 1,
  epoch: 1,
  waiting: 1,
  correlationId: 1,
  rank: 1,
  retrying: 1,
  stopWhenExhausted: 1,
  warnings: 1,
};

export interface LiveJobsDeps {
  store: Store;
  clock: () => number;
  /** Whether some key may serve one of these needs now. */
  mayServe: (source: string, needs: readonly KeyNeed[]) => boolean;
}

export class LiveJobs {
  readonly #deps: LiveJobsDeps;
  readonly #lookedAt = new Map<string, number>();
  /** Until when a job is passed over unless something is heard of it. */
  readonly #passedUntil = new Map<string, number>();
  #turns = 0;

  constructor(deps: LiveJobsDeps) {
    this.#deps = deps;
  }

  /** Something was heard of these. */
  hear(ids: Iterable<string>): void {
    for (const id of ids) this.#passedUntil.delete(id);
  }

  hearAll(): void {
    this.#passedUntil.clear();
  }

  /** Leaves a job alone for so long, unless something is heard of it. */
  passOver(id: string, ms: number): void {
    this.#passedUntil.set(id, performance.now() + ms);
  }

  isPassedOver(id: string): boolean {
    return (this.#passedUntil.get(id) ?? 0) > performance.now();
  }

  /** A job gets its turn. */
  lookAt(id: string): void {
    this.#lookedAt.set(id, this.#turns);
  }

  /**
   * Begins a turn: the jobs that may have something to do, those first that were not looked at for longest; and all
   * that are live, these among them.
   */
  async next(): Promise<{ due: LiveJob[]; live: ReadonlySet<string> }> {
    this.#turns++;
    const found = (await this.#deps.store.jobs.collection
      .find(liveBy(this.#deps.clock()) as never, { projection: PROJECTION, hint: LIVE_BY })
      .toArray()) as unknown as LiveJob[];
    const live = new Set(found.map(({ _id }) => _id));
    for (const id of this.#lookedAt.keys())
      if (!live.has(id)) {
        this.#lookedAt.delete(id);
        this.#passedUntil.delete(id);
      }
    const turn = (job: LiveJob): number => (this.#lookedAt.get(job._id) ?? 0) + job.rank * TURNS_A_RANK;
    const due = found.filter((job) => this.#isDue(job)).sort((a, b) => turn(a) - turn(b));
    return { due, live };
  }

  /** A job that waits for a key is looked at when its time has come, or when there may be one earlier. */
  #isDue({ state, waiting, source }: LiveJob): boolean {
    if (state !== 'waiting' || waiting?.needs === undefined) return true;
    return waiting.until.getTime() <= this.#deps.clock() || this.#deps.mayServe(source, waiting.needs);
  }
}
