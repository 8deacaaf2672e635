/**
 * The errors that reading pages can end with, worded as the Graph API words them.
 *
 * Codes and what they mean: https://developers.facebook.com/docs/graph-api/guides/error-handling
 * Throttling codes 4, 17, 32, 613 and 80001: https://developers.facebook.com/docs/graph-api/overview/rate-limiting
 */
export interface GraphFailure {
  /** HTTP status, or the `code` of one operation of a batch. */
  readonly status: number;
  readonly message: string;
  readonly type: string;
  readonly code?: number;
  readonly subcode?: number;
  readonly transient?: boolean;
}

const DOCS = 'https://developers.facebook.com/docs';
const oauth = (status: number, code: number, message: string, subcode?: number): GraphFailure => ({
  status,
  message,
  type: 'OAuthException',
  code,
  ...(subcode === undefined ? {} : { subcode }),
});

/** An id that is nothing, or nothing that this app can see: the API doesn't say which. */
export const notVisible = (id: string): GraphFailure => ({
  status: 400,
  message: `Unsupported get request. Object with ID '${id}' does not exist, cannot be loaded due to missing permissions, or does not support this operation. Please read the Graph API documentation at ${DOCS}/graph-api`,
  type: 'GraphMethodException',
  code: 100,
  subcode: 33,
});

export const unknownAlias = (name: string): GraphFailure =>
  oauth(404, 803, `(#803) Some of the aliases you requested do not exist: ${name}`);

/** https://developers.facebook.com/docs/graph-api/changelog/version2.0: people can't be asked for by username. */
export const personsName = (name: string): GraphFailure =>
  oauth(404, 803, `(#803) Cannot query users by their username (${name})`);

export const migrated = (from: string, to: string): GraphFailure =>
  oauth(
    404,
    21,
    `(#21) Page ID ${from} was migrated to page ID ${to}.  Please update your API calls to the new ID`,
  );

/** https://developers.facebook.com/docs/features-reference/page-public-content-access */
export const restricted = (code = 10): GraphFailure =>
  code === 10
    ? oauth(
        400,
        10,
        `(#10) This endpoint requires the 'pages_read_engagement' permission or the 'Page Public Content Access' feature. Refer to ${DOCS}/apps/review/login-permissions#manage-pages and ${DOCS}/apps/review/feature#reference-PAGES_ACCESS for details.`,
      )
    : oauth(403, code, `(#${code}) Permissions error`);

const LIMITS: Readonly<Record<number, readonly [number, string]>> = {
  4: [403, 'Application request limit reached'],
  17: [400, 'User request limit reached'],
  32: [403, 'Page request limit reached'],
  613: [400, 'Calls to this api have exceeded the rate limit.'],
  80001: [
    400,
    `There have been too many calls to this Page account. Wait a bit and try again. For more info, please refer to ${DOCS}/graph-api/overview/rate-limiting.`,
  ],
};

export const throttled = (code = 4): GraphFailure => {
  const [status, message] = LIMITS[code] ?? [400, 'Calls to this api have exceeded the rate limit.'];
  return { ...oauth(status, code, `(#${code}) ${message}`), transient: code === 4 };
};

export const nonexistingField = (field: string): GraphFailure =>
  oauth(400, 100, `(#100) Tried accessing nonexisting field (${field}) on node type (Page)`);

export const invalidParameter = (message: string): GraphFailure => oauth(400, 100, `(#100) ${message}`);

/** https://developers.facebook.com/docs/graph-api/changelog/version26.0: an error in every version since 2026-10-27. */
export const idsRemoved: GraphFailure = oauth(
  400,
  12,
  '(#12) The ids query parameter on the root is not supported any longer. Use per-object requests or batch requests.',
);

/** More than 50 operations: https://developers.facebook.com/docs/graph-api/batch-requests#limitations. It has no code. */
export const batchTooLarge: GraphFailure = {
  status: 400,
  message: 'Too many requests in batch message. Maximum batch size is 50',
  type: 'GraphBatchException',
};

export const unsupportedMethod = (method: string): GraphFailure => ({
  status: 400,
  message: `Unsupported ${method.toLowerCase()} request. Please read the Graph API documentation at ${DOCS}/graph-api`,
  type: 'GraphMethodException',
  code: 100,
});

export const serviceFailed: GraphFailure = {
  ...oauth(500, 2, 'An unexpected error has occurred. Please retry your request later.'),
  transient: true,
};
