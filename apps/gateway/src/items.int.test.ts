import type { Item } from '@magpie/contracts';
import { itemOf, keep } from './testing/ledger.ts';
import { makeJob, startGateway, type TestGateway } from './testing/gateway.ts';

interface PageBody {
  items: Item[];
  next: string | null;
}

describe('items', () => {
  let gateway: TestGateway;
  let jobId: string;
  const at = Date.parse('2026-05-01T00:00:00Z');
  const dated = (day: number) => ({
    order: (at + day * 86_400_000) * 4096,
    storedAt: new Date(at + day * 86_400_000),
  });
  const magpie = itemOf('https://birds.example/magpie', {
    kind: 'text',
    data: { title: 'On magpies', text: 'They collect shiny things.' },
    ...dated(0),
  });
  const crow = itemOf('https://birds.example/crow', {
    kind: 'text',
    data: { title: 'Crows', text: 'Not magpies at all, and not shiny.' },
    ...dated(1),
  });
  const sunset = itemOf('https://photos.example/sunset.png', {
    data: { alt: 'A shiny sunset' },
    ...dated(2),
  });
  const port = itemOf('http://photos.example:8080/port.png', { host: 'photos.example:8080', ...dated(3) });

  beforeAll(async () => {
    gateway = await startGateway();
    jobId = await makeJob(gateway.app);
    await keep(gateway.store, jobId, [sunset, magpie]);
    await gateway.store.items.collection.insertMany([crow, port] as never[]);
  });
  afterAll(() => gateway.close());

  const get = (url: string) => gateway.app.inject({ method: 'GET', url });
  const urls = async (query: string): Promise<string[]> => {
    const answer = await get(`/api/v1/items?${query}`);
    expect([answer.statusCode, query]).toEqual([200, query]);
    return answer.json<PageBody>().items.map(({ url }) => url);
  };

  it.each([
    ['', [port, sunset, crow, magpie]],
    ['kind=text', [crow, magpie]],
    ['source=web-images', [port, sunset]],
    ['host=photos.example', [sunset]],
    ['host=Photos.Example', [sunset]],
    ['host=photos.example:8080', [port]],
    ['kind=text&host=photos.example', []],
    ['from=2026-05-02&to=2026-05-03T00:00:00Z', [crow]],
    ['from=2026-05-02&kind=image', [port, sunset]],
    ['q=magpies', [magpie, crow]],
    ['q=magpies%20-crows', [magpie]],
    ['q=%22shiny%20things%22', [magpie]],
    ['q=shiny&kind=image', [sunset]],
    ['q=nothing', []],
    [`q=%24ne%20%7B%7D`, []],
    ['q=shiny&from=2026-05-03', [sunset]],
  ] as const)('are found by %s', async (query, found) => {
    expect(await urls(query)).toEqual(found.map(({ url }) => url));
  });

  it('are found by job, with every other filter', async () => {
    expect(await urls(`job=${jobId}`)).toEqual([magpie.url, sunset.url]);
    expect(await urls(`job=${jobId}&kind=text`)).toEqual([magpie.url]);
    expect(await urls(`job=${jobId}&host=photos.example`)).toEqual([sunset.url]);
    expect(await urls(`job=${jobId}&from=2026-05-02`)).toEqual([sunset.url]);
    expect((await urls(`job=${jobId}&q=shiny`)).sort()).toEqual([magpie.url, sunset.url].sort());
    expect(await urls(`job=${jobId}&q=crows`)).toEqual([]);
  });

  it('are shown whole', async () => {
    expect((await get(`/api/v1/items/${sunset._id}`)).json()).toEqual({
      id: sunset._id,
      kind: 'image',
      url: sunset.url,
      finalUrl: sunset.url,
      page: sunset.page,
      source: 'web-images',
      data: { alt: 'A shiny sunset' },
      file: {
        url: `http://magpie.test/files/${sunset.file?.path}`,
        type: 'image/png',
        bytes: 20480,
        sha256: sunset.file?.sha256,
        width: 640,
        height: 480,
      },
      revision: 1,
      storedAt: sunset.storedAt.toISOString(),
      checkedAt: sunset.checkedAt.toISOString(),
    });
  });

  it.each(['kind=page', 'q=page&kind=page'])('are paged, each once, while more come: %s', async (query) => {
    const many = Array.from({ length: 9 }, (_, i) =>
      itemOf(`https://pages.example/${query.length}/${i}`, {
        kind: 'page',
        data: { title: 'page' },
        order: 1000 + (i >> 1),
      }),
    );
    await gateway.store.items.collection.deleteMany({ kind: 'page' });
    await gateway.store.items.collection.insertMany(many as never[]);
    const seen: string[] = [];
    let next: string | null = `/api/v1/items?${query}&limit=2`;
    for (let i = 0; next !== null; i++) {
      const answer = await get(next);
      seen.push(...answer.json<PageBody>().items.map(({ url }) => url));
      next = /^<([^>]+)>/.exec(String(answer.headers['link'] ?? ''))?.[1] ?? null;
      const late = itemOf(`https://pages.example/late/${i}`, {
        kind: 'page',
        data: { title: 'a long late page' },
      });
      if (query === 'kind=page') await gateway.store.items.collection.insertOne(late as never);
    }
    expect([...seen].sort()).toEqual(many.map(({ url }) => url).sort());
  });
});

describe('sources', () => {
  it('are listed and shown with their schemas', async () => {
    const gateway = await startGateway();
    const list = await gateway.app.inject('/api/v1/sources?limit=1');
    expect(list.json()).toMatchObject({ items: [{ id: 'web-images', params: { type: 'object' } }] });
    const rest = await gateway.app.inject(`/api/v1/sources?cursor=${list.json<PageBody>().next}`);
    expect(rest.json()).toMatchObject({ items: [{ id: 'web-text' }], next: null });
    expect((await gateway.app.inject('/api/v1/sources/web-text')).json()).toEqual(
      rest.json<PageBody>().items[0],
    );
    expect((await gateway.app.inject('/api/v1/sources/web-moon')).statusCode).toBe(404);
    await gateway.close();
  });
});
