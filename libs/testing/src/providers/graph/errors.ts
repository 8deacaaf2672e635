/**
 * Errors in the Graph API's envelope.
 *
 * Envelope, codes and token subcodes: https://developers.facebook.com/docs/graph-api/guides/error-handling
 * Throttling codes: https://developers.facebook.com/docs/graph-api/overview/rate-limiting
 * Those pages name no HTTP status except in the Instagram error table (400); throttled calls are answered with 403.
 */
import type { FaultAnswer } from '../faults.ts';

export interface GraphErrorParts {
  readonly message: string;
  readonly subcode?: number;
  /** Default OAuthException. */
  readonly type?: string;
  /** HTTP status, default 400. */
  readonly status?: number;
  readonly transient?: boolean;
  readonly title?: string;
  readonly userMessage?: string;
}

let traces = 0;
/** Like the real support identifier: opaque, another for each answer. */
export const traceId = (): string =>
  `A${Buffer.from(`trace-${++traces}`.padEnd(16, '_')).toString('base64url')}`;

/** An answer in the error envelope: `{ error: { message, type, code, … } }`. */
export function graphError(code: number, parts: GraphErrorParts): FaultAnswer {
  return {
    status: parts.status ?? 400,
    body: {
      error: {
        message: parts.message,
        type: parts.type ?? 'OAuthException',
        code,
        ...(parts.subcode === undefined ? {} : { error_subcode: parts.subcode }),
        ...(parts.transient === undefined ? {} : { is_transient: parts.transient }),
        ...(parts.title === undefined ? {} : { error_user_title: parts.title }),
        ...(parts.userMessage === undefined ? {} : { error_user_msg: parts.userMessage }),
        fbtrace_id: traceId(),
      },
    },
  };
}

/** Thrown in a route; the server answers with what it holds. */
export class GraphRefusal extends Error {
  readonly answer: FaultAnswer;
  constructor(answer: FaultAnswer) {
    super('refused');
    this.answer = answer;
  }
}

const words = (at: number): string => new Date(at).toUTCString();

/** 190: the token is over. Subcodes: 460 password changed, 463 expired, 467 invalid session. */
export function tokenExpired(now: number, subcode = 463): FaultAnswer {
  const message =
    subcode === 460
      ? 'Error validating access token: The session has been invalidated because the user changed their password.'
      : subcode === 467
        ? 'Error validating access token: The session is invalid because the user logged out.'
        : `Error validating access token: Session has expired on ${words(now - 3_600_000)}. The current time is ${words(now)}.`;
  return graphError(190, { message, subcode });
}

export const tokenInvalid = (): FaultAnswer =>
  graphError(190, { message: 'Invalid OAuth access token - Cannot parse access token' });

export const tokenMissing = (): FaultAnswer =>
  graphError(104, { message: 'An access token is required to request this resource.' });

export const parameterMissing = (name: string): FaultAnswer =>
  graphError(100, { message: `(#100) The parameter ${name} is required` });

export const parameterInvalid = (message: string): FaultAnswer =>
  graphError(100, { message: `(#100) ${message}` });

/** @param node the node type's internal name, as `ShadowIGMedia` or `Page` */
export const fieldUnknown = (field: string, node: string): FaultAnswer =>
  graphError(100, { message: `(#100) Tried accessing nonexisting field (${field}) on node type (${node})` });

/** 100/33: there is no such object, or this token may not see it. */
export const objectUnknown = (id: string): FaultAnswer =>
  graphError(100, {
    subcode: 33,
    type: 'GraphMethodException',
    message: `Unsupported get request. Object with ID '${id}' does not exist, cannot be loaded due to missing permissions, or does not support this operation`,
  });

export const pathUnknown = (path: string): FaultAnswer =>
  graphError(2500, { message: `Unknown path components: ${path}` });

export const cursorInvalid = (): FaultAnswer => graphError(100, { message: '(#100) Invalid cursors values' });

/** 1: unknown, perhaps an outage: wait and retry. */
export const serviceFailed = (): FaultAnswer =>
  graphError(1, { status: 500, message: 'An unknown error occurred', transient: true });

/** 4: the app's calls are used up. */
export const appThrottled = (): FaultAnswer =>
  graphError(4, { status: 403, message: '(#4) Application request limit reached', transient: true });

/**
 * 8000x: the business use case's calls are used up.
 * @param code 80001 for pages, 80002 for Instagram
 */
export const businessThrottled = (code: 80001 | 80002): FaultAnswer =>
  graphError(code, {
    status: 403,
    message: `(#${code}) There have been too many calls to this ${code === 80002 ? 'Instagram account' : 'Page account'}. Wait a bit and try again.`,
    transient: true,
  });
