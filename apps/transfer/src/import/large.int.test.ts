/**
 * A file with 1 % bad rows and some that it has twice, into a database that has some of it: killed three times, then
 * taken back. Of any size: `MAGPIE_TEST_ROWS`.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { mixedFile, reasonsOf, urlOf } from '../testing/import-files.ts';
import { pause, World } from '../testing/world.ts';

const ROWS = Number(process.env['MAGPIE_TEST_ROWS'] ?? 10_000);
const SECONDS = 120 + ROWS / 100;
jest.setTimeout(4 * SECONDS * 1000);

let world: World;
beforeEach(async () => {
  world = await World.make({}, { services: 0 });
});
afterEach(() => world.close());

/** Every document but one job, as it stands, and how many bytes they have in the database; by collection. */
async function database(without: string): Promise<Record<string, unknown>> {
  const known: Record<string, unknown> = {};
  const names = await world.store.connection.listCollections();
  for (const { name } of names.sort((a, b) => a.name.localeCompare(b.name))) {
    const collection = world.store.connection.collection(name);
    const filter = { _id: { $ne: without } } as never;
    const hash = createHash('sha256');
    for await (const document of collection.find(filter).sort({ _id: 1 }))
      hash.update(JSON.stringify(document));
    const [size] = await collection
      .aggregate([
        { $match: filter },
        { $group: { _id: null, documents: { $sum: 1 }, bytes: { $sum: { $bsonSize: '$$ROOT' } } } },
      ])
      .toArray();
    known[name] = {
      hash: hash.digest('hex'),
      documents: size?.['documents'] ?? 0,
      bytes: size?.['bytes'] ?? 0,
    };
  }
  return known;
}

/** Every file below the directory of the data, with its size and what is in it. */
async function disk(): Promise<string[]> {
  const entries = await readdir(world.data, { recursive: true, withFileTypes: true });
  const files = entries.map(async (entry) => {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile()) return `${path}/`;
    const hash = createHash('sha256');
    for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
    return `${path} ${String((await stat(path)).size)} ${hash.digest('hex')}`;
  });
  return (await Promise.all(files)).sort();
}

/** The most memory that a process ever had, MB. */
const peakOf = async (pid: number | undefined): Promise<number> =>
  Math.round(
    Number(/VmHWM:\s+(\d+)/.exec(await readFile(`/proc/${String(pid)}/status`, 'utf8'))?.[1]) / 1024,
  );

test('killed three times, no row is twice or lost; taken back, all is as it was before, to the byte', async () => {
  const file = mixedFile(ROWS);
  const had = Array.from({ length: Math.ceil(ROWS / 50) }, (_, i) => urlOf(i * 50));
  const service = await world.addService();
  const old = await world.transfer('import', { upload: await world.upload(had.join('\n')), as: 'items' });
  await world.until(old, 'completed', SECONDS);
  await service.close();
  const upload = await world.upload(file.text);
  const before = { database: await database(''), disk: await disk() };

  const id = await world.transfer('import', { upload, as: 'items' });
  /** Killed in the middle; its lease runs out at once, and what it sent last has arrived. */
  const killed = async (running: ReturnType<World['spawn']>): Promise<void> => {
    await running.kill();
    await pause(1000);
    await world.store.jobs.collection.updateOne({ _id: id, 'transfer.lease': { $ne: null } } as never, {
      $set: { 'transfer.lease.until': new Date(0) },
    });
  };
  const told: unknown[] = [];
  const note = async (what: string, running: ReturnType<World['spawn']>): Promise<void> => {
    if (process.platform === 'linux')
      told.push(`${what}: at most ${String(await peakOf(running.child.pid))} MB`);
  };
  const places = [1, 2, 3].map(() => Math.floor(Math.random() * ROWS * 0.8)).sort((a, b) => a - b);
  for (const place of places) {
    const running = world.spawn();
    const { counts } = await world.eventually(
      () => world.job(id),
      ({ counts }) => counts.discovered > place,
      SECONDS,
    );
    await note(`killed at row ${String(counts.discovered)}`, running);
    await killed(running);
    expect(await world.store.links.collection.countDocuments({ jobId: id } as never)).toBe(
      await world.job(id).then(({ counts }) => counts.stored + counts.shared),
    );
  }
  let last = world.spawn();
  const [from, at] = [(await world.job(id)).counts.discovered, performance.now()];
  const job = await world.until(id, 'completed', SECONDS);
  const perSecond = Math.round(((ROWS - from) * 1000) / (performance.now() - at));
  await note(`the last ${String(ROWS - from)} rows, ${String(perSecond)} a second`, last);

  const shared = Math.ceil(ROWS / 100);
  expect(job.counts).toEqual({
    discovered: ROWS,
    stored: file.good - shared,
    shared,
    skipped: file.duplicate,
    failed: file.bad.size,
    pending: 0,
  });
  expect(job.transfer.report).toMatchObject({ rejected: file.bad.size, reasons: reasonsOf(file) });
  const rejects = (await readFile(join(world.places.work(id), 'rejects.csv'), 'utf8'))
    .trimEnd()
    .split('\r\n');
  expect(rejects.slice(1).map((line) => line.split(',').slice(0, 3))).toEqual(
    [...file.bad].map(([line, [column, code]]) => [String(line), column, code]),
  );
  const count = (name: 'items' | 'links', filter: object): Promise<number> =>
    world.store[name].collection.countDocuments(filter as never);
  expect(await count('items', {})).toBe(had.length + file.good - shared);
  expect(await count('items', { refs: 2 })).toBe(shared);
  expect(await count('items', { refs: { $nin: [1, 2] } })).toBe(0);
  expect(await count('links', { jobId: id, state: 'stored', brought: true })).toBe(file.good - shared);
  expect(await count('links', { jobId: id, state: 'shared' })).toBe(shared);

  await world.control(id, 'terminate');
  const taking = performance.now();
  await world.eventually(
    () => count('links', { jobId: id }),
    (left) => left < file.good * 0.7,
    SECONDS,
  );
  await killed(last);
  last = world.spawn();
  const { transfer } = await world.eventually(
    () => world.job(id),
    ({ state }) => state === 'terminated',
    SECONDS,
  );
  await note(`taken back in ${String(Math.round((performance.now() - taking) / 1000))} s`, last);
  expect(transfer.report).toEqual({
    rolledBack: { links: file.good, items: file.good - shared, targets: 0, jobs: 0 },
  });
  await last.kill();
  expect({ database: await database(id), disk: await disk() }).toEqual(before);
  if (process.env['MAGPIE_TEST_ROWS'] !== undefined) process.stderr.write(`${told.join('\n')}\n`);
});
