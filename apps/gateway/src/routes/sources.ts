import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Page, Source } from '@magpie/contracts';
import { findSource, listSources } from '@magpie/store';
import * as examples from '../examples.ts';
import { sendPage } from '../paging.ts';
import { HttpProblem } from '../problems.ts';
import { ListQuery, SourceParams } from '../requests.ts';
import { routeDoc } from '../route-doc.ts';
import { sourceView } from '../views.ts';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/api/v1/sources',
    {
      schema: routeDoc({
        summary: 'List what can be collected',
        description: 'Every source whose collector has reported, with the JSON Schema of a job’s parameters.',
        tag: 'sources',
        query: ListQuery,
        answers: {
          200: {
            description: 'A page of sources',
            schema: Page(Source),
            example: { items: [examples.source], next: null },
          },
        },
        errors: ['invalid_cursor'],
      }),
    },
    async (request, reply) => {
      const { rows, next } = await listSources(app.store, request.query);
      return sendPage(request, reply, rows.map(sourceView), next);
    },
  );

  app.get(
    '/api/v1/sources/:id',
    {
      schema: routeDoc({
        summary: 'Get a source',
        description: 'What it collects, what it takes, what its items hold.',
        tag: 'sources',
        params: SourceParams,
        answers: { 200: { description: 'The source', schema: Source, example: examples.source } },
        errors: ['not_found'],
      }),
    },
    async (request) => {
      const source = await findSource(app.store, request.params.id);
      if (source === undefined) throw new HttpProblem('not_found', 'There is no such source.');
      return sourceView(source);
    },
  );
};

export default routes;
