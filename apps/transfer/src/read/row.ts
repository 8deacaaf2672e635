/** The words of reading: what is asked, what was detected, what comes out. */
import type { ImportFormat, RowFault } from '@magpie/contracts';

export interface ReadLimits {
  /** Of the file, decompressed. */
  maxBytes: number;
  /** That one call of `readRows` gives, bad ones among them; on resume hand in what is left. */
  maxRows: number;
  /** Cells of a row; fields of an object. */
  maxColumns: number;
  /** Characters (UTF-16 units) of one cell, or of one string in an object. */
  maxCell: number;
  /** Bytes of one row as UTF-8, line breaks within quotes included; what is held in memory at most. */
  maxLine: number;
}

export interface ReadOptions {
  /** The name that the file was uploaded under: a hint, used where the content leaves it open. */
  name?: string;
  format?: ImportFormat;
  /** A WHATWG label; a byte order mark in the file overrides it, as in the standard. */
  encoding?: string;
  /** One character. */
  delimiter?: string;
  /** Whether the first row names the columns; by default unless it begins with an address or a hashtag. */
  header?: boolean;
  limits: ReadLimits;
}

/**
 * What was detected or given; kept in the transfer's options, and given again on resume, so that nothing is
 * detected twice. Plain data: it survives JSON and BSON.
 */
export interface Detected {
  format: ImportFormat;
  gzip: boolean;
  /** The WHATWG name, in lower case. */
  encoding: string;
  /** Whether the encoding is likely only: by statistics of the letters. */
  guessed?: true;
  /** Of csv and tsv only. */
  delimiter?: string;
  /** Of csv: whether a line `sep=;`, as Excel has it, comes before all rows. */
  sep?: boolean;
  header: boolean;
  /** Of csv and tsv: unique, none empty; '1', '2' … without a header. Null for ndjson and json. */
  columns: string[] | null;
}

/**
 * A checkpoint. A file that is UTF-8 and not compressed is read on from there at once; any other is read again from
 * its beginning, and what comes before is passed over.
 */
export interface Place {
  /** Offset in the normalised text (decompressed, as UTF-8, without byte order mark), bytes. */
  end: number;
  /** The line that begins there, from 1. */
  line: number;
}

/** The beginning of a file. */
export const START: Place = { end: 0, line: 1 };

export interface Row {
  /** The line in which the row begins, from 1. */
  line: number;
  /** Just after this row. The checkpoint is `{ end: row.end, line: row.next }`. */
  end: number;
  /** The line on which `end` is. */
  next: number;
  /** Of csv and tsv: strings by column. Of ndjson and json: the object as it stood. Ask it with `Object.hasOwn`. */
  values: Record<string, unknown>;
}

export interface BadRow {
  line: number;
  end: number;
  next: number;
  fault: RowFault;
}

export interface Read {
  /** In the file's order. */
  rows: (Row | BadRow)[];
  /** Bytes of the file itself that were read so far, from its beginning. */
  bytesRead: number;
}

/** The file cannot be read, or no further: the code is one of the platform's. */
export class ReadFault extends Error {
  override readonly name = 'ReadFault';
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}
