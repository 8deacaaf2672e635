import { HttpProblem } from '../problems.ts';

/**
 * The SHA-256 that a Content-Digest header announces of the body's bytes (RFC 9530), hexadecimal; undefined when there
 * is none, or of other algorithms alone.
 * @throws HttpProblem `invalid_request` when it is not the digest's Base64 between colons
 */
export function announcedSha256(header: string | string[] | undefined): string | undefined {
  const [, given] = /(?:^|,)[ \t]*sha-256(?![a-z0-9_*.-])([^,]*)/.exec([header ?? []].flat().join(',')) ?? [];
  if (given === undefined) return undefined;
  const [, value] = /^=:([A-Za-z0-9+/]{43}=):[ \t]*(?:;|$)/.exec(given) ?? [];
  if (value !== undefined) return Buffer.from(value, 'base64').toString('hex');
  const message = 'must bear the digest’s Base64 between colons, as sha-256=:…:';
  throw new HttpProblem('invalid_request', undefined, { errors: [{ field: 'Content-Digest', message }] });
}
