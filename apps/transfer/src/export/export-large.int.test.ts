/**
 * Every format at any size, each killed while it reads: `MAGPIE_TEST_ROWS=1000000 MAGPIE_TEST_FORMATS=csv,ndjson` takes as many items and says how
 * fast it went and what the service held at most.
 */
import { createReadStream, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { EXPORT_FORMATS, type ExportFormat } from '@magpie/contracts';
import { parse } from 'csv-parse';
import ExcelJS from 'exceljs';
import { unzipSync } from 'fflate';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { ask, itemOf, leaseRunsOut, store } from '../testing/exports.ts';
import { slowLink } from '../testing/links.ts';
import { pause, World, type TransferJob } from '../testing/world.ts';

const ROWS = Number(process.env['MAGPIE_TEST_ROWS'] ?? 3000);
const FORMATS = (process.env['MAGPIE_TEST_FORMATS'] ?? EXPORT_FORMATS.join()).split(',') as ExportFormat[];
/** What a process of its own has for itself is looked at where it matters. */
const IS_LARGE = ROWS > 100_000;
/** Bytes a second: all formats together read for some ten parts of two seconds. */
const SLOW = 500_000;
/** Its reader takes all of it as one text. */
const FIELDS: Partial<Record<ExportFormat, string[]>> = { json: ['id', 'data'] };
const AT_ONCE = { MAGPIE_TRANSFERS: '6' };

interface Row {
  id: string;
  /** Written together: equal in an item that is in it as a whole. */
  a: unknown;
  b: unknown;
}

describe(`an export of ${ROWS} items`, () => {
  let world: World;
  /** Ids in the order of the snapshot, when it was fixed. */
  type Asked = { id: string; snapshot: string[] };

  beforeAll(async () => {
    world = await World.make({}, { services: 0 });
    for (let from = 0; from < ROWS; from += 50_000)
      await store(world.store, Math.min(50_000, ROWS - from), (n) => itemOf(from + n));
  }, 900_000);
  afterAll(() => world.close());

  it(
    'is the snapshot in each format, while items come, change and go and the service dies',
    async () => {
      for (const group of IS_LARGE ? FORMATS.map((format) => [format]) : [FORMATS]) await exportAll(group);
    },
    IS_LARGE ? 3_600_000 : 300_000,
  );

  async function exportAll(formats: ExportFormat[]): Promise<void> {
    const asked: Asked[] = [];
    for (const format of formats) {
      const fields = FIELDS[format];
      const id = await ask(world, { format, ...(fields && { fields }) });
      asked.push({ id, snapshot: await idsUpTo(await boundOf(id)) });
    }
    const traffic = new Traffic(world);
    try {
      const link = IS_LARGE ? undefined : await slowLink(world.mongodbUrl, SLOW);
      const first = world.spawn({ ...AT_ONCE, ...(link && { MONGODB_URL: link.url }) });
      const some = asked[0] as Asked;
      for (const { id } of asked)
        await reached(id, ({ transfer }) => transfer.rows >= (IS_LARGE ? ROWS / 3 : 1));
      const peaks = [peakOf(first.child.pid)];
      await first.kill();
      await link?.close();
      for (const { id } of asked) {
        const { transfer } = await world.job(id);
        expect({ format: transfer.options['format'], read: transfer.checkpoint?.['read'] }).toEqual({
          format: transfer.options['format'],
          read: false,
        });
        expect(transfer.rows).toBeGreaterThan(0);
        await leaseRunsOut(world, id);
      }
      const before = (await world.job(some.id)).transfer.rows;
      const second = world.spawn(AT_ONCE);
      await reached(some.id, ({ state, transfer }) => transfer.rows > before || state === 'completed');
      const [from, at] = [(await world.job(some.id)).transfer.rows, performance.now()];
      for (const { id } of asked) await world.until(id, 'completed', 3000);
      const seconds = (performance.now() - at) / 1000;
      peaks.push(peakOf(second.child.pid));
      await second.kill();
      if (IS_LARGE)
        process.stderr.write(
          `${formats.join()}: ${Math.round((ROWS - from) / seconds)} rows/s after the crash, ` +
            `of ${ROWS} with ${from} before; peak ${peaks.join(' and ')} MB\n`,
        );
    } finally {
      await traffic.end();
    }
    expect(traffic.removed.size).toBeGreaterThan(0);
    for (const [i, { id, snapshot }] of asked.entries())
      await isSnapshot(formats[i] as ExportFormat, await world.job(id), snapshot, traffic.removed);
  }

  const reached = (id: string, what: (job: TransferJob) => boolean): Promise<TransferJob> =>
    world.eventually(() => world.job(id), what, 900);

  const boundOf = async (id: string): Promise<number> =>
    ((await world.job(id)).transfer.options['bound'] as { order: number }).order;

  async function idsUpTo(order: number): Promise<string[]> {
    const found = world.store.items.collection.find({ order: { $lte: order } } as never, {
      projection: { _id: 1 },
      sort: { order: 1, _id: 1 },
    });
    const ids: string[] = [];
    for await (const { _id } of found) ids.push(_id as unknown as string);
    return ids;
  }

  async function isSnapshot(
    format: ExportFormat,
    { transfer }: TransferJob,
    snapshot: string[],
    removed: ReadonlySet<string>,
  ): Promise<void> {
    const got = new Set<string>();
    let twice = 0;
    let torn = 0;
    let late = 0;
    let place = 0;
    for await (const { id, a, b } of READERS[format](join(world.data, transfer.file?.path ?? ''))) {
      if (got.has(id)) twice++;
      got.add(id);
      if (a !== b) torn++;
      // In order, with nothing left out but what was removed.
      while (place < snapshot.length && snapshot[place] !== id && removed.has(snapshot[place] ?? '')) place++;
      if (snapshot[place] === id) place++;
      else late++;
    }
    while (removed.has(snapshot[place] ?? '')) place++;
    expect({ format, twice, torn, late, left: snapshot.length - place, rows: transfer.rows }).toEqual({
      format,
      twice: 0,
      torn: 0,
      late: 0,
      left: 0,
      rows: got.size,
    });
  }
});

/** Items come, change and go all the time until it is ended. */
class Traffic {
  readonly removed = new Set<string>();
  readonly #world: World;
  readonly #done: Promise<void>;
  #going = true;

  constructor(world: World) {
    this.#world = world;
    this.#done = this.#go();
    this.#done.catch(() => undefined);
  }

  async end(): Promise<void> {
    this.#going = false;
    await this.#done;
  }

  async #go(): Promise<void> {
    const { collection } = this.#world.store.items;
    const some = (end: RegExp) =>
      collection
        .aggregate([{ $sample: { size: 100 } }, { $project: { _id: 1 } }])
        .toArray()
        .then((found) => found.map(({ _id }) => String(_id)).filter((id) => end.test(id)));
    for (let turn = 0; this.#going; turn++) {
      const late = Array.from({ length: 50 }, (_, n) =>
        itemOf(n, { url: `https://late.example/${process.pid}/${Date.now()}/${turn}/${n}` }),
      );
      await collection.insertMany(late as never[]);
      const gone = await some(/[0-3]$/);
      for (const id of gone) this.removed.add(id);
      await collection.deleteMany({ _id: { $in: gone } } as never);
      await collection.updateMany({ _id: { $in: await some(/./) } } as never, {
        $set: { 'data.a': turn, 'data.b': turn },
        $inc: { revision: 1 },
      });
      await pause(50);
    }
  }
}

/** What a process had in memory at most, MB; where /proc says it. */
function peakOf(pid: number | undefined): number {
  try {
    return Math.round(Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024);
  } catch {
    return NaN;
  }
}

/** Readers of somebody else's; of large files by parts. */
const READERS: Record<ExportFormat, (path: string) => AsyncIterable<Row>> = {
  async *csv(path) {
    const rows = createReadStream(path).pipe(parse({ columns: true }));
    for await (const row of rows as AsyncIterable<Record<string, string>>)
      yield shown({ id: row['id'], data: JSON.parse(row['data'] ?? '') as unknown });
  },
  async *ndjson(path) {
    for await (const line of createInterface({ input: createReadStream(path) }))
      yield shown(JSON.parse(line));
  },
  async *json(path) {
    for (const row of JSON.parse(await readFile(path, 'utf8')) as unknown[]) yield shown(row);
  },
  async *xlsx(path) {
    const book = new ExcelJS.stream.xlsx.WorkbookReader(path, {});
    let heads: string[] = [];
    for await (const sheet of book) {
      for await (const row of sheet) {
        if (row.number === 1) heads = row.values as string[];
        else {
          const at = (field: string) => String((row.values as unknown[])[heads.indexOf(field)]);
          yield shown({ id: at('id'), data: JSON.parse(at('data')) as unknown });
        }
      }
    }
  },
  async *parquet(path) {
    const file = await asyncBufferFromFile(path);
    const metadata = await parquetMetadataAsync(file);
    for (let rowStart = 0; rowStart < Number(metadata.num_rows); rowStart += 50_000)
      for (const row of await parquetReadObjects({
        file,
        metadata,
        rowStart,
        rowEnd: rowStart + 50_000,
        columns: ['id', 'data'],
      }))
        yield shown(row);
  },
  async *zip(path) {
    const entries = unzipSync(await readFile(path), { filter: ({ name }) => name === 'manifest.ndjson' });
    for (const line of Buffer.from(entries['manifest.ndjson'] ?? [])
      .toString()
      .trim()
      .split('\n'))
      yield { id: (JSON.parse(line) as { id: string }).id, a: null, b: null };
  },
};

function shown(row: unknown): Row {
  const { id, data } = row as { id: string; data: { a: unknown; b: unknown } };
  return { id, a: data.a, b: data.b };
}
