import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { Busboy, type BusboyFileStream, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy';
import { HttpProblem } from '../problems.ts';

/** Fields, headers and boundaries beside the file are this much at most, bytes. */
const MAX_BESIDE = 1024 * 1024;
const LIMITS = {
  files: 1,
  fields: 20,
  parts: 21,
  fieldSize: 64 * 1024,
  headerPairs: 50,
  headerSize: 16 * 1024,
};

export interface FilePart {
  name: string | undefined;
  type: string;
  chunks: Readable;
}

export const isMultipart = (type: string | undefined): boolean => /^multipart\/form-data\b/i.test(type ?? '');

/**
 * Gives the one file of a multipart/form-data body (RFC 7578) to `take` as it comes, and what `take` gives when the
 * body has ended. Pulls no more of the body than `take` pulls of the file, but for what is between them in buffers.
 * @throws HttpProblem `invalid_multipart`; what the body or `take` throws
 */
export async function receiveMultipart<T>(
  body: AsyncIterable<Buffer>,
  headers: IncomingHttpHeaders,
  take: (file: FilePart) => Promise<T>,
): Promise<T> {
  const parser = parserFor(headers);
  const failed = Promise.withResolvers<never>();
  let fault: unknown;
  const fail = (error: unknown): void => {
    fault ??= error;
    failed.reject(error);
  };
  const ended = new Promise<void>((resolve) => void parser.once('finish', resolve));
  let file: BusboyFileStream | undefined;
  let taking: Promise<T> | undefined;

  parser.on('file', (_field, stream, name: string | undefined, _encoding, type) => {
    file = stream;
    stream.on('error', () => undefined);
    taking = take({ name, type, chunks: stream });
    taking.catch(fail);
  });
  parser.on('error', () => fail(invalid('It does not end as it should.')));
  parser.on('filesLimit', () => fail(invalid('It has more than one file.')));
  for (const limit of ['partsLimit', 'fieldsLimit'] as const)
    parser.on(limit, () => fail(invalid('It has too many fields.')));

  const read = async (): Promise<T> => {
    let bytes = 0;
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes - (file?.bytesRead ?? 0) > MAX_BESIDE) throw invalid('There is too much beside the file.');
      if (!parser.write(chunk)) await new Promise<void>((resolve) => void parser.once('drain', resolve));
      if (fault !== undefined) throw fault;
    }
    parser.end();
    await ended;
    if (taking === undefined) throw invalid('There is no file in it.');
    return taking;
  };
  try {
    return await Promise.race([read(), failed.promise]);
  } catch (error) {
    fail(error);
    file?.destroy(error as Error);
    await taking?.catch(() => undefined);
    throw fault;
  }
}

function parserFor(headers: IncomingHttpHeaders): BusboyInstance {
  try {
    return new Busboy({ headers: headers as BusboyHeaders, limits: LIMITS });
  } catch {
    throw invalid('Its Content-Type names no boundary.');
  }
}

const invalid = (detail: string): HttpProblem => new HttpProblem('invalid_multipart', detail);
