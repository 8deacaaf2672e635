/** Where good rows go. */
import type { RowFault } from '@magpie/contracts';
import type { Session } from '../engine/work.ts';
import type { Row } from '../read/index.ts';
import type { ImportState, Outcome } from './state.ts';

export interface Sink<T = unknown> {
  /** What a row is, or why it is none. Pure. */
  read(row: Row): T | RowFault;
  /** Writes a batch; it may run more than once, and has no effect but through its session. */
  write(session: Session, state: ImportState, batch: readonly T[]): Promise<Outcome>;
  /** After the last row, or when there is to be none: brings what was written to a good end. */
  finish(session: Session, state: ImportState): Promise<Outcome>;
}

/** Of a dry run. */
export interface DrySink<T = unknown> {
  read: Sink<T>['read'];
  /** What would come of a batch; of all batches in order, each once. */
  weigh(batch: readonly T[]): Promise<Outcome>;
}

export const NOTHING: Outcome = { stored: 0, shared: 0, duplicate: 0 };
