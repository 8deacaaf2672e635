import type { FastifyReply, FastifyRequest } from 'fastify';

/** The page as its body, with the `Link` header (RFC 8288) to the next one, on this route with these filters. */
export function sendPage<T>(
  request: FastifyRequest,
  reply: FastifyReply,
  items: T[],
  next: string | null,
): { items: T[]; next: string | null } {
  if (next !== null) {
    const [path = '/', query = ''] = request.url.split('?');
    const following = new URLSearchParams(query);
    following.set('cursor', next);
    void reply.header('link', `<${path}?${following.toString()}>; rel="next"`);
  }
  return { items, next };
}
