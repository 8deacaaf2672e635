import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { playJob, png, serveSite, type PlayedJob, type Site } from '@magpie/collector-kit/testing';
import source from './source.ts';

let filesRoot: string;
let site: Site;

beforeEach(async () => {
  filesRoot = await mkdtemp(join(tmpdir(), 'magpie-web-images-'));
  site = await serveSite();
});

afterEach(async () => {
  await site.close();
  await rm(filesRoot, { recursive: true });
});

const play = (params: Record<string, unknown>): Promise<PlayedJob> => playJob(source, params, { filesRoot });
const paths = (job: PlayedJob): string[] => job.items.map(({ url }) => url.replace(site.origin, '')).sort();

test('the images of a page are fetched, each once, with what the page says of them', async () => {
  site.route(
    '/',
    '<img src="a.png" alt="An a"><img src="/a.png#again"><img src="b.png"><a href="/next">next</a>',
  );
  site.route('/a.png', png(3, 4));
  site.route('/b.png', png(5, 6));
  const job = await play({ urls: [site.url('/')] });
  expect(paths(job)).toEqual(['/a.png', '/b.png']);
  expect(job.items.find(({ url }) => url.endsWith('a.png'))).toMatchObject({
    kind: 'image',
    page: site.url('/'),
    data: { alt: 'An a', via: 'img', type: 'image/png', width: 3, height: 4 },
    file: { type: 'image/png', width: 3, height: 4, fresh: true },
  });
  expect(site.hits('/a.png')).toBe(1);
  expect(site.hits('/next')).toBe(0);
  expect(job.undone).toEqual([]);
});
