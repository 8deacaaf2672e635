import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { CreateExport, Job, Page } from '@magpie/contracts';
import { findJob, listTransfers } from '@magpie/store';
import * as examples from '../export-examples.ts';
import { takeExport } from '../export-intake.ts';
import { ExportListQuery, FORMAT_NAMES } from '../export-request.ts';
import { sendPage } from '../paging.ts';
import { HttpProblem } from '../problems.ts';
import { publicUrl } from '../public-url.ts';
import { IdempotencyHeaders, IdParams } from '../requests.ts';
import { routeDoc } from '../route-doc.ts';
import { jobView } from '../views.ts';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { store } = app;
  const base = publicUrl(app.config);

  app.post(
    '/api/v1/exports',
    {
      schema: routeDoc({
        summary: 'Export items',
        description: `Makes a job that writes what is kept into a file: ${FORMAT_NAMES}. What is in it is fixed now: all that is stored; what comes later is not in it, what is being stored at this very moment may be. Days are those of \`timeZone\`, both included. The file is at \`transfer.file.url\` once the job is \`completed\`, until \`transfer.expiresAt\`; paused, it goes on where it was; stopped, the file has what was written by then.`,
        tag: 'transfers',
        headers: IdempotencyHeaders,
        body: CreateExport,
        example: examples.body,
        answers: {
          202: {
            description: 'The job',
            schema: Job,
            example: examples.queued,
            headers: { location: { type: 'string', description: 'The job' } },
          },
        },
        errors: ['not_found', 'idempotency_conflict'],
      }),
    },
    async (request, reply) => {
      const { job, replayed } = await takeExport(app, request, request.body);
      if (replayed) void reply.header('idempotent-replayed', 'true');
      return reply.code(202).header('location', `${base}/api/v1/exports/${job._id}`).send(jobView(job, base));
    },
  );

  app.get(
    '/api/v1/exports',
    {
      schema: routeDoc({
        summary: 'List exports',
        description: 'Newest first.',
        tag: 'transfers',
        query: ExportListQuery,
        answers: {
          200: {
            description: 'A page of jobs',
            schema: Page(Job),
            example: { items: [examples.completed], next: null },
          },
        },
        errors: ['invalid_cursor'],
      }),
    },
    async (request, reply) => {
      const { state, ...rest } = request.query;
      const { rows, next } = await listTransfers(store, 'export', { state }, rest);
      return sendPage(
        request,
        reply,
        rows.map((job) => jobView(job, base)),
        next,
      );
    },
  );

  app.get(
    '/api/v1/exports/:id',
    {
      schema: routeDoc({
        summary: 'Get an export',
        description: 'How far it is, and where its file is. It is controlled as every job.',
        tag: 'transfers',
        params: IdParams,
        answers: { 200: { description: 'The job', schema: Job, example: examples.completed } },
        errors: ['not_found'],
      }),
    },
    async (request) => {
      const job = await findJob(store, request.params.id);
      if (job?.transfer?.kind !== 'export') throw new HttpProblem('not_found', 'There is no such export.');
      return jobView(job, base);
    },
  );
};

export default routes;
