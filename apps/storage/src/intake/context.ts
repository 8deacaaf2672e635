/** What taking in one outcome works with. */
import type { NextStep, Outcome, SourceDescription } from '@magpie/contracts';
import type {
  JobDocument,
  LinkDocument,
  PendingSamplesDocument,
  StepCharge,
  StepDocument,
} from '@magpie/store';
import type { Ledger } from './ledger.ts';

export interface IntakeLimits {
  /** How often a step is tried before it is given up. */
  maxAttempts: number;
  /** How often a collector may die over a step before the step is set aside. */
  maxCrashes: number;
  /** How often a lease may run out though a collector was there, before the step is set aside. */
  maxExpiries: number;
  /** How often a host may ask for a pause before a step is given up. */
  maxBackoffs: number;
}

/** What is to be done once the transaction has been committed. */
export interface Effects {
  /** Jobs that changed. */
  jobs: Set<string>;
  /** Hosts that asked for a pause, until when (ms) if they said. */
  backoffs: Map<string, number | undefined>;
  /** Hosts that answered. */
  answered: Set<string>;
  /** What became of charged steps, for the quotas. */
  calls: CallReport[];
  /** Samples to be moved into their collection. */
  pending: readonly PendingSamplesDocument[];
}

/** What became of what was taken from a quota for one dispatch of a step. */
export interface CallReport {
  charge: StepCharge;
  /** Calls that reached the provider, by operation; undefined when nobody knows: then all that was taken is spent. */
  spent: Record<string, number> | undefined;
  /** The provider's word on how much of its limits is used. */
  usage?: { percent: number; until?: number };
  /** The provider did not let the credential through. */
  verdict?: { state: 'exhausted' | 'resting' | 'refused'; until?: number; message: string };
}

/** What collectors send, and what storage finds out by itself. */
export type TakenOutcome =
  | Outcome
  /** The first steps of a result that has too many for one transaction. */
  | { id: string; lease: string; outcome: 'part'; next: NextStep[] }
  /** The lease ran out; `counts` when a collector was there to do it. */
  | { id: string; lease: string; outcome: 'expired'; counts: boolean };

/** What intake needs to know of a source. */
export type SourceTerms = Pick<SourceDescription, 'retries' | 'searchable' | 'targets'>;

export interface Context {
  ledger: Ledger;
  effects: Effects;
  limits: IntakeLimits;
  source: string;
  terms: SourceTerms;
  /** Jobs to which this outcome brought something that they did not have. */
  news: Set<string>;
  step: StepDocument;
  waiters: JobDocument[];
  now: Date;
}

export const fault = (
  { step, now }: Context,
  job: JobDocument,
  code: string,
  message: string,
  status?: number,
): NonNullable<LinkDocument['error']> => ({
  code,
  message,
  attempt: step.attempt,
  ...(status === undefined ? {} : { status }),
  at: now,
  epoch: job.epoch,
});

/** A step that is not dispatched any more, as it goes back. */
export function idle(
  step: StepDocument,
  state: StepDocument['state'],
  rest: Partial<StepDocument> = {},
): StepDocument {
  const {
    lease: _lease,
    leasedFor: _leasedFor,
    leaseUntil: _leaseUntil,
    notBefore: _notBefore,
    charge: _charge,
    ...kept
  } = step;
  return { ...kept, ...rest, state };
}
