/** For tests of exports: items to export, and what came of them. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CreateExport } from '@magpie/contracts';
import { idOf, nextOrder } from '@magpie/domain';
import { exportBound, itemView, type ItemDocument, type Store } from '@magpie/store';
import type { TransferJob, World } from './world.ts';

export const BASE = 'http://magpie.test';

/** As storage would have written it now; `data.a` and `data.b` say the same. */
export function itemOf(n: number, more: Partial<ItemDocument> = {}): ItemDocument {
  const url = more.url ?? `https://example.org/${n}.png`;
  const kind = more.kind ?? 'image';
  const at = new Date();
  const sha256 = createHash('sha256').update(url).digest('hex');
  return {
    _id: idOf(kind, url),
    kind,
    url,
    host: 'example.org:443',
    finalUrl: `${url}?final`,
    page: n % 2 === 0 ? 'https://example.org/gallery' : null,
    source: 'web-images',
    data: { alt: `A picture, "${n}"\nof ä 🐦`, a: n, b: n },
    file: {
      sha256,
      path: `images/${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256}.png`,
      type: 'image/png',
      bytes: 20_480 + n,
      width: 640,
    },
    refs: 1,
    revision: 1,
    order: nextOrder(),
    storedAt: at,
    checkedAt: at,
    outlinks: [],
    ...more,
  };
}

export async function store(
  { items }: Store,
  count: number,
  make: (n: number) => ItemDocument = itemOf,
): Promise<ItemDocument[]> {
  const all: ItemDocument[] = [];
  for (let from = 0; from < count; from += 5000) {
    const some = Array.from({ length: Math.min(5000, count - from) }, (_, i) => make(from + i));
    await items.collection.insertMany(some as never[], { ordered: false });
    all.push(...some);
  }
  return all;
}

type Asked = CreateExport & { from?: string; to?: string };

/** Asks for an export as the gateway does; its job's id. */
export async function ask(world: World, asked: Asked = {}): Promise<string> {
  const at = new Date();
  const order = await exportBound(world.store, asked.job, at);
  return world.transfer('export', { ...asked, bound: { at: at.toISOString(), order } });
}

/** The finished file; throws when it is not what the job says of it. */
export async function fileOf(world: World, { transfer }: TransferJob): Promise<Buffer> {
  const { file } = transfer;
  if (file === null) throw new Error('there is no file');
  const bytes = await readFile(join(world.data, file.path));
  expect(bytes.length).toBe(file.bytes);
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(file.sha256);
  return bytes;
}

/** As if the lease of one that died had run out by now; it is taken up at once. */
export async function leaseRunsOut({ store }: World, id: string): Promise<void> {
  await store.jobs.collection.updateOne({ _id: id, 'transfer.lease': { $ne: null } } as never, {
    $set: { 'transfer.lease.until': new Date(0) },
  });
}

/** Asks for an export, and reads it when it is there. */
export async function exported(world: World, asked: Asked): Promise<{ job: TransferJob; bytes: Buffer }> {
  const job = await world.until(await ask(world, asked), 'completed');
  return { job, bytes: await fileOf(world, job) };
}

export const idsOf = (ndjson: Buffer): string[] =>
  ndjson
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { id: string }).id);

export const ids = (items: readonly ItemDocument[]): string[] => items.map(({ _id }) => _id);

/** As the API shows them, through JSON. */
export const shown = (items: readonly ItemDocument[]): unknown[] =>
  JSON.parse(JSON.stringify(items.map((item) => itemView(item, BASE)))) as unknown[];

/** What there is on the disk of an export, hidden things too. */
export async function leftOf(world: World, id: string): Promise<string[]> {
  const named = async (directory: string): Promise<string[]> =>
    (await readdir(directory).catch(() => [])).filter((name) => name.includes(id));
  return [
    ...(await named(world.places.exports)),
    ...(await readdir(world.places.work(id)).catch(() => [])).map((name) => `work/${name}`),
  ];
}
