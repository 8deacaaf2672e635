/** What an export is asked for with, in a body or in a query, and what its job is told of it. */
import { CreateExport, EXPORT_FORMATS, MAX_COLUMN_NAME, PageQuery, JobState } from '@magpie/contracts';
import { instantOf, periodFaults, type PeriodParams } from '@magpie/domain';
import { Type, type Static } from 'typebox';
import { HttpProblem, type FieldError } from './problems.ts';

const { fields: _fields, ...asInBody } = CreateExport.properties;

/** The same by query; `fields` separated by commas, or given again and again. */
export const ExportQuery = Type.Object(
  {
    ...asInBody,
    fields: Type.Optional(
      Type.Union(
        [
          Type.String({ minLength: 1, maxLength: 8000 }),
          Type.Array(Type.String({ maxLength: 8000 }), { maxItems: 200 }),
        ],
        { description: 'What of each item, separated by commas', examples: ['url,data.title'] },
      ),
    ),
  },
  { additionalProperties: false },
);
export type ExportQuery = Static<typeof ExportQuery>;

export const ExportListQuery = Type.Object(
  { ...PageQuery.properties, state: Type.Optional(JobState) },
  { additionalProperties: false },
);

/** What is asked for by a query. */
export function askedByQuery({ fields, ...rest }: ExportQuery): CreateExport {
  if (fields === undefined) return rest;
  const names = [fields]
    .flat()
    .flatMap((list) => list.split(','))
    .map((name) => name.trim());
  return { ...rest, fields: names };
}

const DAYS: PeriodParams = { from: 'date_gte', to: 'date_lte', timeZone: 'timeZone' };
/** Of a file's name, without its ending. */
const MAX_NAME_BYTES = 200;
/** Whatever its data has, under any name that a column may bear. */
const DATA = 'data.';
const MAX_FIELDS = 200;
/** Fields of an item; of its data whatever it has. */
const ITEM: ReadonlySet<string> = new Set([
  'id',
  'kind',
  'url',
  'finalUrl',
  'page',
  'source',
  'data',
  'file',
  'revision',
  'storedAt',
  'checkedAt',
]);
const FILE: ReadonlySet<string> = new Set(['url', 'type', 'bytes', 'sha256', 'width', 'height']);

/**
 * What the job of an export is told: what was asked for, with defaults, and the period as instants, `to` exclusive,
 * whether it was given by days or by instants.
 * Days are those of the time zone, both included, also where one of them has 23 or 25 hours.
 * @throws HttpProblem `invalid_request` naming every field that is wrong
 */
export function exportOptions(asked: CreateExport): CreateExport {
  const { format = 'csv', gzip = false, timeZone = 'UTC', date_gte, date_lte, kind, host } = asked;
  const filename = asked.filename && withoutEnding(asked.filename.normalize('NFC'), format);
  const errors: FieldError[] = [
    ...periodFaults(DAYS, asked),
    ...instantFaults(asked),
    ...(filename !== undefined && Buffer.byteLength(filename) > MAX_NAME_BYTES
      ? [{ field: 'filename', message: `has more than ${MAX_NAME_BYTES} bytes as UTF-8` }]
      : []),
    ...fieldFaults(asked.fields),
    ...(gzip && format === 'zip' ? [{ field: 'gzip', message: 'is not for zip' }] : []),
  ];
  if (errors.length > 0) throw new HttpProblem('invalid_request', undefined, { errors });
  const files = format === 'zip' && kind === undefined ? { kind: 'image' } : {};
  const byDays = date_gte !== undefined || date_lte !== undefined;
  return {
    ...asked,
    ...files,
    format,
    gzip,
    ...(host === undefined ? {} : { host: host.toLowerCase() }),
    ...(filename === undefined ? {} : { filename }),
    ...(byDays ? { timeZone } : {}),
    ...(asked.from === undefined ? {} : { from: iso(Date.parse(asked.from)) }),
    ...(asked.to === undefined ? {} : { to: iso(Date.parse(asked.to)) }),
    ...(date_gte === undefined ? {} : { from: iso(instantOf(date_gte, timeZone, 'from')) }),
    ...(date_lte === undefined ? {} : { to: iso(instantOf(date_lte, timeZone, 'to') + 1) }),
  };
}

/** The file gets its ending from its format: one that was given is not doubled. */
const withoutEnding = (name: string, format: string): string =>
  name.replace(new RegExp(`\\.${format}(\\.gz)?$`, 'i'), '');

const iso = (ms: number): string => new Date(ms).toISOString();

function instantFaults({ from, to, date_gte, date_lte }: CreateExport): FieldError[] {
  if (from === undefined && to === undefined) return [];
  if (date_gte !== undefined || date_lte !== undefined)
    return [{ field: from === undefined ? 'to' : 'from', message: 'is not for a period of days' }];
  if (from !== undefined && to !== undefined && Date.parse(to) < Date.parse(from))
    return [{ field: 'to', message: 'must not be before from' }];
  return [];
}

function fieldFaults(fields: readonly string[] | undefined): FieldError[] {
  if (fields === undefined) return [];
  if (fields.length > MAX_FIELDS) return [{ field: 'fields', message: `has more than ${MAX_FIELDS}` }];
  const errors: FieldError[] = [];
  for (const [i, name] of fields.entries()) {
    const fault = fieldFault(name) ?? (fields.indexOf(name) < i ? 'is named twice' : undefined);
    if (fault !== undefined) errors.push({ field: `fields.${i}`, message: fault });
  }
  return errors.slice(0, 20);
}

/** A field is looked up in what was read; no query of the database has it as a path. */
function fieldFault(name: string): string | undefined {
  if (name.startsWith(DATA)) return dataFault(name.slice(DATA.length));
  const [first = '', ...further] = name.split('.');
  if (!ITEM.has(first))
    return `is not a field of items: ${[...ITEM].join(', ')}, or one of data or file, as data.title`;
  if (further.length === 0) return undefined;
  if (first === 'file' && further.length === 1 && FILE.has(further[0] ?? '')) return undefined;
  return first === 'file' ? `is not one of a file: ${[...FILE].join(', ')}` : 'has no fields of its own';
}

function dataFault(name: string): string | undefined {
  if (name === '') return 'must name a field behind data., as data.title';
  if (name.length > MAX_COLUMN_NAME) return `has more than ${MAX_COLUMN_NAME} characters behind data.`;
  if (/\p{Cc}/u.test(name) || !name.isWellFormed())
    return 'has characters that no field has: control characters, or half ones';
  return undefined;
}

/** The formats, for descriptions. */
export const FORMAT_NAMES = EXPORT_FORMATS.join(', ');
