/**
 * The spool of an export: parts on the disk, each the rows of one checkpoint. Their names are new each time, so who
 * lost the lease and does not know it yet writes into nobody else's.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { exportBatches, ExportTooBroad, type ItemDocument, type Place } from '@magpie/store';
import { needRoom, orDiskFull, RoomWatch } from '../disk.ts';
import { TransferFault, type Work } from '../engine/work.ts';
import { asDocument, bytesOf, checkpointOf, rowsOf, type ExportCheckpoint } from './checkpoint.ts';
import type { ExportPlan } from './plan.ts';

const PART_ROWS = 50_000;
const PART_BYTES = 64 * 1024 * 1024;
const PART_MS = 2000;
/** After so many parts those that follow are twice as long. */
const PARTS_ALIKE = 100;
const LOOK_MS = 100;

/** The spool's directory as the checkpoint knows it: what is not in it goes. Gives whether all parts are there. */
export async function tidySpool(directory: string, { parts }: ExportCheckpoint): Promise<boolean> {
  await mkdir(directory, { recursive: true });
  const known = new Set(parts.map(({ file }) => file));
  for (const name of await readdir(directory))
    if (!known.has(name)) await rm(join(directory, name), { recursive: true, force: true });
  for (const { file, bytes } of parts) {
    const found = await stat(join(directory, file)).catch(() => undefined);
    if (found?.size !== bytes) return false;
  }
  return true;
}

/**
 * Writes what the checkpoint does not have yet, part by part; gives whether all is read. Between batches it is looked
 * whether the work goes on; what was written until then is kept.
 * @throws TransferWait `disk_full`
 */
export async function fillSpool(
  work: Work,
  plan: ExportPlan,
  directory: string,
  reserve: number,
): Promise<boolean> {
  const { after } = checkpointOf(work.job.transfer);
  const batches = exportBatches(work.store, plan.selection, { after: after ?? undefined });
  let part: Part | undefined;
  let last = 0;
  let leaving = false;
  // A part comes to the disk and into the checkpoint while the next one is written; one at a time, in order.
  let keeping: Promise<void> = Promise.resolve();
  const keepNext = async (read: boolean): Promise<void> => {
    await keeping;
    if (part === undefined && !read) return;
    keeping = keep(work, part, read);
    part = undefined;
    keeping.catch(() => undefined);
  };
  try {
    for (;;) {
      const batch = await orStopped(work, batches.next());
      if (batch === undefined || !work.goesOn) leaving = true;
      else if (batch.done) break;
      else {
        part ??= await Part.open(directory, plan, {
          reserve,
          expected: last,
          most: partAfter(checkpointOf(work.job.transfer).parts.length),
        });
        await part.add(batch.value.items, batch.value.place);
        leaving = !work.goesOn;
      }
      if (!leaving && part?.isFull !== true) continue;
      last = part?.bytes ?? last;
      await keepNext(false);
      if (leaving) {
        await keeping;
        return false;
      }
    }
    await keepNext(true);
    await keeping;
    return true;
  } catch (error) {
    throw error instanceof ExportTooBroad ? new TransferFault('export_too_broad', error.message) : error;
  } finally {
    await keeping.catch(() => undefined);
    await part?.discard();
    const left = batches.return(undefined).catch(() => undefined);
    // Left while the database still looks for the first batch, it ends by itself.
    if (!leaving) await left;
  }
}

/** What is waited for; undefined when the work is not to go on before it is there. */
export async function orStopped<T>(work: Work, waited: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const stopped = new Promise<undefined>((resolve) => {
    timer = setInterval(() => {
      if (!work.goesOn) resolve(undefined);
    }, LOOK_MS);
  });
  try {
    return await Promise.race([waited, stopped]);
  } finally {
    clearInterval(timer);
    waited.catch(() => undefined);
  }
}

async function keep(work: Work, part: Part | undefined, read: boolean): Promise<void> {
  await part?.close();
  const before = checkpointOf(work.job.transfer);
  const checkpoint: ExportCheckpoint = {
    ...before,
    read,
    ...(part === undefined
      ? {}
      : {
          after: part.place,
          fileBytes: before.fileBytes + part.fileBytes,
          parts: part.rows === 0 ? before.parts : [...before.parts, part],
        }),
  };
  checkpoint.parts = checkpoint.parts.map(({ file, rows, bytes }) => ({ file, rows, bytes }));
  await work.commit({
    checkpoint: asDocument(checkpoint),
    rows: rowsOf(checkpoint),
    bytes: bytesOf(checkpoint),
  });
}

interface PartLimits {
  rows: number;
  bytes: number;
  ms: number;
}

/**
 * A part is closed with so many rows or bytes, or after so long: that much is done again after a crash. They get longer, so
 * that the checkpoint stays a list of some hundred: 500 parts are a hundred million rows, or more than an hour.
 */
export function partAfter(parts: number): PartLimits {
  const longer = 2 ** Math.floor(parts / PARTS_ALIKE);
  return { rows: PART_ROWS * longer, bytes: PART_BYTES * longer, ms: PART_MS * longer };
}

interface PartOptions {
  reserve: number;
  /** Bytes that it may come to. */
  expected: number;
  most: PartLimits;
}

class Part {
  readonly file: string;
  readonly #directory: string;
  readonly #handle: FileHandle;
  readonly #plan: ExportPlan;
  readonly #most: PartLimits;
  readonly #room: RoomWatch;
  readonly #openedAt = performance.now();
  #open = true;
  rows = 0;
  bytes = 0;
  fileBytes = 0;
  place: Place | null = null;

  private constructor(
    directory: string,
    file: string,
    handle: FileHandle,
    plan: ExportPlan,
    { most, reserve }: PartOptions,
  ) {
    this.#directory = directory;
    this.file = file;
    this.#handle = handle;
    this.#plan = plan;
    this.#most = most;
    this.#room = new RoomWatch(directory, reserve);
  }

  static async open(directory: string, plan: ExportPlan, options: PartOptions): Promise<Part> {
    await needRoom(directory, options.reserve, options.expected);
    const file = `${randomBytes(8).toString('hex')}.part`;
    try {
      return new Part(directory, file, await open(join(directory, file), 'wx'), plan, options);
    } catch (error) {
      throw orDiskFull(error);
    }
  }

  get isFull(): boolean {
    const { rows, bytes, ms } = this.#most;
    return this.rows >= rows || this.bytes >= bytes || performance.now() - this.#openedAt >= ms;
  }

  async add(items: readonly ItemDocument[], place: Place): Promise<void> {
    const { format, formatOptions, rowOf, fileBytesOf } = this.#plan;
    if (items.length > 0) {
      const bytes = Buffer.from(format.encode(items.map(rowOf), formatOptions));
      try {
        await this.#handle.writeFile(bytes);
      } catch (error) {
        throw orDiskFull(error);
      }
      this.rows += items.length;
      this.bytes += bytes.length;
      for (const item of items) this.fileBytes += fileBytesOf(item);
      await this.#room.wrote(bytes.length);
    }
    this.place = place;
  }

  /** On the disk, with its name; or not there at all. */
  async close(): Promise<void> {
    try {
      await this.#handle.datasync();
      this.#open = false;
      await this.#handle.close();
      await syncDirectory(this.#directory);
    } catch (error) {
      await this.discard();
      throw orDiskFull(error);
    }
  }

  /** Does nothing once it is closed: the checkpoint may have it, also when its commit seems to have failed. */
  async discard(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#handle.close().catch(() => undefined);
    await rm(join(this.#directory, this.file), { force: true });
  }
}

/** What was made, renamed or removed in it stays so also when the machine loses its power. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
