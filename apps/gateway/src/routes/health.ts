import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Readiness } from '@magpie/contracts';
import { readiness } from '@magpie/service-kit';
import { Type } from 'typebox';
import { routeDoc } from '../route-doc.ts';

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/healthz',
    {
      schema: routeDoc({
        summary: 'Whether the process lives',
        description: 'Answers while the process can answer.',
        tag: 'operations',
        open: true,
        answers: {
          200: {
            description: 'It does',
            schema: Type.Object({ status: Type.Literal('ok') }),
            example: { status: 'ok' },
          },
        },
      }),
    },
    async () => ({ status: 'ok' as const }),
  );

  app.get(
    '/readyz',
    {
      schema: routeDoc({
        summary: 'Whether requests can be served',
        description:
          'Without MongoDB nothing can: 503. Without RabbitMQ jobs are still taken, kept and shown, and run when it is back: 200, `degraded`.',
        tag: 'operations',
        open: true,
        answers: {
          200: {
            description: 'Ready, or degraded',
            schema: Readiness,
            example: {
              status: 'ready',
              checks: { mongodb: { ok: true, ms: 1 }, rabbitmq: { ok: true, ms: 0 } },
            },
          },
          503: {
            description: 'Not ready',
            schema: Readiness,
            example: {
              status: 'not_ready',
              checks: {
                mongodb: { ok: false, ms: 2000, error: 'does not answer' },
                rabbitmq: { ok: true, ms: 0 },
              },
            },
          },
        },
      }),
    },
    async (_request, reply) => {
      const { checks } = await readiness(
        {
          mongodb: async () => {
            if (!(await app.store.ping())) throw new Error('does not answer');
          },
          rabbitmq: () => {
            if (app.broker.status !== 'up') throw new Error(app.broker.lastError ?? 'not connected yet');
          },
        },
        3000,
      );
      const { mongodb, rabbitmq } = checks;
      const status = !mongodb?.ok ? 'not_ready' : rabbitmq?.ok ? 'ready' : 'degraded';
      return reply
        .code(status === 'not_ready' ? 503 : 200)
        .header('cache-control', 'no-store')
        .send({ status, checks });
    },
  );

  app.get(
    '/metrics',
    {
      schema: routeDoc({
        summary: 'Metrics',
        description: 'In the text format of Prometheus.',
        tag: 'operations',
        answers: {
          200: {
            description: 'The metrics',
            type: 'text/plain',
            schema: Type.String(),
            example: 'process_cpu_seconds_total 1.5',
          },
        },
      }),
    },
    async (_request, reply) => reply.type(app.metrics.contentType).send(await app.metrics.text()),
  );
};

export default routes;
