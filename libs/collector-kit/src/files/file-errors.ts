import { Permanent, Retryable } from '../errors.ts';
import { hasCode } from './temporary-file.ts';

/**
 * An error of the file system as the step's fate: no space (ENOSPC, EDQUOT) becomes `Retryable` with the code
 * `disk_full`, everything else stays what it is.
 */
export function asFileError(error: unknown): unknown {
  if (!hasCode(error, 'ENOSPC', 'EDQUOT')) return error;
  return new Retryable('disk_full', 'there is no space left for files', { cause: error });
}

export function tooLarge(maxBytes: number): Permanent {
  return new Permanent('body_too_large', `the body has more than ${maxBytes} bytes`);
}

export function notAnImage(): Permanent {
  return new Permanent('not_an_image', 'the first bytes are not those of an image');
}
