/** What goes wrong with an upload, with the statuses that tus names and the codes of this API. */
import { ERRORS } from '@tus/server';
import { HttpProblem } from '../problems.ts';

export const TUS_VERSION = '1.0.0';

/** Seconds after which it may be tried again. */
const RETRY_AFTER = 2;

export const locked = (): HttpProblem =>
  new HttpProblem('upload_locked', undefined, { retryAfter: RETRY_AFTER });
export const paused = (): HttpProblem =>
  new HttpProblem('upload_paused', 'Upload paused: resume its job.', { retryAfter: RETRY_AFTER });
export const terminated = (): HttpProblem => new HttpProblem('upload_terminated');
export const deleted = (): HttpProblem =>
  new HttpProblem('upload_terminated', 'It was deleted after it had finished; begin a new one.');
export const expired = (state?: string): HttpProblem =>
  new HttpProblem(
    'upload_expired',
    state === 'completed' ? 'It was finished; its file is kept for a time, which is over.' : undefined,
  );
export const noUpload = (): HttpProblem => new HttpProblem('not_found', 'There is no such upload.');
export const notResumable = (id: string): HttpProblem =>
  new HttpProblem(
    'not_found',
    `It is an upload in one request, not a resumable one. POST /api/v1/jobs/${id}/terminate ends it; once it has ended, DELETE /api/v1/jobs/${id} removes it.`,
  );
export const invalid = (detail: string): HttpProblem => new HttpProblem('invalid_request', detail);
export const tooLong = (): HttpProblem =>
  new HttpProblem('upload_too_large', 'It would be longer than its Upload-Length.');
export const versionNeeded = (): HttpProblem =>
  new HttpProblem('unsupported_tus_version', undefined, { headers: { 'tus-version': TUS_VERSION } });
export const typeNeeded = (): HttpProblem =>
  new HttpProblem('unsupported_media_type', 'Send application/offset+octet-stream.');

/** Why an upload cannot be taken up, from what `Uploads` says. */
export function refusal(error: unknown): unknown {
  if (!(error instanceof HttpProblem)) return error;
  if (error.code === 'upload_in_progress') return locked();
  if (error.code === 'not_an_upload') return noUpload();
  const { state = '' } = error.extras;
  if (state === 'pausing' || state === 'paused') return paused();
  if (state === 'terminating' || state === 'terminated') return terminated();
  return error;
}

const KNOWN = new Map<unknown, () => HttpProblem>([
  [ERRORS.FILE_NOT_FOUND, noUpload],
  [ERRORS.FILE_NO_LONGER_EXISTS, () => expired()],
  [ERRORS.INVALID_OFFSET, () => new HttpProblem('upload_offset_conflict')],
  [ERRORS.ERR_SIZE_EXCEEDED, tooLong],
  [ERRORS.ERR_MAX_SIZE_EXCEEDED, () => new HttpProblem('upload_too_large')],
  [ERRORS.MISSING_OFFSET, () => invalid('Upload-Offset is missing.')],
  [ERRORS.INVALID_CONTENT_TYPE, typeNeeded],
  [ERRORS.INVALID_LENGTH, () => invalid('One of Upload-Length and Upload-Defer-Length is needed, once.')],
  [ERRORS.INVALID_METADATA, () => invalid('Upload-Metadata is not what tus says.')],
  [ERRORS.UNSUPPORTED_CONCATENATION_EXTENSION, () => invalid('Upload-Concat is not supported.')],
]);

/**
 * What is answered when the protocol's server refuses: what was thrown while it looked at the request, or what it found
 * by itself.
 */
export function problemOf(thrown: unknown, status: number, text: string): unknown {
  if (thrown === undefined) return status === 412 ? versionNeeded() : invalid(text.trim());
  return KNOWN.get(thrown)?.() ?? thrown;
}
