import { PageQuery, type Job, type Problem } from '@magpie/contracts';
import { nextOrder } from '@magpie/domain';
import { itemOf, keep } from './testing/ledger.ts';
import { ItemListQuery } from './requests.ts';
import { makeJob, startGateway, type TestGateway } from './testing/gateway.ts';

interface Options {
  from?: string;
  to?: string;
  bound: { at: string; order: number };
}

describe('exports', () => {
  let gateway: TestGateway;
  let jobId: string;

  beforeAll(async () => {
    gateway = await startGateway();
    jobId = await makeJob(gateway.app);
    await keep(gateway.store, jobId, [itemOf('https://example.org/one.png')]);
  });
  afterAll(() => gateway.close());

  const post = (payload: object, headers: Record<string, string> = {}) =>
    gateway.app.inject({ method: 'POST', url: '/api/v1/exports', payload, headers });
  const get = (url: string, headers: Record<string, string> = {}) =>
    gateway.app.inject({ method: 'GET', url, headers });
  const query = (asked: Record<string, unknown>): string =>
    `/api/v1/export/?${new URLSearchParams(
      Object.entries(asked).map(([name, value]): [string, string] => [name, String(value)]),
    ).toString()}`;
  const made = async (): Promise<number> =>
    gateway.store.jobs.collection.countDocuments({ 'transfer.kind': 'export' });
  const optionsOf = ({ transfer }: Job): Options => transfer?.options as unknown as Options;

  it('are jobs, made by a body or by an address alike', async () => {
    const asked = { format: 'ndjson', gzip: true, kind: 'image', host: 'Example.org', filename: 'my images' };
    const before = Date.now();
    for (const answer of [await post(asked), await get(query(asked))]) {
      expect(answer.statusCode).toBe(202);
      const job = answer.json<Job>();
      expect(answer.headers['location']).toBe(`http://magpie.test/api/v1/exports/${job.id}`);
      expect(job).toMatchObject({
        source: 'export',
        state: 'queued',
        allowed: ['pause', 'stop', 'terminate'],
        transfer: { kind: 'export', rows: 0, file: null, expiresAt: null },
      });
      const { bound, ...options } = optionsOf(job);
      expect(options).toEqual({ ...asked, host: 'example.org' });
      const at = Date.parse(bound.at);
      expect(at).toBeGreaterThanOrEqual(before);
      expect(bound.order).toBeGreaterThanOrEqual(at * 4096);
      expect(bound.order).toBeLessThanOrEqual(nextOrder());
      const shown = await get(`/api/v1/exports/${job.id}`);
      expect(shown.json()).toEqual(job);
      expect((await get(`/api/v1/jobs/${job.id}`)).json()).toEqual(job);
    }
  });

  it('are kept by no cache when they are made by an address, and made by no mere look', async () => {
    const count = await made();
    const head = await gateway.app.inject({ method: 'HEAD', url: '/api/v1/export/' });
    expect(head.statusCode).toBe(405);
    for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { 'sec-purpose': 'prefetch' }]) {
      const refused = await get('/api/v1/export/', headers as Record<string, string>);
      expect([refused.statusCode, refused.json<Problem>().code]).toEqual([403, 'forbidden']);
    }
    expect(await made()).toBe(count);
    const answer = await get('/api/v1/export', { 'sec-fetch-site': 'none' });
    expect([answer.statusCode, answer.headers['cache-control']]).toEqual([202, 'no-store']);
    expect(answer.headers['etag']).toBeUndefined();
    expect(answer.json<Job>().transfer?.options['format']).toBe('csv');
    expect(await made()).toBe(count + 1);
  });

  it.each([
    [
      { date_gte: '2026-05-01', date_lte: '2026-05-31' },
      '2026-05-01T00:00:00.000Z',
      '2026-06-01T00:00:00.000Z',
    ],
    [
      { date_gte: '2026-05-01', date_lte: '2026-05-01' },
      '2026-05-01T00:00:00.000Z',
      '2026-05-02T00:00:00.000Z',
    ],
    [{ date_lte: '2024-02-29' }, undefined, '2024-03-01T00:00:00.000Z'],
    // The clocks go forward on 29 March 2026, and back on 25 October: days of 23 and 25 hours.
    [
      { date_gte: '2026-03-29', date_lte: '2026-03-29', timeZone: 'Europe/Berlin' },
      '2026-03-28T23:00:00.000Z',
      '2026-03-29T22:00:00.000Z',
    ],
    [
      { date_gte: '2026-10-25', date_lte: '2026-10-25', timeZone: 'Europe/Berlin' },
      '2026-10-24T22:00:00.000Z',
      '2026-10-25T23:00:00.000Z',
    ],
    // A day that begins at one o'clock, and one that there was not.
    [
      { date_gte: '2018-11-04', date_lte: '2018-11-04', timeZone: 'America/Sao_Paulo' },
      '2018-11-04T03:00:00.000Z',
      '2018-11-05T02:00:00.000Z',
    ],
    [{ date_gte: '2026-05-01', timeZone: 'Asia/Kathmandu' }, '2026-04-30T18:15:00.000Z', undefined],
  ])('take days of a time zone, both included: %j', async (asked, from, to) => {
    for (const answer of [await post(asked), await get(query(asked))]) {
      expect(answer.statusCode).toBe(202);
      const options = optionsOf(answer.json<Job>());
      expect([options.from, options.to]).toEqual([from, to]);
    }
  });

  it('take every filter that a search of items takes, and mean the same by it', async () => {
    const filters = {
      q: 'a corvid',
      kind: 'image',
      source: 'web-images',
      host: 'Example.org:81',
      job: jobId,
      from: '2026-05-01',
      to: '2026-05-02T12:30:00.5+02:00',
    };
    const known = Object.keys(ItemListQuery.properties).filter((name) => !(name in PageQuery.properties));
    expect(Object.keys(filters).sort()).toEqual(known.sort());
    for (const [name, value] of Object.entries(filters)) {
      const items = await get(`/api/v1/items?${new URLSearchParams({ [name]: value }).toString()}`);
      expect([name, items.statusCode]).toEqual([name, 200]);
      for (const answer of [await post({ [name]: value }), await get(query({ [name]: value }))])
        expect([name, answer.statusCode]).toEqual([name, 202]);
    }
    const options = optionsOf((await post(filters)).json<Job>());
    expect(options).toMatchObject({
      ...filters,
      host: 'example.org:81',
      from: '2026-05-01T00:00:00.000Z',
      to: '2026-05-02T10:30:00.500Z',
    });
    expect(options).not.toHaveProperty('timeZone');
  });

  it('say in which time zone days are meant', async () => {
    const zoneOf = async (asked: object): Promise<unknown> =>
      (await post(asked)).json<Job>().transfer?.options['timeZone'];
    expect(await zoneOf({ date_gte: '2026-05-01' })).toBe('UTC');
    expect(await zoneOf({ date_lte: '2026-05-01', timeZone: 'Asia/Tokyo' })).toBe('Asia/Tokyo');
  });

  it('have a name with one ending', async () => {
    for (const [asked, name] of [
      [{ filename: 'report.csv' }, 'report'],
      [{ filename: 'report.CSV.gz', gzip: true }, 'report'],
      [{ filename: 'report.csv', format: 'ndjson' }, 'report.csv'],
      [{ filename: 'report.2026' }, 'report.2026'],
    ] as const)
      expect((await post({ ...asked, kind: 'image' })).json<Job>().transfer?.options['filename']).toBe(name);
  });

  it('take no schedule', async () => {
    const { id } = (await post({ kind: 'image' })).json<Job>();
    const answer = await gateway.app.inject({
      method: 'PATCH',
      url: `/api/v1/jobs/${id}`,
      payload: { schedule: { every: 'PT1H' } },
    });
    expect([answer.statusCode, answer.json()]).toMatchObject([
      400,
      { errors: [{ field: 'schedule', message: 'is not for an export, which runs once' }] },
    ]);
  });

  it('have a name in any script', async () => {
    const asked = { filename: 'Gro\u0308ße 東京 2', kind: 'image' };
    for (const answer of [await post(asked), await get(query(asked))])
      expect([answer.statusCode, answer.json<Job>().transfer?.options['filename']]).toEqual([
        202,
        'Größe 東京 2',
      ]);
  });

  it.each<[Record<string, unknown>, string, RegExp]>([
    [{ from: '2026-05-02', to: '2026-05-01' }, 'to', /must not be before from/],
    [{ from: 'yesterday' }, 'from', /form/],
    [{ to: '2026-05-32' }, 'to', /form/],
    [{ from: '2026-05-01', date_lte: '2026-05-02' }, 'from', /not for a period of days/],
    [{ to: '2026-05-01', date_lte: '2026-05-02' }, 'to', /not for a period of days/],
    [{ filename: '東'.repeat(70) }, 'filename', /more than 200 bytes/],
    [{ filename: 'a\u202egpj.exe' }, 'filename', /form/],
    [{ filename: 'a"b' }, 'filename', /form/],
    [{ filename: 'a\r\nb' }, 'filename', /form/],
    [{ date_gte: '2026-05-02', date_lte: '2026-05-01' }, 'date_lte', /must not be before date_gte/],
    [{ date_gte: '2026-02-30' }, 'date_gte', /form|day/],
    [{ date_lte: '2026-13-01' }, 'date_lte', /form|day/],
    [{ date_lte: '01.05.2026' }, 'date_lte', /form|day/],
    [{ date_gte: '2026-05-01T00:00:00Z' }, 'date_gte', /form|day/],
    [{ date_gte: '2026-05-01', timeZone: 'Mars/Olympus' }, 'timeZone', /time zone/],
    [{ timeZone: '+02:00' }, 'timeZone', /time zone/],
    [{ date_gte: '2026-05-01', timeZone: '' }, 'timeZone', /1 char/],
    [{ date_gte: '2011-12-30', timeZone: 'Pacific/Apia' }, 'date_gte', /Pacific\/Apia never had/],
    [{ job: 'no id' }, 'job', /8 to 40 lower-case letters and digits/],
    [{ format: 'xls' }, 'format', /./],
    [{ format: 'zip', gzip: true }, 'gzip', /not for zip/],
    [{ fields: ['url', 'nothing'] }, 'fields.1', /not a field of items/],
    [{ fields: ['url.x'] }, 'fields.0', /no fields of its own/],
    [{ fields: ['file.path'] }, 'fields.0', /not one of a file/],
    [{ fields: ['__proto__'] }, 'fields.0', /not a field|form/],
    [{ fields: ['data.'] }, 'fields.0', /must name a field/],
    [{ fields: ['Data.x'] }, 'fields.0', /not a field of items: id, .* as data.title/],
    [{ fields: ['first name'] }, 'fields.0', /not a field of items/],
    [{ fields: ['$where'] }, 'fields.0', /not a field of items/],
    [{ fields: ['data.a\tb'] }, 'fields.0', /control characters/],
    [{ fields: ['data.a\0b'] }, 'fields.0', /control characters/],
    [{ fields: [`data.${'x'.repeat(201)}`] }, 'fields.0', /than 20[05] characters/],
    [{ fields: ['url', 'url'] }, 'fields', /./],
    [{ filename: '../../etc/passwd' }, 'filename', /form/],
    [{ filename: '.hidden' }, 'filename', /form/],
    [{ kind: 'x'.repeat(41) }, 'kind', /./],
    [{ source: 'No Source' }, 'source', /form/],
    [{ q: '' }, 'q', /./],
    [{ unknown: 1 }, 'unknown', /./],
  ])('say what is wrong: %j', async (asked, field, message) => {
    const count = await made();
    for (const answer of [await post(asked), await get(query(asked))]) {
      const problem = answer.json<Problem>();
      expect([answer.statusCode, problem.code]).toEqual([400, 'invalid_request']);
      const named = problem.errors?.find((error) => error.field === field || error.field.startsWith(field));
      expect([problem.errors, named?.message]).toEqual([problem.errors, expect.stringMatching(message)]);
    }
    expect(await made()).toBe(count);
  });

  it('say everything that is wrong at once', async () => {
    const answer = await post({
      date_gte: '2026-05-02',
      date_lte: '2026-05-01',
      fields: ['x', 'y'],
      format: 'zip',
      gzip: true,
    });
    expect(answer.json<Problem>().errors?.map(({ field }) => field)).toEqual([
      'date_lte',
      'fields.0',
      'fields.1',
      'gzip',
    ]);
  });

  it('are of a job that there is', async () => {
    const known = await post({ job: jobId });
    expect(known.statusCode).toBe(202);
    const unknown = await post({ job: '0'.repeat(22) });
    expect([unknown.statusCode, unknown.json<Problem>().errors?.[0]?.field]).toEqual([404, 'job']);
  });

  it('take fields by an address as a list', async () => {
    const expected = ['url', 'data.title', 'file.bytes'];
    for (const url of [
      '/api/v1/export/?fields=url,data.title,file.bytes',
      '/api/v1/export/?fields=url&fields=data.title,%20file.bytes',
    ]) {
      const answer = await get(url);
      expect([url, answer.statusCode]).toEqual([url, 202]);
      expect(answer.json<Job>().transfer?.options['fields']).toEqual(expected);
    }
  });

  it('take any column of the data, which the database never has as a path', async () => {
    const fields = [
      'data.first name',
      'data.Título',
      'data.$set',
      'data.$where.x',
      'data..x',
      'data.a=b&c',
      'url',
    ];
    for (const answer of [await post({ fields }), await get(query({ fields }))]) {
      expect(answer.statusCode).toBe(202);
      expect(answer.json<Job>().transfer?.options['fields']).toEqual(fields);
    }
    const comma = ['data.name, first', 'data. blank '];
    expect((await post({ fields: comma })).json<Job>().transfer?.options['fields']).toEqual(comma);
    expect((await post({ fields: ['data.\ud800'] })).statusCode).toBe(400);
  });

  it('of files are of images, unless another kind is named', async () => {
    expect((await post({ format: 'zip' })).json<Job>().transfer?.options['kind']).toBe('image');
    expect((await post({ format: 'zip', kind: 'video' })).json<Job>().transfer?.options['kind']).toBe(
      'video',
    );
    expect((await post({ format: 'csv' })).json<Job>().transfer?.options['kind']).toBeUndefined();
  });

  it('are bound by the newest that is stored, also by a clock that is ahead', async () => {
    const ahead = nextOrder() + 3_600_000 * 4096;
    const item = itemOf('https://example.org/ahead.png', { order: ahead });
    await gateway.store.items.collection.insertOne(item as never);
    expect(optionsOf((await post({})).json<Job>()).bound.order).toBe(ahead);
    await gateway.store.items.collection.deleteOne({ _id: item._id } as never);
  });

  it('are made once for an Idempotency-Key', async () => {
    const headers = { 'idempotency-key': 'once' };
    const count = await made();
    const answers = await Promise.all([1, 2, 3].map(() => post({ kind: 'image' }, headers)));
    expect(new Set(answers.map((answer) => answer.json<Job>().id)).size).toBe(1);
    expect(answers.filter((answer) => answer.headers['idempotent-replayed'] === 'true')).toHaveLength(2);
    expect(await made()).toBe(count + 1);
    const other = await post({ kind: 'text' }, headers);
    expect([other.statusCode, other.json<Problem>().code]).toEqual([409, 'idempotency_conflict']);
    const first = await get('/api/v1/export/?kind=image', headers);
    const again = await get('/api/v1/export/?kind=image', headers);
    expect(again.json<Job>().id).toBe(first.json<Job>().id);
  });

  it('are listed, newest first, page by page, by state', async () => {
    const total = await made();
    const listed: string[] = [];
    for (let cursor = ''; ;) {
      const answer = await get(`/api/v1/exports?limit=7${cursor}`);
      expect(answer.statusCode).toBe(200);
      const { items, next } = answer.json<{ items: Job[]; next: string | null }>();
      expect(items.every(({ transfer }) => transfer?.kind === 'export')).toBe(true);
      listed.push(...items.map(({ id }) => id));
      if (next === null) break;
      cursor = `&cursor=${next}`;
    }
    expect(listed).toEqual([...listed].sort().reverse());
    expect(new Set(listed).size).toBe(total);
    expect(listed).not.toContain(jobId);
    const id = listed[0] as string;
    await gateway.store.jobs.collection.updateOne({ _id: id } as never, { $set: { state: 'completed' } });
    const completed = await get('/api/v1/exports?state=completed');
    expect(completed.json<{ items: Job[] }>().items.map((job) => job.id)).toEqual([id]);
    expect((await get('/api/v1/exports?cursor=x')).statusCode).toBe(400);
  });

  it('are not other jobs', async () => {
    for (const id of [jobId, '0'.repeat(22)]) {
      const answer = await get(`/api/v1/exports/${id}`);
      expect([answer.statusCode, answer.json<Problem>().code]).toEqual([404, 'not_found']);
    }
  });

  it('are controlled as every job', async () => {
    const { id } = (await post({})).json<Job>();
    const answer = await gateway.app.inject({ method: 'POST', url: `/api/v1/jobs/${id}/pause` });
    expect([answer.statusCode, answer.json<Job>().state]).toEqual([202, 'pausing']);
  });
});
