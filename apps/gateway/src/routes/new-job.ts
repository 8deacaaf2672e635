import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { NewUpload, UploadJob } from '@magpie/contracts';
import { createTransfer } from '@magpie/store';
import { requestIdempotency } from '../idempotency.ts';
import { publicUrl } from '../public-url.ts';
import { IdempotencyHeaders } from '../requests.ts';
import { routeDoc } from '../route-doc.ts';
import * as examples from '../upload-examples.ts';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const base = publicUrl(app.config);
  // A job needs no words: no body, or an empty one, is as good as {}.
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body: string, done) => {
    if (body === '') done(null, {});
    else void parse(request, body, done);
  });

  app.post(
    '/api/v1/new-job/',
    {
      schema: routeDoc({
        summary: 'Make the job of an upload',
        description:
          'Gives the id under which a file is uploaded then. The job is watched and controlled like any other. No body is needed.',
        tag: 'transfers',
        headers: IdempotencyHeaders,
        body: NewUpload,
        example: examples.newUpload,
        form: true,
        answers: {
          201: {
            description: 'The job',
            schema: UploadJob,
            example: examples.uploadJob,
            headers: { location: { type: 'string', description: 'Where the job is read and controlled' } },
          },
        },
        errors: ['idempotency_conflict'],
      }),
      preValidation: async (request) => {
        (request as { body: unknown }).body ??= {};
      },
    },
    async (request, reply) => {
      const { job, replayed } = await createTransfer(app.store, {
        kind: 'upload',
        options: { ...request.body },
        correlationId: request.id,
        expiresAt: app.uploads.expiry(),
        idempotency: requestIdempotency(request, request.body),
      });
      if (replayed) void reply.header('idempotent-replayed', 'true');
      else app.announce(job);
      request.log.info({ jobId: job._id, source: 'upload', replayed }, 'job taken');
      const status_url = `${base}/api/v1/job-status/${job._id}/`;
      return reply
        .code(201)
        .header('location', status_url)
        .send({
          job_id: job._id,
          id: job._id,
          state: job.state,
          upload_url: `${base}/api/v1/upload/?job_id=${job._id}`,
          status_url,
        });
    },
  );
};

export default routes;
