import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Job } from '@magpie/contracts';
import * as examples from '../export-examples.ts';
import { takeExport } from '../export-intake.ts';
import { askedByQuery, ExportQuery } from '../export-request.ts';
import { HttpProblem } from '../problems.ts';
import { publicUrl } from '../public-url.ts';
import { IdempotencyHeaders } from '../requests.ts';
import { routeDoc } from '../route-doc.ts';
import { jobView } from '../views.ts';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const base = publicUrl(app.config);

  app.get(
    '/api/v1/export/',
    {
      // It makes something: what merely looks is not to.
      exposeHeadRoute: false,
      schema: routeDoc({
        summary: 'Export items by an address',
        description:
          'As POST /api/v1/exports, with all of it in the query. Each request makes an export, unless it brings the `Idempotency-Key` of one that did.',
        tag: 'transfers',
        headers: IdempotencyHeaders,
        query: ExportQuery,
        answers: {
          202: {
            description: 'The job',
            schema: Job,
            example: examples.queued,
            headers: {
              location: { type: 'string', description: 'The job' },
              'cache-control': { type: 'string', description: '`no-store`' },
            },
          },
        },
        errors: ['not_found', 'idempotency_conflict'],
      }),
    },
    async (request, reply) => {
      // What a page elsewhere embeds, or a browser loads ahead, nobody has asked for.
      const { 'sec-fetch-site': site, 'sec-purpose': purpose } = request.headers;
      if (site === 'cross-site' || purpose !== undefined)
        throw new HttpProblem('forbidden', 'The request comes from another web site, or ahead of its time.');
      const { job, replayed } = await takeExport(app, request, askedByQuery(request.query));
      if (replayed) void reply.header('idempotent-replayed', 'true');
      return reply
        .code(202)
        .header('location', `${base}/api/v1/exports/${job._id}`)
        .header('cache-control', 'no-store')
        .send(jobView(job, base));
    },
  );
};

export default routes;
