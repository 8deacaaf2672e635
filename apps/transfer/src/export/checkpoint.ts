/** Where an export is; what is on the disk and not in here does not count. */
import type { Place, TransferDocument } from '@magpie/store';

export interface SpoolPart {
  /** Name of the file in the transfer's work directory. */
  file: string;
  rows: number;
  bytes: number;
}

export interface ExportCheckpoint {
  /** Everything up to here is in the parts; null at the beginning. */
  after: Place | null;
  /** In order. */
  parts: SpoolPart[];
  /** There is nothing after it. */
  read: boolean;
  /** Size of the files that go into the finished one, beside the rows. */
  fileBytes: number;
  /** Names the directory in which the finished file is made and served; noted before it is made. */
  token: string | null;
}

export const BEGINNING: ExportCheckpoint = { after: null, parts: [], read: false, fileBytes: 0, token: null };

export const checkpointOf = ({ checkpoint }: Pick<TransferDocument, 'checkpoint'>): ExportCheckpoint =>
  checkpoint === null ? BEGINNING : (checkpoint as unknown as ExportCheckpoint);

/** As a document holds it. */
export const asDocument = (checkpoint: ExportCheckpoint): Record<string, unknown> => ({ ...checkpoint });

export const rowsOf = ({ parts }: ExportCheckpoint): number => parts.reduce((sum, { rows }) => sum + rows, 0);
export const bytesOf = ({ parts }: ExportCheckpoint): number =>
  parts.reduce((sum, { bytes }) => sum + bytes, 0);
