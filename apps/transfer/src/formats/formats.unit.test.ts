import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { unzipSync } from 'fflate';
import { EXPORT_FORMATS, type ExportFormat } from '@magpie/contracts';
import { FORMATS, fileType, formatOptions } from './index.ts';
import { exportRoom, heldBy, type Room } from '../testing/export-room.ts';

let room: Room;
beforeEach(async () => void (room = await exportRoom()));
afterEach(() => room.remove());

const TABLES = EXPORT_FORMATS.filter((format) => format !== 'zip');
const fileOf = (path: string) => join(room.directory, path);
const MIB = 1024 * 1024;
const sha256 = (text: string | Buffer) => createHash('sha256').update(text).digest('hex');

const item = (n: number) => ({
  id: `item-${n}`,
  kind: 'image',
  url: `https://example.org/pictures/${n}/a-photo-of-something-${n * 7}.jpg`,
  page: `https://example.org/gallery/${n % 1000}`,
  data: { title: `Picture ${n}`, alt: n % 3 === 0 ? null : 'a "quoted" text', likes: n * 3, share: n / 7 },
  file: { sha256: sha256(String(n)), type: 'image/jpeg', bytes: n, path: `images/${n}.jpg` },
  storedAt: new Date(1_770_000_000_000 + n * 1000),
});
const FIELDS = ['id', 'url', 'page', 'data', 'data.title', 'data.likes', 'data.share', 'storedAt'];

async function spool(format: ExportFormat, rows: number, gzip = false) {
  const options = formatOptions({ format, gzip, ...(format === 'zip' ? {} : { fields: FIELDS }) });
  const parts: string[] = [];
  for (let from = 0; from < rows; from += 1000) {
    if (from % 20_000 === 0) parts.push(join(room.directory, `part-${parts.length}`));
    const some = Array.from({ length: Math.min(1000, rows - from) }, (_, index) => item(from + index));
    await appendFile(parts.at(-1) ?? '', FORMATS[format].encode(some, options));
  }
  return { parts, options, path: join(room.directory, 'file') };
}

/** MiB, about twice what a batch or a row group takes; the rows as text are 14. */
const MOST_HELD = { csv: 8, ndjson: 8, json: 8, xlsx: 10, parquet: 26 };

it.each(TABLES)(
  '%s of 60,000 rows holds little memory',
  async (format) => {
    const signal = new AbortController().signal;
    const held = await heldBy(async (wrote) => {
      const { parts, options, path } = await spool(format, 60_000);
      const { bytes } = await FORMATS[format].assemble(parts, path, options, { signal, wrote });
      expect(bytes).toBeGreaterThan(1_000_000);
    });
    expect(held).toBeLessThan(MOST_HELD[format] * MIB);
  },
  300_000,
);

it('zip of 4000 files holds little memory', async () => {
  const { parts, options, path } = await spool('zip', 4000);
  await mkdir(fileOf('images'));
  await appendFile(fileOf('one'), Buffer.alloc(4096, 'x'));
  const one = () => fileOf('one');
  const signal = new AbortController().signal;
  const held = await heldBy(async (wrote) => {
    const { report } = await FORMATS.zip.assemble(parts, path, options, { signal, wrote, fileOf: one });
    expect(report['files']).toBe(4000);
  });
  expect(held).toBeLessThan(8 * MIB);
}, 300_000);

it.each(TABLES)('%s.gz is the same file, compressed', async (format) => {
  const { parts, options, path } = await spool(format, 20_000);
  const { signal } = new AbortController();
  // The time is written into workbooks, to two seconds.
  const plain =
    format === 'xlsx' ? undefined : await FORMATS[format].assemble(parts, path, options, { signal });
  const compressed = { ...options, gzip: true };
  let written = 0;
  const wrote = async (bytes: number) => void (written += bytes);
  const file = await FORMATS[format].assemble(parts, path, compressed, { signal, wrote });
  const content = await readFile(path);
  expect([file.bytes, file.sha256]).toEqual([content.length, sha256(content)]);
  expect(written).toBe(content.length);
  const whole = execFileSync('gzip', ['-dc'], { input: content, maxBuffer: 1 << 30 });
  if (plain !== undefined) expect([whole.length, sha256(whole)]).toEqual([plain.bytes, plain.sha256]);
  else expect(Object.keys(unzipSync(whole))).toContain('xl/worksheets/sheet1.xml');
});

describe.each([
  ...EXPORT_FORMATS.map((format) => ({ format, gzip: false })),
  ...TABLES.map((format) => ({ format, gzip: true })),
])('$format, gzip $gzip', ({ format, gzip }) => {
  const left = async () => (await readdir(room.directory)).filter((name) => !name.startsWith('part-'));

  it.each([1, 5, 9])('that is aborted throws the reason and leaves nothing (%d ticks)', async (ticks) => {
    const { parts, options, path } = await spool(format, 3000, gzip);
    const aborting = new AbortController();
    const reason = new Error('enough');
    let seen = 0;
    // Each look at the signal is a tick: between any two pieces.
    const signal = new Proxy(aborting.signal, {
      get: (target, name) => {
        if (name === 'throwIfAborted' && (seen += 1) === ticks) aborting.abort(reason);
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    await expect(FORMATS[format].assemble(parts, path, options, { signal, fileOf })).rejects.toBe(reason);
    expect(seen).toBe(ticks);
    expect(await left()).toEqual([]);
  });

  const whereThereIsOne = existsSync('/dev/full') ? it : it.skip;
  whereThereIsOne('waits when the disk is full, and leaves nothing', async () => {
    const { parts, options, path } = await spool(format, 3000, gzip);
    await symlink('/dev/full', path);
    const signal = new AbortController().signal;
    await expect(FORMATS[format].assemble(parts, path, options, { signal, fileOf })).rejects.toMatchObject({
      name: 'TransferWait',
      reason: 'disk_full',
    });
    expect(await left()).toEqual([]);
    expect(existsSync('/dev/full')).toBe(true);
  });

  it('is the same from one part as from many', async () => {
    const rows = Array.from({ length: 50 }, (_, n) => item(n));
    const options = { context: { fileOf } };
    const one = await room.exported(rows, { format, gzip }, { ...options, partRows: 50 });
    const many = await room.exported(rows, { format, gzip }, { ...options, partRows: 7 });
    // Compressed, the time in a workbook takes a byte more or less.
    const size = (content: Buffer) => (gzip ? gunzipSync(content) : content).length;
    expect(size(many.content)).toBe(size(one.content));
  });

  it('says what it is', () => {
    expect(fileType(format, { gzip: false })).toEqual({
      type: FORMATS[format].type,
      extension: format,
    });
    const compressed = formatOptions({ format, gzip: true });
    expect(fileType(format, compressed).extension).toBe(format === 'zip' ? format : `${format}.gz`);
  });
});
