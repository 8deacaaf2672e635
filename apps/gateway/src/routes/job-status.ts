import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Job, JobControl } from '@magpie/contracts';
import { controlJob, findJob } from '@magpie/store';
import { HttpProblem } from '../problems.ts';
import { publicUrl } from '../public-url.ts';
import { IdParams } from '../requests.ts';
import { routeDoc } from '../route-doc.ts';
import * as examples from '../upload-examples.ts';
import { jobView } from '../views.ts';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const base = publicUrl(app.config);
  const missing = (): HttpProblem => new HttpProblem('not_found', 'There is no such job.');

  app.get(
    '/api/v1/job-status/:id/',
    {
      schema: routeDoc({
        summary: 'Get the status of a job',
        description:
          'Any job; of a transfer, `transfer` has bytes, rows and how fast they come. The same as GET /api/v1/jobs/{id}.',
        tag: 'transfers',
        params: IdParams,
        answers: { 200: { description: 'The job', schema: Job, example: examples.runningUpload } },
        errors: ['not_found'],
      }),
    },
    async (request) => {
      const job = await findJob(app.store, request.params.id);
      if (job === undefined) throw missing();
      return jobView(job, base);
    },
  );

  for (const method of ['PATCH', 'POST'] as const)
    app.route({
      method,
      url: '/api/v1/job-status/:id/',
      schema: routeDoc({
        summary: method === 'PATCH' ? 'Control a job' : 'Control a job, as PATCH does',
        description:
          'Pauses, resumes, stops, terminates or retries any job. A paused upload is not read from: its sender stalls, and goes on in the same request when it is resumed. A stopped one is over, and what came is no file. Terminating aborts the request and removes what came; of an import, also one that has ended, it takes back what that brought.',
        tag: 'transfers',
        params: IdParams,
        body: JobControl,
        example: { action: 'pause' },
        form: true,
        answers: {
          202: { description: 'The job as it now is', schema: Job, example: examples.runningUpload },
        },
        errors: ['not_found', 'invalid_transition'],
      }),
      handler: async (request, reply) => {
        const { action } = request.body;
        const job = await controlJob(app.store, request.params.id, action);
        if (job === undefined) throw missing();
        app.announce(job);
        request.log.info({ jobId: job._id, action, state: job.state, epoch: job.epoch }, 'job controlled');
        return reply.code(202).send(jobView(job, base));
      },
    });
};

export default routes;
