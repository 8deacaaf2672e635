/** What is asked of transfers. */
import { Type, type Static } from 'typebox';
import { Id, SourceId } from './format.ts';
import { JOB_ACTIONS, JobState, Priority } from './job.ts';
import { Schedule } from './schedule.ts';

/** What an upload is told of its file beforehand. */
export const NewUpload = Type.Object(
  {
    filename: Type.Optional(Type.String({ minLength: 1, maxLength: 255, description: 'The file’s name' })),
    sha256: Type.Optional(
      Type.String({
        pattern: '^[0-9a-f]{64}$',
        description: 'What the file’s bytes must hash to: 64 hexadecimal digits, in lower case',
      }),
    ),
  },
  { additionalProperties: false, title: 'NewUpload' },
);
export type NewUpload = Static<typeof NewUpload>;

/** A job id made first, for an upload that comes then. */
export const UploadJob = Type.Object(
  {
    job_id: Id,
    id: Id,
    state: JobState,
    upload_url: Type.String({ description: 'Where the file is sent to' }),
    status_url: Type.String({ description: 'Where the job is read and controlled' }),
  },
  { title: 'UploadJob', description: 'The job of an upload' },
);
export type UploadJob = Static<typeof UploadJob>;

export const IMPORT_FORMATS = ['csv', 'tsv', 'ndjson', 'json'] as const;
export type ImportFormat = (typeof IMPORT_FORMATS)[number];

export const CreateImport = Type.Object(
  {
    upload: Type.Intersect([Id], { description: 'The job of a completed upload' }),
    as: Type.Enum(['items', 'targets'], {
      description: 'Rows become items, or what a source collects from: page addresses, page names, hashtags',
    }),
    source: Type.Optional(
      Type.Intersect([SourceId], {
        description: 'Of items: where they are from, `import` by default. Of targets: who collects them',
      }),
    ),
    kind: Type.Optional(
      Type.String({
        pattern: '^[a-z][a-z0-9-]{0,39}$',
        description: 'Kind of items whose row names none; `page` by default',
      }),
    ),
    params: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: 'The other parameters of the source, for targets',
      }),
    ),
    schedule: Type.Optional(Schedule),
    priority: Type.Optional(Priority),
    format: Type.Optional(Type.Enum(IMPORT_FORMATS, { description: 'Detected when not given' })),
    encoding: Type.Optional(
      Type.String({
        maxLength: 40,
        description: 'A WHATWG name, as utf-8 or windows-1252; detected when not given',
      }),
    ),
    delimiter: Type.Optional(
      Type.String({ minLength: 1, maxLength: 1, description: 'Between cells; detected when not given' }),
    ),
    header: Type.Optional(
      Type.Boolean({
        description:
          'Whether the first row names the columns. When not given: unless it begins with an http(s) address, or is a lone hashtag',
      }),
    ),
    mapping: Type.Optional(
      Type.Record(
        Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]{0,63}$' }),
        // Not a union: of that, only the first alternative's fault is told.
        Type.Unsafe<string | number>({
          type: ['string', 'integer'],
          minLength: 1,
          maxLength: 200,
          minimum: 1,
          maximum: 10_000,
        }),
        {
          description:
            'Field → column, by name or by number from 1. Fields of items: `url`, `kind`, `page`, any other goes to `data`; of targets: `target`. Without a mapping each column is the field of its name, `url`, `kind` and `page` in any case; of an export of the platform’s own, those that it does not make itself',
        },
      ),
    ),
    onError: Type.Optional(
      Type.Enum(['skip', 'stop'], {
        description: 'What a bad row does: is listed and left out (the default), or ends the import',
      }),
    ),
    dryRun: Type.Optional(Type.Boolean({ description: 'Reads and checks all, brings nothing' })),
  },
  { additionalProperties: false, title: 'CreateImport' },
);
export type CreateImport = Static<typeof CreateImport>;

export const EXPORT_FORMATS = ['csv', 'ndjson', 'json', 'xlsx', 'parquet', 'zip'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** Characters of the name of a table's column, at most. */
export const MAX_COLUMN_NAME = 200;

const Moment = (description: string) =>
  Type.String({ format: 'moment', maxLength: 40, description, examples: ['2026-05-01T00:00:00Z'] });
const Day = (description: string) => Type.String({ format: 'date', description, examples: ['2026-05-01'] });

export const CreateExport = Type.Object(
  {
    format: Type.Optional(
      Type.Enum(EXPORT_FORMATS, {
        default: 'csv',
        description: '`zip` holds the files of the items, with a manifest; csv by default',
      }),
    ),
    gzip: Type.Optional(
      Type.Boolean({
        description: 'Compressed as a whole, its name ends in `.gz`; not for zip',
      }),
    ),
    kind: Type.Optional(Type.String({ maxLength: 40, description: 'image, text …' })),
    source: Type.Optional(SourceId),
    host: Type.Optional(Type.String({ maxLength: 260, description: 'Host name, or host:port' })),
    job: Type.Optional(Id),
    q: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 500,
        description: 'Words of title, description or text; "a phrase"; -without',
      }),
    ),
    from: Type.Optional(Moment('Stored at this time or later; instead of `date_gte`')),
    to: Type.Optional(Moment('Stored before this time; instead of `date_lte`')),
    date_gte: Type.Optional(Day('Stored on this day or later')),
    date_lte: Type.Optional(Day('Stored on this day or earlier')),
    timeZone: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 60,
        description: 'IANA name: whose days those are; UTC by default',
        examples: ['Europe/Berlin'],
      }),
    ),
    fields: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 'data.'.length + MAX_COLUMN_NAME }), {
        minItems: 1,
        maxItems: 200,
        uniqueItems: true,
        description:
          'What of each item, as `url`, `file.bytes`, or `data.` and the name of what its data has, as `data.title` or `data.First name`; in csv, xlsx and parquet the columns, in this order',
      }),
    ),
    formulas: Type.Optional(
      Type.Boolean({
        description:
          'Leaves cells alone that a spreadsheet would run (= + - @ tab); they are made harmless by default',
      }),
    ),
    filename: Type.Optional(
      Type.String({
        pattern: '^[\\p{L}\\p{N}][\\p{L}\\p{M}\\p{N} ._-]{0,99}$',
        description:
          'Its name without the ending: letters, digits, spaces, `.`, `_` and `-`; at most 200 bytes as UTF-8',
        examples: ['my images'],
      }),
    ),
  },
  { additionalProperties: false, title: 'CreateExport' },
);
export type CreateExport = Static<typeof CreateExport>;

/** What can be asked of a job by `job-status`. */
export const JobControl = Type.Object(
  { action: Type.Enum(JOB_ACTIONS) },
  { additionalProperties: false, title: 'JobControl' },
);
export type JobControl = Static<typeof JobControl>;
