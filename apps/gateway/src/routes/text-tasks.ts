import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Page, Text, TextTask } from '@magpie/contracts';
import { listJobItems } from '@magpie/store';
import * as examples from '../examples.ts';
import { sendPage } from '../paging.ts';
import { IdParams, ListQuery } from '../requests.ts';
import { routeDoc } from '../route-doc.ts';
import { taskJob, taskRoutes, type TaskKind } from '../task-routes.ts';
import { textTaskView, textView } from '../views.ts';

const KIND: TaskKind = {
  path: '/text_tasks',
  source: 'web-text',
  what: 'text',
  schema: TextTask,
  example: examples.textTask,
  view: textTaskView,
};

const routes: FastifyPluginAsyncTypebox = async (app) => {
  await app.register(taskRoutes(KIND));

  app.get(
    '/text_tasks/:id/text',
    {
      schema: routeDoc({
        summary: 'List the texts of a task',
        description:
          'One a page: title, text, language, byline, published time, and the main content as Markdown.',
        tag: 'tasks',
        params: IdParams,
        query: ListQuery,
        answers: {
          200: {
            description: 'A page of texts',
            schema: Page(Text),
            example: { items: [examples.text], next: null },
          },
        },
        errors: ['not_found', 'invalid_cursor'],
      }),
    },
    async (request, reply) => {
      const { _id } = await taskJob(app.store, KIND, request.params.id);
      const { rows, next } = await listJobItems(app.store, _id, { kind: 'text' }, request.query);
      return sendPage(
        request,
        reply,
        rows.map(({ item }) => textView(item)),
        next,
      );
    },
  );
};

export default routes;
