import { execFile, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { Skip } from '../errors.ts';
import { createFileStore } from './store.ts';
import type { FileStore } from './store.ts';

const png = readFileSync(new URL('./fixtures/png-31x17.png', import.meta.url));
const jpeg = readFileSync(new URL('./fixtures/jpeg-31x17.jpg', import.meta.url));
const storeModule = new URL('./store.ts', import.meta.url).href;

let root: string;
let store: FileStore;
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'files-'));
  store = createFileStore({ root });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Every file below the root, whether visible or temporary. */
const files = (): string[] =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .sort();

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A PNG of this many bytes: viewers ignore what comes after its end. */
const pngOf = (length: number, fill = 7): Buffer =>
  Buffer.concat([png, Buffer.alloc(length - png.length, fill)]);

async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const limit = { maxBytes: 10_000_000 };

test.each([
  ['in memory', 20_000, 1_000],
  ['spooled', 1_500_000, 10_000],
  ['spooled, in one chunk', 1_500_000, 1_500_000],
  ['just in memory', 65_536, 65_536],
  ['just spooled', 65_537, 65_536],
])('a body is kept under the name of its content (%s)', async (_title, length, chunk) => {
  const body = pngOf(length);
  const sha256 = hashOf(body);
  const file = `images/${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256}.png`;
  const kept = { sha256, path: file, type: 'image/png', ext: 'png', bytes: length, width: 31, height: 17 };

  expect(await store.write('images', chunksOf(body, chunk), limit)).toEqual({ ...kept, fresh: true });
  expect(files()).toEqual([file]);
  expect(readFileSync(store.path(file)).equals(body)).toBe(true);

  expect(await store.write('images', body, limit)).toEqual({ ...kept, fresh: false });
  expect(await store.write('images', Readable.from(chunksOf(body, 70_000)), limit)).toMatchObject({
    fresh: false,
  });
  expect(files()).toEqual([file]);
});

test('however the body is cut up, the same file comes out', async () => {
  const body = pngOf(200_000);
  const cuts = fc.array(fc.nat({ max: body.length }), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(cuts, async (at) => {
      const edges = [0, ...at.sort((a, b) => a - b), body.length];
      const parts = edges.slice(1).map((end, index) => body.subarray(edges[index], end));
      const kept = await store.write('images', parts, limit);
      expect(kept).toMatchObject({ sha256: hashOf(body), bytes: body.length, width: 31, height: 17 });
      expect(await store.remove(kept.sha256, kept.ext)).toBe(true);
      expect(files()).toEqual([]);
    }),
    { numRuns: 30 },
  );
});

test('the web server may read what is kept, and not what is half written, whatever the umask', async () => {
  const before = process.umask(0o077);
  try {
    const kept = await store.write('images', jpeg, limit);
    const modeOf = (file: string): string => (statSync(path.join(root, file)).mode & 0o777).toString(8);
    expect(modeOf(kept.path)).toBe('644');
    for (let dir = path.dirname(kept.path); dir !== '.'; dir = path.dirname(dir))
      expect(modeOf(dir)).toBe('755');
    expect(modeOf('.tmp')).toBe('700');
  } finally {
    process.umask(before);
  }
});

test('the size is looked for beyond the first 64 KiB', async () => {
  const filler = Buffer.alloc(60_002);
  filler.writeUInt32BE(0xffe2_ea60, 0);
  const late = Buffer.concat([jpeg.subarray(0, 2), ...Array<Buffer>(7).fill(filler), jpeg.subarray(2)]);
  expect(await store.write('images', chunksOf(late, 16_384), limit)).toMatchObject({ width: 31, height: 17 });
  const never = Buffer.concat([jpeg.subarray(0, 2), ...Array<Buffer>(20).fill(filler), jpeg.subarray(2)]);
  expect(await store.write('images', chunksOf(never, 16_384), limit)).not.toHaveProperty('width');
});

test('what is no image is refused, whatever follows', async () => {
  const html = Buffer.from(`<!doctype html><img src=x>${' '.repeat(300_000)}`);
  for (const body of [html, html.subarray(0, 50), Buffer.alloc(0)]) {
    await expect(store.write('images', chunksOf(body, 5_000), limit)).rejects.toMatchObject({
      code: 'not_an_image',
    });
  }
  expect(files()).toEqual([]);
});

test('accept sees the type before anything is written, check everything before it is visible', async () => {
  const refuse = (): never => {
    throw new Skip('filtered', 'too small');
  };
  const accept = jest.fn(refuse);
  const body = pngOf(300_000);
  await expect(store.write('images', chunksOf(body, 20_000), { ...limit, accept })).rejects.toMatchObject({
    code: 'filtered',
  });
  expect(accept.mock.calls).toEqual([[{ type: 'image/png', ext: 'png' }]]);
  expect(existsSync(path.join(root, '.tmp'))).toBe(false);

  const check = jest.fn(refuse);
  for (const length of [300, 300_000]) {
    await expect(store.write('images', pngOf(length), { ...limit, check })).rejects.toMatchObject({
      code: 'filtered',
    });
  }
  const known = { sha256: hashOf(body), bytes: 300_000, width: 31, height: 17 };
  expect(check.mock.calls.at(-1)).toEqual([expect.objectContaining(known)]);
  expect(files()).toEqual([]);
});

test('a body that is too large is given up at once', async () => {
  let served = 0;
  let isClosed = false;
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        served += 1;
        yield served === 1 ? pngOf(50_000) : Buffer.alloc(50_000);
      }
    } finally {
      isClosed = true;
    }
  }
  const { signal } = new AbortController();
  await expect(store.write('images', endless(), { maxBytes: 400_000, signal })).rejects.toMatchObject({
    code: 'body_too_large',
  });
  expect([served, isClosed]).toEqual([9, true]);
  expect(files()).toEqual([]);
  expect(await store.write('images', pngOf(1_000), { maxBytes: 1_000 })).toMatchObject({ bytes: 1_000 });
});

test.each([30_000, 400_000])('a body that breaks off after %i bytes leaves nothing', async (length) => {
  async function* truncated(): AsyncGenerator<Uint8Array> {
    yield* chunksOf(pngOf(length), 10_000);
    throw new Error('connection lost');
  }
  await expect(store.write('images', truncated(), limit)).rejects.toThrow('connection lost');
  await expect(store.write('images', Readable.from(truncated()), limit)).rejects.toThrow('connection lost');
  expect(files()).toEqual([]);
});

test.each([30_000, 400_000])('an abort ends a write whose body hangs after %i bytes', async (length) => {
  async function* hanging(): AsyncGenerator<Uint8Array> {
    yield* chunksOf(pngOf(length), 10_000);
    controller.abort(new Error('terminated'));
    await new Promise(() => {});
  }
  let controller = new AbortController();
  await expect(store.write('images', hanging(), { ...limit, signal: controller.signal })).rejects.toThrow(
    'terminated',
  );

  controller = new AbortController();
  const stream = new Readable({ read() {} });
  stream.push(pngOf(length));
  const write = store.write('images', stream, { ...limit, signal: controller.signal });
  setImmediate(() => controller.abort(new Error('terminated')));
  await expect(write).rejects.toThrow('terminated');
  expect(stream.destroyed).toBe(true);

  const aborted = AbortSignal.abort(new Error('too late'));
  await expect(store.write('images', png, { ...limit, signal: aborted })).rejects.toThrow('too late');
  expect(files()).toEqual([]);
});

test('nothing is visible before the body has ended', async () => {
  const body = pngOf(900_000);
  const seen: string[] = [];
  async function* watched(): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunksOf(body, 100_000)) {
      yield chunk;
      seen.push(...files());
    }
  }
  await store.write('images', watched(), limit);
  expect(seen.length).toBeGreaterThan(0);
  expect(seen.filter((file) => !file.startsWith('.tmp/'))).toEqual([]);
});

test('the body is read no faster than it is written', async () => {
  let produced = 0;
  const stream = new Readable({
    highWaterMark: 65_536,
    read() {
      produced += 65_536;
      this.push(produced === 65_536 ? pngOf(65_536) : produced > 6_000_000 ? null : Buffer.alloc(65_536));
    },
  });
  let largest = 0;
  async function* measured(): AsyncGenerator<Uint8Array> {
    let taken = 0;
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      taken += chunk.length;
      largest = Math.max(largest, produced - taken);
      yield chunk;
    }
  }
  await store.write('images', measured(), limit);
  expect(largest).toBeLessThan(400_000);
});

test('equal writes at the same time keep one file, and one is fresh', async () => {
  for (const length of [5_000, 200_000]) {
    const body = pngOf(length);
    const kept = await Promise.all(
      Array.from({ length: 20 }, () => store.write('images', chunksOf(body, 9_000), limit)),
    );
    expect(kept.filter((file) => file.fresh)).toHaveLength(1);
  }
  expect(files()).toHaveLength(2);
});

test('equal writes from several processes keep one file each, and one is fresh', async () => {
  const script = `
    const { createFileStore } = await import(${JSON.stringify(storeModule)});
    const store = createFileStore({ root: process.argv[1] });
    const png = Buffer.from(process.argv[2], 'base64');
    const fresh = await Promise.all(Array.from({ length: 40 }, async (_, index) => {
      const body = Buffer.concat([png, Buffer.alloc(1000 + index * 4000, index)]);
      return (await store.write('images', [body], { maxBytes: 1e6 })).fresh;
    }));
    console.log(fresh.filter(Boolean).length);
  `;
  const args = ['--input-type=module', '-e', script, root, png.toString('base64')];
  const outputs = await Promise.all([1, 2, 3].map(() => promisify(execFile)(process.execPath, args)));
  const fresh = outputs.map(({ stdout }) => Number(stdout));
  expect(fresh.reduce((sum, count) => sum + count, 0)).toBe(40);
  expect(files()).toHaveLength(40);
  expect(files().every((file) => file.startsWith('images/'))).toBe(true);
});

test('a killed process leaves only a temporary file, which is swept when it is old', async () => {
  const script = `
    const { createFileStore } = await import(${JSON.stringify(storeModule)});
    const store = createFileStore({ root: process.argv[1] });
    const png = Buffer.from(process.argv[2], 'base64');
    await store.write('images', (async function* () {
      yield png;
      for (let count = 0; ; count += 1) {
        yield Buffer.alloc(100_000);
        if (count === 10) console.log('writing');
        if (count > 10) await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })(), { maxBytes: 1e12 });
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, root, png.toString('base64')]);
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  const [left, ...more] = files();
  expect([left?.startsWith('.tmp/'), more]).toEqual([true, []]);

  expect(await store.sweepTemporary(3_600_000)).toBe(0);
  const past = Date.now() / 1_000 - 7_200;
  utimesSync(path.join(root, left as string), past, past);
  expect(await store.sweepTemporary(3_600_000)).toBe(1);
  expect(files()).toEqual([]);
});

test('directories that somebody removes are made again', async () => {
  for (let round = 0; round < 3; round += 1) {
    expect(await store.write('images', jpeg, limit)).toMatchObject({ fresh: true });
    rmSync(round === 1 ? root : path.join(root, 'images'), { recursive: true });
  }
});

test('a broken file under the name is replaced', async () => {
  const kept = await store.write('images', jpeg, limit);
  writeFileSync(store.path(kept.path), jpeg.subarray(0, 100));
  expect(await store.write('images', jpeg, limit)).toMatchObject({ fresh: true });
  expect(readFileSync(store.path(kept.path)).equals(jpeg)).toBe(true);
  expect(files()).toEqual([kept.path]);
});

test('remove, exists and path', async () => {
  const { sha256, ext, path: file } = await store.write('images', jpeg, limit);
  expect(store.path(file)).toBe(path.join(root, file));
  expect(await store.exists(file)).toBe(true);
  expect(await store.remove(sha256, ext)).toBe(true);
  expect(await store.remove(sha256, ext)).toBe(false);
  expect(await store.exists(file)).toBe(false);
  for (const wrong of [
    '',
    '../etc/passwd',
    `images/../${file}`,
    `${file}/..`,
    `/${file}`,
    file.toUpperCase(),
    `images/00/00/${sha256}.${ext}`,
  ]) {
    expect(() => store.path(wrong)).toThrow(RangeError);
    await expect(store.exists(wrong)).rejects.toThrow(RangeError);
  }
  await expect(store.remove('../../x', 'jpg')).rejects.toThrow(RangeError);
});

test('without sync the same is kept', async () => {
  const quick = createFileStore({ root, sync: false });
  expect(await quick.write('images', jpeg, limit)).toMatchObject({ fresh: true });
  expect(await store.write('images', jpeg, limit)).toMatchObject({ fresh: false });
});

/** Only root may mount a small file system, and not in every container. */
function canMount(): boolean {
  const probe = mkdtempSync(path.join(tmpdir(), 'mount-'));
  try {
    mountSmall(probe);
    execFileSync('umount', [probe], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { recursive: true });
  }
}

function mountSmall(directory: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=300k', 'tmpfs', directory], { stdio: 'ignore' });
}

(canMount() ? test : test.skip)('a full disk is told by its code, and leaves nothing behind', async () => {
  const small = path.join(root, 'small');
  mkdirSync(small);
  mountSmall(small);
  try {
    const warned: string[] = [];
    const log = { warn: (_details: object, message: string) => warned.push(message) };
    const full = createFileStore({ root: small, log });
    const first = await full.write('images', pngOf(150_000), limit);
    for (const body of [chunksOf(pngOf(2_000_000), 60_000), chunksOf(pngOf(200_000, 9), 40_000)]) {
      await expect(full.write('images', body, limit)).rejects.toMatchObject({
        code: 'disk_full',
        cause: expect.objectContaining({ code: 'ENOSPC' }),
      });
    }
    expect(files()).toEqual([`small/${first.path}`]);
    expect(warned).toHaveLength(2);
    await full.remove(first.sha256, first.ext);
    expect(await full.write('images', pngOf(200_000, 9), limit)).toMatchObject({ fresh: true });
  } finally {
    execFileSync('umount', [small]);
  }
});
