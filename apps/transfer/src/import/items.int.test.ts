import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { idOf } from '@magpie/domain';
import {
  exportBatches,
  exportBound,
  findJobItem,
  listJobItems,
  listVideos,
  ownerOf,
  removeJob,
  runQuery,
  searchItems,
  VIDEO_QUERIES,
  type ItemDocument,
  type LinkDocument,
} from '@magpie/store';
import { tidy } from '../tidy/tidy.ts';
import { mixedFile, reasonsOf, urlOf } from '../testing/import-files.ts';
import { addsUp, World } from '../testing/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.make();
});
afterAll(() => world.close());
beforeEach(async () => {
  await world.store.items.collection.deleteMany({});
  await world.store.links.collection.deleteMany({});
});

const all = async <T>(model: 'items' | 'links', filter: object = {}): Promise<T[]> =>
  (await world.store[model].collection
    .find(filter as never)
    .sort({ _id: 1 })
    .toArray()) as unknown as T[];

const rejectsOf = (id: string): Promise<string> =>
  readFile(join(world.places.work(id), 'rejects.csv'), 'utf8');

test('thousands of rows with 1 % bad: exact counts, and the reason of each bad row', async () => {
  const file = mixedFile(6000);
  const id = await world.transfer('import', { upload: await world.upload(file.text), as: 'items' });
  const job = await world.until(id, 'completed');
  expect(job.counts).toEqual({
    discovered: file.rows,
    stored: file.good,
    shared: 0,
    skipped: file.duplicate,
    failed: file.bad.size,
    pending: 0,
  });
  expect(addsUp(job)).toBe(true);
  expect(job.transfer).toMatchObject({
    rows: file.rows,
    totalRows: file.rows,
    bytes: Buffer.byteLength(file.text),
    totalBytes: Buffer.byteLength(file.text),
    options: { detected: { format: 'csv', delimiter: ',', columns: ['url', 'kind', 'title', 'note'] } },
    report: {
      rows: file.rows,
      stored: file.good,
      duplicate: file.duplicate,
      rejected: file.bad.size,
      reasons: reasonsOf(file),
    },
  });
  const rejects = await rejectsOf(id);
  const [header, ...lines] = rejects.trimEnd().split('\r\n');
  expect(header).toBe('line,column,code,message,row');
  expect(lines.map((line) => line.split(',').slice(0, 3))).toEqual(
    [...file.bad].map(([line, [column, code]]) => [String(line), column, code]),
  );
  // Rows without the header, a line each.
  expect(lines.map((line) => line.split(',').at(-1))).toEqual(
    [...file.bad.keys()].map((line) => String(line - 1)),
  );
  expect(rejects).not.toContain('hunter2');
  const { firstErrors } = job.transfer.report as { firstErrors: { line: number; code: string }[] };
  expect(firstErrors.map(({ line, code }) => [line, code])).toEqual(
    [...file.bad].slice(0, 20).map(([line, [, code]]) => [line, code]),
  );

  expect(await world.store.items.collection.countDocuments({})).toBe(file.good);
  expect(await world.store.links.collection.countDocuments({ jobId: id, state: 'stored' } as never)).toBe(
    file.good,
  );
});

test('an item and its link are as the platform makes them', async () => {
  const text =
    '{"url":"HTTPS://Example.org:443/%7Ea#x","kind":"text","page":"http://example.org","title":"T","n":{"deep":[1,null]}}\n';
  const id = await world.transfer('import', {
    upload: await world.upload(text, 'rows.ndjson'),
    as: 'items',
    source: 'web-text',
  });
  await world.until(id, 'completed');
  const url = 'https://example.org/~a';
  const item = idOf('text', url);
  expect(await all<ItemDocument>('items')).toEqual([
    {
      _id: item,
      kind: 'text',
      url,
      host: 'example.org:443',
      finalUrl: url,
      page: 'http://example.org/',
      source: 'web-text',
      data: { title: 'T', n: { deep: [1, null] } },
      importedBy: id,
      importedRow: 1,
      refs: 1,
      revision: 1,
      order: expect.any(Number) as number,
      storedAt: expect.any(Date) as Date,
      checkedAt: expect.any(Date) as Date,
    },
  ]);
  expect(await all<LinkDocument>('links')).toEqual([
    {
      _id: `${id}:000000001`,
      jobId: id,
      target: item,
      of: 'item',
      kind: 'text',
      url,
      state: 'stored',
      order: expect.any(Number) as number,
      brought: true,
    },
  ]);
});

test('what an import brought, and what was there, is found as its own; what it left to another one is not', async () => {
  const video = (i: number): string =>
    `${JSON.stringify({ url: urlOf(i), kind: 'video', title: `magpie ${String(i)}`, publishedAt: `2026-01-0${String(i)}T00:00:00Z` })}\n`;
  const imported = async (...of: number[]): Promise<string> => {
    const upload = await world.upload(of.map(video).join(''), 'rows.ndjson');
    const id = await world.transfer('import', { upload, as: 'items' });
    await world.until(id, 'completed');
    return id;
  };
  const { store } = world;
  const found = async (jobId: string): Promise<unknown> => {
    const owner = ownerOf(await world.job(jobId));
    const ids = [1, 2, 3, 4].map((i) => idOf('video', urlOf(i)));
    const one = await Promise.all(ids.map((id) => findJobItem(store, owner, id)));
    const exported: ItemDocument[] = [];
    const selection = {
      filter: {},
      job: jobId,
      q: 'magpie',
      bound: await exportBound(store, jobId, new Date()),
    };
    for await (const { items } of exportBatches(store, selection)) exported.push(...items);
    const lists = [
      one.flatMap((item) => item ?? []),
      (await listJobItems(store, jobId, {}, { limit: 10 })).rows.map(({ item }) => item),
      (await listVideos(store, { owner }, { limit: 10 })).rows,
      await runQuery<ItemDocument>(store, VIDEO_QUERIES.videosOfLargeJob(owner, {}, 10)),
      (await searchItems(store, 'magpie', { owner }, { limit: 10 })).rows,
      exported,
    ];
    return lists.map((list) =>
      list
        .map(({ data }) => String(data['title']).slice(-1))
        .sort()
        .join(''),
    );
  };
  const everywhere = (titles: string): string[] => Array.from({ length: 6 }, () => titles);

  const first = await imported(1, 2);
  const second = await imported(2, 3);
  expect(await found(first)).toEqual(everywhere('12'));
  expect(await found(second)).toEqual(everywhere('23'));
  await world.control(first, 'terminate');
  await world.eventually(
    () => world.job(first),
    ({ state }) => state === 'terminated',
  );
  expect(await found(first)).toEqual(everywhere(''));
  expect(await found(second)).toEqual(everywhere('23'));

  // As between being put in and being linked.
  await store.items.collection.updateOne({ importedBy: second }, { $set: { importedRow: 3 } });
  expect(await found(second)).toEqual(['2', '23', '23', '2', '2', '2']);
  await removeJob(store, second);
  const left = (await all<ItemDocument>('items')).map(({ refs, importedBy }) => [refs, importedBy]);
  expect(left).toEqual([
    [0, undefined],
    [0, undefined],
  ]);
});

test('rows that come again thousands of rows later are brought once, and shared once', async () => {
  const rows = (from: number, to: number): string =>
    Array.from({ length: to - from }, (_, i) => `${urlOf(from + i)}\n`).join('');
  const before = await world.transfer('import', {
    upload: await world.upload(`url\n${rows(0, 1000)}`),
    as: 'items',
  });
  await world.until(before, 'completed');
  const upload = await world.upload(`url\n${rows(0, 6000)}${rows(0, 2000)}`);
  const id = await world.transfer('import', { upload, as: 'items' });
  expect((await world.until(id, 'completed')).counts).toMatchObject({
    discovered: 8000,
    stored: 5000,
    shared: 1000,
    skipped: 2000,
  });
  expect(await world.itemsByRefs()).toEqual([
    { _id: 1, items: 5000 },
    { _id: 2, items: 1000 },
  ]);
  expect(await world.store.links.collection.countDocuments({ jobId: id } as never)).toBe(6000);
});

test('a mapping takes the columns it names, by name or by number', async () => {
  const text = 'Address;What;Drop\nhttps://example.org/1;One;x\nhttps://example.org/2;;y\n';
  const id = await world.transfer('import', {
    upload: await world.upload(text),
    as: 'items',
    kind: 'image',
    mapping: { url: 'Address', alt: 2 },
  });
  await world.until(id, 'completed');
  const items = await all<ItemDocument>('items');
  expect(items.map(({ kind, data }) => [kind, data])).toEqual(
    expect.arrayContaining([
      ['image', { alt: 'One' }],
      ['image', {}],
    ]),
  );
});

test('bare addresses need no header, and may be followed by other columns', async () => {
  const bare = '\ufeffhttps://example.org/1\r\nhttps://example.org/2\r\nhttps://example.org/1\r\n';
  const id = await world.transfer('import', { upload: await world.upload(bare), as: 'items' });
  expect((await world.until(id, 'completed')).counts).toMatchObject({ discovered: 3, stored: 2, skipped: 1 });
  const more = await world.transfer('import', {
    upload: await world.upload('https://example.org/3;Three\nhttps://example.org/4;Four\n'),
    as: 'items',
    mapping: { url: 1, title: 2 },
  });
  expect((await world.until(more, 'completed')).counts).toMatchObject({ discovered: 2, stored: 2 });
  // A mapping by names says that there is a header.
  const named = await world.transfer('import', {
    upload: await world.upload('https://schema.org/url,name\nhttps://example.org/5,Five\n'),
    as: 'items',
    mapping: { url: 'https://schema.org/url' },
  });
  expect((await world.until(named, 'completed')).counts).toMatchObject({ discovered: 1, stored: 1 });
});

test('without a column for the address, or with a mapping to none, it fails and says what there is', async () => {
  const upload = await world.upload('a,b\n1,2\n');
  const what = (column: string): string =>
    `\`mapping\` says that \`url\` is column ${column}: the file has none such.`;
  for (const [rest, message] of [
    [{}, 'The file has no column for `url`: say in `mapping` which it is.'],
    [{ mapping: { url: 'c' } }, what('`c`')],
    [{ mapping: { url: 3 } }, what('3')],
  ] as const) {
    const id = await world.transfer('import', { upload, as: 'items', ...rest });
    const { error } = await world.until(id, 'failed');
    expect(error).toEqual({ code: 'missing_column', message: `${message} It has \`a\`, \`b\`.` });
  }
});

test('a file of which nothing can be used fails; so does one that is gone', async () => {
  const id = await world.transfer('import', { upload: await world.upload('url\nx\ny\n'), as: 'items' });
  expect((await world.until(id, 'failed')).error).toMatchObject({ code: 'no_good_row' });
  expect((await rejectsOf(id)).trimEnd().split('\r\n')).toHaveLength(3);
  const gone = await world.transfer('import', { upload: 'nothere0', as: 'items' });
  expect((await world.until(gone, 'failed')).error).toMatchObject({ code: 'upload_gone' });
});

test('items that are kept already are shared, and the second file of the same rows brings none', async () => {
  const text = `url\n${Array.from({ length: 50 }, (_, i) => urlOf(i)).join('\n')}\n`;
  const first = await world.transfer('import', { upload: await world.upload(text), as: 'items' });
  await world.until(first, 'completed');
  const second = await world.transfer('import', { upload: await world.upload(text), as: 'items' });
  const job = await world.until(second, 'completed');
  expect(job.counts).toMatchObject({ discovered: 50, stored: 0, shared: 50, skipped: 0 });
  const items = await all<ItemDocument>('items');
  expect(new Set(items.map(({ refs }) => refs))).toEqual(new Set([2]));
  const links = await all<LinkDocument>('links', { jobId: second });
  expect(links.every(({ state, brought }) => state === 'shared' && brought === false)).toBe(true);
});

test('two imports of the same rows at once: each item is there once, with both references', async () => {
  await world.addService();
  const text = `url,title\n${Array.from({ length: 3000 }, (_, i) => `${urlOf(i)},T${String(i)}`).join('\n')}\n`;
  const uploads = await Promise.all([world.upload(text), world.upload(text)]);
  const ids = await Promise.all(uploads.map((upload) => world.transfer('import', { upload, as: 'items' })));
  const jobs = await Promise.all(ids.map((id) => world.until(id, 'completed')));
  expect(jobs.map(({ counts }) => counts.stored + counts.shared)).toEqual([3000, 3000]);
  expect(jobs.reduce((sum, { counts }) => sum + counts.stored, 0)).toBe(3000);
  const items = await all<ItemDocument>('items');
  expect(items).toHaveLength(3000);
  expect(new Set(items.map(({ refs }) => refs))).toEqual(new Set([2]));
  const brought = await all<LinkDocument>('links', { brought: true });
  expect(new Set(brought.map(({ target }) => target)).size).toBe(3000);
});

test('onError stop ends at the first bad row and keeps what was before; a retry goes on after it', async () => {
  const rows = Array.from({ length: 2500 }, (_, i) => (i === 1500 ? 'nothing' : urlOf(i)));
  const id = await world.transfer('import', {
    upload: await world.upload(`url\n${rows.join('\n')}\n`),
    as: 'items',
    onError: 'stop',
  });
  const job = await world.until(id, 'failed');
  expect(job.error).toMatchObject({
    code: 'bad_row',
    message: expect.stringMatching(/^Line 1502, row 1501, column url: .*1500 rows/) as string,
  });
  expect(job.counts).toMatchObject({ discovered: 1501, stored: 1500, failed: 1 });
  expect(await world.store.items.collection.countDocuments({})).toBe(1500);
  await world.control(id, 'retry');
  const after = await world.until(id, 'completed');
  expect(after.counts).toMatchObject({ discovered: 2500, stored: 2499, failed: 1 });
  expect((await rejectsOf(id)).trimEnd().split('\r\n')).toHaveLength(2);
});

test('the list of rejected rows expires as other files do; a retry begins a new one', async () => {
  const rows = Array.from({ length: 1500 }, (_, i) => (i % 500 === 499 ? 'nothing' : urlOf(i)));
  const before = Date.now();
  const id = await world.transfer('import', {
    upload: await world.upload(`url\n${rows.join('\n')}\n`),
    as: 'items',
    onError: 'stop',
  });
  const { transfer } = await world.until(id, 'failed');
  expect(transfer.expiresAt?.getTime()).toBeGreaterThanOrEqual(before + 7 * 86_400_000);
  await world.store.jobs.collection.updateOne({ _id: id } as never, {
    $set: { 'transfer.expiresAt': new Date(0) },
  });
  await tidy({ store: world.store, places: world.places, onError: () => undefined });
  await expect(rejectsOf(id)).rejects.toThrow('ENOENT');
  expect((await world.job(id)).transfer).toMatchObject({ expiresAt: null, report: { expired: true } });
  await world.control(id, 'retry');
  expect((await world.until(id, 'failed')).counts).toMatchObject({ discovered: 1000, failed: 2 });
  expect((await rejectsOf(id)).trimEnd().split('\r\n')).toEqual([
    'line,column,code,message,row',
    expect.stringMatching(/^1001,url,invalid_url,/) as string,
  ]);
  const clean = await world.transfer('import', {
    upload: await world.upload('url\nhttps://a.org/\n'),
    as: 'items',
  });
  expect((await world.until(clean, 'completed')).transfer.expiresAt).toBeNull();
});

test('of a JSON array in one line, a bad element is told by its number, also after a dry run', async () => {
  const text = JSON.stringify([{ url: urlOf(1) }, { url: 'none' }, { url: urlOf(2) }, { title: 'x' }]);
  const upload = await world.upload(text, 'rows.json');
  const id = await world.transfer('import', { upload, as: 'items' });
  const { report } = (await world.until(id, 'completed')).transfer;
  expect(report).toMatchObject({
    firstErrors: [
      { line: 1, row: 2, column: 'url', code: 'invalid_url' },
      { line: 1, row: 4, column: 'url', code: 'missing_value' },
    ],
  });
  const dry = await world.transfer('import', { upload, as: 'items', onError: 'stop', dryRun: true });
  const { error } = await world.until(dry, 'failed');
  expect(error?.message).toMatch(
    /^Line 1, row 2, column url: .* A dry run brings nothing; a retry starts over\.$/,
  );
});

test('that the encoding was guessed is told', async () => {
  const upload = await world.upload(Buffer.from(`url,title\n${urlOf(1)},a\xf1o\n`, 'latin1'));
  const id = await world.transfer('import', { upload, as: 'items' });
  const { options, report } = (await world.until(id, 'completed')).transfer;
  expect(options).toMatchObject({ detected: { encoding: 'windows-1252', guessed: true } });
  expect(report['encoding']).toMatch(/^windows-1252 is a guess/);
  expect(await all('items')).toMatchObject([{ data: { title: 'año' } }]);
});

test('a dry run says what would be, and writes nothing', async () => {
  const kept = await world.transfer('import', {
    upload: await world.upload(`url\n${[1, 2, 3].map(urlOf).join('\n')}\n`),
    as: 'items',
  });
  await world.until(kept, 'completed');
  const before = [await all('items'), await all('links')];
  const file = mixedFile(3000);
  const id = await world.transfer('import', {
    upload: await world.upload(file.text),
    as: 'items',
    dryRun: true,
  });
  const job = await world.until(id, 'completed');
  expect(job.transfer.report).toMatchObject({
    dryRun: true,
    rows: 3000,
    stored: file.good - 3,
    shared: 3,
    duplicate: file.duplicate,
    rejected: file.bad.size,
    reasons: reasonsOf(file),
    firstErrors: [...file.bad].slice(0, 20).map(([line, [column, code]]) => ({
      line,
      column: column === '' ? null : column,
      code,
      message: expect.any(String) as string,
    })),
  });
  expect(job.transfer.report).not.toHaveProperty('unsure');
  expect(job.counts).toMatchObject({ stored: 0, shared: 0, failed: file.bad.size });
  expect(addsUp(job)).toBe(true);
  expect((await rejectsOf(id)).trimEnd().split('\r\n')).toHaveLength(file.bad.size + 1);
  expect([await all('items'), await all('links')]).toEqual(before);
});

test('rows that would harm the database, or a spreadsheet, are rejected or made harmless', async () => {
  const rows = [
    { url: urlOf(1), nested: { textIndexLanguage: 'klingon' } },
    { url: urlOf(2), kind: 'video', publishedAt: ['a'], channelId: ['b'] },
    { url: urlOf(3), ['a\0b']: 1 },
    { url: urlOf(4), deep: JSON.parse('['.repeat(40) + ']'.repeat(40)) as unknown },
    { url: 17 },
    { url: urlOf(6), $set: { $where: 'x' }, 'a.b': 1, data: { title: 'in data' }, 'data.alt': 'too' },
    { url: '=cmd|calc' },
  ];
  const id = await world.transfer('import', {
    upload: await world.upload(rows.map((row) => JSON.stringify(row)).join('\n'), 'rows.ndjson'),
    as: 'items',
  });
  const job = await world.until(id, 'completed');
  expect(job.counts).toMatchObject({ discovered: 7, stored: 1, failed: 6 });
  expect((await all<ItemDocument>('items')).map(({ data }) => data)).toEqual([
    { $set: { $where: 'x' }, 'a.b': 1, title: 'in data', alt: 'too' },
  ]);
  expect(await rejectsOf(id)).not.toMatch(/^[=+\-@]|,"?[=+\-@]/m);
});

test('a file whose names of fields are huge is listed in little, and the job can be read', async () => {
  const key = `a\u0000${'k'.repeat(1_000_000)}`;
  const rows = Array.from({ length: 30 }, () => JSON.stringify({ url: urlOf(1), [key]: 1 }));
  const text = [JSON.stringify({ url: urlOf(2) }), ...rows].join('\n');
  const id = await world.transfer('import', {
    upload: await world.upload(text, 'rows.ndjson'),
    as: 'items',
  });
  const { counts } = await world.until(id, 'completed');
  expect(counts).toMatchObject({ discovered: 31, stored: 1, failed: 30 });
  expect((await rejectsOf(id)).length).toBeLessThan(100_000);
});
