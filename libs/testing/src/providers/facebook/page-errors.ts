/**
 * The errors that reading pages can end with, worded as the Graph API words them.
 *
 * Codes and what they mean: https://developers.facebook.com/docs/graph-api/guides/error-handling
 * Throttling codes 4, 17, 32, 613 and 80001: https://developers.facebook.com/docs/graph-api/overview/rate-limiting
 */
import type { FaultAnswer } from '../faults.ts';
import { appThrottled, businessThrottled, graphError, traceId } from '../graph/errors.ts';

const DOCS = 'https://developers.facebook.com/docs';

/** A username that nobody has. */
export const unknownAlias = (name: string): FaultAnswer =>
  graphError(803, { message: `(#803) Some of the aliases you requested do not exist: ${name}` });

/** https://developers.facebook.com/docs/graph-api/changelog/version2.0: people can't be asked for by username. */
export const personsName = (name: string): FaultAnswer =>
  graphError(803, { message: `(#803) Cannot query users by their username (${name})` });

/** The page is part of another one now; the message alone says of which. */
export const migrated = (from: string, to: string): FaultAnswer =>
  graphError(21, {
    message: `(#21) Page ID ${from} was migrated to page ID ${to}.  Please update your API calls to the new ID`,
  });

/** 10 or 200: https://developers.facebook.com/docs/features-reference/page-public-content-access */
export const restricted = (code = 10): FaultAnswer =>
  code === 10
    ? graphError(10, {
        message: `(#10) This endpoint requires the 'pages_read_engagement' permission or the 'Page Public Content Access' feature. Refer to ${DOCS}/apps/review/login-permissions#manage-pages and ${DOCS}/apps/review/feature#reference-PAGES_ACCESS for details.`,
      })
    : graphError(code, { status: 403, message: `(#${code}) Permissions error` });

const LIMITS: Readonly<Record<number, string>> = {
  17: 'User request limit reached',
  32: 'Page request limit reached',
  613: 'Calls to this api have exceeded the rate limit.',
};

/** 4: the app, 17: the user, 32: either, at the Pages API, 613: a custom limit, 80001: pages as a business use case. */
export const throttled = (code = 4): FaultAnswer => {
  if (code === 4) return appThrottled();
  if (code === 80001) return businessThrottled(80001);
  return graphError(code, {
    status: 403,
    message: `(#${code}) ${LIMITS[code] ?? 'Calls to this api have exceeded the rate limit.'}`,
  });
};

/**
 * The `ids` query parameter on the root: an error on v26.0, and on every version since 2026-10-27.
 * https://developers.facebook.com/docs/graph-api/changelog/version26.0 (it names neither code nor message)
 */
export const idsRemoved = (): FaultAnswer =>
  graphError(12, {
    message:
      '(#12) The ids query parameter on the root is removed. Use per-object requests or batch requests.',
  });

/** More than 50 operations: https://developers.facebook.com/docs/graph-api/batch-requests#limitations. It has no code. */
export const batchTooLarge = (): FaultAnswer => ({
  status: 400,
  body: {
    error: {
      message: 'Too many requests in batch message. Maximum batch size is 50',
      type: 'GraphBatchException',
      fbtrace_id: traceId(),
    },
  },
});

export const unsupportedMethod = (method: string): FaultAnswer =>
  graphError(100, {
    type: 'GraphMethodException',
    message: `Unsupported ${method.toLowerCase()} request. Please read the Graph API documentation at ${DOCS}/graph-api`,
  });
