/** Which responses lead elsewhere, where to, and what of the request goes along. */
import { isUtf8 } from 'node:buffer';
import { canonicalUrl } from '@magpie/domain';
import { Permanent } from '../errors.ts';
import { failureOf } from './failure.ts';
import type { HttpRequestOptions } from './http-types.ts';

type Method = NonNullable<HttpRequestOptions['method']>;

export interface Outgoing {
  readonly method: Method;
  readonly headers: Record<string, string>;
  readonly body: string | Uint8Array | undefined;
}

const FOLLOWED = new Set([301, 302, 303, 307, 308]);
/** What says nothing of who asks: all that follows to another origin. */
const HARMLESS = new Set([
  'accept',
  'accept-language',
  'accept-encoding',
  'user-agent',
  'if-none-match',
  'if-modified-since',
]);
const OF_A_BODY = new Set(['content-type', 'content-encoding', 'content-language', 'content-location']);

/**
 * The canonical target of a redirect; undefined when the response is none. `Location` is read as UTF-8 where
 * it is that, as browsers do.
 * @throws Permanent `invalid_url`, `scheme_not_allowed`, `credentials_in_url`, `url_too_long`
 */
export function redirectTarget(status: number, location: string | undefined, from: URL): URL | undefined {
  if (!FOLLOWED.has(status) || location === undefined) return undefined;
  try {
    return new URL(canonicalUrl(fromLatin1(location), from.href));
  } catch (error) {
    throw failureOf(error, from.href, 'headers');
  }
}

/**
 * The request that follows a redirect (RFC 9110 section 15.4): 303, and 301 or 302 after a POST, become GET
 * without a body. Another origin gets no header that the caller added, and no body.
 * @throws Permanent `http_status` when a body would have to go to another origin
 */
export function following(request: Outgoing, status: number, from: URL, to: URL): Outgoing {
  const toGet = request.method === 'POST' && (status === 301 || status === 302 || status === 303);
  const elsewhere = from.origin !== to.origin;
  if (elsewhere && !toGet && request.body !== undefined) {
    const message = `the body of the request is not sent on to another origin (${to.origin})`;
    throw new Permanent('http_status', message, { url: from.href, status });
  }
  if (!toGet && !elsewhere) return request;
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (elsewhere ? HARMLESS.has(name) : !OF_A_BODY.has(name)) headers[name] = value;
  }
  return { method: toGet ? 'GET' : request.method, headers, body: toGet ? undefined : request.body };
}

/** Header bytes come as Latin-1; what is no UTF-8 stays so. */
function fromLatin1(text: string): string {
  if (!/[\x80-\xff]/.test(text)) return text;
  const bytes = Buffer.from(text, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : text;
}
