import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { ChangeJob, Job, Page, Run } from '@magpie/contracts';
import {
  changeJob,
  findJob,
  listRuns,
  replaceTargets,
  type JobDocument,
  type JobChange,
  type TransferDocument,
} from '@magpie/store';
import * as examples from '../examples.ts';
import { carriedSchedule } from '../job-plan.ts';
import { jobSchedule } from '../job-schedule.ts';
import { takeTargets, TARGETS_BODY } from '../job-targets.ts';
import { sendPage } from '../paging.ts';
import { HttpProblem } from '../problems.ts';
import { publicUrl } from '../public-url.ts';
import { IdParams, RunListQuery } from '../requests.ts';
import { routeDoc } from '../route-doc.ts';
import { jobView, runView } from '../views.ts';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { store } = app;

  const jobOr404 = async (id: string): Promise<JobDocument> => {
    const job = await findJob(store, id);
    if (job === undefined) throw new HttpProblem('not_found', 'There is no such job.');
    return job;
  };

  app.get(
    '/api/v1/jobs/:id/runs',
    {
      schema: routeDoc({
        summary: 'List the runs of a job',
        description:
          'Newest first: what each brought, and which were skipped and why. The newest 10,000 are kept.',
        tag: 'jobs',
        params: IdParams,
        query: RunListQuery,
        answers: {
          200: {
            description: 'A page of runs',
            schema: Page(Run),
            example: { items: [examples.run], next: null },
          },
        },
        errors: ['not_found', 'invalid_cursor'],
      }),
    },
    async (request, reply) => {
      const { state, ...rest } = request.query;
      const { _id } = await jobOr404(request.params.id);
      const { rows, next } = await listRuns(store, _id, { state }, rest);
      return sendPage(request, reply, rows.map(runView), next);
    },
  );

  app.patch(
    '/api/v1/jobs/:id',
    {
      bodyLimit: TARGETS_BODY,
      schema: routeDoc({
        summary: 'Change a job',
        description:
          'A schedule takes effect at once; its runs keep their times unless `every` changes. Parameters change with the next run. A job that has ended is not changed; nor is an upload, an import or an export.',
        tag: 'jobs',
        params: IdParams,
        body: ChangeJob,
        example: { schedule: { every: 'PT1H' } },
        answers: {
          200: { description: 'The job as it now is', schema: Job, example: examples.scheduledJob },
        },
        errors: [
          'not_found',
          'invalid_transition',
          'unknown_source',
          'missing_credential',
          'quota_too_small',
          'invalid_url',
          'url_too_long',
          'scheme_not_allowed',
          'credentials_in_url',
          'blocked_address',
        ],
      }),
    },
    async (request) => {
      const job = await jobOr404(request.params.id);
      if (job.transfer) refuseChange(job.transfer.kind, request.body);
      const { targets, ...change } = await read(job, request.body);
      const done = await changeJob(store, job._id, change);
      if (done && targets) await replaceTargets(store, { id: job._id, source: job.source }, targets);
      const changed = done && targets ? await findJob(store, job._id) : done;
      if (changed === undefined) throw new HttpProblem('not_found', 'There is no such job.');
      app.announce(changed);
      request.log.info({ jobId: job._id, rev: changed.rev }, 'job changed');
      return jobView(changed, publicUrl(app.config));
    },
  );

  /** Checked as when a job is made. A schedule that the parameters name follows them, unless another one is given. */
  async function read(
    job: JobDocument,
    { params, schedule, stopWhenExhausted, strict }: ChangeJob,
  ): Promise<JobChange & { targets?: string[] }> {
    const change: JobChange = stopWhenExhausted === undefined ? {} : { stopWhenExhausted };
    if (params === undefined && (schedule === undefined || schedule === null))
      return schedule === null ? { ...change, schedule } : change;
    const { found, params: checked } = await app.checkParams(job.source, merged(job.params, params ?? {}), {
      prefix: 'params',
      targetsStay: true,
    });
    const { params: wanted, targets } = takeTargets(found, checked, 'params');
    const { everyParam, untilParam } = found.schedule ?? {};
    const follows = [everyParam, untilParam].some(
      (name) => name !== undefined && !equal(wanted[name], job.params[name]),
    );
    const resolved = jobSchedule(found, wanted, schedule ?? undefined, { prefix: 'params' });
    const next = {
      ...(params === undefined ? change : { ...change, params: wanted }),
      ...(targets ? { targets } : {}),
    };
    if (schedule === null) return { ...next, schedule };
    if (schedule === undefined && !follows) return next;
    const measured = found.targets ? { [found.targets.param]: targets?.length ?? job.targets } : {};
    return {
      ...next,
      ...(await carriedSchedule(store, found, { ...wanted, ...measured }, resolved, strict)),
    };
  }
};

/** @throws HttpProblem `invalid_request`: a transfer has neither parameters nor runs */
function refuseChange(kind: TransferDocument['kind'], change: ChangeJob): void {
  const errors = Object.keys(change).map((field) => ({
    field,
    message: `is not for an ${kind}, which runs once`,
  }));
  if (errors.length > 0) throw new HttpProblem('invalid_request', undefined, { errors });
}

/** As a JSON merge patch (RFC 7396) of one level. */
const merged = (before: Record<string, unknown>, patch: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries({ ...before, ...patch }).filter(([, value]) => value !== null));

const equal = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

export default routes;
