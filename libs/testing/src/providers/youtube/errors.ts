/**
 * Error answers, as the provider words them.
 *
 * - Types and reasons: https://developers.google.com/youtube/v3/docs/errors, and for the search
 *   https://developers.google.com/youtube/v3/docs/search/list#errors
 * - The body: `error.code`, `error.message`, `error.errors[]` (message, domain, reason, location), and `status` and
 *   `details` where the API's front answers: https://cloud.google.com/apis/design/errors
 * - `ErrorInfo` reasons API_KEY_INVALID and SERVICE_DISABLED:
 *   https://cloud.google.com/php/docs/reference/common-protos/latest/Api.ErrorReason
 */
export interface ErrorDetail {
  readonly message?: string;
  readonly domain?: string;
  readonly reason: string;
  readonly location?: string;
  readonly locationType?: string;
  readonly extendedHelp?: string;
}

/** An answer that is not 200. */
export class ApiError extends Error {
  readonly statusCode: number;
  readonly body: unknown;
  constructor(
    code: number,
    message: string,
    detail: ErrorDetail,
    more: { status?: string; details?: unknown[] } = {},
  ) {
    super(message);
    this.statusCode = code;
    this.body = { error: { code, message, errors: [{ message, ...detail }], ...more } };
  }
}

const parameter = (location: string) => ({ location, locationType: 'parameter' });
const info = (reason: string, metadata: Record<string, string>) => ({
  '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
  reason,
  domain: 'googleapis.com',
  metadata,
});
const SERVICE = { service: 'youtube.googleapis.com' };

export const missingParameter = (name: string, message = `Required parameter: ${name}`) =>
  new ApiError(400, message, {
    domain: 'youtube.parameter',
    reason: 'missingRequiredParameter',
    ...parameter(name),
  });

export const unknownPart = (part: string) =>
  new ApiError(400, `'${part}'`, { domain: 'youtube.part', reason: 'unknownPart', ...parameter('part') });

export const unexpectedParameter = (name: string) =>
  new ApiError(400, `Invalid JSON payload received. Unknown name "${name}": Cannot bind query parameter.`, {
    domain: 'global',
    reason: 'unexpectedParameter',
    ...parameter(name),
  });

/** A value of the wrong form. */
export const invalidValue = (name: string, message: string) =>
  new ApiError(
    400,
    message,
    { domain: 'global', reason: 'badRequest', ...parameter(name) },
    {
      status: 'INVALID_ARGUMENT',
      details: [
        {
          '@type': 'type.googleapis.com/google.rpc.BadRequest',
          fieldViolations: [{ field: name, description: message }],
        },
      ],
    },
  );

export const invalidPageToken = () =>
  new ApiError(400, 'The request specifies an invalid page token.', {
    domain: 'youtube.parameter',
    reason: 'invalidPageToken',
    ...parameter('pageToken'),
  });

export const invalidFilters = (message = 'The request specifies an invalid filter parameter.') =>
  new ApiError(400, message, { domain: 'youtube.parameter', reason: 'invalidFilters', ...parameter('id') });

export const invalidSearch = (
  reason: 'invalidSearchFilter' | 'invalidRelevanceLanguage' | 'invalidChannelId',
  message: string,
  name: string,
) => new ApiError(400, message, { domain: 'youtube.search', reason, ...parameter(name) });

/** Quota of the day is gone. The message carries HTML, as the provider's does. */
export const quotaExceeded = () =>
  new ApiError(
    403,
    'The request cannot be completed because you have exceeded your <a href="/youtube/v3/getting-started#quota">quota</a>.',
    { domain: 'youtube.quota', reason: 'quotaExceeded' },
  );

/** Too many requests in a short time: 429 of the API's front, 403 of the API itself. */
export const rateLimitExceeded = (code: 403 | 429) =>
  new ApiError(
    code,
    "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of service 'youtube.googleapis.com'.",
    { domain: code === 429 ? 'global' : 'usageLimits', reason: 'rateLimitExceeded' },
    {
      status: code === 429 ? 'RESOURCE_EXHAUSTED' : 'PERMISSION_DENIED',
      details: [info('RATE_LIMIT_EXCEEDED', SERVICE)],
    },
  );

export const keyMissing = () =>
  new ApiError(
    403,
    "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.",
    { domain: 'global', reason: 'forbidden' },
    { status: 'PERMISSION_DENIED' },
  );

export const keyInvalid = () =>
  new ApiError(
    400,
    'API key not valid. Please pass a valid API key.',
    { domain: 'global', reason: 'badRequest' },
    { status: 'INVALID_ARGUMENT', details: [info('API_KEY_INVALID', SERVICE)] },
  );

/** The project of the key has not switched the API on. */
export const accessNotConfigured = (project: string) => {
  const help = `https://console.developers.google.com/apis/api/youtube.googleapis.com/overview?project=${project}`;
  return new ApiError(
    403,
    `YouTube Data API v3 has not been used in project ${project} before or it is disabled. Enable it by visiting ${help} then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry.`,
    {
      domain: 'usageLimits',
      reason: 'accessNotConfigured',
      extendedHelp: 'https://console.developers.google.com',
    },
    {
      status: 'PERMISSION_DENIED',
      details: [info('SERVICE_DISABLED', { ...SERVICE, consumer: `projects/${project}` })],
    },
  );
};

export const backendError = () =>
  new ApiError(
    503,
    'The service is currently unavailable.',
    { domain: 'global', reason: 'backendError' },
    { status: 'UNAVAILABLE' },
  );

/** Part of the real API that the double does not imitate: a test that needs it should fail loudly. */
export const notImitated = (what: string) =>
  new ApiError(501, `The double does not imitate ${what}.`, { domain: 'global', reason: 'notImplemented' });
