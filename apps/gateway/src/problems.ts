/** Problem documents (RFC 9457): one table of codes, and what of a thrown error a client gets to see. */
import { ERRORS, type HttpErrorCode, type Problem } from '@magpie/contracts';
import { IdempotencyConflict, InvalidCursor, InvalidTransition, isUnavailable } from '@magpie/store';

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

export interface FieldError {
  field: string;
  message: string;
  code?: string;
}

interface Extras {
  errors?: FieldError[];
  state?: string;
  allowed?: string[];
  /** Seconds after which it may work. */
  retryAfter?: number;
  headers?: Record<string, string>;
}

/** An answer that is a problem. Its `message` is shown to the client as `detail`. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem';
  readonly code: HttpErrorCode;
  readonly extras: Extras;
  readonly statusCode: number;
  constructor(code: HttpErrorCode, detail?: string, extras: Extras = {}) {
    super(detail ?? '');
    this.code = code;
    this.extras = extras;
    this.statusCode = ERRORS[code].status;
  }
}

/** `FST_ERR_*` codes of fastify and of Node's parser. */
const FRAMEWORK: Record<string, HttpErrorCode> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload_too_large',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'invalid_json',
  FST_ERR_CTP_INVALID_JSON_BODY: 'invalid_json',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'invalid_request',
  FST_ERR_BAD_URL: 'invalid_request',
  FST_ERR_MAX_PARAM_LENGTH: 'not_found',
  FST_ERR_NOT_FOUND: 'not_found',
  FST_UNDER_PRESSURE: 'overloaded',
};

/** MongoDB ended a query that took too long. */
const MAX_TIME_EXPIRED = 50;

/** What a thrown error becomes. The text of an error that is not known is never shown. */
export function toProblem(error: unknown): HttpProblem {
  if (error instanceof HttpProblem) return error;
  if (error instanceof InvalidCursor) return new HttpProblem('invalid_cursor');
  if (error instanceof IdempotencyConflict) return new HttpProblem('idempotency_conflict');
  if (error instanceof InvalidTransition)
    return new HttpProblem('invalid_transition', `The job is ${error.state}.`, {
      state: error.state,
      allowed: [...error.allowed],
    });
  if (isUnavailable(error)) return new HttpProblem('storage_unavailable', undefined, { retryAfter: 2 });
  const { code, statusCode, message } = error as { code?: unknown; statusCode?: number; message?: string };
  if (code === MAX_TIME_EXPIRED)
    return new HttpProblem('overloaded', 'The query took too long.', { retryAfter: 5 });
  const known = typeof code === 'string' ? FRAMEWORK[code] : undefined;
  if (known !== undefined) return new HttpProblem(known);
  if (error instanceof SyntaxError && statusCode === 400)
    return new HttpProblem(
      'invalid_json',
      /prototype/i.test(message ?? '') ? 'A key is not allowed.' : undefined,
    );
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new HttpProblem('invalid_request');
  return new HttpProblem('internal_error');
}

/** The address that documents a code. */
export const problemType = (base: string, code: string): string => `${base}/docs/errors#${code}`;

/** The document of a problem; `instance` is the request's id. */
export function problemDocument(base: string, problem: HttpProblem, instance?: string): Problem {
  const { title, status, help } = ERRORS[problem.code];
  const { errors, state, allowed } = problem.extras;
  return {
    type: problemType(base, problem.code),
    title,
    status,
    code: problem.code,
    detail: problem.message === '' ? help : problem.message,
    ...(instance === undefined ? {} : { instance }),
    ...(errors === undefined ? {} : { errors }),
    ...(state === undefined ? {} : { state }),
    ...(allowed === undefined ? {} : { allowed }),
  };
}
