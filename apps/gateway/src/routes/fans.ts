import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { FanChart, FanPages, FanPoints, FanRow, Page } from '@magpie/contracts';
import { decodeCursor, encodeCursor, readRows, readSeries, type Point } from '@magpie/store';
import { Type } from 'typebox';
import { formatOf, sendKept } from '../fans/answer.ts';
import { pagesCsv, pointsCsv, tableCsv } from '../fans/csv.ts';
import * as examples from '../fans/examples.ts';
import {
  asked,
  ChartQuery,
  knownPage,
  MAX_PAGES,
  MAX_POINTS,
  PageParams,
  PagesQuery,
  SOURCE,
  TableQuery,
  within,
} from '../fans/query.ts';
import { chartView, pagesView, pointView, rowView } from '../fans/views.ts';
import { sendPage } from '../paging.ts';
import { HttpProblem } from '../problems.ts';
import { routeDoc } from '../route-doc.ts';

const KEPT =
  'With `ETag` and `Cache-Control`: `If-None-Match` is answered with 304. CSV by `Accept: text/csv` or `format=csv`.';
const NOT_MODIFIED = { description: 'It is as the client has it' };
const KEPT_HEADERS = {
  etag: { type: 'string', description: 'Of this answer, for `If-None-Match`' },
  'cache-control': { type: 'string', description: 'An hour for a period that is over, else half a minute' },
};

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { store } = app;

  app.get(
    '/api/fans/linechart/:page',
    {
      schema: routeDoc({
        summary: 'Chart the fans of a page',
        description: `Fans and followers over time, ready to draw; with \`format=json\` a list of points, suspect ones marked. ${KEPT}`,
        tag: 'fans',
        params: PageParams,
        query: ChartQuery,
        answers: {
          200: {
            description: 'The series; points with `format=json`',
            schema: Type.Union([FanChart, FanPoints]),
            example: examples.chart,
            csv: pointsCsv([examples.row]),
            headers: KEPT_HEADERS,
          },
          304: NOT_MODIFIED,
        },
        errors: ['not_found'],
      }),
    },
    async (request, reply) => {
      const { format: named, ...period } = request.query;
      const wanted = asked(period);
      const page = await knownPage(store, request.params.page);
      const { interval, past } = wanted;
      const points = await within(wanted, MAX_POINTS, () =>
        readSeries(store, { source: SOURCE, target: page }, { ...wanted, limit: MAX_POINTS }),
      );
      const format = formatOf(request, named);
      const body =
        format === 'csv'
          ? pointsCsv(points.map(pointView))
          : JSON.stringify(
              format === 'json'
                ? { page, interval, points: points.map(pointView) }
                : chartView(page, interval, points),
            );
      return sendKept(request, reply, body, { format, past, name: `fans-${page}` });
    },
  );

  app.get(
    '/api/fans/table/:page',
    {
      schema: routeDoc({
        summary: 'List the fans of a page',
        description: `Rows, newest first, with what changed since the row before. ${KEPT}`,
        tag: 'fans',
        params: PageParams,
        query: TableQuery,
        answers: {
          200: {
            description: 'A page of rows',
            schema: Page(FanRow),
            example: { items: [examples.row], next: null },
            csv: tableCsv([examples.row]),
            headers: KEPT_HEADERS,
          },
          304: NOT_MODIFIED,
        },
        errors: ['not_found', 'invalid_cursor'],
      }),
    },
    async (request, reply) => {
      const { format: named, limit, cursor, ...period } = request.query;
      const wanted = asked(period);
      const page = await knownPage(store, request.params.page);
      const { interval, past } = wanted;
      // The interval and the period's beginning are the cursor's too: a page that follows is of the same list.
      const [before, since] =
        decodeCursor<[number, number]>(`fans-${interval}`, ['number', 'number'], cursor) ?? [];
      const from = since === undefined ? wanted.from : new Date(since);
      const to = before === undefined ? wanted.to : new Date(before - 1);
      const { rows, more } = await readRows(
        store,
        { source: SOURCE, target: page },
        { from, to, interval, limit },
      );
      const last = rows.at(-1);
      const next =
        more && last !== undefined
          ? encodeCursor(`fans-${interval}`, [last.point.at.getTime(), from.getTime()])
          : null;
      const format = formatOf(request, named);
      const answer = sendPage(request, reply, rows.map(rowView), next);
      const body = format === 'csv' ? tableCsv(answer.items) : JSON.stringify(answer);
      return sendKept(request, reply, body, { format, past, name: `fans-table-${page}` });
    },
  );

  app.get(
    '/api/fans/multipage',
    {
      schema: routeDoc({
        summary: 'Compare the fans of several pages',
        description: `Up to ${String(MAX_PAGES)} pages on common times; null where one was not measured. ${KEPT}`,
        tag: 'fans',
        query: PagesQuery,
        answers: {
          200: {
            description: 'The series',
            schema: FanPages,
            example: examples.pages,
            csv: pagesCsv(examples.pages),
            headers: KEPT_HEADERS,
          },
          304: NOT_MODIFIED,
        },
        errors: ['not_found'],
      }),
    },
    async (request, reply) => {
      const { format: named, pages: listed, ...period } = request.query;
      const wanted = asked(period);
      const names = [listed].flat();
      const series = new Map<string, Point[]>();
      const limit = Math.floor(MAX_POINTS / names.length);
      for (const [i, name] of names.entries()) {
        const page = await knownPage(store, name).catch((error: unknown) => {
          if (!(error instanceof HttpProblem)) throw error;
          throw new HttpProblem('not_found', 'Not all of these pages are measured.', {
            errors: [{ field: `pages.${String(i)}`, message: 'is not measured' }],
          });
        });
        if (series.has(page)) continue;
        const points = await within(wanted, limit, () =>
          readSeries(store, { source: SOURCE, target: page }, { ...wanted, limit }),
        );
        series.set(page, points);
      }
      const view = pagesView(wanted.interval, series);
      const format = formatOf(request, named);
      const body = format === 'csv' ? pagesCsv(view) : JSON.stringify(view);
      return sendKept(request, reply, body, { format, past: wanted.past, name: 'fans' });
    },
  );
};

export default routes;
