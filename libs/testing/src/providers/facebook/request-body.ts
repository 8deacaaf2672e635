/** Parameters of a POST in the ways the Graph API takes them: a form, a multipart form (`curl -F`), or JSON. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { parse } from 'node:querystring';

/** Teaches the server to read all three; what can't be read is an empty set of parameters. */
export function readParameters(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  const read = (type: string | RegExp, take: (text: string, request: FastifyRequest) => unknown): void => {
    app.addContentTypeParser(type, { parseAs: 'string' }, (request, text, done) => {
      try {
        done(null, take(text as string, request));
      } catch {
        done(null, {});
      }
    });
  };
  read('application/json', (text) => JSON.parse(text));
  read('application/x-www-form-urlencoded', (text) => parse(text, '&', '=', { maxKeys: 100 }));
  read(/^multipart\/form-data/, (text, request) => multipart(text, request.headers['content-type'] ?? ''));
  read('*', () => ({}));
}

/** Of body and query, the body first. */
export function parametersOf(request: FastifyRequest): Readonly<Record<string, unknown>> {
  const { body, query } = request;
  return typeof body === 'object' && body !== null
    ? { ...(query as object), ...body }
    : (query as Record<string, unknown>);
}

/** Text parts by name: RFC 7578. */
function multipart(text: string, contentType: string): Record<string, string> {
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1];
  const fields: Record<string, string> = {};
  if (boundary === undefined) return fields;
  for (const part of text.split(`--${boundary}`)) {
    const end = part.indexOf('\r\n\r\n');
    const name = /name="([^"]*)"/.exec(part.slice(0, Math.max(end, 0)))?.[1];
    if (name !== undefined) fields[name] = part.slice(end + 4).replace(/\r\n$/, '');
  }
  return fields;
}
