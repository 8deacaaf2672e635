import { World, type TransferJob } from '../testing/world.ts';
import { Engine } from './engine.ts';
import { TransferFault, type Handler, type Work } from './work.ts';

let world: World;
let engine: Engine;
/** What is done for each transfer, by its `options.as`. */
const runs = new Map<unknown, Handler['run']>();
/** The jobs whose failures are told as errors of the service, and those that are not. */
const errors: (string | undefined)[] = [];
const refusals: string[] = [];
beforeAll(async () => {
  world = await World.make({}, { services: 0 });
  const handler: Handler = {
    run: (work) => runs.get(work.job.transfer.options['as'])!(work),
    stop: () => Promise.resolve(),
    undo: () => Promise.resolve(false),
  };
  engine = new Engine({
    store: world.store,
    handlers: { upload: handler, import: handler, export: handler },
    changed: () => undefined,
    onError: (_, id) => errors.push(id),
    refused: (_, id) => refusals.push(id),
    atOnce: 3,
  });
  engine.start();
});
afterAll(async () => {
  await engine.close();
  await world.close();
});

/** A transfer that is worked on so. */
function start(run: Handler['run']): Promise<string> {
  const as = String(runs.size);
  runs.set(as, run);
  return world.transfer('import', { as });
}

test('a transfer that fails for its file is no error of the service', async () => {
  const id = await start(() => Promise.reject(new TransferFault('not_a_table', 'The file is a PNG image')));
  expect((await world.until(id, 'failed')).error?.code).toBe('not_a_table');
  expect(refusals).toEqual([id]);
  expect(errors).not.toContain(id);
});

// They wait most of the time, each for a longer while, so they are side by side.
describe('what begins anew each time and never gets further than before', () => {
  const again = async (work: Work): Promise<void> => {
    for (const rows of [1000, 2000, 3000]) await work.commit({ rows, bytes: rows * 10 });
  };

  it.concurrent('is given up when it fails five times, and can be tried again', async () => {
    let tries = 0;
    let broken = true;
    const id = await start(async (work) => {
      tries++;
      await again(work);
      if (broken) throw new Error('at the same row');
      await work.commit({ rows: 4000 });
      return true;
    });
    expect((await world.until(id, 'failed')).error?.code).toBe('internal_error');
    // The first one got as far as the others: they alone count.
    expect(tries).toBe(5);
    broken = false;
    await world.control(id, 'retry');
    expect((await world.until(id, 'completed')).transfer).toMatchObject({ rows: 4000, failures: 0 });
  });

  it.concurrent('is given up when its service dies five times', async () => {
    let tries = 0;
    const id = await start(async (work) => {
      tries++;
      await again(work);
      // Whoever holds it is gone, and its lease has run out.
      await world.store.jobs.collection.updateOne({ _id: work.id } as never, {
        $set: { 'transfer.lease': { holder: `dead${tries}`, until: new Date(0) } },
      });
      throw new Error('died');
    });
    expect((await world.until(id, 'failed')).error?.code).toBe('transfer_quarantined');
    expect(tries).toBe(5);
    expect(errors).toContain(id);
  });

  it.concurrent('is not given up as long as each gets further, or a retry begins anew', async () => {
    let reached = 0;
    const id = await start(async (work) => {
      await work.commit({ rows: 0 });
      await work.commit({ rows: ++reached * 100 });
      if (reached % 7 > 0) throw new Error('a row later each time');
      return true;
    });
    await world.until(id, 'completed');
    reached = 0;
    await world.store.jobs.collection.updateOne({ _id: id } as never, { $set: { state: 'stopped' } });
    await world.control(id, 'retry');
    const job: TransferJob = await world.until(id, 'completed');
    expect(job.transfer.rows).toBe(700);
  });
});
