/**
 * Removes what nobody needs any more: files of transfers that have expired, and directories whose job is gone. Each
 * replica does it once in a while, of transfers as the holder of their lease; what another one has removed in the same
 * moment is gone, and no more. Nothing of a live job is touched.
 */
import { randomUUID } from 'node:crypto';
import { readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isEnded } from '@magpie/domain';
import {
  expiredTransfers,
  forgetFile,
  jobsOfFiles,
  leaseExpired,
  releaseTransfer,
  TRANSFER_LEASE_MS,
  uploadIsRead,
  type Store,
  type TidiedJob,
} from '@magpie/store';
import type { Places } from '../places.ts';

const EVERY_MS = 60_000;
/** What is younger may belong to a job that is just being made, or that was terminated a moment ago. */
const GRACE_MS = 3_600_000;
/** What came of an upload that nobody sends any more and that cannot be gone on with, or of an export that failed. */
const PART_MS = 24 * 3_600_000;
/** At most so many things are removed in one turn. */
const AT_ONCE = 1000;
const LOOKED_UP = 200;
/** So long after it was asked for a lease is surely one's own, by this process's clock. */
const SURE_MS = TRANSFER_LEASE_MS - 2000;

export interface TidyOptions {
  store: Store;
  places: Places;
  onError: (error: unknown) => void;
  everyMs?: number | undefined;
  graceMs?: number;
  partMs?: number;
}

/** `close` ends it after the removal that is under way; idempotent. */
export function startTidy(options: TidyOptions): { close(): Promise<void> } {
  const { everyMs = EVERY_MS, onError } = options;
  const closing = new AbortController();
  let turn: Promise<void> = Promise.resolve();
  let waiting = false;
  const timer = setInterval(() => {
    if (waiting) return;
    waiting = true;
    turn = turn
      .then(() => tidy(options, closing.signal))
      .catch(onError)
      .finally(() => (waiting = false));
  }, everyMs);
  return {
    async close() {
      clearInterval(timer);
      closing.abort();
      await turn;
    },
  };
}

/** One turn. */
export async function tidy(options: TidyOptions, signal = new AbortController().signal): Promise<void> {
  const { store, places } = options;
  for (const { _id } of await expiredTransfers(store, new Date(), AT_ONCE)) {
    if (signal.aborted) return;
    await removed(options, () => removeExpired(options, _id));
  }
  await sweep(options, dirname(places.work('x')), isLeftWork, signal);
  await sweep(options, places.exports, isLeftExport, signal);
  await sweep(options, places.uploads, isLeftUpload, signal);
}

/** What the file system does not let go is told of, and stands in the way of nothing else. */
async function removed(
  { onError }: Pick<TidyOptions, 'onError'>,
  remove: () => Promise<void>,
): Promise<void> {
  try {
    await remove();
  } catch (error) {
    if ((error as NodeJS.ErrnoException | null)?.syscall === undefined) throw error;
    onError(error);
  }
}

/**
 * Removes the file of a transfer whose time is over, as the holder of its lease: who takes it up meanwhile waits, and
 * finds that it has none. Does nothing when it was taken up since it was found.
 */
export async function removeExpired({ store, places }: TidyOptions, id: string): Promise<void> {
  const holder = randomUUID();
  const since = performance.now();
  const job = await leaseExpired(store, id, holder);
  if (job === null) return;
  try {
    if (job.transfer.kind === 'upload' && (await uploadIsRead(store, id))) return;
    // The files first: who is cut off here finds the transfer expired again.
    for (const path of pathsOf(places, job)) {
      // Frozen meanwhile: it may be somebody else's by now.
      if (performance.now() - since > SURE_MS) return;
      await rm(path, { recursive: true, force: true });
    }
    await forgetFile(store, job, holder);
  } finally {
    await releaseTransfer(store, id, holder);
  }
}

function pathsOf(
  places: Places,
  { _id, transfer }: NonNullable<Awaited<ReturnType<typeof leaseExpired>>>,
): string[] {
  if (transfer.kind === 'upload') return places.upload(_id);
  const { file } = transfer;
  const served = file === null ? [] : [join(places.exports, basename(dirname(file.path)))];
  return [...served, places.work(_id)];
}

interface Found {
  name: string;
  job: TidiedJob | undefined;
  /** Since it was last written, ms. */
  age: number;
}

type IsLeft = (found: Found, options: Required<Pick<TidyOptions, 'graceMs' | 'partMs'>>) => boolean;

/** A name begins with its job's id; anything else in there is not ours. */
const NAME = /^(?:\.tmp-)?([0-9a-v]{22})(?:[.-]|$)/;

async function sweep(
  { store, onError, graceMs = GRACE_MS, partMs = PART_MS }: TidyOptions,
  directory: string,
  isLeft: IsLeft,
  signal: AbortSignal,
): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  let count = 0;
  for (let from = 0; from < names.length; from += LOOKED_UP) {
    const some = names.slice(from, from + LOOKED_UP).flatMap((name) => {
      const [, id] = NAME.exec(name) ?? [];
      return id === undefined ? [] : [{ name, id }];
    });
    if (some.length === 0) continue;
    // Read after the directory: whatever there is was known to its job before.
    const jobs = new Map(
      (
        await jobsOfFiles(
          store,
          some.map(({ id }) => id),
        )
      ).map((job) => [job._id, job]),
    );
    for (const { name, id } of some) {
      if (signal.aborted || count >= AT_ONCE) return;
      const path = join(directory, name);
      const found = await stat(path).catch(() => undefined);
      if (found === undefined) continue;
      const age = Date.now() - found.mtimeMs;
      if (!isLeft({ name, job: jobs.get(id), age }, { graceMs, partMs })) continue;
      await removed({ onError }, () => rm(path, { recursive: true, force: true }));
      count++;
    }
  }
}

const isLeft: IsLeft = ({ job, age }, { graceMs }) => {
  if (age < graceMs) return false;
  if (job?.transfer === undefined) return true;
  return job.state === 'terminated' && Date.now() - (job.endedAt?.getTime() ?? 0) >= graceMs;
};

/** Made by who had the job's lease, so a job that is not there was removed: what it left goes at once. */
const isOfNobody = ({ job }: Found): boolean => job === undefined;

/** Also the spool of an export that failed and was not taken up again; a retry then begins anew. */
const isLeftWork: IsLeft = (found, options) => {
  if (isOfNobody(found) || isLeft(found, options)) return true;
  const { job, age } = found;
  return job?.transfer?.kind === 'export' && isEnded(job.state) && age >= options.partMs;
};

/** Also what a try to make the file has left that is neither the file nor the one under way. */
const isLeftExport: IsLeft = (found, options) => {
  if (isOfNobody(found) || isLeft(found, options)) return true;
  const transfer = found.job?.transfer;
  if (transfer === undefined || found.age < options.graceMs) return false;
  const token = /-([0-9a-f]{32})$/.exec(found.name)?.[1];
  const served = transfer.file === null ? undefined : basename(dirname(transfer.file.path));
  if (token === undefined || found.name === served) return false;
  // A try that goes on has a token of its own, so of a job that has ended the last one is over too.
  return token !== transfer.checkpoint?.['token'] || (found.job !== undefined && isEnded(found.job.state));
};

/** Also what came of an upload that was cut off, where its protocol has no way to go on with it. */
const isLeftUpload: IsLeft = (found, options) => {
  if (isLeft(found, options)) return true;
  const transfer = found.job?.transfer;
  if (transfer === undefined || !/\.part$/.test(found.name) || found.age < options.partMs) return false;
  // Stopped, say: it goes when its job says so.
  if ((transfer.expiresAt ?? null) !== null) return false;
  const held = transfer.lease !== null && transfer.lease.until.getTime() > Date.now();
  return transfer.options['protocol'] !== 'tus' && !held;
};
