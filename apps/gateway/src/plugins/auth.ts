import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { isLoopback } from '../config.ts';
import { HttpProblem } from '../problems.ts';
import { publicUrl } from '../public-url.ts';

/** What anybody may read: health, the documentation, the ways to it. */
const OPEN = /^\/(healthz|readyz|docs(\/.*)?|api\/v1\/docs(\/.*)?)?\/?$/;

/**
 * With MAGPIE_ADMIN_KEY set, every other request must bring it. Without one the gateway is bound to loopback, and
 * what a web page elsewhere makes a browser send is refused: a foreign Origin, or a foreign name in Host (rebinding).
 */
export default fp(
  async (app) => {
    const { MAGPIE_ADMIN_KEY: key } = app.config;
    const own = new URL(publicUrl(app.config)).hostname;
    const expected = key === undefined ? undefined : digest(key);

    // After every onRequest hook, so that guesses count against the rate limit too.
    app.addHook('preParsing', async (request) => {
      const foreign = foreignness(request, own, key === undefined);
      if (foreign !== undefined) throw new HttpProblem('forbidden', foreign);
      if (expected === undefined || OPEN.test(request.url.split('?')[0] ?? '')) return;
      const given = keyOf(request);
      if (given !== undefined && timingSafeEqual(digest(given), expected)) return;
      throw new HttpProblem('unauthorized', undefined, {
        headers: { 'www-authenticate': 'Bearer realm="magpie", Basic realm="magpie", charset="UTF-8"' },
      });
    });
  },
  { name: 'auth', dependencies: ['errors'], fastify: '5.x' },
);

/** Digests are of one length, so comparing them tells nothing about the key. */
const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

function keyOf({ headers }: FastifyRequest): string | undefined {
  const apiKey = headers['x-api-key'];
  if (typeof apiKey === 'string') return apiKey;
  const [scheme = '', value = ''] = (headers.authorization ?? '').split(' ', 2);
  if (/^bearer$/i.test(scheme)) return value;
  if (!/^basic$/i.test(scheme)) return undefined;
  const [, password] = /^[^:]*:([^]*)$/.exec(Buffer.from(value, 'base64').toString('utf8')) ?? [];
  return password;
}

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Why a request is not one that a person meant to make, if it is not. */
function foreignness({ headers, method }: FastifyRequest, own: string, keyless: boolean): string | undefined {
  const host = hostName(`http://${headers.host ?? ''}`);
  const named =
    host !== undefined && host !== own && !isLoopback(host) && isIP(host.replace(/[[\]]/g, '')) === 0;
  if (keyless && named)
    return 'Without an admin key the gateway answers to addresses and to the name in MAGPIE_PUBLIC_URL alone.';
  if (SAFE.has(method) || headers.origin === undefined) return undefined;
  const origin = hostName(headers.origin);
  return origin !== undefined && (origin === host || origin === own)
    ? undefined
    : 'The request comes from another web site.';
}

const hostName = (url: string): string | undefined => URL.parse(url)?.hostname.toLowerCase();
