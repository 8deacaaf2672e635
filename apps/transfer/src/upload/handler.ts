import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TransferFault, type Handler } from '../engine/work.ts';
import type { Places } from '../places.ts';
import type { TransferOptions } from '../app.ts';

/** A complete file, one that is not, and what is noted beside it. */
const ENDINGS = ['', '.part', '.json', '.part.json'];

/**
 * Uploads that no gateway has: what is left to do is to end them. The gateway that receives one has its lease, and
 * gives it back when it has closed its file.
 */
export function uploadHandler(places: Places, options: TransferOptions): Handler {
  const files = (id: string): string[] => ENDINGS.map((ending) => join(places.uploads, id + ending));
  const remove = (id: string) => Promise.all(files(id).map((path) => rm(path, { force: true })));

  return {
    /** One that came in one request whose gateway died: the rest of it will not come. */
    async run({ id }) {
      await remove(id);
      throw new TransferFault('upload_cut_off', 'The gateway that received it went away before all had come');
    },

    /** What came is no complete file; it is kept as long as one. */
    async stop(work) {
      const expiresAt = new Date(Date.now() + options.MAGPIE_TRANSFER_KEEP);
      await work.commit({ file: null, expiresAt });
    },

    async undo(work) {
      const sizes = await Promise.all(
        files(work.id)
          .slice(0, 2)
          .map((path) =>
            stat(path).then(
              ({ size }) => size,
              () => 0,
            ),
          ),
      );
      await remove(work.id);
      const before = work.job.transfer.report;
      const bytes = Math.max(work.job.transfer.bytes, ...sizes);
      const report = { ...before, removed: before['removed'] ?? { bytes } };
      await work.commit({ file: null, expiresAt: null, checkpoint: null, report });
      return false;
    },
  };
}
