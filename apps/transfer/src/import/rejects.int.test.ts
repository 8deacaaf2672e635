/** The list of rejected rows on a disk that is full, and after its time. */
import { appendFile, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inManyBatches, mixedFile } from '../testing/import-files.ts';
import { canMount, mountDisk, unmountDisk } from '../testing/small-disk.ts';
import { addsUp, World } from '../testing/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.make({}, { services: 0 });
});
afterAll(() => world.close());
afterEach(() => world.clear());

const pathOf = (id: string): string => join(world.places.work(id), 'rejects.csv');

/** Lines of the file that the list names, which is whole. */
async function rejected(id: string): Promise<number[]> {
  const [header, ...lines] = (await readFile(pathOf(id), 'utf8')).split('\r\n');
  expect(header).toBe('line,column,code,message,row');
  expect(lines.pop()).toBe('');
  for (const line of lines) expect(line).toMatch(/^\d+,\w*,[a-z_]+,./);
  return lines.map((line) => Number(line.split(',')[0]));
}

test('expired, a retry begins it anew; a death before its first batch leaves no half row in it', async () => {
  const file = mixedFile(4000);
  const first = await world.addLateService();
  const id = await world.transfer('import', {
    upload: await world.upload(inManyBatches(file.text)),
    as: 'items',
  });
  await world.eventually(
    () => world.job(id),
    ({ counts }) => counts.discovered >= 1000,
  );
  await world.control(id, 'stop');
  const { transfer } = await world.until(id, 'stopped');
  const { line, rejects } = transfer.checkpoint as { line: number; rejects: number };
  expect((await stat(pathOf(id))).size).toBeGreaterThanOrEqual(rejects);
  await first.close();
  await rm(pathOf(id));

  // It comes as far as its list, and waits there, as if it had died.
  const second = await world.addService({ MAGPIE_DISK_RESERVE: Number.MAX_SAFE_INTEGER });
  await world.control(id, 'retry');
  await world.until(id, 'waiting');
  await second.close();
  await appendFile(pathOf(id), '1,url,invalid_url,not committed\r\n'.repeat(1000));
  await world.addService();
  await world.until(id, 'completed');
  expect(await rejected(id)).toEqual([...file.bad.keys()].filter((bad) => bad >= line));
});

const mounts = canMount();
const why = mounts ? '' : ' (skipped: to mount a tmpfs takes root)';
(mounts ? test : test.skip)(
  `a disk that refuses the list: it waits, and goes on when there is room, no row twice or lost${why}`,
  async () => {
    mountDisk(world.data, 4);
    try {
      const ROWS = 10_000;
      const row = (i: number): string => (i % 2 === 0 ? `https://example.org/${String(i)}` : 'x');
      await world.addService();
      const text = `url\n${Array.from({ length: ROWS }, (_, i) => row(i)).join('\n')}\n`;
      const upload = await world.upload(text);
      // Of the list, which takes more than 200 KiB, there is room for a part.
      const ballast = join(world.data, 'ballast');
      const free = 80 * 1024;
      await writeFile(ballast, Buffer.alloc(4 * 1024 * 1024 - Buffer.byteLength(text) - free));
      const id = await world.transfer('import', { upload, as: 'items' });
      const waiting = await world.until(id, 'waiting');
      expect(waiting.waiting?.reason).toBe('disk_full');
      expect(addsUp(waiting)).toBe(true);
      expect(waiting.counts.discovered).toBeGreaterThan(0);
      expect(waiting.counts.discovered).toBeLessThan(ROWS);
      expect(await world.store.items.collection.countDocuments({})).toBe(waiting.counts.stored);
      await truncate(ballast, 0);
      const { counts } = await world.until(id, 'completed');
      expect(counts).toMatchObject({ discovered: ROWS, stored: ROWS / 2, failed: ROWS / 2 });
      expect(await rejected(id)).toEqual(Array.from({ length: ROWS / 2 }, (_, i) => 2 * i + 3));
      expect((await stat(pathOf(id))).size).toBeGreaterThan(free);
      expect(await world.store.items.collection.countDocuments({})).toBe(ROWS / 2);
    } finally {
      await world.closeServices();
      unmountDisk(world.data);
    }
  },
);
