/** An import as a user asks for it, while the database goes away. */
import { jest } from '@jest/globals';
import type { Job } from '@magpie/contracts';
import { idOf } from '@magpie/domain';
import { openStore } from '@magpie/store';
import { addsUp, pause, World } from './world.ts';

jest.setTimeout(600_000);

const ROWS = 30_000;

let world: World;
beforeAll(async () => {
  world = await World.make({ env: { MAGPIE_DISK_RESERVE: '0' } });
});
afterAll(() => world?.close());

test('MongoDB dies in the middle and comes back: no row is twice or lost', async () => {
  const rows = Array.from({ length: ROWS }, (_, i) =>
    i % 100 === 50 ? 'no address,bad' : `https://example.org/${i},Title ${i}`,
  );
  const made = await world.call<{ job_id: string }>('POST', '/api/v1/new-job/');
  const upload = made.body.job_id;
  const sent = await fetch(new URL(`/api/v1/upload/?job_id=${upload}`, world.platform.url), {
    method: 'POST',
    headers: { 'content-type': 'text/csv' },
    body: `url,title\n${rows.join('\n')}\n`,
  });
  expect(sent.status).toBe(201);
  await sent.text();
  // An item that is being put in by another one: the import waits there until that one is gone with the database.
  const store = openStore({ url: world.servers.mongodbUrl });
  let body: Job;
  try {
    await store.connected();
    const other = await store.connection.startSession();
    other.startTransaction();
    const held = { _id: idOf('page', `https://example.org/${ROWS - 5000}`) };
    await store.items.collection.insertOne(held as never, { session: other });
    ({ body } = await world.call<Job>('POST', '/api/v1/imports', { upload, as: 'items' }));
    await world.eventually(
      () => world.job(body.id),
      ({ counts }) => counts.discovered > 0,
      60_000,
      5,
    );
    await world.servers.mongodb!.kill();
  } finally {
    // With its sessions.
    await store.close();
  }
  await pause(1000);
  await world.servers.mongodb!.restart();
  const back = await world.eventually(
    () => world.job(body.id),
    (job) => job.id === body.id,
  );
  // It was in the middle.
  expect(back.counts.discovered).toBeLessThan(ROWS);
  const job = await world.until(body.id, 'completed');
  const bad = ROWS / 100;
  expect(job.counts).toMatchObject({
    discovered: ROWS,
    stored: ROWS - bad,
    shared: 0,
    skipped: 0,
    failed: bad,
  });
  expect(addsUp(job)).toBe(true);
  const rejects = await fetch(new URL(`/api/v1/imports/${body.id}/rejects`, world.platform.url));
  const lines = (await rejects.text()).trimEnd().split('\r\n').slice(1);
  expect(lines.map((line) => Number(line.split(',')[0]))).toEqual(
    Array.from({ length: bad }, (_, i) => 100 * i + 52),
  );
  await world.control(body.id, 'terminate');
  const { transfer } = await world.until(body.id, 'terminated');
  expect(transfer?.report['rolledBack']).toMatchObject({ links: ROWS - bad, items: ROWS - bad });
  expect((await world.call<{ items: unknown[] }>('GET', '/api/v1/items')).body.items).toEqual([]);
});
