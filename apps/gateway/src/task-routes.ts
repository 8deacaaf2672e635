/** The routes that are the same for both sorts of tasks: make one, list them, get one. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { CreateTask, Page } from '@magpie/contracts';
import { findJob, listJobs, type JobDocument, type Store } from '@magpie/store';
import type { TSchema } from 'typebox';
import * as examples from './examples.ts';
import { sendPage } from './paging.ts';
import { HttpProblem } from './problems.ts';
import { publicUrl } from './public-url.ts';
import { IdempotencyHeaders, IdParams, TaskListQuery } from './requests.ts';
import { routeDoc } from './route-doc.ts';
import { inTermsOfTask, taskParams } from './task-body.ts';

export interface TaskKind {
  /** `/images_tasks` */
  path: string;
  source: string;
  /** What is collected, for the documentation. */
  what: string;
  schema: TSchema;
  example: object;
  view(job: JobDocument, base: string): object;
}

/** The job behind a task; another source's job is no task of this sort. @throws HttpProblem `not_found` */
export async function taskJob(store: Store, { source }: TaskKind, id: string): Promise<JobDocument> {
  const job = await findJob(store, id);
  if (job?.source !== source) throw new HttpProblem('not_found', 'There is no such task.');
  return job;
}

export const taskRoutes =
  ({ path, source, what, schema, example, view }: TaskKind): FastifyPluginAsyncTypebox =>
  async (app) => {
    const { store } = app;
    const base = publicUrl(app.config);

    app.post(
      path,
      {
        schema: routeDoc({
          summary: `Collect the ${what} of web pages`,
          description: `Takes \`url\` or \`urls\`, as JSON or as a form; every other key is a parameter of the source \`${source}\`. Makes a job.`,
          tag: 'tasks',
          headers: IdempotencyHeaders,
          body: CreateTask,
          example: { url: 'https://example.org/gallery' },
          form: true,
          answers: {
            202: {
              description: 'The task',
              schema,
              example: { ...example, state: 'queued', counts: examples.queuedJob.counts, ended_at: null },
              headers: { location: { type: 'string', description: 'The task' } },
            },
          },
          errors: [
            'source_unavailable',
            'idempotency_conflict',
            'invalid_url',
            'url_too_long',
            'scheme_not_allowed',
            'credentials_in_url',
            'blocked_address',
          ],
        }),
        // The source's own schema judges the body, and knows a code for each fault of a URL.
        validatorCompiler: () => () => true,
      },
      async (request, reply) => {
        const { job, replayed } = await app
          .takeJob(request, {
            source,
            params: taskParams(request.body),
            form: /^application\/x-www-form-urlencoded/i.test(request.headers['content-type'] ?? ''),
            builtIn: true,
          })
          .catch((error: unknown) => {
            throw inTermsOfTask(error, request.body);
          });
        if (replayed) void reply.header('idempotent-replayed', 'true');
        return reply.code(202).header('location', `${base}${path}/${job._id}`).send(view(job, base));
      },
    );

    app.get(
      path,
      {
        schema: routeDoc({
          summary: `List the tasks that collect ${what}`,
          description: 'Newest first.',
          tag: 'tasks',
          query: TaskListQuery,
          answers: {
            200: {
              description: 'A page of tasks',
              schema: Page(schema),
              example: { items: [example], next: null },
            },
          },
          errors: ['invalid_cursor'],
        }),
      },
      async (request, reply) => {
        const { state, ...rest } = request.query;
        const { rows, next } = await listJobs(store, { source, state }, rest);
        return sendPage(
          request,
          reply,
          rows.map((job) => view(job, base)),
          next,
        );
      },
    );

    app.get(
      `${path}/:id`,
      {
        schema: routeDoc({
          summary: `Get a task that collects ${what}`,
          description: 'State and counts: discovered = stored + shared + skipped + failed + pending.',
          tag: 'tasks',
          params: IdParams,
          answers: { 200: { description: 'The task', schema, example } },
          errors: ['not_found'],
        }),
      },
      async (request) =>
        view(await taskJob(store, { path, source, what, schema, example, view }, request.params.id), base),
    );
  };
