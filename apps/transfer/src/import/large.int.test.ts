/**
 * A file with 1 % bad rows and some that it has twice, into a database that has some of it: killed three times, then
 * taken back. Of any size: `MAGPIE_TEST_ROWS`. Killed at the same rows again: `MAGPIE_TEST_SEED`.
 */
import { createHash, randomInt } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { mixedFile, reasonsOf, urlOf } from '../testing/import-files.ts';
import { World, type TransferJob } from '../testing/world.ts';

const ROWS = Number(process.env['MAGPIE_TEST_ROWS'] ?? 5000);
/** So few rows are made long, so that they are many batches too, and those are put in late. */
const ARE_FEW = ROWS <= 10_000;
const NOTE = 'odd'.repeat(ARE_FEW ? 1000 : 1);
const SEED = Number(process.env['MAGPIE_TEST_SEED'] ?? randomInt(2 ** 31));
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

/** Numbers in [0, 1) that a seed gives: each is the head of a hash. */
const random = (seed: number, n: number): number =>
  createHash('sha256')
    .update(`${String(seed)}:${String(n)}`)
    .digest()
    .readUInt32BE() /
  2 ** 32;

test(`killed three times, no row is twice or lost; taken back, all is as it was before, to the byte (seed ${String(SEED)})`, async () => {
  const file = mixedFile(ROWS);
  const had = Array.from({ length: Math.ceil(ROWS / 50) }, (_, i) => urlOf(i * 50));
  const service = await world.addService();
  const old = await world.transfer('import', { upload: await world.upload(had.join('\n')), as: 'items' });
  await world.until(old, 'completed', SECONDS);
  await service.close();
  const upload = await world.upload(file.text.replaceAll(',odd\n', `,${NOTE}\n`));
  const before = { database: await database(''), disk: await disk() };

  const id = await world.transfer('import', { upload, as: 'items' });
  /** Killed in the middle, and its lease runs out at once: as it is then. What it sent last may come later. */
  const killed = async (running: ReturnType<World['spawn']>, state: string): Promise<TransferJob> => {
    await running.kill();
    const job = await world.job(id);
    expect(job.state).toBe(state);
    await world.store.jobs.collection.updateOne({ _id: id, 'transfer.lease': { $ne: null } } as never, {
      $set: { 'transfer.lease.until': new Date(0) },
    });
    return job;
  };
  /** Looks without a pause, so that the job does not end meanwhile. */
  const reached = async <T>(what: () => Promise<T>, holds: (value: T) => boolean): Promise<void> => {
    const end = Date.now() + SECONDS * 1000;
    while (!holds(await what())) if (Date.now() > end) throw new Error('never');
  };
  const spawn = async () => world.spawn(ARE_FEW ? { MONGODB_URL: await world.lateUrl() } : {});
  const told: unknown[] = [];
  const note = async (what: string, running: ReturnType<World['spawn']>): Promise<void> => {
    if (process.platform === 'linux')
      told.push(`${what}: at most ${String(await peakOf(running.child.pid))} MB`);
  };
  const counted = async (): Promise<[links: number, brought: number]> => {
    const links = await world.store.links.collection.countDocuments({ jobId: id } as never);
    const { counts } = await world.job(id);
    return [links, counts.stored + counts.shared];
  };
  for (const part of [0, 1, 2]) {
    const place = Math.floor((part + random(SEED, part)) * 0.2 * ROWS);
    const before = (await world.job(id)).counts.discovered;
    const running = await spawn();
    await reached(
      () => world.job(id),
      ({ counts }) => counts.discovered > Math.max(place, before),
    );
    await note(`killed beyond row ${String(place)}`, running);
    const { counts } = await killed(running, 'running');
    expect(counts.discovered).toBeLessThan(ROWS);
    await world.eventually(counted, ([links, brought]) => links === brought);
  }
  let last = await spawn();
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
  await reached(
    () => count('links', { jobId: id }),
    (left) => left < file.good * (0.8 + 0.2 * random(SEED, 3)),
  );
  await killed(last, 'terminating');
  expect(await count('links', { jobId: id })).toBeGreaterThan(0);
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
