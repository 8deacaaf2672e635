import { Type } from 'typebox';
import Format from 'typebox/format';

/** An address somebody gave: http or https, absolute. What else it must be is checked by `checkUrlLiteral` in domain. */
Format.Set('http-url', (value) => URL.canParse(value));

export const HttpUrl = Type.String({
  format: 'http-url',
  minLength: 1,
  maxLength: 8192,
  description: 'An absolute http or https URL, without credentials',
  examples: ['https://example.org/gallery'],
});

export const Instant = Type.String({
  format: 'date-time',
  description: 'An instant, RFC 3339 in UTC',
  examples: ['2026-05-01T12:00:00.000Z'],
});

export const Id = Type.String({
  pattern: '^[0-9a-z]{8,40}$',
  description: 'An identifier, as an answer gave it: 8 to 40 lower-case letters and digits',
});

export const SourceId = Type.String({
  pattern: '^[a-z][a-z0-9-]{1,40}$',
  description: 'The name of a source',
  examples: ['web-images'],
});

/** A content-addressed file below `/files/`. */
export const FilePath = Type.String({
  pattern: '^[a-z]+/[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{64}\\.[a-z0-9]{1,5}$',
  description: 'Path of a file below /files/',
  examples: [`images/ab/cd/abcd${'0'.repeat(60)}.png`],
});
