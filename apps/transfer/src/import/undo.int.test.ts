/** What other jobs have of it, and deaths in between, when imports are taken back. */
import { loadTargets } from '@magpie/store';
import { commitWork, type Work } from '../engine/work.ts';
import { urlOf } from '../testing/import-files.ts';
import { World } from '../testing/world.ts';
import { forgetAnnounced } from './items-sink.ts';
import { undoImport } from './undo.ts';

let world: World;
beforeAll(async () => {
  world = await World.make({}, { services: 0 });
});
afterAll(() => world.close());
afterEach(() => world.clear());

const file = (from: number, to: number): string =>
  `url\n${Array.from({ length: to - from }, (_, i) => urlOf(from + i)).join('\n')}\n`;

/** The items, with how many have them. */
const kept = async (): Promise<[string, number][]> =>
  (await world.store.items.collection.find({}).sort({ _id: 1 }).toArray()).map((item) => [
    String(item['url']),
    item['refs'] as number,
  ]);

describe('of imports that have rows in common, all taken back, nothing is left', () => {
  test.each([
    ['in their order', [0, 1, 2]],
    ['the other way round', [2, 1, 0]],
    ['the second one first', [1, 0, 2]],
    ['the second one last', [0, 2, 1]],
  ])('%s', async (_, order) => {
    await world.addService();
    const ids: string[] = [];
    for (const [from, to] of [
      [0, 60],
      [40, 100],
      [50, 110],
    ] as const) {
      const id = await world.transfer('import', { upload: await world.upload(file(from, to)), as: 'items' });
      await world.until(id, 'completed');
      ids.push(id);
    }
    const left = new Set(ids);
    for (const place of order) {
      const id = ids[place] as string;
      await world.control(id, 'terminate');
      await world.eventually(
        () => world.job(id),
        ({ state }) => state === 'terminated',
      );
      left.delete(id);
      // Of each item that is left somebody has it, and one of those goes with it.
      const brought = await world.store.links.collection.countDocuments({ brought: true } as never);
      const items = await kept();
      expect(brought).toBe(items.length);
      expect(items.every(([, refs]) => refs > 0)).toBe(true);
      const links = await world.store.links.collection.countDocuments({ jobId: { $in: [...left] } } as never);
      expect(items.reduce((sum, [, refs]) => sum + refs, 0)).toBe(links);
    }
    expect(await kept()).toEqual([]);
  });
});

test('what was put in before a death and another import shares goes with that one', async () => {
  await world.addService();
  const first = await world.transfer('import', { upload: await world.upload(file(0, 50)), as: 'items' });
  await world.until(first, 'completed');
  const second = await world.transfer('import', { upload: await world.upload(file(0, 50)), as: 'items' });
  await world.until(second, 'completed');
  // As the first one's death leaves it: announced, put in, not linked.
  const links = world.store.links.collection;
  const announced = (await links.find({ jobId: first } as never).toArray()).map(({ target }) =>
    String(target),
  );
  await links.deleteMany({ jobId: first } as never);
  await world.store.transaction((session) =>
    forgetAnnounced(world.store, session, first, { announced, rows: 0 }),
  );
  expect((await kept()).map(([, refs]) => refs)).toEqual(announced.map(() => 1));
  await world.control(second, 'terminate');
  await world.eventually(
    () => world.job(second),
    ({ state }) => state === 'terminated',
  );
  expect(await kept()).toEqual([]);
});

describe('of what was put in before a death', () => {
  const rowsOf = async (): Promise<unknown[]> =>
    (await world.store.items.collection.find({}).sort({ importedRow: 1 }).toArray()).map(
      ({ importedRow }) => importedRow as unknown,
    );
  const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

  test('what is linked stays, though a later row has it again', async () => {
    await world.addService();
    const id = await world.transfer('import', { upload: await world.upload(file(0, 50)), as: 'items' });
    await world.until(id, 'completed');
    const announced = (await world.store.items.collection.find({}).toArray()).map(({ _id }) => String(_id));
    await world.store.transaction((session) =>
      forgetAnnounced(world.store, session, id, { announced, rows: 30 }),
    );
    expect(await rowsOf()).toEqual(upTo(30));
  });

  test('what comes late, from a service that was frozen, is brought as if it had not been there', async () => {
    await world.addService();
    const first = await world.transfer('import', { upload: await world.upload(file(0, 50)), as: 'items' });
    await world.until(first, 'completed');
    await world.closeServices();
    const second = await world.transfer('import', { upload: await world.upload(file(0, 60)), as: 'items' });
    await world.store.links.collection.deleteMany({ jobId: first } as never);
    await world.store.items.collection.updateMany({}, { $set: { importedBy: second } });
    await world.addService();
    expect((await world.until(second, 'completed')).counts).toMatchObject({
      stored: 60,
      shared: 0,
      skipped: 0,
    });
    expect(await world.store.links.collection.countDocuments({ jobId: second, brought: true } as never)).toBe(
      60,
    );
    expect((await kept()).map(([, refs]) => refs)).toEqual(upTo(60).map(() => 1));
  });
});

test('a death while targets are taken back: each is counted once', async () => {
  const id = await world.transfer('import', { upload: 'x', as: 'targets' });
  const keys = Array.from({ length: 2500 }, (_, i) => `page${String(i)}`);
  await loadTargets(world.store, { id: 'load', source: 'facebook-pages' }, keys);
  await world.store.jobs.collection.updateOne({ _id: id } as never, {
    $set: {
      state: 'terminating',
      'transfer.lease': { holder: 'me', until: new Date(Date.now() + 60_000) },
      'transfer.checkpoint': { load: { id: 'load', count: keys.length } },
    },
  });
  let deaths = 0;
  const work = async (dies: boolean): Promise<Work> => ({
    store: world.store,
    id,
    job: await world.job(id),
    signal: new AbortController().signal,
    goesOn: false,
    surelyOurs: () => undefined,
    commit: async (change, options) => {
      if (dies && deaths++ >= 0) throw new Error('died');
      await commitWork(world.store, id, 'me', typeof change === 'object' ? change : {}, options);
    },
  });
  for (let more = true; more;) {
    // Dead before the first commit of each turn.
    await expect(undoImport(await work(true), world.places)).rejects.toThrow('died');
    more = await undoImport(await work(false), world.places);
  }
  expect(deaths).toBeGreaterThan(2);
  expect((await world.job(id)).transfer.report).toEqual({
    rolledBack: { links: 0, items: 0, targets: 2500, jobs: 0 },
  });
  expect(await world.store.targets.collection.countDocuments({})).toBe(0);
  expect(await world.store.targetLoads.collection.countDocuments({})).toBe(0);
});
