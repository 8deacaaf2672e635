import { createHash, createHmac } from 'node:crypto';
import type { Idempotency } from '@magpie/store';
import type { FastifyRequest } from 'fastify';
import { HttpProblem } from './problems.ts';

/**
 * What is remembered of a request with an `Idempotency-Key`; undefined without one. The key belongs to the route: the
 * same one on another route is another key. A body that holds a secret is hashed with `secret` (HMAC, RFC 2104), so that
 * nobody who reads the hash can try guesses; once that changes, the same body counts as another.
 * @throws HttpProblem `invalid_request`
 */
export function requestIdempotency(
  request: FastifyRequest,
  body: unknown,
  secret?: string,
): Idempotency | undefined {
  const given = request.headers['idempotency-key'];
  if (given === undefined) return undefined;
  if (typeof given !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(given))
    throw new HttpProblem('invalid_request', undefined, {
      errors: [{ field: 'Idempotency-Key', message: 'must be 1 to 255 visible ASCII characters' }],
    });
  const key = sha256(`${request.routeOptions.url}\n${given}`);
  const text = canonical(body);
  return {
    key,
    bodyHash:
      secret === undefined
        ? sha256(text)
        : createHmac('sha256', secret).update(`idempotency\n${key}\n${text}`).digest('hex'),
  };
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** JSON with sorted keys: bodies that mean the same are the same. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
