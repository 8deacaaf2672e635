import { defineSource, step } from '@magpie/collector-kit';
import { PAGES_A_CALL, PagesInput, Params, settings } from './params.ts';
import { readPages } from './read-pages.ts';

export default defineSource({
  id: 'facebook-pages',
  summary: 'How many fans and followers pages on Facebook have, again and again',
  params: Params,
  emits: {},
  settings,
  schedule: { every: 'PT10M' },
  retries: { times: 3, delayMs: 60_000 },
  batch: { pages: 4 },
  provider: {
    id: 'facebook',
    title: 'Facebook Graph API',
    howTo:
      'Make an app at developers.facebook.com, have it approved for Page Public Content Access, and take the access token of one of its system users.',
    // Calls are bounded by the hour, and the provider says how much of that is used; there are no units of quota.
    operations: { page: 0 },
    steps: { pages: { page: PAGES_A_CALL } },
    perRun: { page: { usual: { param: 'pages' } } },
    perRequest: { page: PAGES_A_CALL },
  },
  targets: { param: 'pages', step: 'pages', perStep: PAGES_A_CALL, jumpParam: 'jumpFactor' },
  limits: [
    'Pages that are published and open to everybody, through the feature Page Public Content Access',
    'Of pages with the new pages experience, fan_count is the number of followers',
    'What a page had before it was first measured',
  ],
  steps: { pages: step(PagesInput, readPages) },
});
