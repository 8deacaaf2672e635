/**
 * Takes results in: batches of them become one transaction, then hints, then acks.
 * Dies before the commit: nothing happened, the messages come again. Dies after it: they come again and change nothing.
 */
import type { Delivery } from '@magpie/broker';
import type { HostReport, ResultsMessage } from '@magpie/contracts';
import type { Store } from '@magpie/store';
import { recordHosts } from '../dispatch/hosts.ts';
import { isFileMissing } from '../files/release.ts';
import { applyOutcomes, type Effects, type IntakeLimits, type SourcedOutcome } from './apply.ts';
import { Ledger } from './ledger.ts';

export interface IntakeDeps {
  store: Store;
  filesRoot: string;
  limits: IntakeLimits;
  /** Called after each commit with the jobs that changed. */
  onChanged: (jobs: ReadonlySet<string>) => Promise<void>;
}

/** Outcomes in one transaction: enough to share its cost, few enough to be over in some tens of milliseconds. */
const MAX_OUTCOMES = 400;

export class Intake {
  readonly #deps: IntakeDeps;

  constructor(deps: IntakeDeps) {
    this.#deps = deps;
  }

  /** Returns when all is in the database. Throws what the database throws. */
  async take(deliveries: readonly Delivery<ResultsMessage>[]): Promise<void> {
    const reports = deliveries.flatMap(({ body }) => body.hosts ?? []);
    let batch: SourcedOutcome[] = [];
    for (const { body } of deliveries) {
      batch.push(...body.outcomes.map((outcome) => ({ source: body.source, outcome })));
      if (batch.length >= MAX_OUTCOMES) {
        await this.#commit(batch);
        batch = [];
      }
    }
    await this.#commit(batch, reports);
  }

  async #commit(batch: readonly SourcedOutcome[], reports: readonly HostReport[] = []): Promise<void> {
    const { store, filesRoot, limits, onChanged } = this.#deps;
    const none: Effects = { jobs: new Set(), backoffs: new Map(), answered: new Set() };
    const effects =
      batch.length === 0
        ? none
        : await store.transaction(async (session) => {
            const ledger = new Ledger(store, session);
            const applied = await applyOutcomes(ledger, batch, limits, (found) =>
              isFileMissing(store, filesRoot, session, found),
            );
            await ledger.flush(new Date());
            return applied;
          });
    await recordHosts(store, { reports, ...effects });
    await onChanged(effects.jobs);
  }
}
