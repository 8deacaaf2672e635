import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Item, Page } from '@magpie/contracts';
import { findItem, findJob, listItems, listJobItems, ownerOf, searchItems } from '@magpie/store';
import * as examples from '../examples.ts';
import { sendPage } from '../paging.ts';
import { HttpProblem } from '../problems.ts';
import { publicUrl } from '../public-url.ts';
import { IdParams, ItemListQuery, period } from '../requests.ts';
import { routeDoc } from '../route-doc.ts';
import { itemView } from '../views.ts';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { store } = app;
  const base = publicUrl(app.config);

  app.get(
    '/api/v1/items',
    {
      schema: routeDoc({
        summary: 'Search everything kept',
        description:
          'Newest first; with `q`, best match first. Filters can be combined. With `job`, only what that job has, last come first.',
        tag: 'items',
        query: ItemListQuery,
        answers: {
          200: {
            description: 'A page of items',
            schema: Page(Item),
            example: { items: [examples.item], next: null },
          },
        },
        errors: ['not_found', 'invalid_cursor'],
      }),
    },
    async (request, reply) => {
      const { q, kind, source, host, job, from, to, ...rest } = request.query;
      const filter = {
        kind,
        source,
        host: host?.toLowerCase(),
        ...period({ ...(from && { from }), ...(to && { to }) }),
      };
      const found = job === undefined ? undefined : await findJob(store, job);
      if (job !== undefined && found === undefined)
        throw new HttpProblem('not_found', 'There is no such job.');
      if (q !== undefined) {
        const { rows, next } = await searchItems(
          store,
          q,
          { ...filter, owner: found && ownerOf(found) },
          rest,
        );
        return sendPage(
          request,
          reply,
          rows.map((item) => itemView(item, base)),
          next,
        );
      }
      if (job !== undefined) {
        const { rows, next } = await listJobItems(store, job, filter, rest, -1);
        return sendPage(
          request,
          reply,
          rows.map(({ item }) => itemView(item, base)),
          next,
        );
      }
      const { rows, next } = await listItems(store, filter, rest);
      return sendPage(
        request,
        reply,
        rows.map((item) => itemView(item, base)),
        next,
      );
    },
  );

  app.get(
    '/api/v1/items/:id',
    {
      schema: routeDoc({
        summary: 'Get an item',
        description: 'One collected thing, with the address of its file if it has one.',
        tag: 'items',
        params: IdParams,
        answers: { 200: { description: 'The item', schema: Item, example: examples.item } },
        errors: ['not_found'],
      }),
    },
    async (request) => {
      const item = await findItem(store, request.params.id);
      if (item === undefined) throw new HttpProblem('not_found', 'There is no such item.');
      return itemView(item, base);
    },
  );
};

export default routes;
