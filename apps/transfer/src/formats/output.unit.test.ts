import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TransferWait } from '../engine/work.ts';
import { RoomWatch } from '../disk.ts';
import { writeFileBy } from './output.ts';

let directory: string;
beforeAll(async () => void (directory = await mkdtemp(join(tmpdir(), 'magpie-output-'))));
afterAll(() => rm(directory, { recursive: true, force: true }));

const { signal } = new AbortController();
const MIB = 1024 * 1024;

test('what is kept aside comes behind what was written meanwhile, and leaves nothing beside the file', async () => {
  const path = join(directory, 'a');
  const kept: Buffer[] = [];
  const { bytes } = await writeFileBy(path, { signal }, async (output) => {
    await output.write(Buffer.from('first'));
    for (let n = 0; n < 5000; n += 1) {
      const some = Buffer.from(`${n}`.repeat(1 + (n % 40)));
      kept.push(some);
      await output.keep(some);
    }
    await output.write(Buffer.from('second'));
    expect(output.keptBytes).toBe(Buffer.concat(kept).length);
    await output.writeKept();
    await output.write(Buffer.from('last'));
    return {};
  });
  const content = await readFile(path);
  expect(content.length).toBe(bytes);
  expect(content.equals(Buffer.concat([Buffer.from('firstsecond'), ...kept, Buffer.from('last')]))).toBe(
    true,
  );
  expect(await readdir(directory)).toEqual(['a']);
  await rm(path);
});

test('waits when the reserve is reached while it is written, and leaves nothing', async () => {
  const room = new RoomWatch(directory, Number.MAX_SAFE_INTEGER);
  let written = 0;
  const writing = writeFileBy(
    join(directory, 'b'),
    { signal, wrote: (bytes) => room.wrote(bytes) },
    async (output) => {
      for (; written < 20 * MIB; written += MIB) {
        await output.keep(Buffer.alloc(10));
        await output.write(Buffer.alloc(MIB));
      }
      return {};
    },
  );
  await expect(writing).rejects.toThrow(TransferWait);
  expect(written).toBeLessThan(5 * MIB);
  expect(await readdir(directory)).toEqual([]);
});
