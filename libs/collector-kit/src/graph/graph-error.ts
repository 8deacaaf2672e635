import {
  CredentialRefused,
  Permanent,
  Retryable,
  Throttled,
  type StepError,
  type StepErrorDetails,
} from '../errors.ts';

/** What the Graph API says is wrong. */
export interface GraphError {
  readonly code: number;
  readonly subcode?: number;
  readonly message: string;
  readonly type?: string;
  /** The provider says that it will pass. */
  readonly transient: boolean;
  /** What its support asks for. */
  readonly traceId?: string;
}

/**
 * The error in the Graph API's envelope `{ error: { message, type, code, error_subcode, fbtrace_id } }`, or undefined.
 * https://developers.facebook.com/docs/graph-api/guides/error-handling
 */
export function graphErrorOf(body: unknown): GraphError | undefined {
  const error = (body as { error?: unknown } | null | undefined)?.error;
  if (typeof error !== 'object' || error === null) return undefined;
  const {
    code,
    error_subcode: subcode,
    message,
    type,
    is_transient: transient,
    fbtrace_id: traceId,
  } = error as Record<string, unknown>;
  if (typeof code !== 'number') return undefined;
  return {
    code,
    ...(typeof subcode === 'number' ? { subcode } : {}),
    message: typeof message === 'string' ? message : 'no message',
    ...(typeof type === 'string' ? { type } : {}),
    transient: transient === true,
    ...(typeof traceId === 'string' ? { traceId } : {}),
  };
}

/** The token has expired, was revoked, is none, or there is none. */
const TOKEN = new Set([102, 104, 190]);
/** Application, user, page and custom limits; 341 and 368 are temporary blocks. */
const LIMITS = new Set([4, 17, 32, 341, 368, 613]);
/** There is no such object, or it does not show itself. */
const UNKNOWN_OBJECT = 803;

/**
 * What an error of the Graph API means for the step, by its documented codes:
 * 102, 104, 190: the token; 4, 17, 32, 341, 368, 613, 80000–80014: a limit; 1, 2, transient ones and 5xx: passing;
 * 803, 100 with subcode 33, and 404: nothing is shown; the rest, 10 and 200–299 (permissions) among them: for good.
 * https://developers.facebook.com/docs/graph-api/guides/error-handling
 * https://developers.facebook.com/docs/graph-api/overview/rate-limiting
 * @param untilMs when access is regained, if the provider said so; ms since the epoch
 */
export function graphFault(
  error: GraphError,
  { untilMs, ...details }: StepErrorDetails & { untilMs?: number | undefined } = {},
): StepError {
  const { code, subcode, transient } = error;
  const { status = 0 } = details;
  const message = graphMessage(error);
  if (TOKEN.has(code)) return new CredentialRefused(message, details);
  if (LIMITS.has(code) || (code >= 80_000 && code <= 80_014)) {
    return new Throttled(untilMs, { ...details, message });
  }
  if (code === 1 || code === 2 || transient || status >= 500)
    return new Retryable('api_error', message, details);
  if (status === 429) return new Throttled(untilMs, { ...details, message });
  const unknown = code === UNKNOWN_OBJECT || (code === 100 && subcode === 33) || status === 404;
  return new Permanent(unknown ? 'not_available' : 'api_error', message, details);
}

/** Its words, with code and subcode. */
export function graphMessage({ code, subcode, message }: GraphError): string {
  return `${message.slice(0, 300)} (code ${code}${subcode === undefined ? '' : `/${subcode}`})`;
}
