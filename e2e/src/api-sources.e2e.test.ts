/** The API sources on the whole platform: three YouTube collectors, two storages, doubles of the providers. */
import { jest } from '@jest/globals';
import type { Job, JobError, Plan } from '@magpie/contracts';
import { ApiWorld, pageNames } from './api/api-world.ts';
import { searchForSecrets } from './api/canary.ts';
import { pause, range, type World } from './world.ts';

jest.setTimeout(180_000);

const DAY = 86_400_000;
let api: ApiWorld;
let world: World;

beforeAll(async () => {
  api = await ApiWorld.make({
    replicas: { storage: 2, 'youtube-search': 3, 'facebook-pages': 2 },
    instagram: { posts: 1500, topMedia: 120 },
    youtube: {
      videos: 6000,
      quotaPerDay: { shared: 450, alone: 300, late: 5000, wide: 1_000_000, faulty: 1_000_000 },
    },
  });
  world = api.world;
});
afterAll(() => api?.close());

const iso = (at: number): string => new Date(at).toISOString();
const watch = (id: string): string => `https://www.youtube.com/watch?v=${id}`;
const urls = async (job: string, kind: string): Promise<string[]> =>
  (await world.items(job)).flatMap((item) => (item.kind === kind ? [item.url] : [])).toSorted();

test('without a key a job is refused, with how to come by one, and a plan says so', async () => {
  const params = { tag: '#sunset' };
  for (const [source, title, params] of [
    ['instagram-hashtag', 'instagram', { tag: '#sunset' }],
    ['youtube-search', 'youtube', { q: 'cricket' }],
    ['facebook-pages', 'facebook', { pages: ['page00001'] }],
  ] as const) {
    const refused = await world.call<{ code: string; detail: string }>('POST', '/api/v1/jobs', {
      source,
      params,
    });
    expect(refused).toMatchObject({ status: 422, body: { code: 'missing_credential' } });
    expect(refused.body.detail).toContain(title);
    expect(refused.body.detail).toContain('POST /api/v1/credentials');
  }
  const { status, body } = await world.call<Plan>('POST', '/api/v1/plan', {
    source: 'instagram-hashtag',
    params,
  });
  expect([status, body.credentials, body.warnings.map(({ code }) => code)]).toEqual([
    200,
    0,
    ['missing_credential'],
  ]);
});
