/**
 * The floors, each a process of its own: no checks, no identity of what is there, no checkpoints, no control.
 *   floor.ts in   <MongoDB URL> <CSV file> bare|items
 *   floor.ts out  <MongoDB URL> <CSV file>
 * `bare` inserts the rows as they are, into a collection with no index but its key. `items` inserts documents of the
 * shape and with the indexes of the platform's items. Writes `{"seconds": …, "rows": …}`.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { idOf } from '@magpie/domain';
import { openStore, type Store } from '@magpie/store';
import { parse } from 'csv-parse';
import { stringify } from 'csv-stringify';
import { type COLUMNS } from './table.ts';

const BATCH = 1000;
type Row = Record<(typeof COLUMNS)[number], string>;

const now = new Date();
const asItem = ({ url, ...data }: Row, order: number) => ({
  _id: idOf('page', url),
  kind: 'page',
  url,
  host: 'example.org',
  finalUrl: url,
  page: null,
  source: 'import',
  data,
  refs: 1,
  revision: 1,
  order,
  storedAt: now,
  checkedAt: now,
});

async function readIn(store: Store, file: string, shape: string): Promise<number> {
  if (shape === 'items') await store.prepare();
  const collection = shape === 'items' ? store.items.collection : store.connection.collection('rows');
  const parser = createReadStream(file).pipe(parse({ columns: true }));
  let rows = 0;
  let batch: { insertOne: { document: object } }[] = [];
  const flush = async (): Promise<void> => {
    if (batch.length > 0) await collection.bulkWrite(batch as never, { ordered: false });
    rows += batch.length;
    batch = [];
  };
  for await (const row of parser as AsyncIterable<Row>) {
    batch.push({ insertOne: { document: shape === 'items' ? asItem(row, rows + batch.length) : row } });
    if (batch.length === BATCH) await flush();
  }
  await flush();
  return rows;
}

async function writeOut(store: Store, file: string): Promise<number> {
  const found = store.items.collection.find({}, { batchSize: BATCH });
  let rows = 0;
  await pipeline(
    found,
    async function* (items) {
      for await (const item of items as AsyncIterable<ReturnType<typeof asItem>>) {
        rows++;
        yield {
          id: item._id,
          ...item,
          storedAt: item.storedAt.toISOString(),
          data: JSON.stringify(item.data),
        };
      }
    },
    stringify({ header: true, columns: ['id', 'kind', 'url', 'page', 'source', 'storedAt', 'data'] }),
    createWriteStream(file),
  );
  return rows;
}

const [way, url = '', file = '', shape = ''] = process.argv.slice(2);
const store = openStore({ url });
await store.connected();
const began = performance.now();
const rows = way === 'in' ? await readIn(store, file, shape) : await writeOut(store, file);
const seconds = (performance.now() - began) / 1000;
await store.close();
console.log(JSON.stringify({ seconds, rows }));
