/** What an export's job asks for, as the service reads it. */
import type { CreateExport, ExportFormat } from '@magpie/contracts';
import {
  itemView,
  type ExportSelection,
  type ItemDocument,
  type JobDocument,
  type TransferDocument,
} from '@magpie/store';
import {
  FORMATS,
  fileType,
  formatOptions,
  type ExportRow,
  type Format,
  type FormatOptions,
} from '../formats/index.ts';

export interface ExportPlan {
  format: Format;
  formatOptions: FormatOptions;
  selection: ExportSelection;
  /** Of the finished file. */
  name: string;
  type: string;
  rowOf(item: ItemDocument): ExportRow;
  /** Bytes of the files that go into the finished one, with an item. */
  fileBytesOf(item: ItemDocument): number;
}

/** As the gateway writes them: what was asked for, with the period as instants and the bound of the snapshot. */
type ExportOptions = CreateExport & { from?: string; to?: string; bound: { at: string; order: number } };

/** @param base public address of nginx, without a slash at its end */
export function planOf(
  { transfer: { options }, createdAt }: JobDocument & { transfer: TransferDocument },
  base: string,
): ExportPlan {
  const asked = options as unknown as ExportOptions;
  const { kind, source, host, job, q, from, to, bound } = asked;
  const format: ExportFormat = asked.format ?? 'csv';
  const stem = asked.filename ?? usualName(kind, createdAt);
  const forFormat = formatOptions({ ...asked, format }, stem);
  const { type, extension } = fileType(format, forFormat);
  const archive = format === 'zip';
  return {
    format: FORMATS[format],
    formatOptions: forFormat,
    selection: {
      filter: { kind, source, host, from: instant(from), to: instant(to) },
      job,
      q,
      bound: bound.order,
    },
    name: `${stem}.${extension}`,
    type,
    rowOf: (item) => rowOf(item, base, archive),
    fileBytesOf: ({ file }) => (archive ? (file?.bytes ?? 0) : 0),
  };
}

const instant = (text: string | undefined): Date | undefined =>
  text === undefined ? undefined : new Date(text);

const usualName = (kind: string | undefined, at: Date): string =>
  `magpie-${kind?.replace(/[^\w-]+/g, '-') ?? 'items'}-${at.toISOString().slice(0, 10)}`;

function rowOf(item: ItemDocument, base: string, archive: boolean): ExportRow {
  const { file, ...view } = itemView(item, base);
  return {
    ...view,
    file: file === null ? null : archive ? { ...file, path: item.file?.path } : file,
    storedAt: item.storedAt,
    checkedAt: item.checkedAt,
  };
}
