/** The example of an export's job, for the documentation. */
import type { Job } from '@magpie/contracts';
import * as examples from './examples.ts';

const options = {
  format: 'csv',
  gzip: true,
  kind: 'image',
  date_gte: '2026-05-01',
  date_lte: '2026-05-31',
  timeZone: 'Europe/Berlin',
  from: '2026-04-30T22:00:00.000Z',
  to: '2026-05-31T22:00:00.000Z',
  bound: { at: '2026-06-01T08:00:00.000Z', order: 7295430021120000 },
};

export const body = {
  format: 'csv',
  gzip: true,
  kind: 'image',
  date_gte: '2026-05-01',
  date_lte: '2026-05-31',
  timeZone: 'Europe/Berlin',
} as const;

const counts = { discovered: 0, stored: 0, shared: 0, skipped: 0, failed: 0, pending: 0 };
const NAME = 'magpie-image-2026-06-01.csv.gz';

export const completed: Job = {
  ...examples.job,
  source: 'export',
  params: {},
  counts,
  pages: { discovered: 0, done: 0, failed: 0, pending: 0 },
  transfer: {
    kind: 'export',
    bytes: 482_113,
    totalBytes: 482_113,
    rows: 10_000,
    totalRows: 10_000,
    bytesPerSecond: 0,
    rowsPerSecond: 0,
    file: {
      name: NAME,
      type: 'application/gzip',
      bytes: 482_113,
      sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
      url: `http://127.0.0.1:8080/files/exports/${examples.JOB_ID}-5f2b0c9d1e7a4683a0d4c2b19e8f7601/${NAME}`,
    },
    expiresAt: '2026-06-08T08:00:41.250Z',
    options,
    report: { rows: 10_000 },
  },
};

export const queued: Job = {
  ...examples.queuedJob,
  source: 'export',
  params: {},
  transfer: {
    kind: 'export',
    bytes: 0,
    totalBytes: null,
    rows: 0,
    totalRows: null,
    bytesPerSecond: 0,
    rowsPerSecond: 0,
    file: null,
    expiresAt: null,
    options,
    report: {},
  },
};
