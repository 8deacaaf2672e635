import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { CreateJob, Plan } from '@magpie/contracts';
import { planExample } from '../credential-examples.ts';
import { planJob, planView } from '../job-plan.ts';
import { jobSchedule } from '../job-schedule.ts';
import { TARGETS_BODY } from '../job-targets.ts';
import { routeDoc } from '../route-doc.ts';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.post(
    '/api/v1/plan',
    {
      bodyLimit: TARGETS_BODY,
      schema: routeDoc({
        summary: 'Plan a job',
        description:
          'Takes what POST /api/v1/jobs takes, and makes nothing: requests, units of quota, how long the quota lasts, the shortest interval that the keys carry, and the one at which the job would run.',
        tag: 'jobs',
        body: CreateJob,
        example: { source: 'youtube-search', params: { q: 'cricket' }, schedule: { every: '30s' } },
        answers: { 200: { description: 'The plan', schema: Plan, example: planExample } },
        errors: [
          'unknown_source',
          'invalid_url',
          'url_too_long',
          'scheme_not_allowed',
          'credentials_in_url',
          'blocked_address',
        ],
      }),
    },
    async (request) => {
      const { source, params: given, schedule: asked } = request.body;
      const { found, params } = await app.checkParams(source, given, { prefix: 'params' });
      const schedule = jobSchedule(found, params, asked, { prefix: 'params' });
      return planView(found, await planJob(app.store, found, params, schedule));
    },
  );
};

export default routes;
