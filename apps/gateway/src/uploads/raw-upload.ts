/** An upload in one request: the body is the file, or holds it as a part of multipart/form-data. */
import { createHash, type Hash } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import type { JobDocument } from '@magpie/store';
import { HttpProblem } from '../problems.ts';
import { renameForGood, requireSha256, tooLarge, writeFile, type Written } from './file-writer.ts';
import { ReceivingEnded } from './gate.ts';
import { isMultipart, receiveMultipart } from './multipart.ts';
import { dispositionName, fileName, mediaType } from './names.ts';
import type { Receiving } from './receiving.ts';
import type { Uploads } from './uploads.ts';

export interface RawUpload {
  /** MAGPIE_UPLOAD_MAX_BYTES. */
  maxBytes: number;
  /** What the body's bytes must hash to, hexadecimal. */
  bodySha256?: string | undefined;
}

interface Taken extends Written {
  name: string;
  type: string;
  /** Of the whole body, where it is to be compared. */
  bodySha256: string | undefined;
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
  { maxBytes, bodySha256: announced }: RawUpload,
): Promise<JobDocument> {
  const part = uploads.part(receiving.id);
  const path = uploads.file(receiving.id);
  const gone = (): void => {
    if (!request.complete) receiving.abort('cut off');
  };
  request.once('close', gone);
  try {
    receiving.surelyOurs();
    await rm(part, { force: true });
    const { bodySha256, ...written } = await takeFile(receiving, request, part, maxBytes);
    if (announced !== undefined && announced !== bodySha256)
      throw new HttpProblem('checksum_mismatch', `The SHA-256 of the body is ${bodySha256}.`);
    requireSha256(receiving.job, written.sha256);
    // From here to the new name nobody else may take it for his.
    if (!(await receiving.holds())) throw new ReceivingEnded('lost');
    await renameForGood(part, path);
    const file = { ...written, path: `uploads/${receiving.id}` };
    return await receiving.complete(file, { expiresAt: uploads.expiry() });
  } catch (error) {
    const ended = receiving.ended ?? (error instanceof ReceivingEnded ? error.reason : undefined);
    // Whoever has taken it up meanwhile may have files there.
    if (ended === 'lost' || !(await receiving.holds()))
      throw new HttpProblem('upload_cut_off', 'Another request has taken the upload over.');
    if (ended === 'stopping') {
      // Not a complete file, whatever of it came.
      await rename(path, part).catch(() => undefined);
      const stopped = await receiving.stopped({ file: null, expiresAt: uploads.expiry() });
      if (stopped !== null) throw new HttpProblem('upload_stopped');
    }
    await uploads.remove(receiving.id, () => receiving.surelyOurs());
    // Also where it was about to stop and is to be terminated instead.
    if (ended === 'terminating' || ended === 'stopping') throw new HttpProblem('upload_terminated');
    // Also when all of it had come, and the sender was gone before it was read.
    const broken = request.destroyed && (!request.complete || error === request.errored);
    const problem = problemOf(error, ended !== undefined || broken);
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
): Promise<Taken> {
  const { headers } = request;
  const wanted = fileName(receiving.job.transfer.options['filename'] as string | undefined);
  // Leaving the loop early must leave the socket open: an answer is to go out by it.
  const body = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  if (isMultipart(headers['content-type'])) {
    const hash = headers['content-digest'] === undefined ? undefined : createHash('sha256');
    const all = hashed(receiving.unlessEnded(body), hash);
    const taken = await receiveMultipart(all, headers, async ({ name, type, chunks }) => ({
      ...(await writeFile(receiving, chunks as AsyncIterable<Buffer>, part, maxBytes)),
      name: wanted ?? fileName(name) ?? receiving.id,
      type: mediaType(type),
    }));
    return { ...taken, bodySha256: hash?.digest('hex') };
  }
  if (Number(headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const written = await writeFile(receiving, body, part, maxBytes);
  return {
    ...written,
    bodySha256: written.sha256,
    name: wanted ?? dispositionName(headers['content-disposition']) ?? receiving.id,
    type: mediaType(headers['content-type']),
  };
}

async function* hashed(chunks: AsyncIterable<Buffer>, hash: Hash | undefined): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    hash?.update(chunk);
    yield chunk;
  }
}

function problemOf(error: unknown, cut: boolean): HttpProblem {
  if (cut) return new HttpProblem('upload_cut_off', CUT_OFF);
  if (error instanceof HttpProblem) return error;
  return new HttpProblem('internal_error', 'Something went wrong; the logs have the details');
}
