/** Answers that can be kept and asked for again: JSON or CSV, with an entity tag. */
import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

export type Format = 'chart' | 'json' | 'csv';

/** What is asked for, by parameter or else by `Accept`. */
export const formatOf = (request: FastifyRequest, asked: Format | undefined): Format =>
  asked ?? (prefersCsv(request.headers.accept) ? 'csv' : 'chart');

/** Whether CSV is named, and nothing that JSON satisfies is wanted as much or more (RFC 9110, 12.5.1). */
function prefersCsv(accept = ''): boolean {
  const quality = (types: readonly string[]): number =>
    Math.max(
      0,
      ...accept.split(',').map((part) => {
        const [type = '', ...params] = part.split(';').map((text) => text.trim().toLowerCase());
        const q = params.find((param) => param.startsWith('q='));
        return types.includes(type) ? Number(q?.slice(2) ?? 1) || 0 : 0;
      }),
    );
  const csv = quality(['text/csv']);
  return csv > 0 && csv >= quality(['application/json', 'application/*', '*/*']);
}

/** How long an answer may be taken again without asking, s: one of a period that is over, and one of now. */
const PAST_S = 3600;
const NOW_S = 30;

/**
 * Sends it with `ETag` and `Cache-Control`; 304 when the client has it already.
 * @param name of the file that CSV is saved as
 */
export function sendKept(
  request: FastifyRequest,
  reply: FastifyReply,
  body: string,
  { format, past, name }: { format: Format; past: boolean; name: string },
): FastifyReply {
  const etag = `"${createHash('sha256').update(`${format}\n${body}`).digest('base64url').slice(0, 27)}"`;
  void reply
    .header('etag', etag)
    .header('cache-control', `private, max-age=${past ? PAST_S : NOW_S}`)
    .header('vary', 'Accept, Authorization, X-API-Key');
  if (matches(request.headers['if-none-match'], etag)) return reply.code(304).send();
  if (format !== 'csv') return reply.type('application/json; charset=utf-8').send(body);
  return reply
    .type('text/csv; charset=utf-8; header=present')
    .header('content-disposition', `attachment; filename="${name.replace(/[^\w.-]/g, '_')}.csv"`)
    .send(body);
}

/** Weak comparison (RFC 9110, 13.1.2): what a proxy compressed is the same to a reader. */
function matches(given: string | undefined, etag: string): boolean {
  if (given === undefined) return false;
  if (given.trim() === '*') return true;
  return given.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}
