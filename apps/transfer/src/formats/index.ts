/** The formats of exports: how rows become a file. See `Format` for what each promises. */
import type { ExportFormat } from '@magpie/contracts';
import type { Format, FormatOptions } from './format.ts';
import { parquet } from './parquet.ts';
import { csv, json, ndjson } from './text.ts';
import { xlsx } from './xlsx.ts';
import { zip } from './zip.ts';

export { columnsOf, formatOptions } from './format.ts';
export type { AssembleContext, Assembled, Column, ExportRow, Format, FormatOptions } from './format.ts';

export const FORMATS: Record<ExportFormat, Format> = { csv, ndjson, json, xlsx, parquet, zip };

/** Media type and ending (without the dot) of a finished file, as `text/csv; charset=utf-8` and `csv`, or `csv.gz`. */
export function fileType(
  format: ExportFormat,
  { gzip }: Pick<FormatOptions, 'gzip'>,
): { type: string; extension: string } {
  const { type, extension } = FORMATS[format];
  return gzip ? { type: 'application/gzip', extension: `${extension}.gz` } : { type, extension };
}
