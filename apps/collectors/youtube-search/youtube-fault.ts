/**
 * What an error of the YouTube Data API means for a step.
 * https://developers.google.com/youtube/v3/docs/errors
 * https://cloud.google.com/apis/design/errors
 */
import {
  CredentialRefused,
  faultOfStatus,
  Permanent,
  QuotaExhausted,
  Throttled,
  type StepError,
} from '@magpie/collector-kit';

/** The code of the error when a page token is refused. */
export const INVALID_PAGE_TOKEN = 'invalid_page_token';

const QUOTA = new Set(['quotaExceeded', 'dailyLimitExceeded', 'dailyLimitExceededUnreg']);
const RATE = new Set(['rateLimitExceeded', 'userRateLimitExceeded', 'RATE_LIMIT_EXCEEDED']);
/** The key is none, was revoked, may not be used so, or its project has not switched the API on. */
const KEY = new Set([
  'keyInvalid',
  'keyExpired',
  'accessNotConfigured',
  'ipRefererBlocked',
  'API_KEY_INVALID',
  'API_KEY_EXPIRED',
  'API_KEY_SERVICE_BLOCKED',
  'API_KEY_IP_ADDRESS_BLOCKED',
  'API_KEY_HTTP_REFERRER_BLOCKED',
  'API_KEY_ANDROID_APP_BLOCKED',
  'API_KEY_IOS_APP_BLOCKED',
  'SERVICE_DISABLED',
  'CONSUMER_SUSPENDED',
  'CONSUMER_INVALID',
]);

interface ErrorBody {
  readonly error?: { message?: unknown; errors?: unknown; details?: unknown } | null;
}

/** By the reasons in the body; undefined where its status says enough. */
export function youtubeFault(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>>,
): StepError | undefined {
  const error = (body as ErrorBody | null | undefined)?.error;
  if (typeof error !== 'object' || error === null) return undefined;
  const entries = [...listOf(error.errors), ...listOf(error.details)];
  const reasons = entries.flatMap(({ reason }) => (typeof reason === 'string' ? [reason] : []));
  const is = (known: ReadonlySet<string>): boolean => reasons.some((reason) => known.has(reason));
  const message = messageOf(error.message, reasons);
  if (is(KEY)) return new CredentialRefused(message, { status });
  if (is(QUOTA) || entries.some(isOfDay)) return new QuotaExhausted(undefined, { status });
  if (is(RATE) || status === 429) {
    const { untilMs } = faultOfStatus(429, headers) as Throttled;
    return new Throttled(untilMs, { status, message });
  }
  if (status >= 500) return undefined;
  if (reasons.includes('invalidPageToken')) return new Permanent(INVALID_PAGE_TOKEN, message, { status });
  return new Permanent(status === 404 ? 'not_available' : 'api_error', message, { status });
}

const listOf = (value: unknown): Record<string, unknown>[] =>
  Array.isArray(value)
    ? value.filter((one): one is Record<string, unknown> => typeof one === 'object' && one !== null)
    : [];

/** A limit whose name says that it is one of the day. */
function isOfDay({ metadata }: Record<string, unknown>): boolean {
  const limit = (metadata as { quota_limit?: unknown } | undefined)?.quota_limit;
  return typeof limit === 'string' && /per_?day/i.test(limit);
}

/** The provider's words without markup, and its reasons. */
function messageOf(message: unknown, reasons: readonly string[]): string {
  const words = typeof message === 'string' ? message.replaceAll(/<[^>]*>/g, '').slice(0, 300) : 'no message';
  return reasons.length === 0 ? words : `${words} (${[...new Set(reasons)].join(', ')})`;
}
