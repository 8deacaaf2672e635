import { Readable } from 'node:stream';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { isEnded } from '@magpie/domain';
import { findJob } from '@magpie/store';
import { Type } from 'typebox';
import * as examples from '../examples.ts';
import { jobEventStream } from '../job-event-stream.ts';
import { HttpProblem } from '../problems.ts';
import { publicUrl } from '../public-url.ts';
import { EventHeaders, IdParams } from '../requests.ts';
import { routeDoc } from '../route-doc.ts';

const EXAMPLE = [
  `event: progress\nid: 1\ndata: ${JSON.stringify(examples.queuedJob)}\n\n`,
  'event: state\nid: 2\ndata: {"rev":2,"at":"2026-05-01T12:00:00.120Z","from":"queued","to":"running"}\n\n',
  'event: end\nid: 14\ndata: {"state":"completed"}\n\n',
].join('');

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
};

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const closing = new AbortController();
  let open = 0;
  app.addHook('preClose', async () => closing.abort());
  const gauge = app.metrics.gauge('magpie_event_streams', 'Event streams open now');

  app.get(
    '/api/v1/jobs/:id/events',
    {
      schema: routeDoc({
        summary: 'Watch a job live',
        description:
          'Server-sent events. `progress`: the job, at once and then as it changes, at most four times a second. `state`: each transition. `end`: the job has ended, the stream too. The id of an event is the job’s revision: with `Last-Event-ID`, transitions after it are sent first; an ended job of which all was seen is 204, which stops an EventSource. A comment comes every 15 seconds.',
        tag: 'jobs',
        params: IdParams,
        headers: EventHeaders,
        answers: {
          200: {
            description: 'The stream',
            type: 'text/event-stream',
            schema: Type.String(),
            example: EXAMPLE,
          },
          204: { description: 'The job has ended, and the client has seen all of it' },
        },
        errors: ['not_found', 'too_many_streams'],
      }),
    },
    async (request, reply) => {
      const job = await findJob(app.store, request.params.id);
      if (job === undefined) throw new HttpProblem('not_found', 'There is no such job.');
      const given = request.headers['last-event-id'];
      const after = given !== undefined && /^\d{1,15}$/.test(given) ? Number(given) : undefined;
      if (isEnded(job.state) && after !== undefined && after >= job.rev) return reply.code(204).send();
      if (open >= app.config.MAGPIE_MAX_STREAMS)
        throw new HttpProblem('too_many_streams', undefined, { retryAfter: 30 });
      void reply.headers(HEADERS);
      if (request.method === 'HEAD') return reply.send();

      const gone = new AbortController();
      const signal = AbortSignal.any([gone.signal, closing.signal]);
      gauge.set(++open);
      reply.raw.once('close', () => {
        gone.abort();
        gauge.set(--open);
      });
      return reply.send(
        Readable.from(
          jobEventStream(job, { watch: app.jobWatch, base: publicUrl(app.config), signal, after }),
        ),
      );
    },
  );
};

export default routes;
