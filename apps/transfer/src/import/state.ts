/** How far an import is: what of it is kept in its job, and how a batch changes it. Pure but for reading the job. */
import type { RowFault } from '@magpie/contracts';
import type { JobDocument, TransferDocument } from '@magpie/store';
import { START, type Place } from '../read/index.ts';
import type { ImportOptions } from './options.ts';

/** So many rejected rows, and jobs, are told in the report; all are in lists of their own. */
const MAX_TOLD_ERRORS = 20;
const MAX_TOLD_JOBS = 100;

export interface Load {
  /** The job to be. */
  id: string;
  /** Targets so far. */
  count: number;
}

export interface ImportState extends Place {
  /** Bytes of the list of rejected rows. */
  rejects: number;
  /** Rows: read, brought, kept already, met in this file before, rejected. */
  rows: number;
  stored: number;
  shared: number;
  duplicate: number;
  rejected: number;
  /** Of those rejected, how many for which reason: a code is one of the platform's, so there are not many. */
  reasons: Record<string, number>;
  firstErrors: RowFault[];
  /** Of a dry run of very many rows: some that the file has twice may be counted as new. */
  unsure: boolean;
  jobs: { count: number; ids: string[] };
  /** Targets of a job that is yet to be made. */
  load: Load | null;
  /** Jobs that were made of loaded targets. */
  loaded: string[];
  /** Ids of items that may have been put in before their transaction. */
  announced: string[];
  /** All rows are read. */
  done: boolean;
  /** Why it ended early, in which epoch of the job: a retry, which is another epoch, goes on. */
  fault: { epoch: number; code: string; message: string } | null;
}

const BEGINNING: ImportState = {
  ...START,
  rejects: 0,
  rows: 0,
  stored: 0,
  shared: 0,
  duplicate: 0,
  rejected: 0,
  reasons: {},
  firstErrors: [],
  unsure: false,
  jobs: { count: 0, ids: [] },
  load: null,
  loaded: [],
  announced: [],
  done: false,
  fault: null,
};

/** As it was committed. */
export const stateOf = ({ checkpoint }: TransferDocument): ImportState => ({
  ...BEGINNING,
  ...(checkpoint as Partial<ImportState> | null),
});

/** What a batch of good rows came to. */
export interface Outcome {
  stored: number;
  shared: number;
  duplicate: number;
  /** Ids of jobs that were made. */
  jobs?: readonly string[];
  load?: Load | null;
  loaded?: readonly string[];
  unsure?: boolean;
}

/** A batch as it was read: the place after it, and what was wrong with its bad rows. */
export interface Passed extends Place {
  rows: number;
  faults: readonly RowFault[];
  rejects: number;
}

export function afterBatch(state: ImportState, passed: Passed, outcome: Outcome): ImportState {
  return {
    ...withOutcome(state, outcome),
    end: passed.end,
    line: passed.line,
    rejects: passed.rejects,
    rows: state.rows + passed.rows,
    rejected: state.rejected + passed.faults.length,
    reasons: withReasons(state.reasons, passed.faults),
    firstErrors: [...state.firstErrors, ...passed.faults].slice(0, MAX_TOLD_ERRORS),
  };
}

function withReasons(reasons: ImportState['reasons'], faults: readonly RowFault[]): ImportState['reasons'] {
  const after = { ...reasons };
  for (const { code } of faults) after[code] = (after[code] ?? 0) + 1;
  return after;
}

export const withOutcome = (
  state: ImportState,
  { stored, shared, duplicate, jobs = [], load = state.load, loaded = [], unsure = state.unsure }: Outcome,
): ImportState => ({
  ...state,
  stored: state.stored + stored,
  shared: state.shared + shared,
  duplicate: state.duplicate + duplicate,
  jobs: { count: state.jobs.count + jobs.length, ids: [...state.jobs.ids, ...jobs].slice(0, MAX_TOLD_JOBS) },
  load,
  loaded: [...state.loaded, ...loaded],
  unsure,
});

/**
 * discovered = stored + shared + skipped + failed + pending; a dry run brings nothing, so its good rows are skipped.
 */
export const countsOf = (
  { rows, stored, shared, duplicate, rejected }: ImportState,
  dryRun = false,
): JobDocument['counts'] => ({
  discovered: rows,
  stored: dryRun ? 0 : stored,
  shared: dryRun ? 0 : shared,
  skipped: dryRun ? stored + shared + duplicate : duplicate,
  failed: rejected,
  pending: 0,
});

const UNSURE =
  'Of a file with so many different rows, some that it has twice may be counted as new: an import leaves them out';

const guessOf = (encoding: string): string =>
  `${encoding} is a guess: where letters are wrong, import the file again and say its \`encoding\``;

/** What people are told. */
export const reportOf = (
  id: string,
  state: ImportState,
  { dryRun = false, detected }: Pick<ImportOptions, 'dryRun' | 'detected'> = {},
): Record<string, unknown> => ({
  ...(dryRun ? { dryRun: true } : {}),
  rows: state.rows,
  stored: state.stored,
  shared: state.shared,
  duplicate: state.duplicate,
  rejected: state.rejected,
  ...(state.rejected > 0 ? { reasons: state.reasons } : {}),
  firstErrors: state.firstErrors,
  ...(detected?.guessed === true ? { encoding: guessOf(detected.encoding) } : {}),
  ...(state.unsure ? { unsure: UNSURE } : {}),
  ...(state.rejected > 0 ? { rejects: `/api/v1/imports/${id}/rejects` } : {}),
  ...(state.jobs.count > 0 || state.load !== null ? { jobs: state.jobs } : {}),
});
