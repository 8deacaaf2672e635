import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDemoData, noteDemo, recallDemo } from './memory.ts';

let data: string;
beforeEach(async () => (data = await mkdtemp(join(tmpdir(), 'magpie-demo-'))));
afterEach(() => rm(data, { recursive: true, force: true }));

const HOUR = 3_600_000;
const noted = (hours: number) => ({
  since: Date.now() - hours * HOUR,
  ports: { youtube: 4242 },
  jobs: { 'youtube-search': 'a' },
});

it('begins where nothing is noted, and marks the directory', async () => {
  expect(await isDemoData(data)).toBe(false);
  const began = Date.now();
  const memory = await recallDemo(data);
  expect(memory).toEqual({ since: expect.any(Number), ports: {}, jobs: {} });
  expect(memory.since).toBeGreaterThanOrEqual(began);
  await noteDemo(data, memory);
  expect(await isDemoData(data)).toBe(true);
});

it('goes on with what is noted', async () => {
  await noteDemo(data, noted(30));
  expect(await recallDemo(data)).toMatchObject({ ports: { youtube: 4242 }, jobs: { 'youtube-search': 'a' } });
  expect((await recallDemo(data)).since).toBeLessThan(Date.now() - 29 * HOUR);
});

it('has new posts and videos after a week, for the same jobs', async () => {
  await noteDemo(data, noted(24 * 8));
  const began = Date.now();
  const memory = await recallDemo(data);
  expect(memory).toMatchObject({ ports: { youtube: 4242 }, jobs: { 'youtube-search': 'a' } });
  expect(memory.since).toBeGreaterThanOrEqual(began);
});
