import { createHash } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { unzipSync } from 'fflate';
import { writeFileBy } from './output.ts';
import { exportRoom, type Room } from '../testing/export-room.ts';
import { formatOptions } from './format.ts';
import { zipOf } from './zip.ts';
import { ZipFile } from './zip-file.ts';

let room: Room;
beforeAll(async () => void (room = await exportRoom()));
afterAll(() => room.remove());

const format = 'zip' as const;
const signal = new AbortController().signal;
const fileOf = (path: string) => join(room.directory, 'files', path);

async function kept(content: Buffer, ending = 'jpg') {
  const sha256 = createHash('sha256').update(content).digest('hex');
  const path = `images/${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256}.${ending}`;
  await mkdir(dirname(fileOf(path)), { recursive: true });
  await writeFile(fileOf(path), content);
  return { sha256, path, type: 'image/jpeg', bytes: content.length, url: `http://localhost/files/${path}` };
}

const item = (id: number, file: unknown, url = `http://a/${id}`) => ({
  id: `i${id}`,
  kind: 'image',
  url,
  file,
});

describe('the files of items', () => {
  it('are in it once each, with a manifest of every item', async () => {
    const small = await kept(Buffer.from('small'));
    const none = await kept(Buffer.alloc(0), 'png');
    const large = await kept(Buffer.alloc(3 * 1024 * 1024 + 17, 'large'), 'webp');
    const exact = await kept(Buffer.alloc(1024 * 1024, 'exact'));
    const gone = await kept(Buffer.from('gone'));
    await rm(fileOf(gone.path));
    const rows = [
      item(1, small, '=1+1'),
      item(2, large),
      item(3, small),
      item(4, gone),
      item(5, null),
      item(6, gone),
      item(7, none),
      item(8, exact),
    ];
    const { content, report } = await room.exported(rows, { format }, { context: { fileOf } });
    expect(report).toEqual({ items: 8, files: 4, missingFiles: 1 });

    const entries = unzipSync(content);
    expect(Object.keys(entries)).toEqual([
      ...[small, large, none, exact].map(({ path }) => `files/${path.split('/').at(-1)}`),
      'manifest.ndjson',
      'manifest.csv',
    ]);
    for (const [name, bytes] of Object.entries(entries).slice(0, 4))
      expect(name).toContain(createHash('sha256').update(bytes).digest('hex'));

    const manifest = Buffer.from(entries['manifest.ndjson'] ?? '')
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(manifest.map(({ id }) => id)).toEqual(rows.map(({ id }) => id));
    expect(manifest.map(({ missing }) => missing)).toEqual([
      false,
      false,
      false,
      true,
      true,
      true,
      false,
      false,
    ]);
    expect(manifest[1]).toEqual({
      ...{ id: 'i2', kind: 'image', url: 'http://a/2', page: null, missing: false },
      ...{ file: `files/${large.sha256}.webp`, sha256: large.sha256, type: 'image/jpeg', bytes: large.bytes },
    });
    expect(manifest[4]).toMatchObject({ file: null, sha256: null, bytes: null });

    const [header = [], ...records] = parse(
      Buffer.from(entries['manifest.csv'] ?? ''),
    ) as unknown as string[][];
    const asRecord = (entry: Record<string, unknown>) => header.map((name) => String(entry[name] ?? ''));
    expect(records).toEqual(
      manifest.map((entry) => asRecord(entry['id'] === 'i1' ? { ...entry, url: "'=1+1" } : entry)),
    );
  });

  it('may be none', async () => {
    const { content } = await room.exported([], { format }, { context: { fileOf } });
    const entries = unzipSync(content);
    expect(Object.keys(entries)).toEqual(['manifest.ndjson', 'manifest.csv']);
    expect(entries['manifest.ndjson']?.length).toBe(0);
  });

  it('that cannot be read end it, and nothing is left', async () => {
    const file = await kept(Buffer.from('a directory'));
    await rm(fileOf(file.path));
    await mkdir(fileOf(file.path));
    await expect(room.exported([item(1, file)], { format }, { context: { fileOf } })).rejects.toThrow(
      'EISDIR',
    );
    await rm(fileOf(file.path), { recursive: true });
  });
});

describe('an archive of many files', () => {
  it('is refused when they are more than can be told apart', async () => {
    const rows = await Promise.all([1, 2, 3].map(async (n) => item(n, await kept(Buffer.from(`many ${n}`)))));
    const part = join(room.directory, 'part');
    const options = formatOptions({ format });
    const make = async (mostFiles: number) => {
      const zip = zipOf(mostFiles);
      await writeFile(part, zip.encode([...rows, ...rows], options));
      return zip.assemble([part], join(room.directory, 'many.zip'), options, { signal, fileOf });
    };
    expect((await make(3)).report).toMatchObject({ items: 6, files: 3 });
    await expect(make(2)).rejects.toMatchObject({ code: 'too_many_files' });
  });

  it('is left at once also while the checksum of a large one is made', async () => {
    const file = await kept(Buffer.from('endless'));
    const cut = new AbortController();
    // It has no end: whoever does not look reads it for ever.
    const making = room.exported(
      [item(1, file)],
      { format },
      {
        context: { fileOf: () => '/dev/zero', signal: cut.signal },
      },
    );
    setTimeout(() => cut.abort(), 50);
    await expect(making).rejects.toThrow('abort');
  });
});

describe('an archive', () => {
  const archiveOf = async (fill: (archive: ZipFile) => Promise<void>) => {
    const path = join(room.directory, 'archive.zip');
    await writeFileBy(path, { signal }, async (output) => {
      const archive = new ZipFile(output);
      await fill(archive);
      await archive.end();
      return {};
    });
    return path;
  };
  const read = async (path: string) => {
    const { readFile } = await import('node:fs/promises');
    return unzipSync(await readFile(path));
  };
  const at = new Date('2026-05-01T12:30:14Z');
  const crcOf = async (content: Buffer) => (await import('node:zlib')).crc32(content);

  it('is read back as what went in, whatever that is', async () => {
    const content = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 4 });
    const entry = fc.record({ content, deflated: fc.boolean(), large: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(
        fc.array(entry, { maxLength: 5 }),
        fc.string({ unit: 'grapheme' }),
        async (given, name) => {
          const path = await archiveOf(async (archive) => {
            for (const [index, { content, deflated, large }] of given.entries()) {
              const whole = Buffer.concat(content);
              if (deflated) await archive.addDeflated(`${index}${name}`, at, { level: 1, large }, content);
              else
                await archive.addStored(
                  `${index}${name}`,
                  at,
                  { size: whole.length, crc: await crcOf(whole) },
                  content,
                );
            }
          });
          expect(Object.entries(await read(path)).map(([name, bytes]) => [name, Buffer.from(bytes)])).toEqual(
            given.map(({ content }, index) => [`${index}${name}`, Buffer.concat(content)]),
          );
        },
      ),
    );
  });

  it('has more entries than a plain ZIP counts', async () => {
    const content = Buffer.from('x');
    const known = { size: 1, crc: await crcOf(content) };
    const path = await archiveOf(async (archive) => {
      for (let index = 0; index < 66_000; index += 1)
        await archive.addStored(`f/${index}`, at, known, [content]);
    });
    const names = Object.keys(await read(path));
    expect(names.length).toBe(66_000);
    expect(names.at(-1)).toBe('f/65999');
  });

  it('is none when an entry is not of the size that was said', async () => {
    const said = { size: 2, crc: 0 };
    await expect(
      archiveOf((archive) => archive.addStored('a', at, said, [Buffer.from('x')])),
    ).rejects.toThrow('size');
  });
});
