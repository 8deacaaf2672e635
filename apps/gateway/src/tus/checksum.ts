/** The checksum extension: `Upload-Checksum: <algorithm> <Base64 of the digest>`, of the bytes of one request. */
import { createHash, timingSafeEqual, type Hash } from 'node:crypto';
import { HttpProblem } from '../problems.ts';

/** As `Tus-Checksum-Algorithm` lists them, with the length of their digests in bytes. */
const LENGTHS = { sha1: 20, sha256: 32, md5: 16 } as const;
export const CHECKSUM_ALGORITHMS = Object.keys(LENGTHS).join(',');

const isKnown = (name: string): name is keyof typeof LENGTHS => Object.hasOwn(LENGTHS, name);

/** The bytes of one request, and what they must hash to. */
export class Checksum {
  readonly #hash: Hash;
  readonly #expected: Buffer;

  /** @throws HttpProblem `invalid_request` when the algorithm is not known or the value is not its digest */
  constructor(header: string) {
    const [algorithm = '', value = '', ...rest] = header.trim().split(' ');
    if (!isKnown(algorithm)) throw invalid(`must name one of ${CHECKSUM_ALGORITHMS}`);
    this.#expected = Buffer.from(value, 'base64');
    const canonical = this.#expected.toString('base64') === value;
    if (rest.length > 0 || !canonical || this.#expected.length !== LENGTHS[algorithm])
      throw invalid(`must bear the Base64 of ${LENGTHS[algorithm]} bytes for ${algorithm}`);
    this.#hash = createHash(algorithm);
  }

  update(chunk: Buffer): void {
    this.#hash.update(chunk);
  }

  /** Whether all of it came as it was sent; asked once, at the end. */
  matches(): boolean {
    return timingSafeEqual(this.#hash.digest(), this.#expected);
  }
}

const invalid = (message: string): HttpProblem =>
  new HttpProblem('invalid_request', undefined, { errors: [{ field: 'Upload-Checksum', message }] });
