import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import underPressure from '@fastify/under-pressure';
import fp from 'fastify-plugin';
import { HttpProblem } from '../problems.ts';

/** Probes are answered also when nothing else is. */
const PROBES = new Set(['/healthz', '/readyz', '/metrics']);
const isProbe = (url: string): boolean => PROBES.has(url.split('?')[0] ?? '');

/** What a request may cost, and the headers that keep a browser from doing more with an answer than reading it. */
export default fp(
  async (app) => {
    const { MAGPIE_RATE_LIMIT, MAGPIE_MAX_EVENT_LOOP_DELAY } = app.config;
    await app.register(helmet, {
      global: true,
      contentSecurityPolicy: {
        useDefaults: false,
        directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"], 'form-action': ["'none'"] },
      },
      crossOriginResourcePolicy: { policy: 'same-origin' },
      referrerPolicy: { policy: 'no-referrer' },
      strictTransportSecurity: false,
    });
    await app.register(underPressure, {
      maxEventLoopDelay: MAGPIE_MAX_EVENT_LOOP_DELAY,
      // An interval in which the loop never turned counts as an endless delay: a shorter one is no overload yet.
      sampleInterval: MAGPIE_MAX_EVENT_LOOP_DELAY,
      pressureHandler: async (request) => {
        if (!isProbe(request.url)) throw new HttpProblem('overloaded', undefined, { retryAfter: 5 });
      },
    });
    await app.register(rateLimit, {
      global: true,
      max: MAGPIE_RATE_LIMIT,
      timeWindow: 60_000,
      cache: 10_000,
      allowList: (request) => isProbe(request.url),
      errorResponseBuilder: (_request, { ttl }) =>
        new HttpProblem('rate_limited', undefined, { retryAfter: Math.ceil(ttl / 1000) }),
    });
  },
  { name: 'limits', dependencies: ['errors'], fastify: '5.x' },
);
