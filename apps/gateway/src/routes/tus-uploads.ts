import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Job, Page } from '@magpie/contracts';
import { listJobs } from '@magpie/store';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import * as examples from '../examples.ts';
import { sendPage } from '../paging.ts';
import { sendProblem } from '../plugins/errors.ts';
import { HttpProblem, toProblem } from '../problems.ts';
import { publicUrl } from '../public-url.ts';
import { routeDoc } from '../route-doc.ts';
import { TUS_VERSION } from '../tus/problems.ts';
import {
  TUS,
  UploadParams,
  UploadListQuery,
  CreationHeaders,
  ChunkHeaders,
  OffsetHeaders,
  text,
  VERSION,
  OFFSET,
  EXPIRES,
  GONE,
  SENDING,
} from '../tus/route-docs.ts';
import { TusServer } from '../tus/tus-server.ts';
import { isUploadId } from '../tus/upload-jobs.ts';
import { sendUnread } from '../uploads/lingering.ts';
import { jobView } from '../views.ts';

/** So long is read on for nothing after an answer that came before all bytes did, ms. */
const LINGER_MS = 2000;

/** Methods that a client may mean by a POST. */
const MEANT = new Set(['HEAD', 'PATCH', 'DELETE']);

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { config, store, uploads } = app;
  const base = publicUrl(config);
  const tus = new TusServer({
    store,
    uploads,
    announce: (job) => app.announce(job),
    url: `${base}/api/v1/uploads`,
    maxBytes: config.MAGPIE_UPLOAD_MAX_BYTES,
    keepMs: config.MAGPIE_TRANSFER_KEEP,
  });

  // The bytes are nobody's but the upload's: no parser touches them.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));

  app.addHook('onRequest', async ({ method }, reply) => {
    if (method !== 'OPTIONS' && method !== 'GET') void reply.header('tus-resumable', TUS_VERSION);
  });
  app.addHook('onSend', sendUnread);
  // An answer without a body cannot be held back: what still comes is read and dropped, for a while.
  app.addHook('onResponse', async ({ raw }) => {
    if (raw.complete || raw.destroyed) return;
    // An iterator that was left may still wait for bytes; `pause` makes the stream flow anew after that.
    raw.removeAllListeners('readable');
    raw.pause().resume();
    const { socket } = raw;
    // Once all of it has come the connection is another request's.
    const end = (): void => {
      socket.off('close', end);
      if (!raw.complete) raw.destroy();
    };
    const timer = setTimeout(end, LINGER_MS).unref();
    // Node tells a request that was answered no more of its connection.
    socket.once('close', end);
    raw.once('close', () => {
      clearTimeout(timer);
      socket.off('close', end);
    });
  });

  // Clients take most errors of a HEAD for the end of the upload and begin a new one; at 423 they ask again.
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const { code, statusCode, extras } = toProblem(error);
    if (request.method !== 'HEAD' || (statusCode < 500 && statusCode !== 429))
      return sendProblem(error, request, reply);
    request.log.warn({ err: error, code }, 'where an upload is cannot be told now');
    return sendProblem(new HttpProblem('upload_locked', undefined, extras), request, reply);
  });

  const answer = async (request: FastifyRequest, reply: FastifyReply, method?: string) => {
    const { status, headers } = await tus.answer(request, method);
    return reply.code(status).headers(headers).send();
  };
  const checked = (request: FastifyRequest): void => {
    const { id } = request.params as { id: string };
    if (!isUploadId(id))
      throw new HttpProblem('invalid_request', undefined, {
        errors: [{ field: 'id', message: 'is not the id of an upload' }],
      });
  };

  app.options(
    '/api/v1/uploads',
    {
      schema: routeDoc({
        summary: 'What resumable uploads can do',
        description: `Versions, extensions, checksum algorithms and the largest size. ${TUS}`,
        tag: 'transfers',
        answers: {
          204: {
            description: 'In headers',
            headers: {
              'tus-version': text('Versions of tus'),
              'tus-extension': text('Extensions of tus'),
              'tus-max-size': text('The largest file, bytes'),
              'tus-checksum-algorithm': text('Algorithms of Upload-Checksum'),
            },
          },
        },
      }),
    },
    (request, reply) => answer(request, reply),
  );

  app.post(
    '/api/v1/uploads',
    {
      schema: routeDoc({
        summary: 'Begin a resumable upload',
        description: `Makes the job of an upload; its address is in \`Location\`. The body may be the first bytes of the file, as \`application/offset+octet-stream\`. ${TUS} An unfinished upload expires after a time without requests.`,
        tag: 'transfers',
        headers: CreationHeaders,
        answers: {
          201: {
            description: 'It is made',
            headers: { location: text('The upload'), ...VERSION, ...OFFSET, ...EXPIRES },
          },
        },
        errors: ['unsupported_tus_version', 'idempotency_conflict', ...SENDING],
      }),
    },
    (request, reply) => answer(request, reply),
  );

  app.get(
    '/api/v1/uploads',
    {
      schema: routeDoc({
        summary: 'List uploads',
        description: 'The jobs of uploads of every sort, newest first.',
        tag: 'transfers',
        query: UploadListQuery,
        answers: {
          200: {
            description: 'A page of jobs',
            schema: Page(Job),
            example: { items: [examples.job], next: null },
          },
        },
        errors: ['invalid_cursor'],
      }),
    },
    async (request, reply) => {
      const { state, ...rest } = request.query;
      const filter = { state, source: 'upload', from: undefined, to: undefined };
      const { rows, next } = await listJobs(store, filter, rest);
      return sendPage(
        request,
        reply,
        rows.map((job) => jobView(job, base)),
        next,
      );
    },
  );

  app.head(
    '/api/v1/uploads/:id',
    {
      config: { swagger: { exposeHeadRoute: true } },
      schema: routeDoc({
        summary: 'Where a resumable upload is',
        description: `How many bytes it has: where to go on. While that cannot be told it is 423, never 5xx: clients take those for the end of the upload. Its job, with all else, is at \`/api/v1/jobs/{id}\`. ${TUS}`,
        tag: 'transfers',
        params: UploadParams,
        headers: OffsetHeaders,
        answers: {
          200: {
            description: 'In headers',
            headers: {
              ...VERSION,
              ...OFFSET,
              'upload-length': text('Size of the file, bytes'),
              'upload-defer-length': text('`1` while the size is not known'),
              'upload-metadata': text('As it was given'),
            },
          },
        },
        errors: [...GONE, 'upload_locked', 'upload_paused', 'too_many_uploads'],
      }),
      preHandler: async (request) => checked(request),
    },
    (request, reply) => answer(request, reply),
  );

  app.patch(
    '/api/v1/uploads/:id',
    {
      schema: routeDoc({
        summary: 'Send bytes of a resumable upload',
        description: `The body, \`application/offset+octet-stream\`, is what follows the bytes that are there; what came before a connection broke is kept, unless an Upload-Checksum was given. With the last byte the job is completed. While the job is paused a request is not read from, and goes on when it is resumed, within a day; a second one at the same time is 423. ${TUS}`,
        tag: 'transfers',
        params: UploadParams,
        headers: ChunkHeaders,
        answers: {
          204: { description: 'They are kept', headers: { ...VERSION, ...OFFSET, ...EXPIRES } },
        },
        errors: [...GONE, ...SENDING, 'upload_offset_conflict', 'unsupported_media_type'],
      }),
      preHandler: async (request) => checked(request),
    },
    (request, reply) => answer(request, reply),
  );

  app.delete(
    '/api/v1/uploads/:id',
    {
      schema: routeDoc({
        summary: 'End a resumable upload for good',
        description: `Terminates its job: a request under way is aborted, and all bytes go. Of a finished upload the file goes. ${TUS}`,
        tag: 'transfers',
        params: UploadParams,
        headers: OffsetHeaders,
        answers: { 204: { description: 'It is over', headers: VERSION } },
        errors: [...GONE, 'invalid_transition', 'upload_locked'],
      }),
      preHandler: async (request) => checked(request),
    },
    (request, reply) => answer(request, reply),
  );

  app.post(
    '/api/v1/uploads/:id',
    {
      schema: routeDoc({
        summary: 'PATCH, HEAD or DELETE by POST',
        description: `For clients that cannot send those methods: \`X-HTTP-Method-Override\` names the one that is meant. ${TUS}`,
        tag: 'transfers',
        params: UploadParams,
        headers: Type.Object({
          ...ChunkHeaders.properties,
          'x-http-method-override': Type.Optional(
            Type.String({ description: 'The method that is meant', examples: ['PATCH'] }),
          ),
        }),
        answers: {
          204: {
            description: 'As of the method that is meant',
            headers: { ...VERSION, ...OFFSET, ...EXPIRES },
          },
        },
        errors: [
          ...GONE,
          ...SENDING,
          'upload_offset_conflict',
          'unsupported_media_type',
          'method_not_allowed',
        ],
      }),
      preHandler: async (request) => checked(request),
    },
    (request, reply) => {
      const meant = String(request.headers['x-http-method-override'] ?? '').toUpperCase();
      if (!MEANT.has(meant))
        throw new HttpProblem('method_not_allowed', 'Name PATCH, HEAD or DELETE in X-HTTP-Method-Override.', {
          headers: { allow: 'HEAD, PATCH, DELETE, POST' },
        });
      return answer(request, reply, meant);
    },
  );
};

export default routes;
