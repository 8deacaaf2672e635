import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { CreateImport, Job, JobState, Page, PageQuery, REJECT_COLUMNS } from '@magpie/contracts';
import { createTransfer, findJob, listJobsImportedBy, listTransfers, type JobDocument } from '@magpie/store';
import { Type } from 'typebox';
import { requestIdempotency } from '../idempotency.ts';
import * as examples from '../import-examples.ts';
import { rejectsPath, settleImport } from '../import-request.ts';
import { sendPage } from '../paging.ts';
import { HttpProblem } from '../problems.ts';
import { publicUrl } from '../public-url.ts';
import { IdempotencyHeaders, IdParams, ListQuery } from '../requests.ts';
import { routeDoc } from '../route-doc.ts';
import { jobView } from '../views.ts';

const ImportListQuery = Type.Object(
  { ...PageQuery.properties, state: Type.Optional(JobState) },
  { additionalProperties: false },
);

const NO_ROWS = `${REJECT_COLUMNS.join(',')}\r\n`;

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { store } = app;
  const base = publicUrl(app.config);

  const importOr404 = async (id: string): Promise<JobDocument> => {
    const job = await findJob(store, id);
    if (job?.transfer?.kind !== 'import') throw new HttpProblem('not_found', 'There is no such import.');
    return job;
  };

  app.post(
    '/api/v1/imports',
    {
      schema: routeDoc({
        summary: 'Import an uploaded file',
        description:
          'Makes a job that reads the file of a completed upload (CSV, TSV, NDJSON, a JSON array; gzip of each) row by row: as items, or as what a source collects from. A bad row is listed with its line, column and reason, and left out. Paused, it goes on where it was. `stop` keeps what it brought, `terminate` takes that back, and nothing else, also after the end: with the jobs that it made and what they collected. With `dryRun` it only reads and checks, and says what an import would bring.',
        tag: 'transfers',
        headers: IdempotencyHeaders,
        body: CreateImport,
        example: examples.body,
        answers: {
          202: {
            description: 'The job',
            schema: Job,
            example: examples.queued,
            headers: { location: { type: 'string', description: 'The import' } },
          },
        },
        errors: [
          'unknown_upload',
          'upload_incomplete',
          'upload_gone',
          'unknown_source',
          'not_importable',
          'missing_credential',
          'idempotency_conflict',
          'invalid_url',
          'url_too_long',
          'scheme_not_allowed',
          'credentials_in_url',
          'blocked_address',
        ],
      }),
    },
    async (request, reply) => {
      const wanted = request.body;
      const idempotency = requestIdempotency(request, wanted);
      const { options, totalBytes } = await settleImport(app, wanted);
      const { job, replayed } = await createTransfer(store, {
        kind: 'import',
        options,
        totalBytes,
        correlationId: request.id,
        idempotency,
        ...(wanted.priority === undefined ? {} : { priority: wanted.priority }),
      });
      if (replayed) void reply.header('idempotent-replayed', 'true');
      else app.announce(job);
      request.log.info({ jobId: job._id, as: wanted.as, replayed }, 'import taken');
      return reply.code(202).header('location', `${base}/api/v1/imports/${job._id}`).send(jobView(job, base));
    },
  );

  app.get(
    '/api/v1/imports',
    {
      schema: routeDoc({
        summary: 'List imports',
        description: 'Newest first.',
        tag: 'transfers',
        query: ImportListQuery,
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
      const { rows, next } = await listTransfers(store, 'import', { state }, rest);
      return sendPage(
        request,
        reply,
        rows.map((job) => jobView(job, base)),
        next,
      );
    },
  );

  app.get(
    '/api/v1/imports/:id',
    {
      schema: routeDoc({
        summary: 'Get an import',
        description:
          'Its job: how far it is, what was detected (`transfer.options.detected`), and what came of it (`transfer.report`).',
        tag: 'transfers',
        params: IdParams,
        answers: { 200: { description: 'The job', schema: Job, example: examples.completed } },
        errors: ['not_found'],
      }),
    },
    async (request) => jobView(await importOr404(request.params.id), base),
  );

  app.get(
    '/api/v1/imports/:id/jobs',
    {
      schema: routeDoc({
        summary: 'List the jobs that an import made',
        description: 'Of an import of targets, in the order in which they were made; also while it runs.',
        tag: 'transfers',
        params: IdParams,
        query: ListQuery,
        answers: {
          200: {
            description: 'A page of jobs',
            schema: Page(Job),
            example: { items: [], next: null },
          },
        },
        errors: ['not_found', 'invalid_cursor'],
      }),
    },
    async (request, reply) => {
      const { _id } = await importOr404(request.params.id);
      const { rows, next } = await listJobsImportedBy(store, _id, request.query);
      return sendPage(
        request,
        reply,
        rows.map((job) => jobView(job, base)),
        next,
      );
    },
  );

  app.get(
    '/api/v1/imports/:id/rejects',
    {
      schema: routeDoc({
        summary: 'Download the rejected rows of an import',
        description:
          'As CSV: line (from 1), column, code and message of each, in the order of the file; also while the import runs, and until `transfer.expiresAt` after its end. What a spreadsheet would run is made text.',
        tag: 'transfers',
        params: IdParams,
        answers: {
          200: {
            description: 'The list',
            schema: Type.String(),
            type: 'text/csv',
            example: examples.rejects,
            headers: {
              'content-disposition': { type: 'string', description: 'A name for the download' },
            },
          },
        },
        errors: ['not_found'],
      }),
    },
    async (request, reply) => {
      const { _id, state, transfer } = await importOr404(request.params.id);
      // Written ahead of what is committed: what came after that may be taken back.
      const size = Number(transfer?.checkpoint?.['rejects'] ?? 0);
      const path = rejectsPath(app.config.MAGPIE_DATA, _id);
      const there = size > 0 ? ((await stat(path).catch(() => undefined))?.size ?? 0) : 0;
      if (state === 'terminated' || there < size) throw new HttpProblem('not_found', 'The list was removed.');
      void reply
        .type('text/csv; charset=utf-8; header=present')
        .header('content-disposition', `attachment; filename="rejects-${_id}.csv"`);
      if (size === 0) return reply.send(NO_ROWS);
      return reply.header('content-length', size).send(createReadStream(path, { end: size - 1 }));
    },
  );
};

export default routes;
