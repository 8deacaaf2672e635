import { rm, stat } from 'node:fs/promises';
import { TransferFault, type Handler, type Work } from '../engine/work.ts';
import type { Places } from '../places.ts';
import type { TransferOptions } from '../app.ts';

/**
 * Uploads that no gateway has: what is left to do is to end them. The gateway that receives one has its lease, and
 * gives it back when it has closed its file.
 */
export function uploadHandler(places: Places, options: TransferOptions): Handler {
  const remove = async (work: Work): Promise<void> => {
    for (const path of places.upload(work.id)) {
      // Frozen meanwhile: it may be sent again by now, and complete.
      work.surelyOurs();
      await rm(path, { force: true });
    }
  };

  return {
    /** One that came in one request whose gateway died: the rest of it will not come. */
    async run(work) {
      await remove(work);
      throw new TransferFault('upload_cut_off', 'The gateway that received it went away before all had come');
    },

    /** What came is no complete file; it is kept as long as one. */
    async stop(work) {
      const expiresAt = new Date(Date.now() + options.MAGPIE_TRANSFER_KEEP);
      await work.commit({ file: null, expiresAt });
    },

    async undo(work) {
      const sizes = await Promise.all(
        places.upload(work.id).map((path) =>
          stat(path).then(
            ({ size }) => size,
            () => 0,
          ),
        ),
      );
      await remove(work);
      const before = work.job.transfer.report;
      const bytes = Math.max(work.job.transfer.bytes, ...sizes);
      const report = { ...before, removed: before['removed'] ?? { bytes } };
      await work.commit({ file: null, expiresAt: null, checkpoint: null, report });
      return false;
    },
  };
}
