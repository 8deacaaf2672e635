import type { Logger } from '@magpie/service-kit';

/** What a source may use while it does a step. */
export interface StepContext {
  readonly http: any;
  readonly files: any;
  /** Aborts when the step is to end: its job was terminated, its time is over, the process ends. */
  readonly signal: AbortSignal;
  /** Bound to the job and the step. */
  readonly log: Logger;
  readonly attempt: number;
  /** When the step is aborted, ms since the epoch. */
  readonly deadline: number;
}
