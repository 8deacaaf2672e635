/** Where good rows go. */
import type { RowFault } from '@magpie/contracts';
import type { Session } from '../engine/work.ts';
import type { Row } from '../read/index.ts';
import type { ImportState, Outcome } from './state.ts';

export interface Sink<T = unknown> {
  /**
   * What a row is, or why it is none. Pure.
   * @param number of the row in its file, from 1; the same each time that it is read
   */
  read(row: Row, number: number): T | RowFault;
  /** What of a batch can be written before its transaction: that is faster. */
  ahead?: Ahead<T>;
  /**
   * Writes a batch; it may run more than once, and has no effect but through its session.
   * @param put what `ahead` put in
   */
  write(
    session: Session,
    state: ImportState,
    batch: readonly T[],
    put: ReadonlySet<string>,
  ): Promise<Outcome>;
  /** After the last row, or when there is to be none: brings what was written to a good end. */
  finish(session: Session, state: ImportState): Promise<Outcome>;
}

/**
 * What is written before its transaction is announced in one before that, by its ids: so that after a death, or when it
 * is taken back, what was put in for nothing is found.
 */
export interface Ahead<T> {
  idsOf(batch: readonly T[]): string[];
  /** Puts in what nobody has; gives its ids. Never called for two batches out of their order. */
  put(batch: readonly T[]): Promise<ReadonlySet<string>>;
}

/** Of a dry run. */
export interface DrySink<T = unknown> {
  read: Sink<T>['read'];
  /** What would come of a batch; of all batches in order, each once. */
  weigh(batch: readonly T[]): Promise<Outcome>;
}

export const NOTHING: Outcome = { stored: 0, shared: 0, duplicate: 0 };
