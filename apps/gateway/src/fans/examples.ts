import type { Company, Coverage, FanChart, FanPages, FanRow, Target } from '@magpie/contracts';
import { JOB_ID } from '../examples.ts';

const AT = '2026-05-01T12:00:00.000Z';
const LATER = '2026-05-01T12:10:00.000Z';

export const chart: FanChart = {
  page: 'nasa',
  interval: 'raw',
  labels: [AT, LATER],
  data: [27_000_100, 27_000_180],
  followers: [28_100_000, 28_100_090],
};

export const row: FanRow = {
  at: LATER,
  fans: 27_000_180,
  followers: 28_100_090,
  fans_change: { absolute: 80, percent: 0.0003 },
  followers_change: { absolute: 90, percent: 0.0003 },
  suspect: false,
};

export const pages: FanPages = {
  interval: 'raw',
  labels: [AT, LATER],
  pages: [
    { page: 'nasa', data: [27_000_100, 27_000_180], followers: [28_100_000, 28_100_090] },
    { page: 'esa', data: [null, 1_900_400], followers: [null, 2_000_100] },
  ],
};

export const company: Company = {
  name: 'NASA',
  pages: ['nasa', 'nasajpl'],
  added_at: AT,
  job_url: `http://127.0.0.1:8080/api/v1/jobs/${JOB_ID}`,
};

export const target: Target = {
  key: 'nasa',
  state: 'active',
  since: AT,
  name: 'NASA - National Aeronautics and Space Administration',
  movedTo: null,
  message: null,
  misses: 0,
  last: { at: LATER, values: { fan_count: 27_000_180, followers_count: 28_100_090 }, suspect: false },
  nextAt: null,
  addedAt: AT,
};

export const coverage: Coverage = {
  seen: { from: AT, to: LATER },
  limits: ['What a page had before it was first measured'],
  targets: { active: 2, unknown: 1 },
  samples: { expected: 6, kept: 4 },
  openGaps: { targets: 0, since: null },
  gaps: {
    items: [{ target: 'nasa', from: AT, to: LATER, missed: 1, reason: 'missed' }],
    next: null,
  },
};
