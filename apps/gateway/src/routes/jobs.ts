import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { CreateJob, Item, Job, JobError, JOB_ACTIONS, Page, type JobAction } from '@magpie/contracts';
import { controlJob, findJob, listJobErrors, listJobItems, listJobs, removeJob } from '@magpie/store';
import * as examples from '../examples.ts';
import { TARGETS_BODY } from '../job-targets.ts';
import { sendPage } from '../paging.ts';
import { HttpProblem } from '../problems.ts';
import { publicUrl } from '../public-url.ts';
import {
  ErrorListQuery,
  IdempotencyHeaders,
  IdParams,
  JobItemQuery,
  JobListQuery,
  period,
} from '../requests.ts';
import { routeDoc } from '../route-doc.ts';
import { requireUnread } from '../uploads/readers.ts';
import { itemView, jobErrorView, jobView, rowErrorsView } from '../views.ts';

const ACTION_TEXT: Record<JobAction, [summary: string, description: string]> = {
  pause: [
    'Pause a job',
    'What is in flight ends and is kept, nothing new begins: `pausing`, then `paused`. Takes effect everywhere within a second.',
  ],
  resume: ['Resume a paused job', 'Goes on where it was; no page is fetched again.'],
  stop: [
    'Stop a job',
    'Like pause, then over: `stopping`, then `stopped`. What was collected is kept; it can be retried.',
  ],
  terminate: [
    'Terminate a job',
    'Aborts what is in flight and removes what only this job brought, files included. What other jobs have stays. For good. An import is terminated after its end too, with the jobs that it made.',
  ],
  retry: [
    'Retry a job',
    'Runs again what failed, and what was not done when it was stopped; nothing that was done.',
  ],
};

const LOCATION = { location: { type: 'string', description: 'The job' } };

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { store } = app;
  const base = publicUrl(app.config);

  const jobOr404 = async (id: string) => {
    const job = await findJob(store, id);
    if (job === undefined) throw new HttpProblem('not_found', 'There is no such job.');
    return job;
  };

  app.post(
    '/api/v1/jobs',
    {
      bodyLimit: TARGETS_BODY,
      schema: routeDoc({
        summary: 'Create a job',
        description:
          'Checks the parameters with the schema of the source and makes the job. It is safe from then on. With a `schedule` it runs again and again; some sources give their jobs one.',
        tag: 'jobs',
        headers: IdempotencyHeaders,
        body: CreateJob,
        example: { source: 'web-images', params: { urls: ['https://example.org/gallery'], depth: 1 } },
        answers: {
          202: { description: 'The job', schema: Job, example: examples.queuedJob, headers: LOCATION },
        },
        errors: [
          'unknown_source',
          'missing_credential',
          'quota_too_small',
          'idempotency_conflict',
          'invalid_url',
          'url_too_long',
          'scheme_not_allowed',
          'credentials_in_url',
          'blocked_address',
        ],
      }),
    },
    async (request, reply) => {
      const { source, params, priority, schedule, stopWhenExhausted, strict } = request.body;
      const { job, replayed } = await app.takeJob(request, {
        source,
        params,
        priority,
        schedule,
        stopWhenExhausted,
        strict,
        prefix: 'params',
      });
      if (replayed) void reply.header('idempotent-replayed', 'true');
      return reply.code(202).header('location', `${base}/api/v1/jobs/${job._id}`).send(jobView(job, base));
    },
  );

  app.get(
    '/api/v1/jobs',
    {
      schema: routeDoc({
        summary: 'List jobs',
        description: 'Newest first.',
        tag: 'jobs',
        query: JobListQuery,
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
      const { state, source, ...rest } = request.query;
      const { rows, next } = await listJobs(store, { state, source, ...period(rest) }, rest);
      return sendPage(
        request,
        reply,
        rows.map((job) => jobView(job, base)),
        next,
      );
    },
  );

  app.get(
    '/api/v1/jobs/:id',
    {
      schema: routeDoc({
        summary: 'Get a job',
        description: 'Where it is, what it found so far, and what can be done with it.',
        tag: 'jobs',
        params: IdParams,
        answers: { 200: { description: 'The job', schema: Job, example: examples.job } },
        errors: ['not_found'],
      }),
    },
    async (request) => jobView(await jobOr404(request.params.id), base),
  );

  app.delete(
    '/api/v1/jobs/:id',
    {
      schema: routeDoc({
        summary: 'Remove an ended job',
        description:
          'Removes the job and its lists. The items stay kept. A job that has not ended is not removed: terminate it first; nor is an upload while an import reads it. The file of a transfer goes too, within an hour or so.',
        tag: 'jobs',
        params: IdParams,
        answers: { 204: { description: 'Removed' } },
        errors: ['not_found', 'invalid_transition'],
      }),
    },
    async (request, reply) => {
      await requireUnread(store, await jobOr404(request.params.id));
      if (!(await removeJob(store, request.params.id)))
        throw new HttpProblem('not_found', 'There is no such job.');
      return reply.code(204).send();
    },
  );

  for (const action of JOB_ACTIONS) {
    const [summary, description] = ACTION_TEXT[action];
    app.post(
      `/api/v1/jobs/:id/${action}`,
      {
        schema: routeDoc({
          summary,
          description,
          tag: 'jobs',
          params: IdParams,
          answers: { 202: { description: 'The job as it now is', schema: Job, example: examples.job } },
          errors: ['not_found', 'invalid_transition'],
        }),
      },
      async (request, reply) => {
        const job = await controlJob(store, request.params.id, action);
        if (job === undefined) throw new HttpProblem('not_found', 'There is no such job.');
        app.announce(job);
        request.log.info({ jobId: job._id, action, state: job.state, epoch: job.epoch }, 'job controlled');
        return reply.code(202).send(jobView(job, base));
      },
    );
  }

  app.get(
    '/api/v1/jobs/:id/items',
    {
      schema: routeDoc({
        summary: 'List the items of a job',
        description:
          'What the job has, in the order in which it came to it; readable while the job runs or is paused.',
        tag: 'jobs',
        params: IdParams,
        query: JobItemQuery,
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
      const { kind, ...rest } = request.query;
      const { _id } = await jobOr404(request.params.id);
      const { rows, next } = await listJobItems(store, _id, { kind }, rest);
      return sendPage(
        request,
        reply,
        rows.map(({ item }) => itemView(item, base)),
        next,
      );
    },
  );

  app.get(
    '/api/v1/jobs/:id/errors',
    {
      schema: routeDoc({
        summary: 'List what went wrong in a job',
        description:
          'What was given up, with code, attempt and last response; with `state=skipped`, what was left out on purpose. Of an import the first of its rejected rows, 20 at most: all of them are at `/api/v1/imports/{id}/rejects`.',
        tag: 'jobs',
        params: IdParams,
        query: ErrorListQuery,
        answers: {
          200: {
            description: 'A page of errors',
            schema: Page(JobError),
            example: { items: [examples.jobError], next: null },
          },
        },
        errors: ['not_found', 'invalid_cursor'],
      }),
    },
    async (request, reply) => {
      const { state, ...rest } = request.query;
      const { _id, updatedAt, transfer } = await jobOr404(request.params.id);
      if (transfer?.kind === 'import' && state === 'failed')
        return sendPage(request, reply, rowErrorsView(transfer.report, updatedAt).slice(0, rest.limit), null);
      const { rows, next } = await listJobErrors(store, _id, state, rest);
      return sendPage(request, reply, rows.map(jobErrorView), next);
    },
  );
};

export default routes;
