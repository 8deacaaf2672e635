/** Transfers: data moved in (uploads, imports) and out (exports), as jobs like any other. */
import { Type, type Static } from 'typebox';
import { Instant } from './format.ts';

/** A transfer's job bears its kind as its source. */
export const TRANSFERS = ['upload', 'import', 'export'] as const;
export type TransferKind = (typeof TRANSFERS)[number];

const Count = (description: string) => Type.Integer({ minimum: 0, description });
const OrNull = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T, description: string) =>
  Type.Union([schema, Type.Null()], { description });

/** Rows of a file that were left out, with the reason. Line, column and row are counted from 1. */
export const RowFault = Type.Object(
  {
    line: Count('The line of the file in which the row begins, from 1'),
    column: OrNull(Type.String(), 'Name of the column, or its number from 1; null when it is the row’s'),
    code: Type.String({ description: 'A stable error code' }),
    message: Type.String(),
    row: Type.Optional(
      Count('Which of the rows, from 1, without the header; of a JSON array, which of its elements'),
    ),
  },
  { title: 'RowFault', description: 'Why a row was left out' },
);
export type RowFault = Static<typeof RowFault>;

/** Where it is and why it was left out, as people read it: `Line 3, row 2, column url: is needed`. */
export const rowFaultText = ({ line, row, column, message }: Omit<RowFault, 'code'>): string =>
  `Line ${line}${row === undefined ? '' : `, row ${row}`}${column === null ? '' : `, column ${column}`}: ${message}`;

/** Columns of the list of an import's rejected rows, as CSV. */
export const REJECT_COLUMNS = ['line', 'column', 'code', 'message', 'row'] as const;

/** What a job moves; beside the job's own state and counts. */
export const Transfer = Type.Object(
  {
    kind: Type.Enum(TRANSFERS),
    bytes: Count(
      'Bytes taken in, read or written so far; of an export those of its rows, and in the end those of the file, which may be fewer',
    ),
    totalBytes: OrNull(Count(''), 'How many there are; null while that is not known'),
    rows: Count('Rows read or written so far; of an upload of text, lines'),
    totalRows: OrNull(Count(''), 'How many there are; null while that is not known'),
    bytesPerSecond: Count('Of the last seconds; 0 while nothing moves'),
    rowsPerSecond: Count('Of the last seconds; 0 while nothing moves'),
    file: OrNull(
      Type.Object({
        name: Type.String({ description: 'The name under which it is downloaded, or was uploaded' }),
        type: Type.String({ description: 'Media type' }),
        bytes: Count('Size'),
        sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
        url: OrNull(Type.String(), 'Where an export is downloaded'),
      }),
      'The file, once it is complete',
    ),
    expiresAt: OrNull(
      Instant,
      'When the file is removed; of an import, the list of its rejected rows; of an upload that is not complete, when it has failed unless it is being sent',
    ),
    options: Type.Record(Type.String(), Type.Unknown(), {
      description: 'As asked for, with what was detected',
    }),
    report: Type.Record(Type.String(), Type.Unknown(), { description: 'What came of it' }),
  },
  { title: 'Transfer', description: 'Data on its way in or out' },
);
export type Transfer = Static<typeof Transfer>;
