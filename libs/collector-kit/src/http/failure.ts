/** Errors of sockets, TLS and the HTTP parser, as errors with a fate. */
import { UrlError } from '@magpie/domain';
import { Aborted, Permanent, Retryable, StepError } from '../errors.ts';
import { LookupError } from './guard.ts';

/** How far an exchange had come: no connection yet, request sent, or response headers received. */
export type Phase = 'connect' | 'headers' | 'body';

// Verification failed: the certificate must change before a retry can help.
const BAD_CERTIFICATE =
  /^(?:CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE)/;
const TLS_FAILURE = /^(?:ERR_SSL_|ERR_TLS_|EPROTO$)/;
const NO_CONNECTION = /^(?:ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|EADDRNOTAVAIL|EACCES|EPERM)$/;
const DNS_FAILURE = /^(?:ENOTFOUND|EAI_.*|ENODATA|ESERVFAIL)$/;

/** The step error that `error` amounts to; one that is a step error already is returned as it is. */
export function failureOf(error: unknown, url: string, phase: Phase): StepError {
  if (error instanceof StepError) return error;
  if (error instanceof UrlError) return new Permanent(error.code, error.message, { url, cause: error });
  if (error instanceof LookupError) return new Retryable('dns_error', error.message, { url, cause: error });
  const code = codeOf(error);
  const details = { url, cause: error };
  const because = error instanceof Error && error.message !== '' ? error.message : code;

  if (BAD_CERTIFICATE.test(code))
    return new Permanent('tls_error', `certificate refused: ${because.split(';', 1)[0]}`, details);
  if (TLS_FAILURE.test(code)) return new Retryable('tls_error', `TLS failed: ${because}`, details);
  if (DNS_FAILURE.test(code)) return new Retryable('dns_error', because, details);
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || (phase === 'connect' && code === 'ETIMEDOUT')) {
    return new Retryable('connect_timeout', 'no connection in time', details);
  }
  if (NO_CONNECTION.test(code)) return new Retryable('connect_refused', `no connection: ${code}`, details);
  if (code === 'UND_ERR_HEADERS_TIMEOUT') {
    return new Retryable('headers_timeout', 'no complete response headers in time', details);
  }
  if (code === 'UND_ERR_HEADERS_OVERFLOW') {
    return new Permanent('protocol_error', 'the response headers are too large', details);
  }
  if (code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED')
    return new Aborted('the client was closed', details);
  if (code === 'UND_ERR_INVALID_ARG')
    return new Permanent('protocol_error', `not a valid request: ${because}`, details);
  if (
    code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' ||
    (phase === 'body' && /EOF/.test(parserFault(error)))
  ) {
    return new Retryable('truncated_body', 'the body ended before it was complete', details);
  }
  if (parserFault(error) !== '') return new Permanent('protocol_error', because, details);
  return phase === 'body'
    ? new Retryable('truncated_body', `the connection broke within the body: ${because}`, details)
    : new Retryable('connection_lost', `the connection broke: ${because}`, details);
}

/**
 * Whether a request may have failed only because the server closed a kept-alive connection at the moment it
 * was used again.
 */
export function isStaleConnection(error: unknown): boolean {
  const code = codeOf(error);
  if (code === 'ECONNRESET' || code === 'EPIPE') return true;
  const socket = (error as { socket?: { bytesRead?: number } | null } | undefined)?.socket;
  return code === 'UND_ERR_SOCKET' && (socket?.bytesRead ?? 0) > 0;
}

/** What undici's HTTP parser says; it leaves the code out. */
function parserFault(error: unknown): string {
  return error instanceof Error && error.name === 'HTTPParserError' ? error.message : '';
}

/** Of several failed connection attempts the first speaks for all. */
function codeOf(error: unknown): string {
  const { code, errors } = (error ?? {}) as { code?: unknown; errors?: unknown };
  if (typeof code === 'string' && code !== '') return code;
  return Array.isArray(errors) && errors.length > 0 ? codeOf(errors[0]) : '';
}
