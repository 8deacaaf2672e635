import { STATUS_CODES } from 'node:http';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { HttpProblem, PROBLEM_TYPE, problemDocument, toProblem } from '../problems.ts';
import { publicUrl } from '../public-url.ts';

/** Every error leaves as a problem document; what went wrong here is logged and not told. */
export default fp(
  async (app) => {
    const routes: { pattern: RegExp; methods: Set<string> }[] = [];
    app.addHook('onRoute', ({ url, method }) => {
      const pattern = new RegExp(
        `^${url
          .replace(/\/$/, '')
          .replace(/:[^/]+/g, '[^/]+')
          .replace(/\*/g, '.*')}/?$`,
      );
      const known = routes.find((route) => route.pattern.source === pattern.source);
      const entry = known ?? { pattern, methods: new Set<string>() };
      if (known === undefined) routes.push(entry);
      for (const name of [method].flat()) entry.methods.add(name);
    });

    const methodsOf = (path: string): string[] => [
      ...new Set(routes.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => [...methods])),
    ];

    app.setErrorHandler((error: FastifyError, request, reply) => sendProblem(error, request, reply));

    app.setNotFoundHandler((request, reply) => {
      const allowed = methodsOf(request.url.split('?')[0] ?? '/');
      const problem =
        allowed.length === 0
          ? new HttpProblem('not_found', 'There is no such route.')
          : new HttpProblem('method_not_allowed', `Allowed: ${allowed.join(', ')}.`, {
              headers: { allow: allowed.join(', ') },
            });
      return sendProblem(problem, request, reply);
    });
  },
  { name: 'errors', fastify: '5.x' },
);

/** Answers with what an error becomes; 5xx are logged with their cause. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = toProblem(error);
  if (problem.code === 'internal_error') request.log.error({ err: error }, 'a request failed');
  else if (problem.statusCode >= 500)
    request.log.warn({ err: error, code: problem.code }, 'a request was refused');
  const { retryAfter, headers = {} } = problem.extras;
  if (retryAfter !== undefined) void reply.header('retry-after', String(retryAfter));
  for (const [name, value] of Object.entries(headers)) void reply.header(name, value);
  return reply
    .code(problem.statusCode)
    .type(PROBLEM_TYPE)
    .header('cache-control', 'no-store')
    .send(JSON.stringify(problemDocument(publicUrl(request.server.config), problem, request.id)));
}

/** What the HTTP parser itself refuses never reaches a route. */
export function rawProblem(status: number, base: string): string {
  const code = status === 431 || status === 400 ? 'invalid_request' : 'internal_error';
  const detail =
    status === 431
      ? 'Its headers are too large.'
      : 'It is not HTTP as RFC 9112 has it. In an address, all but ASCII is percent-encoded.';
  const body = JSON.stringify({ ...problemDocument(base, new HttpProblem(code, detail)), status });
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n');
}
