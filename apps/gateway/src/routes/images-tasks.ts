import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Image, ImagesTask, Page } from '@magpie/contracts';
import { findJobItem, listJobItems, ownerOf } from '@magpie/store';
import * as examples from '../examples.ts';
import { sendPage } from '../paging.ts';
import { HttpProblem } from '../problems.ts';
import { publicUrl } from '../public-url.ts';
import { IdParams, ImageParams, ListQuery } from '../requests.ts';
import { routeDoc } from '../route-doc.ts';
import { taskJob, taskRoutes, type TaskKind } from '../task-routes.ts';
import { imagesTaskView, imageView } from '../views.ts';

const KIND: TaskKind = {
  path: '/images_tasks',
  source: 'web-images',
  what: 'images',
  schema: ImagesTask,
  example: examples.imagesTask,
  view: imagesTaskView,
};

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { store } = app;
  const base = publicUrl(app.config);
  await app.register(taskRoutes(KIND));

  app.get(
    '/images_tasks/:id/images',
    {
      schema: routeDoc({
        summary: 'List the images of a task',
        description:
          'With original and static URL; in the order in which they were found, also while the task runs.',
        tag: 'tasks',
        params: IdParams,
        query: ListQuery,
        answers: {
          200: {
            description: 'A page of images',
            schema: Page(Image),
            example: { items: [examples.image], next: null },
          },
        },
        errors: ['not_found', 'invalid_cursor'],
      }),
    },
    async (request, reply) => {
      const { _id } = await taskJob(store, KIND, request.params.id);
      const { rows, next } = await listJobItems(store, _id, { kind: 'image' }, request.query);
      return sendPage(
        request,
        reply,
        rows.map(({ item }) => imageView(item, base)),
        next,
      );
    },
  );

  app.get(
    '/images_tasks/:id/images/:image',
    {
      schema: routeDoc({
        summary: 'Get an image of a task',
        description: 'One image, if the task has it.',
        tag: 'tasks',
        params: ImageParams,
        answers: { 200: { description: 'The image', schema: Image, example: examples.image } },
        errors: ['not_found'],
      }),
    },
    async (request) => {
      const job = await taskJob(store, KIND, request.params.id);
      const item = await findJobItem(store, ownerOf(job), request.params.image);
      if (item?.kind !== 'image') throw new HttpProblem('not_found', 'The task has no such image.');
      return imageView(item, base);
    },
  );
};

export default routes;
