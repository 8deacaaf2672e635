/**
 * Makes the finished file of the spool, and puts it where nginx serves it.
 *
 * It is made in `files/exports/.tmp-<job>-<token>/`, which nginx hides, and appears whole by renaming that directory to
 * `<job>-<token>`: the same file system, wherever `files` is mounted. The token is new with each try and noted before
 * anything is made, so who lost the lease and does not know it yet can neither touch nor publish another's file, and a
 * death on any line leaves nothing that is not known.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { needRoom, RoomWatch } from '../disk.ts';
import type { Work } from '../engine/work.ts';
import type { Assembled } from '../formats/index.ts';
import { asDocument, bytesOf, checkpointOf, rowsOf, type ExportCheckpoint } from './checkpoint.ts';
import type { ExportPlan } from './plan.ts';
import { syncDirectory } from './spool.ts';

const LOOK_MS = 100;

export interface FinishOptions {
  /** Of the spool. */
  directory: string;
  /** What nginx serves below /files/exports/. */
  exports: string;
  reserve: number;
  keepMs: number;
  /** It is over before all was read: what there is makes the file. */
  partial: boolean;
}

/**
 * Gives whether the file is there; not when the work is not to go on, which is looked at all the time: then it begins
 * anew the next time.
 * @throws TransferWait `disk_full`
 */
export async function finish(work: Work, plan: ExportPlan, options: FinishOptions): Promise<boolean> {
  const { directory, exports, reserve, keepMs, partial } = options;
  await removeTries(work, exports);
  const checkpoint = checkpointOf(work.job.transfer);
  await needRoom(exports, reserve, bytesOf(checkpoint) + checkpoint.fileBytes);
  const token = randomBytes(16).toString('hex');
  // That is no progress: what cannot be made fails after some tries.
  const { failures } = work.job.transfer;
  await work.commit({ checkpoint: asDocument({ ...checkpoint, token }), failures });

  const [making, served] = placesOf(exports, work.id, token);
  await mkdir(making, { recursive: true });
  const room = new RoomWatch(exports, reserve);
  let assembled: Assembled | undefined;
  try {
    assembled = await whileItGoesOn(work, partial, (signal) =>
      plan.format.assemble(
        checkpoint.parts.map(({ file }) => join(directory, file)),
        join(making, plan.name),
        plan.formatOptions,
        {
          signal,
          wrote: (bytes) => room.wrote(bytes),
          fileOf: (path) => join(dirname(exports), path),
        },
      ),
    );
  } finally {
    if (assembled === undefined) await rm(making, { recursive: true, force: true });
  }
  if (assembled === undefined) return false;
  await syncDirectory(making);
  work.surelyOurs();
  await rename(making, served);
  await syncDirectory(exports);
  const { bytes, sha256, report } = assembled;
  const rows = rowsOf(checkpoint);
  await work.commit({
    file: {
      name: plan.name,
      type: plan.type,
      bytes,
      sha256,
      path: `files/exports/${work.id}-${token}/${plan.name}`,
    },
    expiresAt: new Date(Date.now() + keepMs),
    rows,
    bytes,
    totalBytes: bytes,
    ...(partial ? {} : { totalRows: rows }),
    report: { ...report, rows, ...(partial ? { partial: true } : {}) },
  });
  return true;
}

const placesOf = (exports: string, id: string, token: string): readonly [making: string, served: string] => [
  join(exports, `.tmp-${id}-${token}`),
  join(exports, `${id}-${token}`),
];

/** Removes what a try to make the file has left, or the file. */
export async function removeTries(work: Work, exports: string): Promise<void> {
  const { token }: ExportCheckpoint = checkpointOf(work.job.transfer);
  if (token === null) return;
  for (const place of placesOf(exports, work.id, token)) await rm(place, { recursive: true, force: true });
}

/** Undefined when it was cut off because the work is not to go on. */
async function whileItGoesOn<T>(
  work: Work,
  /** It is over already: only terminating it, or the end of this service, cuts it off. */
  over: boolean,
  make: (signal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  const cut = new AbortController();
  const look = (): void => {
    if (work.signal.aborted || (!over && !work.goesOn)) cut.abort();
  };
  look();
  const timer = setInterval(look, LOOK_MS);
  try {
    return await make(cut.signal);
  } catch (error) {
    if (!cut.signal.aborted) throw error;
    return undefined;
  } finally {
    clearInterval(timer);
  }
}
