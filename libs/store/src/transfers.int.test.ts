import { randomBytes } from 'node:crypto';
import { newId } from '@magpie/domain';
import { openStore, type Store } from './connect.ts';
import { stagesOf } from './query-plan.ts';
import { createTransfer, dueQuery, dueTransfers, type DueTransfers } from './transfers.ts';

let store: Store;
beforeAll(async () => {
  const url = process.env['MAGPIE_TEST_MONGODB_URL'];
  if (!url) throw new Error('MAGPIE_TEST_MONGODB_URL is not set: these tests need a real MongoDB');
  store = openStore({ url, database: `due-${randomBytes(6).toString('hex')}` });
  await store.prepare();
});
afterAll(async () => {
  await store.connection.dropDatabase();
  await store.close();
});

const RUNNING: DueTransfers = {
  kinds: ['import', 'export'],
  states: ['queued', 'running', 'waiting'],
};

test('what is due is found by priority and age, by its index alone, however many there are', async () => {
  const make = async (priority: 'high' | 'normal' | 'low', set: object = {}): Promise<string> => {
    const wanted = { kind: 'import', options: {}, correlationId: newId(), priority } as const;
    const { job } = await createTransfer(store, wanted);
    await store.jobs.collection.updateOne({ _id: job._id } as never, { $set: set });
    return job._id;
  };
  const low = await make('low');
  const normal = await make('normal', { state: 'running' });
  await make('high', { state: 'waiting', waiting: { until: new Date(Date.now() + 60_000) } });
  await make('high', { 'transfer.lease': { holder: 'x', until: new Date(Date.now() + 60_000) } });
  await make('high', { state: 'paused' });
  const high = await make('high', { state: 'waiting', waiting: { until: new Date(0) } });
  const mine = await make('high');
  const later = await make('normal');
  const over = Array.from({ length: 2000 }, (_, i) => ({
    _id: `over${String(i)}`,
    state: 'completed',
    rank: 0,
    transfer: { kind: 'import', lease: null },
  }));
  await store.jobs.collection.insertMany(over as never);
  const queued = over.map((job) => ({ ...job, _id: `z${job._id}`, state: 'queued', rank: 2 }));
  await store.jobs.collection.insertMany(queued as never);

  expect(await dueTransfers(store, RUNNING, [mine], 4)).toEqual([high, normal, later, low]);
  const { filter, sort, limit, hint } = dueQuery(RUNNING, [mine], 4, new Date());
  const plan = await store.jobs.collection
    .find(filter, { sort: sort as never, limit: limit as number, hint: hint as string })
    .explain('executionStats');
  const stages = stagesOf(plan['queryPlanner']).map(({ stage }) => stage);
  expect(stages).toContain('IXSCAN');
  expect(stages).not.toContain('SORT');
  expect(plan['executionStats'].totalKeysExamined).toBeLessThan(30);
});
