/**
 * Every error code of the platform: written out once, permanent, never derived from a class name.
 * `status` is the HTTP status when a route answers with it; codes without one appear on jobs and items only.
 */
export const ERRORS = {
  invalid_request: { status: 400, title: 'The request is not valid', help: 'See `errors` for each field.' },
  invalid_json: { status: 400, title: 'The body is not valid JSON', help: 'Send one JSON object.' },
  invalid_cursor: {
    status: 400,
    title: 'The cursor is not valid',
    help: 'Use `next` of the previous page as it is.',
  },
  invalid_url: {
    status: 400,
    title: 'Not a URL that can be fetched',
    help: 'Give an absolute http or https URL.',
  },
  url_too_long: { status: 400, title: 'The URL is too long', help: 'At most 8,192 characters.' },
  scheme_not_allowed: {
    status: 400,
    title: 'Only http and https are fetched',
    help: 'Use an http or https URL.',
  },
  credentials_in_url: {
    status: 400,
    title: 'The URL carries a user name or password',
    help: 'Remove them: they would end up in logs and lists.',
  },
  blocked_address: {
    status: 400,
    title: 'The address is private, local or reserved',
    help: 'An operator can allow a range with MAGPIE_ALLOW_ADDRESSES.',
  },
  invalid_pattern: {
    status: 400,
    title: 'An include or exclude pattern is not valid',
    help: 'See the parameter’s description.',
  },
  unauthorized: {
    status: 401,
    title: 'An API key is needed',
    help: 'Send it as `Authorization: Bearer …` or `X-API-Key`.',
  },
  forbidden: {
    status: 403,
    title: 'The API key may not do this',
    help: 'Use a key with the scope that the route names.',
  },
  not_found: { status: 404, title: 'There is no such thing', help: 'Check the address and the id.' },
  address_too_long: {
    status: 414,
    title: 'The address is too long',
    help: 'Send what it asks for in the body of a POST, where the route has one.',
  },
  range_not_satisfiable: {
    status: 416,
    title: 'The range is not within the file',
    help: '`Content-Range` of the answer has the size of the file.',
  },
  method_not_allowed: { status: 405, title: 'The route does not take this method', help: 'See /docs.' },
  invalid_transition: {
    status: 409,
    title: 'The job’s state does not allow this',
    help: '`state` says where the job is, `allowed` what can be done.',
  },
  idempotency_conflict: {
    status: 409,
    title: 'The Idempotency-Key was used with another body',
    help: 'Use a new key for a new request.',
  },
  payload_too_large: { status: 413, title: 'The body is too large', help: 'At most 1 MiB on this route.' },
  unsupported_media_type: {
    status: 415,
    title: 'The content type is not understood',
    help: 'Send application/json or, where said, a form.',
  },
  unknown_source: {
    status: 422,
    title: 'There is no such source',
    help: 'GET /api/v1/sources lists those that run.',
  },
  missing_credential: {
    status: 422,
    title: 'There is no key for the provider of this source',
    help: 'Add one with POST /api/v1/credentials; `detail` says how to come by it.',
  },
  quota_too_small: {
    status: 422,
    title: 'The keys do not carry this schedule',
    help: 'POST /api/v1/plan says which interval they do; without `strict` the job runs at that one.',
  },
  sealing_unavailable: {
    status: 503,
    title: 'Credentials cannot be kept: there is no secret to seal them with',
    help: 'Set MAGPIE_SECRET, the same for the gateway and every collector.',
  },
  unknown_provider: {
    status: 422,
    title: 'There is no such provider',
    help: 'GET /api/v1/sources shows the provider of each source that runs.',
  },
  already_exists: { status: 409, title: 'There is one of that name already', help: 'Choose another name.' },
  source_unavailable: {
    status: 503,
    title: 'The collector of this source has not reported yet',
    help: 'Try again when it runs; GET /api/v1/sources lists those that do.',
  },
  too_many_streams: {
    status: 503,
    title: 'Too many event streams are open',
    help: 'Close one, or ask for the job itself from time to time.',
  },
  not_replayable: {
    status: 409,
    title: 'This message cannot be replayed',
    help: '`detail` says why.',
  },
  rate_limited: { status: 429, title: 'Too many requests', help: 'Wait as long as Retry-After says.' },
  internal_error: {
    status: 500,
    title: 'Something went wrong here',
    help: 'The logs have the details, under the request id.',
  },
  storage_unavailable: {
    status: 503,
    title: 'The database does not answer',
    help: 'Try again; nothing was changed.',
  },
  overloaded: { status: 503, title: 'The gateway is overloaded', help: 'Try again a little later.' },
  broker_unavailable: {
    status: 503,
    title: 'The message broker does not answer',
    help: 'Try again; nothing was changed.',
  },
  upstream_unavailable: {
    status: 502,
    title: 'The gateway does not answer',
    help: 'Try again a little later.',
  },
  not_an_upload: {
    status: 409,
    title: 'The job is not an upload',
    help: 'Make one with POST /api/v1/new-job/.',
  },
  upload_in_progress: {
    status: 409,
    title: 'Somebody uploads to this job now',
    help: 'Wait until it has ended, or make another job.',
  },
  upload_stopped: { status: 409, title: 'The upload was stopped', help: 'Send the whole file again.' },
  upload_terminated: {
    status: 410,
    title: 'The upload was terminated',
    help: 'What had come is removed; make another job.',
  },
  upload_cut_off: {
    status: 503,
    title: 'The upload was cut off before all had come',
    help: 'Send the whole file again to the same job; a tus client goes on where it was.',
  },
  upload_too_large: {
    status: 413,
    title: 'The file is larger than it may be',
    help: 'See MAGPIE_UPLOAD_MAX_BYTES.',
  },
  invalid_multipart: {
    status: 400,
    title: 'The body is not multipart/form-data with one file',
    help: 'Send one file part, or the file itself as the body.',
  },
  checksum_mismatch: {
    status: 422,
    title: 'The bytes are not those that were announced',
    help: 'Compare the SHA-256 of the file, then send it again.',
  },
  too_many_uploads: {
    status: 503,
    title: 'Too many uploads are under way',
    help: 'Wait as long as Retry-After says.',
  },
  unknown_upload: {
    status: 422,
    title: 'There is no such upload',
    help: 'Give the id of the job of an upload; GET /api/v1/uploads lists them.',
  },
  upload_incomplete: {
    status: 422,
    title: 'The upload is not complete',
    help: 'Wait until its job is `completed`.',
  },
  upload_gone: {
    status: 422,
    title: 'The uploaded file is gone',
    help: 'Uploads are kept for a time; upload it again.',
  },
  not_importable: {
    status: 422,
    title: 'This source takes no targets from a file',
    help: 'It has no one parameter that rows could fill.',
  },
  upload_locked: {
    status: 423,
    title: 'Another request sends bytes of this upload',
    help: 'Try again when it has ended; after a crash that is within ten seconds.',
  },
  upload_paused: {
    status: 423,
    title: 'The upload is paused',
    help: 'Resume its job; a request that was under way goes on by itself.',
  },
  upload_offset_conflict: {
    status: 409,
    title: 'Upload-Offset is not where the upload is',
    help: 'Ask for it with HEAD, and go on from there.',
  },
  upload_expired: {
    status: 410,
    title: 'The upload has expired',
    help: 'Unfinished uploads are kept for a time; begin a new one.',
  },
  chunk_checksum_mismatch: {
    status: 460,
    title: 'The bytes are not those that Upload-Checksum announced',
    help: 'Nothing of this request was kept; send its bytes again.',
  },
  unsupported_tus_version: {
    status: 412,
    title: 'This version of tus is not spoken',
    help: 'Send `Tus-Resumable: 1.0.0`.',
  },

  dns_error: { title: 'The host name could not be resolved', help: 'Check the host name.' },
  connect_refused: { title: 'The server refused the connection', help: 'Tried again by itself.' },
  connect_timeout: {
    title: 'The server did not accept a connection in time',
    help: 'Tried again by itself.',
  },
  connection_lost: { title: 'The connection broke', help: 'Tried again by itself.' },
  tls_error: { title: 'The TLS handshake failed', help: 'Check the certificate of the server.' },
  headers_timeout: { title: 'The server did not answer in time', help: 'Tried again by itself.' },
  transfer_timeout: { title: 'The transfer took too long', help: 'Tried again by itself.' },
  too_many_redirects: { title: 'Too many redirects', help: 'Give the final URL.' },
  redirect_loop: { title: 'The redirects go in a circle', help: 'Give the final URL.' },
  body_too_large: { title: 'The body is larger than the limit', help: 'Raise the limit, if you mean it.' },
  decompressed_too_large: {
    title: 'The decompressed body is larger than the limit',
    help: 'Looks like a bomb.',
  },
  encoding_unsupported: {
    title: 'The content encoding is not understood',
    help: 'gzip, deflate, br and zstd are.',
  },
  too_many_encodings: {
    title: 'Too many content encodings on top of each other',
    help: 'At most two are undone.',
  },
  decode_error: { title: 'The compressed body is damaged', help: 'Tried again by itself.' },
  truncated_body: { title: 'The body ended early', help: 'Tried again by itself; nothing was kept.' },
  http_status: { title: 'The server answered with an error status', help: '`status` says which.' },
  host_backoff: { title: 'The host asked to slow down for too long', help: 'Retry the job later.' },
  robots_disallowed: { title: 'robots.txt does not allow this address', help: 'Respected by default.' },
  robots_unreachable: {
    title: 'robots.txt could not be read',
    help: 'Tried again by itself; without it nothing is fetched.',
  },
  not_an_image: {
    title: 'The bytes are not an image',
    help: 'The type is read from the bytes, not from the label.',
  },
  not_html: { title: 'The document is neither HTML nor text', help: 'Only such documents are read.' },
  no_text: { title: 'No main text was found', help: 'The page has none, or it needs a script to show it.' },
  parse_timeout: {
    title: 'Reading the page took too long',
    help: 'The page is bigger or deeper than the limits.',
  },
  parse_too_large: {
    title: 'The page was too large to be read',
    help: 'It needs more memory than the limits allow.',
  },
  parse_failed: { title: 'The page could not be read', help: 'The log has the details.' },
  sitemap_too_large: { title: 'The sitemap is too large', help: 'At most 50,000 addresses and 50 MB.' },
  sitemap_corrupt: { title: 'The sitemap is damaged', help: 'Check it with a validator.' },
  not_a_sitemap: { title: 'The document is not a sitemap', help: 'XML, text, RSS and Atom are understood.' },
  bad_pattern: {
    title: 'An include or exclude pattern is not valid',
    help: 'See the parameter’s description.',
  },
  credential_refused: {
    title: 'The provider does not take the key',
    help: 'It is disabled; see `reason` in GET /api/v1/credentials, and add a valid one.',
  },
  credential_unreadable: {
    title: 'The collector cannot open the key',
    help: 'MAGPIE_SECRET must be the same for the gateway and every collector.',
  },
  provider_rate_limited: {
    title: 'The provider wants fewer requests',
    help: 'The job goes on by itself.',
  },
  api_error: {
    title: 'The provider answered with an error',
    help: 'Tried again by itself; `message` is its own.',
  },
  invalid_answer: {
    title: 'The provider’s answer is not what its documentation says',
    help: 'Tried again by itself; nothing of it was kept.',
  },
  not_available: { title: 'The provider does not show it', help: 'Removed or private, perhaps.' },
  expired_url: { title: 'The address has expired', help: 'A later run may bring a fresh one.' },
  quota_exhausted: { title: 'The quota is used up', help: 'The job goes on by itself when there is more.' },
  protocol_error: { title: 'The server does not keep to HTTP', help: 'Nothing can be read from it.' },
  parse_error: { title: 'The page could not be read', help: 'The log has the details.' },
  filtered: { title: 'Smaller than the job asked for', help: 'See minWidth, minHeight and minBytes.' },
  disk_full: {
    title: 'There is no space left for files',
    help: 'The job waits, and goes on by itself when there is.',
  },
  file_missing: { title: 'The file of an item has gone', help: 'Fetched again by itself.' },
  step_quarantined: {
    title: 'The step crashed its collector each time',
    help: 'Set aside; retry the job to try it again.',
  },
  unroutable: {
    title: 'No queue takes this message',
    help: 'Restore the queue, then replay the dead letter.',
  },
  aborted: { title: 'Stopped before it was done', help: 'Somebody stopped or terminated the job.' },
  source_error: {
    title: 'The source failed in an unexpected way',
    help: 'The log has the details, under the step’s id.',
  },
  bad_row: {
    title: 'A row is bad, and the import was to stop at the first',
    help: 'What came before it is kept; a retry goes on after it.',
  },
  no_good_row: { title: 'No row of the file could be used', help: '`rejects` says why, row by row.' },
  missing_column: {
    title: 'The file has no column for a field that is needed',
    help: 'Name the column in `mapping`.',
  },
  missing_value: { title: 'A field that is needed is empty', help: 'See the column.' },
  invalid_kind: {
    title: 'Not a kind of items',
    help: 'Lower-case letters, digits and hyphens, 40 at most; a letter first.',
  },
  invalid_target: { title: 'Not a target of the source', help: 'See the parameter’s description.' },
  invalid_field: { title: 'A field cannot be kept like this', help: 'See the message.' },
  row_too_large: {
    title: 'The row is too large to be one item',
    help: 'At most 1 MiB, 100,000 values and 32 levels.',
  },
  too_many_jobs: { title: 'The import would make too many jobs', help: 'Split the file.' },
  not_a_table: { title: 'The file is not a table', help: 'CSV, TSV, NDJSON and JSON are read, gzipped too.' },
  empty_file: { title: 'The file is empty', help: 'Look at what was uploaded.' },
  unknown_encoding: {
    title: 'The encoding is not known',
    help: 'Give a WHATWG name, as utf-8 or windows-1252.',
  },
  bad_delimiter: {
    title: 'This cannot stand between cells',
    help: 'One character that is no quote and no line break.',
  },
  bad_header: {
    title: 'The row that names the columns cannot be read',
    help: 'Correct it, or set `header` to false.',
  },
  bad_gzip: { title: 'The gzip file is damaged', help: 'What came before is kept; upload it again.' },
  too_large: { title: 'The file is too large', help: 'Split it; the limit is of its decompressed size.' },
  too_many_rows: { title: 'The file has too many rows', help: 'Split it.' },
  too_many_columns: { title: 'Too many columns', help: 'Leave out what is not needed.' },
  row_length: {
    title: 'The row has more or fewer cells than there are columns',
    help: 'A cell with a delimiter in it must be quoted.',
  },
  bad_quote: {
    title: 'The quotes of the row are wrong',
    help: 'Quote the whole cell, and double the quotes in it.',
  },
  bad_character: { title: 'A NUL in the text', help: 'The file may be damaged, or be in another encoding.' },
  bad_encoding: {
    title: 'Bytes that the encoding does not allow',
    help: 'Give `encoding` when another was meant.',
  },
  cell_too_long: { title: 'A cell is too long', help: 'See the limit in the message.' },
  line_too_long: {
    title: 'A row is too long',
    help: 'A line break may be missing; see the limit in the message.',
  },
  bad_json: { title: 'Not valid JSON, or not an object', help: 'The message says where.' },
  bad_name: { title: 'A field has a name that none can have', help: 'Rename it.' },
  transfer_quarantined: {
    title: 'The transfer ended its service each time',
    help: 'Set aside; retry the job to try it again, or split the file.',
  },
  too_deep: { title: 'Objects or arrays are nested too deeply', help: 'At most 64 levels.' },
  export_too_broad: {
    title: 'The search of an export finds too much',
    help: 'Use more words in `q`, or leave it out and select by kind, source, host or days.',
  },
  too_many_files: {
    title: 'The export has more files than an archive may hold',
    help: 'Export fewer days, or one host, at a time.',
  },
} as const satisfies Record<string, { status?: number; title: string; help: string }>;

/** A stable error code. */
export type ErrorCode = keyof typeof ERRORS;

/** The codes a route can answer with. */
export type HttpErrorCode = {
  [K in ErrorCode]: (typeof ERRORS)[K] extends { status: number } ? K : never;
}[ErrorCode];
