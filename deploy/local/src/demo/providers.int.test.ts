import { createServer } from 'node:net';
import type { DemoMemory } from './memory.ts';
import { startDemoProviders, type DemoProviders } from './providers.ts';

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

async function start(memory: DemoMemory, everyMs?: number): Promise<DemoProviders> {
  const providers = await startDemoProviders(memory, everyMs);
  open.push(providers);
  return providers;
}

const remembered = (minutes: number): DemoMemory => ({
  since: Date.now() - minutes * 60_000,
  ports: {},
  jobs: {},
});

async function ask(providers: DemoProviders, name: string, path: string): Promise<unknown> {
  const base = providers.env[`${name.toUpperCase()}_API_URL`];
  const key = providers.credentials.find(({ provider }) => provider === name);
  const separator = path.includes('?') ? '&' : '?';
  const auth = name === 'youtube' ? `key=${key?.secret}` : `access_token=${key?.secret}`;
  const user = key?.account === undefined ? '' : `&user_id=${key.account}`;
  // Without keep-alive: a double that has ended takes its connections with it.
  const answer = await fetch(`${base}${path}${separator}${auth}${user}`, {
    headers: { connection: 'close' },
  });
  expect(answer.status).toBe(200);
  return answer.json();
}

interface Found {
  items: { id: { videoId?: string } }[];
}
const newest = async (providers: DemoProviders, after: number): Promise<string[]> => {
  const from = new Date(after).toISOString();
  const path = `/youtube/v3/search?part=snippet&q=cricket&type=video&order=date&maxResults=50&publishedAfter=${from}`;
  const { items } = (await ask(providers, 'youtube', path)) as Found;
  return items.flatMap(({ id }) => id.videoId ?? []).sort();
};
const posts = async (providers: DemoProviders): Promise<string[]> => {
  const { data: tags } = (await ask(providers, 'instagram', '/v26.0/ig_hashtag_search?q=sunset')) as {
    data: [{ id: string }];
  };
  const path = `/v26.0/${tags[0].id}/recent_media?fields=id&limit=50`;
  const { data } = (await ask(providers, 'instagram', path)) as { data: { id: string }[] };
  return data.map(({ id }) => id);
};

it('has each provider answer to its key, and goes on at the same addresses with the same things', async () => {
  const memory = remembered(10);
  const first = await start(memory);
  const seen = [await newest(first, memory.since), await posts(first)] as const;
  // A new one every half a minute since the beginning.
  expect(seen[0].length).toBeGreaterThanOrEqual(20);
  const page = (await ask(first, 'facebook', '/v26.0/page00001?fields=fan_count')) as { fan_count: number };
  expect(page.fan_count).toBeGreaterThan(0);
  await first.close();
  const second = await start(memory);
  expect(second.env).toEqual(first.env);
  expect(await newest(second, memory.since)).toEqual(expect.arrayContaining([...seen[0]]));
  expect(await posts(second)).toEqual(expect.arrayContaining(seen[1].slice(5, 45)));
});

it('publishes while it runs', async () => {
  const memory = remembered(0);
  const providers = await start(memory, 1000);
  const before = await newest(providers, memory.since);
  const deadline = Date.now() + 50_000;
  while ((await newest(providers, memory.since)).length < before.length + 2) {
    expect(Date.now()).toBeLessThan(deadline);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
});

it('takes other ports where somebody has the last ones', async () => {
  const memory = remembered(0);
  const first = await start(memory);
  await first.close();
  const { hostname, port } = new URL(first.env['FACEBOOK_API_URL'] as string);
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(Number(port), hostname, resolve));
  open.push({ close: () => new Promise((resolve) => other.close(resolve)) });
  const second = await start(memory);
  expect(second.env['FACEBOOK_API_URL']).not.toBe(first.env['FACEBOOK_API_URL']);
  expect(second.env['YOUTUBE_API_URL']).toBe(first.env['YOUTUBE_API_URL']);
  expect(memory.ports['facebook']).toBe(Number(new URL(second.env['FACEBOOK_API_URL'] as string).port));
});
