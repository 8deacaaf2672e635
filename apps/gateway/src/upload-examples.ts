/** The examples of uploads in the API's documentation. */
import type { Job, UploadJob } from '@magpie/contracts';
import { JOB_ID, queuedJob } from './examples.ts';

const BASE = 'http://127.0.0.1:8080';
const SHA = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';

export const newUpload = { filename: 'pages.csv' };

export const uploadJob: UploadJob = {
  job_id: JOB_ID,
  id: JOB_ID,
  state: 'queued',
  upload_url: `${BASE}/api/v1/upload/?job_id=${JOB_ID}`,
  status_url: `${BASE}/api/v1/job-status/${JOB_ID}/`,
};

export const runningUpload: Job = {
  ...queuedJob,
  source: 'upload',
  params: {},
  state: 'running',
  startedAt: queuedJob.createdAt,
  rev: 7,
  transfer: {
    kind: 'upload',
    bytes: 734003200,
    totalBytes: 2147483648,
    rows: 9120442,
    totalRows: null,
    bytesPerSecond: 104857600,
    rowsPerSecond: 1302920,
    file: null,
    expiresAt: '2026-05-08T12:00:00.000Z',
    options: { filename: 'pages.csv', protocol: 'raw' },
    report: {},
  },
};

export const completedUpload: Job = {
  ...runningUpload,
  state: 'completed',
  allowed: [],
  endedAt: '2026-05-01T12:00:41.250Z',
  transfer: {
    ...(runningUpload.transfer as NonNullable<Job['transfer']>),
    bytes: 2147483648,
    rows: 26684305,
    bytesPerSecond: 0,
    rowsPerSecond: 0,
    file: { name: 'pages.csv', type: 'text/csv', bytes: 2147483648, sha256: SHA, url: null },
    expiresAt: '2026-05-08T12:00:41.250Z',
  },
};
