import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { requestIdempotency } from './idempotency.ts';

const asked = (key: string | undefined, url = '/api/v1/credentials') =>
  ({ headers: { 'idempotency-key': key }, routeOptions: { url } }) as unknown as FastifyRequest;
const SECRET = 'a-secret-that-seals-credentials';
const body = { name: 'first', secret: 'AIza' };

describe('what is remembered of an Idempotency-Key', () => {
  it('is nothing without one', () => expect(requestIdempotency(asked(undefined), body)).toBeUndefined());

  it.each(['', 'a b', 'ä', 'x'.repeat(256)])('refuses %j', (key) =>
    expect(() => requestIdempotency(asked(key), body)).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    ),
  );

  it.each([undefined, SECRET])('is the same for bodies that mean the same, sealed with %j', (secret) => {
    const one = requestIdempotency(asked('k'), body, secret)!;
    expect(requestIdempotency(asked('k'), { secret: 'AIza', name: 'first' }, secret)).toEqual(one);
    expect(requestIdempotency(asked('k'), { ...body, secret: 'AIzb' }, secret)?.bodyHash).not.toBe(
      one.bodyHash,
    );
    expect(requestIdempotency(asked('l'), body, secret)?.key).not.toBe(one.key);
    expect(requestIdempotency(asked('k', '/api/v1/jobs'), body, secret)?.key).not.toBe(one.key);
    expect(JSON.stringify(one)).not.toContain('AIza');
  });

  it('cannot be worked out from a guess of the body when it is sealed', () => {
    const sealed = requestIdempotency(asked('k'), body, SECRET)!;
    const guess = createHash('sha256').update(JSON.stringify(body)).digest('hex');
    expect(requestIdempotency(asked('k'), body)!.bodyHash).toBe(guess);
    expect(sealed.bodyHash).not.toBe(guess);
    expect(requestIdempotency(asked('k'), body, `${SECRET}!`)!.bodyHash).not.toBe(sealed.bodyHash);
    // Nor is it seen that two keys brought the same body.
    expect(requestIdempotency(asked('l'), body, SECRET)!.bodyHash).not.toBe(sealed.bodyHash);
  });
});
