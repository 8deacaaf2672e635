/** The examples of an import's job, for the documentation. */
import type { CreateImport, Job } from '@magpie/contracts';
import * as examples from './examples.ts';

export const body: CreateImport = {
  upload: '1l4m3k7v2q9h0c8s5t6d1e',
  as: 'items',
  kind: 'page',
  mapping: { url: 'Address', title: 'Title' },
};

const detected = {
  format: 'csv',
  gzip: false,
  encoding: 'utf-8',
  delimiter: ';',
  header: true,
  columns: ['Address', 'Title', 'Remarks'],
};

export const completed: Job = {
  ...examples.job,
  source: 'import',
  params: {},
  counts: { discovered: 10_000, stored: 9700, shared: 180, skipped: 20, failed: 100, pending: 0 },
  pages: { discovered: 0, done: 0, failed: 0, pending: 0 },
  transfer: {
    kind: 'import',
    bytes: 1_482_113,
    totalBytes: 1_482_113,
    rows: 10_000,
    totalRows: 10_000,
    bytesPerSecond: 0,
    rowsPerSecond: 0,
    file: null,
    expiresAt: '2026-05-28T09:00:00.000Z',
    options: { ...body, detected },
    report: {
      rows: 10_000,
      stored: 9700,
      shared: 180,
      duplicate: 20,
      rejected: 100,
      reasons: { scheme_not_allowed: 60, missing_value: 40 },
      firstErrors: [
        {
          line: 17,
          column: 'Address',
          code: 'scheme_not_allowed',
          message: 'only http and https are fetched, not ftp:',
          row: 16,
        },
      ],
      rejects: `http://127.0.0.1:8080/api/v1/imports/${examples.JOB_ID}/rejects`,
    },
  },
};

export const queued: Job = {
  ...examples.queuedJob,
  source: 'import',
  params: {},
  transfer: {
    kind: 'import',
    bytes: 0,
    totalBytes: 1_482_113,
    rows: 0,
    totalRows: null,
    bytesPerSecond: 0,
    rowsPerSecond: 0,
    file: null,
    expiresAt: null,
    options: { ...body },
    report: {},
  },
};

export const rejects =
  'line,column,code,message,row\r\n17,Address,scheme_not_allowed,"only http and https are fetched, not ftp:",16\r\n';
