/**
 * Batch calls: up to 50 operations in one request, each answered by itself, in order.
 *
 * https://developers.facebook.com/docs/graph-api/batch-requests
 * - `batch` is a JSON array of `{method, relative_url, name?, body?, headers?, omit_response_on_success?}`.
 * - An answer is `{code, headers?, body}`, the body a string of JSON; `include_headers=false` leaves the headers out.
 * - The call is 200 even when operations fail.
 * - An operation that timed out is null, and so is one that succeeded and has `omit_response_on_success`.
 * - Each operation counts as one call for the rate limits.
 * Dependent operations (`{result=…}`, JSONPath) are refused: nothing here needs them.
 */
import type { FaultAnswer } from '../faults.ts';
import { parameterInvalid } from '../graph/errors.ts';
import { batchTooLarge } from './page-errors.ts';

/** https://developers.facebook.com/docs/graph-api/batch-requests#limitations */
export const MAX_OPERATIONS = 50;

export interface Operation {
  readonly method: string;
  readonly relativeUrl: string;
  readonly omitOnSuccess: boolean;
}

/** The operations of a `batch` parameter, or why the whole call fails. */
export function operationsOf(batch: unknown): Operation[] | FaultAnswer {
  let list = batch;
  if (typeof batch === 'string')
    try {
      list = JSON.parse(batch);
    } catch {
      return parameterInvalid('param batch must be an array.');
    }
  if (!Array.isArray(list)) return parameterInvalid('param batch must be an array.');
  if (list.length > MAX_OPERATIONS) return batchTooLarge();
  const operations: Operation[] = [];
  for (const [index, each] of list.entries()) {
    const { method, relative_url: relativeUrl } = (each ?? {}) as Record<string, unknown>;
    if (typeof method !== 'string' || typeof relativeUrl !== 'string')
      return parameterInvalid(`Invalid batch operation ${index}: method and relative_url are required.`);
    if (relativeUrl.includes('{result='))
      return parameterInvalid(`Batch operation ${index}: dependent operations are not answered here.`);
    operations.push({
      method: method.toUpperCase(),
      relativeUrl,
      omitOnSuccess: each.omit_response_on_success === true,
    });
  }
  return operations;
}

/** One operation's answer as JSON text. */
export function operationAnswer(code: number, body: string, headers: string): string {
  return `{"code":${code},${headers}"body":${JSON.stringify(body)}}`;
}

/** The headers of every operation's answer, as the part of its JSON text; empty if they aren't wanted. */
export function operationHeaders(wanted: boolean, version: string): string {
  if (!wanted) return '';
  const headers = [
    { name: 'Content-Type', value: 'text/javascript; charset=UTF-8' },
    { name: 'Facebook-API-Version', value: version },
    { name: 'Cache-Control', value: 'private, no-cache, no-store, must-revalidate' },
  ];
  return `"headers":${JSON.stringify(headers)},`;
}
