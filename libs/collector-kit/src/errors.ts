/**
 * The class of an error decides what becomes of the step that throws it; the code says why, and is stable.
 */
import { redactUrl } from '@magpie/domain';

export interface StepErrorDetails {
  /** What was being fetched when it failed; kept with credentials and secret parameters removed. */
  readonly url?: string | undefined;
  /** HTTP status of the last response. */
  readonly status?: number | undefined;
  readonly cause?: unknown;
}

/** What all errors with a fate have in common. */
export abstract class StepError extends Error {
  readonly code: string;
  readonly url?: string;
  readonly status?: number;

  constructor(code: string, message: string, { url, status, cause }: StepErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    if (url !== undefined) this.url = redactUrl(url);
    if (status !== undefined) this.status = status;
  }
}

/** The step fails and is not tried again. */
export class Permanent extends StepError {}

/** The step is tried again after a delay; this uses up one of its attempts. */
export class Retryable extends StepError {}

/** The host wants a rest: it is left alone until `untilMs`, and the step keeps its attempts. */
export class RetryAfter extends StepError {
  /** Milliseconds since the epoch. */
  readonly untilMs: number;
  /** `host:port` */
  readonly host: string;
  /** Whether the host itself named the time, or it is a guess. */
  readonly stated: boolean;

  constructor(
    untilMs: number,
    code: string,
    host: string,
    { stated = true, ...details }: StepErrorDetails & { stated?: boolean } = {},
  ) {
    super(code, `${host} wants no requests until ${new Date(untilMs).toISOString()}`, details);
    this.untilMs = untilMs;
    this.host = host;
    this.stated = stated;
  }
}

/**
 * The credential's quota is used up: nothing of that credential runs until `untilMs`; the step keeps its attempts,
 * and goes on with another credential if there is one. Without `untilMs` the quota's own rule says when.
 */
export class QuotaExhausted extends StepError {
  /** Milliseconds since the epoch. */
  readonly untilMs: number | undefined;

  constructor(untilMs?: number, details: StepErrorDetails = {}) {
    super('quota_exhausted', `the quota is used up${untilText(untilMs)}`, details);
    this.untilMs = untilMs;
  }
}

/**
 * The provider wants fewer requests with this credential: it rests until `untilMs`, or for a while when the provider
 * did not say; the step keeps its attempts, and goes on with another credential if there is one.
 */
export class Throttled extends StepError {
  /** Milliseconds since the epoch. */
  readonly untilMs: number | undefined;

  constructor(untilMs?: number, { message, ...details }: StepErrorDetails & { message?: string } = {}) {
    super(
      'provider_rate_limited',
      message ?? `the provider wants fewer requests${untilText(untilMs)}`,
      details,
    );
    this.untilMs = untilMs;
  }
}

/** The provider does not take the credential: it is disabled, and the step goes on with another if there is one. */
export class CredentialRefused extends StepError {
  constructor(message: string, details: StepErrorDetails = {}) {
    super('credential_refused', message, details);
  }
}

/** There is nothing to do here, by the job's own terms: counted as skipped, not as failed. */
export class Skip extends StepError {
  constructor(code: string, message: string = code, details: StepErrorDetails = {}) {
    super(code, message, details);
  }
}

/** The signal ended it: somebody stopped the job, or the process is going down. Not the step's fault. */
export class Aborted extends StepError {
  constructor(message = 'stopped before it was done', details: StepErrorDetails = {}) {
    super('aborted', message, details);
  }
}

const untilText = (untilMs: number | undefined): string =>
  untilMs === undefined ? '' : ` until ${new Date(untilMs).toISOString()}`;
