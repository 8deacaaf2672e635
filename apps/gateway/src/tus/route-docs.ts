/** What the routes of resumable uploads take, give and refuse, for the documents of the API. */
import { JobState, PageQuery } from '@magpie/contracts';
import { Type } from 'typebox';
import { IdempotencyHeaders } from '../requests.ts';
import { TUS_VERSION } from './problems.ts';

export const TUS = 'It is [tus 1.0](https://tus.io/protocols/resumable-upload): any client of it will do.';

export const UploadParams = Type.Object({
  id: Type.String({ description: 'The upload’s id, which is its job’s' }),
});
export const UploadListQuery = Type.Object(
  { ...PageQuery.properties, state: Type.Optional(JobState) },
  { additionalProperties: false },
);
const Resumable = {
  'tus-resumable': Type.Optional(Type.String({ description: 'The version of tus', examples: [TUS_VERSION] })),
};
export const CreationHeaders = Type.Object({
  ...Resumable,
  'upload-length': Type.Optional(
    Type.String({ description: 'Size of the file, bytes', examples: ['1048576'] }),
  ),
  'upload-defer-length': Type.Optional(
    Type.String({ description: '`1`: the size is said by a later PATCH', examples: ['1'] }),
  ),
  'upload-metadata': Type.Optional(
    Type.String({
      description:
        '`filename`, `filetype` and `sha256` (of the file, hexadecimal; compared at the end), each with its value in Base64',
      examples: ['filename dGFyZ2V0cy5jc3Y=,filetype dGV4dC9jc3Y='],
    }),
  ),
  ...IdempotencyHeaders.properties,
});
export const ChunkHeaders = Type.Object({
  ...Resumable,
  'upload-offset': Type.Optional(
    Type.String({ description: 'Where the bytes begin: where the upload is', examples: ['0'] }),
  ),
  'upload-checksum': Type.Optional(
    Type.String({
      description: 'Algorithm (sha1, sha256, md5) and digest of the body, in Base64',
      examples: ['sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0='],
    }),
  ),
});
export const OffsetHeaders = Type.Object({ ...Resumable });

export const text = (description: string) => ({ type: 'string', description });
export const VERSION = { 'tus-resumable': text('The version of tus') };
export const OFFSET = { 'upload-offset': text('Where the upload is') };
export const EXPIRES = { 'upload-expires': text('When it expires, unfinished') };
export const GONE = [
  'not_found',
  'upload_terminated',
  'upload_expired',
  'checksum_mismatch',
  'unsupported_tus_version',
] as const;
export const SENDING = [
  'invalid_transition',
  'upload_stopped',
  'upload_locked',
  'upload_cut_off',
  'upload_too_large',
  'too_many_uploads',
  'chunk_checksum_mismatch',
] as const;
