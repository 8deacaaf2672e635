/** A file that tests of reading write, and what is read of it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  detect,
  readRows,
  START,
  type BadRow,
  type Detected,
  type Place,
  type Read,
  type ReadLimits,
  type ReadOptions,
  type Row,
} from '../read/index.ts';
import { ReadFault } from '../read/row.ts';

export const MIB = 1024 * 1024;
export const LIMITS: ReadLimits = {
  maxBytes: 1e12,
  maxRows: 1e9,
  maxColumns: 1000,
  maxCell: MIB,
  maxLine: 8 * MIB,
};

export interface Outcome {
  rows: (Row | BadRow)[];
  fault?: string;
}

interface Asked {
  from?: Place;
  limits?: Partial<ReadLimits>;
  signal?: AbortSignal;
}

export class ReadFile {
  readonly #room = mkdtempSync(join(tmpdir(), 'magpie-read-'));
  readonly path = join(this.#room, 'file');

  remove(): void {
    rmSync(this.#room, { recursive: true });
  }

  write(bytes: Buffer | string): void {
    writeFileSync(this.path, bytes);
  }

  /** What its rows are read as. */
  detect(options: Partial<ReadOptions> = {}): Promise<Detected> {
    return detect(this.path, { ...options, limits: { ...LIMITS, ...options.limits } });
  }

  batches(
    detected: Detected,
    { from = START, limits = {}, signal = new AbortController().signal }: Asked = {},
  ): AsyncGenerator<Read> {
    return readRows(this.path, detected, { limits: { ...LIMITS, ...limits } }, from, signal);
  }

  async rows(detected: Detected, asked: Asked = {}): Promise<Outcome> {
    const rows: (Row | BadRow)[] = [];
    try {
      for await (const batch of this.batches(detected, asked)) rows.push(...batch.rows);
    } catch (error) {
      if (!(error instanceof ReadFault)) throw error;
      return { rows, fault: error.code };
    }
    return { rows };
  }

  /** Writes, detects and reads. */
  async read(
    bytes: Buffer | string,
    { limits = {}, ...options }: Omit<ReadOptions, 'limits'> & { limits?: Partial<ReadLimits> } = {},
  ): Promise<Outcome & { detected?: Detected; message?: string }> {
    this.write(bytes);
    let detected: Detected;
    try {
      detected = await this.detect({ ...options, limits: { ...LIMITS, ...limits } });
    } catch (error) {
      if (!(error instanceof ReadFault)) throw error;
      return { rows: [], fault: error.code, message: error.message };
    }
    return { ...(await this.rows(detected, { limits })), detected };
  }
}

export const valuesOf = (rows: (Row | BadRow)[]) =>
  rows.map((row) => ('fault' in row ? row.fault : Object.values(row.values)));
export const codesOf = (rows: (Row | BadRow)[]) =>
  rows.flatMap((row) => ('fault' in row ? [row.fault.code] : []));
