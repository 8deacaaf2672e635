import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Id, Job } from '@magpie/contracts';
import { DISPATCHING } from '@magpie/domain';
import { Type } from 'typebox';
import { publicUrl } from '../public-url.ts';
import { routeDoc } from '../route-doc.ts';
import { announcedSha256 } from '../uploads/content-digest.ts';
import { sendUnread } from '../uploads/lingering.ts';
import { receiveRaw } from '../uploads/raw-upload.ts';
import * as examples from '../upload-examples.ts';
import { jobView } from '../views.ts';

const UploadQuery = Type.Object(
  { job_id: Type.Intersect([Id], { description: 'As POST /api/v1/new-job/ gave it' }) },
  { additionalProperties: false },
);

const DigestHeaders = Type.Object({
  'content-digest': Type.Optional(
    Type.String({
      description: 'The SHA-256 of the body, as RFC 9530 has it: a body with another one is refused',
      examples: ['sha-256=:pZGm1Av0IEBKARczz7exkNYsZb8LzaMrV7J32a2fFG4=:'],
    }),
  ),
});

const ROWS = 'url,title\nhttps://example.org/,An example\n';

/** Shown in the documentation; nothing of a file is parsed here. */
const FILE = {
  content: {
    'application/octet-stream': {
      schema: Type.String({ description: 'The file itself, of any type', examples: [ROWS] }),
    },
    'multipart/form-data': {
      schema: Type.Object({ file: Type.String() }, { examples: [{ file: ROWS }] }),
    },
  },
};

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const base = publicUrl(app.config);
  const maxBytes = app.config.MAGPIE_UPLOAD_MAX_BYTES;
  // The body reaches the handler as it comes, whatever it is said to be.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));

  app.addHook('onSend', sendUnread);

  app.post(
    '/api/v1/upload/',
    {
      schema: {
        ...routeDoc({
          summary: 'Upload a file',
          description:
            'The body is the file, of any content type, or multipart/form-data with one file part; its length need not be known. It is written as it comes, and answered when it is complete and safe. While the job is paused, and while the disk is full, nothing is read: the sender stalls, and goes on in the same request. When the connection breaks, the job fails with `upload_cut_off`, and the file is sent again from its beginning to the same job; /api/v1/uploads goes on where it was.',
          tag: 'transfers',
          query: UploadQuery,
          headers: DigestHeaders,
          answers: {
            201: {
              description: 'The job, completed',
              schema: Job,
              example: examples.completedUpload,
              headers: { location: { type: 'string', description: 'Where the job is read' } },
            },
          },
          errors: [
            'invalid_multipart',
            'not_found',
            'not_an_upload',
            'invalid_transition',
            'upload_in_progress',
            'upload_stopped',
            'upload_terminated',
            'upload_cut_off',
            'upload_expired',
            'upload_too_large',
            'checksum_mismatch',
            'too_many_uploads',
          ],
        }),
        body: FILE as never,
      },
      validatorCompiler: (route) =>
        route.httpPart === 'body' ? () => true : (app.validatorCompiler?.(route as never) ?? (() => true)),
    },
    async (request, reply) => {
      const { raw, query } = request;
      const length = raw.headers['content-length'];
      const bodySha256 = announcedSha256(raw.headers['content-digest']);
      const job = await app.uploads.receive(
        query.job_id,
        {
          protocol: 'raw',
          states: [...DISPATCHING, 'failed', 'stopped'],
          anew: true,
          totalBytes: length === undefined ? null : Number(length),
        },
        (receiving) => receiveRaw(receiving, raw, app.uploads, { maxBytes, bodySha256 }),
      );
      request.log.info({ jobId: job._id, bytes: job.transfer?.bytes }, 'upload completed');
      return reply
        .code(201)
        .header('location', `${base}/api/v1/job-status/${job._id}/`)
        .send(jobView(job, base));
    },
  );
};

export default routes;
