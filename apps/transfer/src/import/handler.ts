/**
 * Imports: rows of an uploaded file become items, or targets of a source.
 *
 * Of each batch, what it brings, what was counted, and the place after it are one transaction. Rejected rows are
 * written to their list before that, and the list is cut to its committed size on resume. So after a death on any line
 * no row is brought twice or lost, and none is rejected twice.
 */
import { rowFaultText, type RowFault } from '@magpie/contracts';
import type { JobDocument } from '@magpie/store';
import type { TransferOptions } from '../app.ts';
import { needRoom } from '../disk.ts';
import { TransferFault, type Handler, type Session, type Work } from '../engine/work.ts';
import type { Places } from '../places.ts';
import { readRows, START, type Read } from '../read/index.ts';
import { isFault } from './fields.ts';
import { forgetUnlinked } from './items-sink.ts';
import { openImport, optionsOf, reading, sinkOf, type OpenImport } from './open-import.ts';
import { Rejects } from './rejects.ts';
import type { DrySink, Sink } from './sink.ts';
import {
  afterBatch,
  countsOf,
  reportOf,
  stateOf,
  withOutcome,
  type ImportState,
  type Passed,
} from './state.ts';
import { targetsSinkOf } from './targets-sink.ts';
import { undoImport } from './undo.ts';

/** Characters that are told of a column's name, and of what is wrong with it. */
const MAX_NAME = 200;
const MAX_MESSAGE = 1000;

/** A batch that was read and checked, while the one before it was written. */
interface Checked extends Passed {
  good: unknown[];
  bytesRead: number;
  /** The bad row at which it ends. */
  stoppedBy: RowFault | undefined;
}

/** A batch of which something may be put in already. */
interface Begun {
  batch: Checked;
  put: Promise<ReadonlySet<string>>;
}

export function importHandler(places: Places, options: TransferOptions): Handler {
  return {
    run: (work) => new Importer(work, places, options).run(),
    async stop(work) {
      const { targets } = optionsOf(work);
      const state = await forgetUnlinked(work, stateOf(work.job.transfer));
      const expiresAt = expiryOf(state, options);
      if (targets !== undefined && state.load !== null)
        await finish(work, state, targetsSinkOf({ store: work.store, job: work.job, targets }), {
          expiresAt,
        });
      else await work.commit({ expiresAt });
    },
    undo: (work) => undoImport(work, places),
  };
}

class Importer {
  readonly #work: Work;
  readonly #places: Places;
  readonly #limits: TransferOptions;
  readonly #dryRun: boolean;
  #state: ImportState;

  constructor(work: Work, places: Places, limits: TransferOptions) {
    this.#work = work;
    this.#places = places;
    this.#limits = limits;
    this.#dryRun = optionsOf(work).dryRun ?? false;
    this.#state = stateOf(work.job.transfer);
  }

  async run(): Promise<boolean> {
    const { fault, done } = this.#state;
    if (fault !== null && (done || fault.epoch === this.#work.job.epoch))
      throw new TransferFault(fault.code, fault.message);
    if (done) return true;
    // What a dry run met is remembered by nobody: it starts over.
    if (this.#dryRun) this.#state = stateOf({ ...this.#work.job.transfer, checkpoint: null });
    this.#state = await forgetUnlinked(this.#work, this.#state);
    const opened = await openImport(this.#work, this.#places, this.#limits);
    const sink = await sinkOf(this.#work, opened.options, this.#limits);
    this.#work.surelyOurs();
    const rejects = await Rejects.open(this.#places, this.#work.id, this.#state.rejects);
    try {
      await this.#acceptAnew(rejects);
      if (!(await this.#readAll(opened, sink, rejects))) return false;
    } catch (error) {
      if (error instanceof TransferFault) await this.#end(sink, error, false);
      throw error;
    } finally {
      await rejects.close();
    }
    const { rows, stored, shared, duplicate, rejected } = this.#state;
    const useless = stored + shared + duplicate === 0 && !this.#dryRun;
    const none = useless
      ? new TransferFault(
          'no_good_row',
          rows === 0 ? 'The file has no rows' : `All ${String(rejected)} rows were rejected`,
        )
      : null;
    await this.#end(sink, none, true);
    if (none !== null) throw none;
    return true;
  }

  /** The list has expired and begins anew: committed before it grows, else the next one would cut it in a row. */
  async #acceptAnew({ size }: Rejects): Promise<void> {
    if (size >= this.#state.rejects) return;
    this.#state = { ...this.#state, rejects: size };
    await this.#work.commit({ checkpoint: { ...this.#state } });
  }

  /** Gives whether it came to the end of the file. */
  async #readAll(opened: OpenImport, sink: Sink | DrySink, rejects: Rejects): Promise<boolean> {
    const leaving = new AbortController();
    const signal = AbortSignal.any([leaving.signal, this.#work.signal]);
    const batches = this.#check(opened, sink, rejects, signal);
    const begun: Begun[] = [];
    try {
      return await this.#writeAll(batches, sink, begun);
    } catch (error) {
      if (this.#work.signal.aborted && error === this.#work.signal.reason) return false;
      throw error;
    } finally {
      leaving.abort();
      await Promise.allSettled(begun.map(({ put }) => put));
      await batches.return(undefined).catch(() => undefined);
    }
  }

  /**
   * While a batch is written, the next one is put in as far as can be, and the second after that is read and checked.
   * Put in is only what was announced before; whatever is announced is written, also when the work does not go on,
   * unless it is to be left at once.
   * @param begun those of which something may be put in, in order
   */
  async #writeAll(
    batches: AsyncGenerator<Checked, undefined>,
    sink: Sink | DrySink,
    begun: Begun[],
  ): Promise<boolean> {
    const ahead = 'ahead' in sink ? sink.ahead : undefined;
    const idsOf = (batch: Checked | undefined): string[] =>
      batch === undefined ? [] : (ahead?.idsOf(batch.good) ?? []);
    const begin = (batch: Checked): void => {
      const put = ahead?.put(batch.good) ?? Promise.resolve<ReadonlySet<string>>(new Set());
      put.catch(() => undefined);
      begun.push({ batch, put });
    };
    let fault: unknown;
    const next = async (): Promise<Checked | undefined> => {
      if (fault !== undefined || !this.#work.goesOn) return undefined;
      try {
        return (await batches.next()).value;
      } catch (error) {
        // What was read before it is written first.
        fault = error;
        return undefined;
      }
    };

    const first = await next();
    const second = first && (await next());
    if (ahead !== undefined) await this.#announce([...idsOf(first), ...idsOf(second)]);
    for (const batch of [first, second]) if (batch !== undefined) begin(batch);
    let coming = next();
    for (let current = begun[0]; current !== undefined; current = begun[0]) {
      if (this.#work.signal.aborted) return false;
      const [put, following] = await Promise.all([current.put, coming]);
      coming = next();
      const announced = [...idsOf(begun[1]?.batch), ...idsOf(following)];
      await this.#write(sink, current.batch, put, announced);
      begun.shift();
      if (following !== undefined) begin(following);
      const { stoppedBy } = current.batch;
      if (stoppedBy !== undefined) throw badRow(stoppedBy, this.#state, this.#dryRun);
    }
    if (fault !== undefined) throw fault;
    return this.#work.goesOn;
  }

  async #announce(announced: string[]): Promise<void> {
    this.#state = { ...this.#state, announced };
    await this.#work.commit({ checkpoint: { ...this.#state } });
  }

  async *#check(
    { path, options, read }: OpenImport,
    sink: Sink | DrySink,
    rejects: Rejects,
    signal: AbortSignal,
  ): AsyncGenerator<Checked, undefined> {
    const stops = options.onError === 'stop';
    const { end, line, rows } = this.#state;
    const limits = { ...read.limits, maxRows: Math.max(0, read.limits.maxRows - rows) };
    const batches = readRows(path, options.detected, { ...read, limits }, { end, line }, signal);
    let passed = rows;
    try {
      for (;;) {
        const { value, done } = await reading(() => batches.next());
        if (done) return undefined;
        if ((value as Read).rows.length === 0) {
          // On the way to a place in a compressed file, or in an endless row: that takes minutes.
          if (!this.#work.goesOn) return undefined;
          continue;
        }
        const checked = check(value as Read, sink, stops, passed);
        passed += checked.rows;
        await needRoom(this.#places.work(this.#work.id), this.#limits.MAGPIE_DISK_RESERVE);
        await rejects.add(checked.faults);
        yield { ...checked, rejects: rejects.size };
        if (checked.stoppedBy !== undefined) return undefined;
      }
    } finally {
      await batches.return(undefined);
    }
  }

  async #write(
    sink: Sink | DrySink,
    batch: Checked,
    put: ReadonlySet<string>,
    announced: string[],
  ): Promise<void> {
    // Also while it runs: it may end in a way that brings nothing to a good end.
    const progress = {
      bytes: batch.bytesRead,
      rows: this.#state.rows + batch.rows,
      expiresAt: expiryOf({ rejected: this.#state.rejected + batch.faults.length }, this.#limits),
    };
    if ('weigh' in sink) {
      const outcome = await sink.weigh(batch.good);
      this.#state = afterBatch(this.#state, batch, outcome);
      await this.#work.commit(
        { ...progress, ...written(this.#work, this.#state) },
        {
          counts: countsOf(this.#state, true),
        },
      );
      return;
    }
    let after = this.#state;
    await this.#work.commit(progress, {
      inside: async (session) => {
        const outcome = await sink.write(session, this.#state, batch.good, put);
        after = { ...afterBatch(this.#state, batch, outcome), announced };
        await keep(this.#work, session, after);
      },
    });
    this.#state = after;
  }

  /** Brings what there is to a good end; a fault is remembered, so that after a death it fails again. */
  async #end(sink: Sink | DrySink, fault: TransferFault | null, done: boolean): Promise<void> {
    const { epoch } = this.#work.job;
    const state: ImportState = {
      ...this.#state,
      done,
      fault: fault && { epoch, code: fault.code, message: fault.message },
    };
    const last = { ...(done ? { totalRows: state.rows } : {}), expiresAt: expiryOf(state, this.#limits) };
    if ('weigh' in sink)
      await this.#work.commit(
        { ...last, ...written(this.#work, state) },
        {
          counts: countsOf(state, true),
        },
      );
    else await finish(this.#work, state, sink, last);
  }
}

/**
 * Sorts a batch into good rows and bad; with `stops` it ends at the first bad one.
 * @param before rows of the file that came before it
 */
function check(
  { rows, bytesRead }: Read,
  sink: Sink | DrySink,
  stops: boolean,
  before: number,
): Omit<Checked, 'rejects'> {
  const good: unknown[] = [];
  const faults: RowFault[] = [];
  for (const [i, row] of rows.entries()) {
    const read = 'fault' in row ? row.fault : sink.read(row, before + i + 1);
    if ('fault' in row || isFault(read as object)) faults.push(short(read as RowFault, before + i + 1));
    else good.push(read);
    if (i === rows.length - 1 || (stops && faults.length > 0))
      return {
        good,
        faults,
        rows: i + 1,
        end: row.end,
        line: row.next,
        bytesRead,
        stoppedBy: stops ? faults[0] : undefined,
      };
  }
  return { good, faults, rows: 0, ...START, bytesRead, stoppedBy: undefined };
}

/** As it is told and listed, twenty of them in the job: names of columns are as long as a file makes them. */
const short = ({ line, column, code, message }: RowFault, row: number): RowFault => ({
  line,
  column: column?.slice(0, MAX_NAME) ?? null,
  code,
  message: message.slice(0, MAX_MESSAGE),
  row,
});

function badRow(fault: RowFault, { rows }: ImportState, dryRun: boolean): TransferFault {
  const after = dryRun
    ? 'A dry run brings nothing; a retry starts over.'
    : `What the ${String(rows - 1)} rows before it brought is kept; a retry goes on after it.`;
  return new TransferFault('bad_row', `${rowFaultText(fault)}. ${after}`);
}

/** When the list of rejected rows is removed, counted from the end of the import; null where there is none. */
const expiryOf = (
  { rejected }: Pick<ImportState, 'rejected'>,
  { MAGPIE_TRANSFER_KEEP }: TransferOptions,
): Date | null => (rejected === 0 ? null : new Date(Date.now() + MAGPIE_TRANSFER_KEEP));

const written = (work: Work, state: ImportState) => ({
  checkpoint: { ...state },
  report: reportOf(work.id, state, optionsOf(work)),
});

/** Writes how far it is into the job, which the transaction holds already. */
async function keep(work: Work, session: Session, state: ImportState): Promise<void> {
  const { checkpoint, report } = written(work, state);
  const set: Partial<JobDocument> & Record<string, unknown> = {
    counts: countsOf(state),
    'transfer.checkpoint': checkpoint,
    'transfer.report': report,
  };
  await work.store.jobs.collection.updateOne({ _id: work.id } as never, { $set: set }, { session });
}

async function finish(
  work: Work,
  state: ImportState,
  sink: Pick<Sink, 'finish'>,
  change: { totalRows?: number; expiresAt: Date | null },
): Promise<void> {
  await work.commit(change, {
    inside: async (session) => keep(work, session, withOutcome(state, await sink.finish(session, state))),
  });
}
