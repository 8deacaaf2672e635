import type { CreateExport } from '@magpie/contracts';
import { createTransfer, exportBound, findJob, type CreatedJob } from '@magpie/store';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { exportOptions } from './export-request.ts';
import { requestIdempotency } from './idempotency.ts';
import { HttpProblem } from './problems.ts';

/**
 * Checks what is asked for and makes the export's job, or gives the one that the same Idempotency-Key made. From here on
 * it is fixed what is in it.
 * @throws HttpProblem
 */
export async function takeExport(
  app: FastifyInstance,
  request: FastifyRequest,
  asked: CreateExport,
): Promise<CreatedJob> {
  const { store } = app;
  const options = exportOptions(asked);
  const idempotency = requestIdempotency(request, asked);
  if (asked.job !== undefined && (await findJob(store, asked.job)) === undefined)
    throw new HttpProblem('not_found', 'There is no such job.', {
      errors: [{ field: 'job', message: 'is not the id of a job' }],
    });
  const at = new Date();
  const order = await exportBound(store, asked.job, at);
  const created = await createTransfer(store, {
    kind: 'export',
    options: { ...options, bound: { at: at.toISOString(), order } },
    correlationId: request.id,
    idempotency,
  });
  if (!created.replayed) app.announce(created.job);
  request.log.info(
    { jobId: created.job._id, format: options.format, replayed: created.replayed },
    'export taken',
  );
  return created;
}
