import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Coverage, Page, PageQuery, Target, TargetState, type Gap } from '@magpie/contracts';
import { parseDuration, redactText, roughly } from '@magpie/domain';
import {
  findJob,
  findSource,
  listGaps,
  listTargets,
  readCoverage,
  type GapDocument,
  type TargetDocument,
} from '@magpie/store';
import { Type } from 'typebox';
import * as examples from '../fans/examples.ts';
import { sendPage } from '../paging.ts';
import { HttpProblem } from '../problems.ts';
import { IdParams, ListQuery } from '../requests.ts';
import { routeDoc } from '../route-doc.ts';

const TargetListQuery = Type.Object(
  { ...PageQuery.properties, state: Type.Optional(TargetState) },
  { additionalProperties: false },
);

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { store } = app;

  const jobOr404 = async (id: string) => {
    const job = await findJob(store, id);
    if (job === undefined) throw new HttpProblem('not_found', 'There is no such job.');
    return job;
  };

  app.get(
    '/api/v1/jobs/:id/targets',
    {
      schema: routeDoc({
        summary: 'List what a job measures',
        description:
          'By key, each with the state that the provider says it is in, its last sample, and when it is looked at again.',
        tag: 'jobs',
        params: IdParams,
        query: TargetListQuery,
        answers: {
          200: {
            description: 'A page of targets',
            schema: Page(Target),
            example: { items: [examples.target], next: null },
          },
        },
        errors: ['not_found', 'invalid_cursor'],
      }),
    },
    async (request, reply) => {
      const { state, ...rest } = request.query;
      const { _id } = await jobOr404(request.params.id);
      const { rows, next } = await listTargets(store, _id, state, rest);
      return sendPage(request, reply, rows.map(targetView), next);
    },
  );

  app.get(
    '/api/v1/jobs/:id/coverage',
    {
      schema: routeDoc({
        summary: 'See what a job has really seen',
        description:
          'The period that was really seen, what the source cannot reach, how many samples were due and kept, and the gaps.',
        tag: 'jobs',
        params: IdParams,
        query: ListQuery,
        answers: { 200: { description: 'The coverage', schema: Coverage, example: examples.coverage } },
        errors: ['not_found', 'invalid_cursor'],
      }),
    },
    async (request, reply): Promise<Coverage> => {
      const job = await jobOr404(request.params.id);
      const every = job.schedule?.every;
      const intervalMs = every ? roughly(parseDuration(every)) : 0;
      const now = job.endedAt ?? new Date();
      const [source, states, gaps] = await Promise.all([
        findSource(store, job.source),
        readCoverage(store, job._id, { now, intervalMs }),
        listGaps(store, job._id, request.query),
      ]);
      const active = states.find(({ state }) => state === 'active');
      const overdue = intervalMs > 0 && job.endedAt === null ? active : undefined;
      return {
        seen: job.coverage && {
          from: job.coverage.from.toISOString(),
          to: job.coverage.to.toISOString(),
        },
        limits: source?.limits ?? [],
        targets: Object.fromEntries(states.map(({ state, count }) => [state, count])),
        samples: {
          expected: states.reduce((sum, { due }) => sum + due, 0),
          kept: job.tally.samples,
        },
        openGaps: { targets: overdue?.late ?? 0, since: overdue?.lateSince?.toISOString() ?? null },
        gaps: sendPage(request, reply, gaps.rows.map(gapView), gaps.next),
      };
    },
  );
};

const targetView = (target: TargetDocument): Target => ({
  key: target.key,
  state: target.state,
  since: target.since.toISOString(),
  name: target.name ?? null,
  movedTo: target.movedTo ?? null,
  message: target.message === undefined ? null : redactText(target.message),
  misses: target.misses,
  last: target.last ? { ...target.last, at: target.last.at.toISOString() } : null,
  nextAt: target.nextAt?.toISOString() ?? null,
  addedAt: target.addedAt.toISOString(),
});

const gapView = ({ target, from, to, missed, reason }: GapDocument): Gap => ({
  target,
  from: from.toISOString(),
  to: to.toISOString(),
  missed,
  reason,
});

export default routes;
