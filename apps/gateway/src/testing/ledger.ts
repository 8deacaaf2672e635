/** What storage would have written: items, and the lines of a job's ledger. */
import { idOf, nextOrder } from '@magpie/domain';
import type { ItemDocument, LinkDocument, Store } from '@magpie/store';

export const itemOf = (url: string, more: Partial<ItemDocument> = {}): ItemDocument => {
  const kind = more.kind ?? 'image';
  const at = new Date();
  const sha256 = idOf(url)
    .replace(/[^0-9a-f]/g, '0')
    .padEnd(64, '0');
  return {
    _id: idOf(kind, url),
    kind,
    url,
    host: `${new URL(url).hostname}:443`,
    finalUrl: url,
    page: 'https://example.org/gallery',
    source: kind === 'text' ? 'web-text' : 'web-images',
    data: { alt: 'A picture' },
    file: {
      sha256,
      path: `images/${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256}.png`,
      type: 'image/png',
      bytes: 20480,
      width: 640,
      height: 480,
    },
    refs: 1,
    revision: 1,
    order: nextOrder(),
    storedAt: at,
    checkedAt: at,
    ...more,
  };
};

export const linkOf = (
  jobId: string,
  item: ItemDocument,
  more: Partial<LinkDocument> = {},
): LinkDocument => ({
  _id: `${jobId}:${item._id}`,
  jobId,
  target: item._id,
  of: 'item',
  kind: item.kind,
  url: item.url,
  state: 'stored',
  order: nextOrder(),
  ...more,
});

/** Keeps items, and gives them to a job. */
export async function keep(store: Store, jobId: string, items: ItemDocument[]): Promise<void> {
  await store.items.collection.insertMany(items as never[]);
  await store.links.collection.insertMany(items.map((item) => linkOf(jobId, item)) as never[]);
}

export const setJob = async (store: Store, id: string, fields: object): Promise<void> => {
  await store.jobs.collection.updateOne({ _id: id } as never, { $set: fields });
};
