import { redactUrl } from '@magpie/domain';
import fp from 'fastify-plugin';

/** So long may an address be in a log line. */
const MAX_URL = 500;
const QUIET = new Set(['/healthz', '/readyz', '/metrics']);

/** One line a request, under the id that the request keeps in every service; its time and status as a metric. */
export default fp(
  async (app) => {
    const seconds = app.metrics.histogram('magpie_http_request_seconds', 'Time to answer a request', [
      'method',
      'route',
      'status',
    ]);

    app.addHook('onRequest', async (request, reply) => {
      void reply.header('x-request-id', request.id);
    });
    app.addHook('onResponse', async (request, reply) => {
      const route = request.routeOptions.url ?? 'none';
      const { method } = request;
      const { statusCode: status, elapsedTime } = reply;
      seconds.observe({ method, route, status: String(status) }, elapsedTime / 1000);
      const line = {
        method,
        url: redactUrl(request.url.slice(0, MAX_URL)),
        status,
        ms: Math.round(elapsedTime),
        ip: request.ip,
      };
      if (QUIET.has(route)) request.log.debug(line, 'request');
      else request.log.info(line, 'request');
    });
  },
  { name: 'request-log', fastify: '5.x' },
);
