/** The examples of the API's documentation: a key, and what a job would cost. */
import type { Credential, Plan } from '@magpie/contracts';

export const credentialExample: Credential = {
  id: '1l4m3k7v2q9h0c8s5t6d1g',
  provider: 'youtube',
  name: 'first project',
  account: null,
  project: 'first-project',
  state: 'active',
  reason: null,
  order: 7318349496320000,
  unitsPerDay: 10_000,
  usedToday: 4242,
  day: '2026-05-01',
  resetsAt: '2026-05-02T07:00:00.000Z',
  exhaustedUntil: null,
  callsPerHour: null,
  costs: { 'search.list': 100, 'videos.list': 1 },
  addedAt: '2026-04-01T12:00:00.000Z',
  lastUsedAt: '2026-05-01T12:00:00.000Z',
  lastExhaustedAt: null,
  restsUntil: null,
  distinct: null,
};

export const planExample: Plan = {
  source: 'youtube-search',
  provider: 'youtube',
  credentials: 1,
  runsPerDay: 2880,
  requests: { perRun: 2, perDay: 5760 },
  operations: [
    {
      operation: 'search.list',
      perRun: 1,
      mostPerRun: 5,
      perDay: 2880,
      unitsEach: 100,
      unitsPerDay: 288_000,
    },
    { operation: 'videos.list', perRun: 1, mostPerRun: 5, perDay: 2880, unitsEach: 1, unitsPerDay: 2880 },
  ],
  unitsPerRun: 101,
  unitsPerDay: 290_880,
  quotaPerDay: 10_000,
  quotaLasts: 2970,
  shortestInterval: { duration: 'PT14M33S', seconds: 873 },
  carried: false,
  interval: { duration: 'PT14M33S', seconds: 873 },
  schedule: {
    every: 'PT14M33S',
    cron: null,
    timeZone: 'UTC',
    until: null,
    jitter: null,
    asked: 'PT30S',
  },
  firstRunAt: '2026-05-01T12:00:00.000Z',
  limits: [],
  warnings: [
    {
      code: 'quota_too_small',
      message:
        'Every PT30S costs 290,880 units of YouTube Data API v3 a day, and the keys have 10,000 a day: it runs every PT14M33S.',
    },
  ],
};
