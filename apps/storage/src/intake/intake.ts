/**
 * Takes results in: batches of them become one transaction, then hints, then acks.
 * Dies before the commit: nothing happened, the messages come again. Dies after it: they come again and change nothing.
 */
import type { Delivery } from '@magpie/broker';
import type { FoundItem, HostReport, ResultsMessage } from '@magpie/contracts';
import type { Store } from '@magpie/store';
import { recordHosts } from '../dispatch/hosts.ts';
import { missingFiles } from '../files/release.ts';
import { moveSamples } from '../samples/move-samples.ts';
import { applyOutcomes, type SourcedOutcome } from './apply.ts';
import type { CallReport, IntakeLimits, SourceTerms, TakenOutcome } from './context.ts';
import { Ledger } from './ledger.ts';

export interface IntakeDeps {
  store: Store;
  filesRoot: string;
  limits: IntakeLimits;
  /** What a source's collector announced. */
  termsOf?: (source: string) => SourceTerms;
  /** Called after each commit with what became of charged steps. */
  onCalls?: (calls: readonly CallReport[]) => Promise<void>;
  /** Milliseconds since the epoch. */
  clock?: () => number;
  /** Called after each commit with the jobs that changed. */
  onChanged: (jobs: ReadonlySet<string>) => Promise<void>;
}

/** Rows in one transaction: enough to share its cost, few enough to be over soon and to fit into the cache. */
const MAX_ROWS = 2000;

export class Intake {
  readonly #deps: IntakeDeps;
  #busy = 0;

  constructor(deps: IntakeDeps) {
    this.#deps = deps;
  }

  /** Whether results are being taken in at this moment. */
  get busy(): boolean {
    return this.#busy > 0;
  }

  /** Returns when all is in the database. Throws what the database throws. */
  async take(deliveries: readonly Delivery<ResultsMessage>[]): Promise<void> {
    await this.apply(
      deliveries.flatMap(({ body }) => body.outcomes.map((outcome) => ({ source: body.source, outcome }))),
      deliveries.flatMap(({ body }) => body.hosts ?? []),
    );
  }

  /** The same, for outcomes that nobody sent. */
  async apply(outcomes: readonly SourcedOutcome[], reports: readonly HostReport[] = []): Promise<void> {
    this.#busy++;
    try {
      await recordHosts(this.#deps.store, { reports, backoffs: new Map(), answered: new Set() });
      let batch: SourcedOutcome[] = [];
      let rows = 0;
      for (const one of outcomes.flatMap(inParts)) {
        const more = rowsOf(one.outcome);
        if (batch.length > 0 && rows + more > MAX_ROWS) {
          await this.#commit(batch);
          batch = [];
          rows = 0;
        }
        batch.push(one);
        rows += more;
      }
      if (batch.length > 0) await this.#commit(batch);
    } finally {
      this.#busy--;
    }
  }

  async #commit(batch: readonly SourcedOutcome[]): Promise<void> {
    const { store, filesRoot, limits, termsOf, onCalls, onChanged, clock = Date.now } = this.#deps;
    const now = new Date(clock());
    const effects = await store.transaction(async (session) => {
      const ledger = new Ledger(store, session);
      const missing = (found: readonly FoundItem[]) => missingFiles(store, filesRoot, session, found);
      const applied = await applyOutcomes(ledger, batch, limits, missing, termsOf, now);
      await ledger.flush(now);
      return applied;
    });
    await recordHosts(store, { reports: [], ...effects });
    if (effects.calls.length > 0) await onCalls?.(effects.calls);
    // What is not moved now is moved by the director's housekeeping.
    await moveSamples(store, effects.pending).catch(() => undefined);
    await onChanged(effects.jobs);
  }
}

const rowsOf = (outcome: TakenOutcome): number =>
  outcome.outcome === 'done'
    ? 2 +
      outcome.items.length +
      outcome.next.length +
      (outcome.samples?.length ?? 0) +
      (outcome.targets?.length ?? 0)
    : 2;

/** A result with very many next steps, in parts: all but the last enter steps and leave the step itself as it is. */
function inParts({ source, outcome }: SourcedOutcome): SourcedOutcome[] {
  if (outcome.outcome !== 'done' || outcome.next.length <= MAX_ROWS) return [{ source, outcome }];
  const { id, lease } = outcome;
  const parts: SourcedOutcome[] = [];
  let from = 0;
  for (; from + MAX_ROWS < outcome.next.length; from += MAX_ROWS)
    parts.push({
      source,
      outcome: { id, lease, outcome: 'part', next: outcome.next.slice(from, from + MAX_ROWS) },
    });
  return [...parts, { source, outcome: { ...outcome, next: outcome.next.slice(from) } }];
}
