/** An upload in one request: the body is the file, or holds it as a part of multipart/form-data. */
import { rename, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import type { JobDocument } from '@magpie/store';
import { HttpProblem } from '../problems.ts';
import { renameForGood, tooLarge, writeFile, type Written } from './file-writer.ts';
import { isMultipart, receiveMultipart } from './multipart.ts';
import { dispositionName, fileName, mediaType } from './names.ts';
import { ReceivingEnded, type Receiving } from './receiving.ts';
import type { Uploads } from './uploads.ts';

export interface RawLimits {
  /** MAGPIE_UPLOAD_MAX_BYTES. */
  maxBytes: number;
  /** MAGPIE_TRANSFER_KEEP, ms. */
  keepMs: number;
}

const CUT_OFF = 'The connection broke before all of the file had come';

/**
 * Takes the file of a request, and gives the job, completed. Whatever goes wrong, nothing of the file is left, unless
 * the upload was stopped; the job says what it was.
 * @throws HttpProblem
 */
export async function receiveRaw(
  receiving: Receiving,
  request: IncomingMessage,
  uploads: Uploads,
  { maxBytes, keepMs }: RawLimits,
): Promise<JobDocument> {
  const part = uploads.part(receiving.id);
  const path = uploads.file(receiving.id);
  const expiresAt = (): Date => new Date(Date.now() + keepMs);
  const gone = (): void => {
    if (!request.complete) receiving.abort('cut off');
  };
  request.once('close', gone);
  try {
    await rm(part, { force: true });
    const { name, type, ...written } = await takeFile(receiving, request, part, maxBytes);
    const { sha256 } = receiving.job.transfer.options;
    if (sha256 !== undefined && sha256 !== written.sha256)
      throw new HttpProblem('checksum_mismatch', `The SHA-256 of what came is ${written.sha256}.`);
    // From here to the new name nobody else may take it for his.
    if (!(await receiving.holds())) throw new ReceivingEnded('lost');
    await renameForGood(part, path);
    const file = { name, type, ...written, path: `uploads/${receiving.id}` };
    return await receiving.complete(file, { expiresAt: expiresAt() });
  } catch (error) {
    const ended = receiving.ended ?? (error instanceof ReceivingEnded ? error.reason : undefined);
    // Whoever has taken it up meanwhile may have files there.
    if (ended === 'lost' || !(await receiving.holds()))
      throw new HttpProblem('upload_cut_off', 'Another request has taken the upload over.');
    if (ended === 'stopping') {
      // Not a complete file, whatever of it came.
      await rename(path, part).catch(() => undefined);
      await receiving.stopped({ file: null, expiresAt: expiresAt() });
      throw new HttpProblem('upload_stopped');
    }
    await Promise.all([rm(part, { force: true }), rm(path, { force: true })]);
    if (ended === 'terminating') throw new HttpProblem('upload_terminated');
    const problem = problemOf(error, ended !== undefined || (request.destroyed && !request.complete));
    await receiving.fail(problem.code, problem.message === '' ? problem.code : problem.message);
    throw problem.code === 'internal_error' ? error : problem;
  } finally {
    request.off('close', gone);
  }
}

async function takeFile(
  receiving: Receiving,
  request: IncomingMessage,
  part: string,
  maxBytes: number,
): Promise<Written & { name: string; type: string }> {
  const { headers } = request;
  const wanted = fileName(receiving.job.transfer.options['filename'] as string | undefined);
  // Leaving the loop early must leave the socket open: an answer is to go out by it.
  const body = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  if (isMultipart(headers['content-type']))
    return receiveMultipart(receiving.unlessEnded(body), headers, async ({ name, type, chunks }) => ({
      ...(await writeFile(receiving, chunks as AsyncIterable<Buffer>, part, maxBytes)),
      name: wanted ?? fileName(name) ?? receiving.id,
      type: mediaType(type),
    }));
  if (Number(headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  return {
    ...(await writeFile(receiving, body, part, maxBytes)),
    name: wanted ?? dispositionName(headers['content-disposition']) ?? receiving.id,
    type: mediaType(headers['content-type']),
  };
}

function problemOf(error: unknown, cut: boolean): HttpProblem {
  if (cut) return new HttpProblem('upload_cut_off', CUT_OFF);
  if (error instanceof HttpProblem) return error;
  return new HttpProblem('internal_error', 'Something went wrong; the logs have the details');
}
