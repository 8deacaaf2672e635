/** The examples of the API's documentation: one job, its items, and what else routes show. */
import type { Image, ImagesTask, Item, Job, JobError, Run, Source, Text, TextTask } from '@magpie/contracts';

const BASE = 'http://127.0.0.1:8080';
const AT = '2026-05-01T12:00:00.000Z';
const LATER = '2026-05-01T12:00:41.250Z';
const SHA = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';
const PATH = `images/9f/86/${SHA}.png`;

const counts = { discovered: 12, stored: 8, shared: 2, skipped: 1, failed: 1, pending: 0 };
const pages = { discovered: 1, done: 1, failed: 0, pending: 0 };

export const JOB_ID = '1l4m3k7v2q9h0c8s5t6d1f';
export const ITEM_ID = '7c1o5m2p9q4h0v8s3t6d1f5a0b9e2r4k';

export const job: Job = {
  id: JOB_ID,
  source: 'web-images',
  params: { urls: ['https://example.org/gallery'], depth: 0 },
  priority: 'normal',
  state: 'completed',
  waiting: null,
  epoch: 1,
  counts,
  pages,
  error: null,
  schedule: null,
  runs: 0,
  nextRunAt: null,
  targets: 0,
  samples: 0,
  requests: 0,
  units: 0,
  stopWhenExhausted: false,
  warnings: [],
  transfer: null,
  allowed: ['retry'],
  createdAt: AT,
  startedAt: AT,
  endedAt: LATER,
  updatedAt: LATER,
  rev: 14,
};

export const run: Run = {
  number: 12,
  state: 'completed',
  reason: null,
  dueAt: AT,
  startedAt: AT,
  endedAt: LATER,
  missed: 0,
  counts: { discovered: 3, stored: 3, shared: 0, failed: 0, samples: 0, requests: 2, units: 101 },
};

export const scheduledJob: Job = {
  ...job,
  state: 'waiting',
  waiting: { reason: 'schedule', until: '2026-05-01T13:00:00.000Z' },
  schedule: { every: 'PT1H', cron: null, timeZone: 'UTC', until: null, jitter: null, asked: null },
  runs: 12,
  nextRunAt: '2026-05-01T13:00:00.000Z',
  allowed: ['pause', 'stop', 'terminate'],
  endedAt: null,
};

export const queuedJob: Job = {
  ...job,
  state: 'queued',
  counts: { discovered: 0, stored: 0, shared: 0, skipped: 0, failed: 0, pending: 0 },
  pages: { discovered: 0, done: 0, failed: 0, pending: 0 },
  allowed: ['pause', 'stop', 'terminate'],
  startedAt: null,
  endedAt: null,
  updatedAt: AT,
  rev: 1,
};

export const jobError: JobError = {
  kind: 'image',
  url: 'https://example.org/missing.png',
  code: 'http_status',
  message: 'The server answered 404',
  attempt: 1,
  status: 404,
  at: LATER,
};

export const item: Item = {
  id: ITEM_ID,
  kind: 'image',
  url: 'https://example.org/sunset.png',
  finalUrl: 'https://example.org/sunset.png',
  page: 'https://example.org/gallery',
  source: 'web-images',
  data: { alt: 'A sunset' },
  file: {
    url: `${BASE}/files/${PATH}`,
    type: 'image/png',
    bytes: 20480,
    sha256: SHA,
    width: 640,
    height: 480,
  },
  revision: 1,
  storedAt: LATER,
  checkedAt: LATER,
};

export const image: Image = {
  id: ITEM_ID,
  url: item.url,
  static_url: `${BASE}/files/${PATH}`,
  type: 'image/png',
  width: 640,
  height: 480,
  bytes: 20480,
  sha256: SHA,
  alt: 'A sunset',
  page: item.page,
  stored_at: LATER,
};

export const text: Text = {
  id: ITEM_ID,
  url: 'https://example.org/articles/magpies',
  title: 'On magpies',
  text: 'Magpies collect.\n\nThey keep each thing once.',
  markdown: '# On magpies\n\nMagpies collect.\n\nThey keep each thing once.',
  language: 'en',
  byline: 'A. Author',
  published_at: '2026-04-30',
  word_count: 7,
  stored_at: LATER,
};

const task = {
  id: JOB_ID,
  state: 'completed' as const,
  urls: ['https://example.org/gallery'],
  counts,
  pages,
  error: null,
  created_at: AT,
  updated_at: LATER,
  ended_at: LATER,
  job_url: `${BASE}/api/v1/jobs/${JOB_ID}`,
};
export const imagesTask: ImagesTask = { ...task, images_url: `${BASE}/images_tasks/${JOB_ID}/images` };
export const textTask: TextTask = { ...task, text_url: `${BASE}/text_tasks/${JOB_ID}/text` };

export const source: Source = {
  id: 'web-images',
  summary: 'Every image on the given pages',
  version: '1',
  params: {
    type: 'object',
    required: ['urls'],
    properties: { urls: { type: 'array', items: { type: 'string', format: 'http-url' } } },
  },
  emits: { image: { type: 'object' } },
  batch: { image: 10 },
  lastSeenAt: LATER,
};

export const deadLetter = {
  id: ITEM_ID,
  reason: 'malformed',
  error: 'magpie.results@1: /outcomes must be array',
  exchange: 'magpie.results',
  routingKey: 'web-images',
  type: 'magpie.results',
  consumer: 'storage.results.store',
  headers: { 'x-magpie-version': 1 },
  bytes: 17,
  text: '{"outcomes":null}',
  at: LATER,
};
