import { jest } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { newId, nextOrder } from '@magpie/domain';
import { openStore, type Store } from './connect.ts';
import type { ItemDocument, LinkDocument } from './documents.ts';
import { countExport, exportBatches, exportBound, type ExportSelection } from './export-items.ts';
import { EXPORT_QUERIES } from './export-queries.ts';
import { ExportTooBroad } from './export-reading.ts';
import { stagesOf } from './query-plan.ts';
import type { Place, Query } from './queries.ts';
import { TIDY_QUERIES } from './tidy-queries.ts';

const JOB = newId();
const DAY = 86_400_000;
const FIRST = Date.parse('2026-05-01T00:00:00Z');
const KINDS = ['image', 'text', 'video'];
const HOSTS = ['example.org:443', 'example.org:8080', 'other.example:80'];
const period = { from: new Date(FIRST + DAY), to: new Date(FIRST + 3 * DAY) };
const everything = { kind: 'image', source: 'web-images', host: 'example.org', ...period };
const place: Place = [nextOrder(), 'x'];
const bound = Number.MAX_SAFE_INTEGER;

/** The filter of what is read by its order. */
interface Ranged {
  $and?: [{ order: { $lte: number } }, { order: { $gte: number } }?];
}

/** 600 items over five days, some of one order; every third is the job's. */
const items: ItemDocument[] = Array.from({ length: 600 }, (_, i) => {
  const at = new Date(FIRST + Math.floor(i / 2) * (DAY / 60));
  return {
    _id: `item${String((i * 7919) % 600).padStart(4, '0')}`,
    kind: KINDS[i % 3] as string,
    url: `https://example.org/${i}`,
    host: HOSTS[i % 5 === 0 ? 1 : i % 2 === 0 ? 0 : 2] as string,
    finalUrl: `https://example.org/${i}`,
    page: null,
    source: i % 4 === 0 ? 'web-text' : 'web-images',
    data: { title: i % 10 === 0 ? 'A shiny magpie' : 'Nothing', n: i },
    refs: 1,
    revision: 1,
    order: at.getTime() * 4096,
    storedAt: at,
    checkedAt: at,
    outlinks: ['https://example.org/secret'],
  };
});

describe('what an export reads', () => {
  let store: Store;
  let links: LinkDocument[];

  beforeAll(async () => {
    const url = process.env['MAGPIE_TEST_MONGODB_URL'];
    if (!url) throw new Error('MAGPIE_TEST_MONGODB_URL is not set: these tests need a real MongoDB');
    store = openStore({ url, database: `exports-${randomBytes(6).toString('hex')}` });
    await store.prepare();
    await store.items.collection.insertMany(items as never[]);
    links = items
      .filter((_, i) => i % 3 !== 1)
      .map((item, i) => ({
        _id: `${JOB}:${item._id}`,
        jobId: JOB,
        target: item._id,
        of: 'item',
        kind: item.kind,
        url: item.url,
        state: i % 7 === 0 ? 'failed' : i % 2 === 0 ? 'stored' : 'shared',
        order: nextOrder(),
      }));
    await store.links.collection.insertMany(links as never[]);
    await store.jobs.collection.insertMany(
      Array.from({ length: 200 }, (_, i) => ({
        _id: newId(),
        source: i % 2 ? 'export' : 'web-images',
        state: ['completed', 'running'][i % 2],
        transfer: { kind: 'export', expiresAt: i % 4 ? null : new Date(i), lease: null },
      })) as never[],
    );
  });
  afterAll(async () => {
    await store.connection.dropDatabase();
    await store.close();
  });

  const read = async (
    selection: Partial<ExportSelection>,
    options: { after?: Place; size?: number } = {},
  ): Promise<ItemDocument[]> => {
    const found: ItemDocument[] = [];
    for await (const batch of exportBatches(store, { filter: {}, bound, ...selection }, options))
      found.push(...batch.items);
    return found;
  };
  const inOrder = [...items].sort((a, b) => a.order - b.order || (a._id < b._id ? -1 : 1));
  const had = (): ItemDocument[] =>
    links
      .filter(({ state }) => state !== 'failed')
      .map(({ target }) => items.find(({ _id }) => _id === target) as ItemDocument);
  const ids = (list: readonly { _id: string }[]): string[] => list.map(({ _id }) => _id);
  const inPeriod = ({ storedAt }: ItemDocument): boolean => storedAt >= period.from && storedAt < period.to;
  const onHost = ({ host }: ItemDocument): boolean => /^example\.org:(443|80)$/.test(host);

  it.each<[string, Partial<ExportSelection>, () => ItemDocument[]]>([
    ['everything', {}, () => inOrder],
    ['a kind', { filter: { kind: 'image' } }, () => inOrder.filter(({ kind }) => kind === 'image')],
    [
      'a source',
      { filter: { source: 'web-text' } },
      () => inOrder.filter(({ source }) => source === 'web-text'),
    ],
    ['a host', { filter: { host: 'example.org' } }, () => inOrder.filter(onHost)],
    [
      'a host and port',
      { filter: { host: 'example.org:8080' } },
      () => inOrder.filter(({ host }) => host === HOSTS[1]),
    ],
    ['a period', { filter: period }, () => inOrder.filter(inPeriod)],
    [
      'all filters together',
      { filter: everything },
      () =>
        inOrder.filter(
          (item) => item.kind === 'image' && item.source === 'web-images' && onHost(item) && inPeriod(item),
        ),
    ],
    ['a job, in the order in which it came to them', { job: JOB }, () => had()],
    [
      'a job and a kind',
      { job: JOB, filter: { kind: 'image' } },
      () => had().filter(({ kind }) => kind === 'image'),
    ],
    [
      'a job and a period on a host',
      { job: JOB, filter: { ...period, host: 'example.org' } },
      () => had().filter((item) => inPeriod(item) && onHost(item)),
    ],
    ['words', { q: 'shiny' }, () => inOrder.filter(({ data }) => data['title'] === 'A shiny magpie')],
    [
      'words of a kind',
      { q: 'shiny', filter: { kind: 'text' } },
      () => inOrder.filter(({ data, kind }) => data['title'] === 'A shiny magpie' && kind === 'text'),
    ],
    [
      'words of a job',
      { q: 'shiny', job: JOB },
      () => {
        const own = new Set(had());
        return inOrder.filter((item) => item.data['title'] === 'A shiny magpie' && own.has(item));
      },
    ],
    ['nothing', { filter: { kind: 'none' } }, () => []],
  ])('is %s', async (_name, selection, expected) => {
    const all = expected();
    for (const size of [1000, 7]) expect(ids(await read(selection, { size }))).toEqual(ids(all));
    expect(all.length === 0).toBe(selection.filter?.kind === 'none');
    const counted = await countExport(store, { filter: {}, bound, ...selection }, 60_000);
    expect(counted === null || counted === all.length).toBe(true);
    expect(counted === null).toBe(
      selection.job !== undefined && (selection.q !== undefined || selection.filter?.host !== undefined),
    );
  });

  it('goes on from every place, with nothing twice and nothing left out', async () => {
    for (const selection of [{}, { filter: { kind: 'image' } }, { job: JOB }, { q: 'shiny' }]) {
      const all = await read(selection);
      const places: { place: Place; until: number }[] = [];
      let until = 0;
      for await (const batch of exportBatches(store, { filter: {}, bound, ...selection }, { size: 13 }))
        places.push({ place: batch.place, until: (until += batch.items.length) });
      expect(places.length).toBeGreaterThan(3);
      for (const { place: after, until } of places)
        expect(ids(await read(selection, { after, size: 50 }))).toEqual(ids(all).slice(until));
    }
  });

  it('holds back nothing of an item but what is not shown', async () => {
    const [first] = await read({});
    const { outlinks: _, ...shown } = inOrder[0] as ItemDocument;
    expect(first).toEqual(shown);
  });

  it('ends at its bound', async () => {
    const middle = inOrder[300] as ItemDocument;
    const within = await read({ bound: middle.order });
    expect(ids(within)).toEqual(ids(inOrder.filter(({ order }) => order <= middle.order)));
    expect(within.length).toBeLessThan(items.length);
    const link = links[100] as LinkDocument;
    const own = await read({ job: JOB, bound: link.order });
    const first = links.slice(0, 101).filter(({ state }) => state !== 'failed');
    expect(ids(own)).toEqual(first.map(({ target }) => target));
    const found = await read({ q: 'shiny', bound: middle.order });
    expect(found.every(({ order }) => order <= middle.order)).toBe(true);
  });

  it('is bound by what is stored, also by a clock that is ahead', async () => {
    const at = new Date();
    expect(await exportBound(store, undefined, at)).toBe(at.getTime() * 4096);
    const ahead = nextOrder() + 60_000 * 4096;
    await store.items.collection.insertOne({ ...items[0], _id: 'ahead', url: 'x:', order: ahead } as never);
    expect(await exportBound(store, undefined, at)).toBe(ahead);
    await store.items.collection.deleteOne({ _id: 'ahead' } as never);
    const link = { ...links[1], _id: `${JOB}:ahead`, state: 'stored', order: ahead + 5 };
    await store.links.collection.insertOne(link as never);
    expect(await exportBound(store, JOB, at)).toBe(ahead + 5);
    expect(await exportBound(store, newId(), at)).toBe(at.getTime() * 4096);
    await store.links.collection.deleteOne({ _id: link._id } as never);
  });

  it('comes in batches of about 128 KiB', async () => {
    const text = 'x'.repeat(25_000);
    const large = Array.from({ length: 200 }, (_, i) => ({
      ...items[0],
      _id: `large${String(i).padStart(3, '0')}`,
      kind: 'large',
      url: `https://large.example/${i}`,
      data: { text },
      order: i,
    }));
    await store.items.collection.insertMany(large as never[]);
    await store.links.collection.insertMany(
      large.map(({ _id, order }) => ({
        _id: `large:${_id}`,
        jobId: 'large',
        target: _id,
        of: 'item',
        state: 'stored',
        order,
      })) as never[],
    );
    for (const selection of [{ filter: { kind: 'large' } }, { job: 'large' }]) {
      const batches: string[][] = [];
      for await (const batch of exportBatches(store, { filter: {}, bound, ...selection }))
        batches.push(ids(batch.items));
      expect(batches.flat()).toEqual(ids(large as ItemDocument[]));
      // The first two are asked for before it is known how large they are.
      const sizes = batches.slice(2).map(({ length }) => length);
      expect(sizes.length).toBeGreaterThan(5);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(15);
    }
    await store.items.collection.deleteMany({ kind: 'large' } as never);
  });

  it('leaves no cursor open when it is left in the middle', async () => {
    const open = (): Promise<unknown[]> =>
      store.connection
        .getClient()
        .db('admin')
        .aggregate(
          [
            { $currentOp: { idleCursors: true } },
            { $match: { type: 'idleCursor', ns: `${store.connection.name}.items` } },
          ],
          { readConcern: { level: 'local' } },
        )
        .toArray();
    for await (const batch of exportBatches(store, { filter: {}, bound }, { size: 5 })) {
      expect(batch.items.length).toBeLessThanOrEqual(5);
      // Idle as soon as the next batch, which is on its way, has come.
      while ((await open()).length === 0);
      break;
    }
    expect(await open()).toEqual([]);
  });

  describe('looks through many for a few', () => {
    const even = ({ order }: { order: number }): boolean => order % 2 === 0;
    beforeAll(async () => {
      // Half of them are of the kind, half of the source; of both next to none.
      const many = Array.from({ length: 40_000 }, (_, order) => {
        const both = order % 9000 === 100;
        return {
          ...items[0],
          _id: `many${String(order).padStart(6, '0')}`,
          kind: even({ order }) || both ? 'much' : 'more',
          url: `https://many.example/${order}`,
          source: !even({ order }) || both ? 'web-much' : 'web-more',
          data: { title: 'sparrow' },
          order: order * 1_000_000,
        };
      });
      for (let from = 0; from < many.length; from += 10_000)
        await store.items.collection.insertMany(many.slice(from, from + 10_000) as never[]);
    }, 180_000);
    afterAll(() => store.items.collection.deleteMany({ url: /^https:..many\.example/ } as never));

    it('in ranges, where a query takes too long', async () => {
      const selection = { filter: { kind: 'much', source: 'web-much' }, bound: 40_000 * 1_000_000 };
      // Whatever the speed of the server: of a long range it hasn't the time, of a short one it has.
      const collection = store.items.collection;
      const find = collection.find.bind(collection);
      jest.spyOn(collection, 'find').mockImplementation(((filter: Ranged, options: { maxTimeMS: number }) => {
        const [to, from] = filter.$and ?? [];
        const long = to && to.order.$lte - (from?.order.$gte ?? 0) > selection.bound / 8;
        return find(filter as never, long ? options : { ...options, maxTimeMS: 60_000 });
      }) as never);
      const read: { ids: string[]; place: Place }[] = [];
      for await (const batch of exportBatches(store, selection, { queryMs: 1 }))
        read.push({ ids: ids(batch.items), place: batch.place });
      const expected = [100, 9100, 18_100, 27_100, 36_100].map((n) => `many${String(n).padStart(6, '0')}`);
      expect(read.flatMap(({ ids }) => ids)).toEqual(expected);
      // Where nothing was found is a place too, from which it goes on.
      const nothing = read.filter(({ ids }) => ids.length === 0);
      expect(nothing.length).toBeGreaterThan(0);
      for (const { place } of nothing) {
        const rest: string[] = [];
        for await (const batch of exportBatches(store, selection, { after: place }))
          rest.push(...ids(batch.items));
        const [order] = place;
        expect(rest).toEqual(expected.filter((id) => Number(id.slice(4)) * 1_000_000 >= order));
      }
    });

    it('and says so where that is no help', async () => {
      const batches = exportBatches(store, { filter: {}, q: 'sparrow', bound }, { searchMs: 1 });
      await expect(batches.next()).rejects.toThrow(ExportTooBroad);
    });
  });

  const EXAMPLES: Record<string, Query> = {
    oldestItem: EXPORT_QUERIES.oldestItem(),
    oldestLink: EXPORT_QUERIES.oldestLink(JOB),
    newestItem: EXPORT_QUERIES.newestItem(),
    newestLink: EXPORT_QUERIES.newestLink(JOB),
    'exportedItems, all': EXPORT_QUERIES.exportedItems({}, bound),
    'exportedItems, next': EXPORT_QUERIES.exportedItems({}, bound, place),
    'exportedItems, by kind': EXPORT_QUERIES.exportedItems({ kind: 'image' }, bound, place),
    'exportedItems, by source': EXPORT_QUERIES.exportedItems({ source: 'web-images' }, bound, place),
    'exportedItems, by host': EXPORT_QUERIES.exportedItems({ host: 'example.org' }, bound, place),
    'exportedItems, by time': EXPORT_QUERIES.exportedItems(period, bound),
    'exportedItems, by all': EXPORT_QUERIES.exportedItems(everything, bound, place),
    'exportedLinks, all': EXPORT_QUERIES.exportedLinks(JOB, {}, bound),
    'exportedLinks, next': EXPORT_QUERIES.exportedLinks(JOB, { kind: 'image' }, bound, place),
    exportedMatches: EXPORT_QUERIES.exportedMatches('shiny', everything, bound, place),
    exportedBatch: EXPORT_QUERIES.exportedBatch(['a', 'b'], everything),
    exportedOwner: EXPORT_QUERIES.exportedOwner(JOB),
    exportedBatchHad: EXPORT_QUERIES.exportedBatchHad({ jobId: JOB, rows: 7 }, ['a', 'b'], bound),
    expiredTransfers: TIDY_QUERIES.expiredTransfers(new Date(), 100),
    abandonedUploads: TIDY_QUERIES.abandonedUploads(new Date(), 100),
    jobsOfFiles: TIDY_QUERIES.jobsOfFiles([JOB, 'x']),
    readersOfUpload: TIDY_QUERIES.readersOfUpload('x'),
  };

  it('is explained, every query of it', () => {
    for (const name of [...Object.keys(EXPORT_QUERIES), ...Object.keys(TIDY_QUERIES)])
      expect([name, Object.keys(EXAMPLES).some((key) => key.split(',')[0] === name)]).toEqual([name, true]);
  });

  it.each(Object.entries(EXAMPLES))('has an index: %s', async (name, query) => {
    const collection = store[query.from].collection;
    const plan =
      'pipeline' in query
        ? await collection.aggregate(query.pipeline).explain('queryPlanner')
        : await collection
            .find(query.filter, {
              ...(query.sort && { sort: query.sort }),
              ...(query.projection && { projection: query.projection }),
              ...(query.hint && { hint: query.hint }),
            })
            .explain('queryPlanner');
    const stages = stagesOf(plan).map(({ stage }) => stage);
    expect(stages).not.toContain('COLLSCAN');
    expect(stages.some((stage) => /^(IXSCAN|IDHACK|TEXT_MATCH|EXPRESS.*)$/.test(String(stage)))).toBe(true);
    // Only what a search finds is sorted, and that by its place alone.
    if (name !== 'exportedMatches') expect(stages).not.toContain('SORT');
  });
});
