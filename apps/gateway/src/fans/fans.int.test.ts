import { emptySummary, joinSummaries, summaryOf } from '@magpie/domain';
import { rollupId, totalOf, type RollupHour, type SampleDocument } from '@magpie/store';
import { startGateway, type TestGateway } from '../testing/gateway.ts';
import { until } from '../testing/until.ts';

const KEY = 'a-very-secret-key';
const SOURCE = 'facebook-pages';
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const INTERVAL = 10 * MINUTE;
const T0 = Date.parse('2026-03-01T00:00:00Z');

let gateway: TestGateway;
const basic = { authorization: `Basic ${Buffer.from(`anyone:${KEY}`).toString('base64')}` };
const get = (url: string, headers: Record<string, string> = {}) =>
  gateway.app.inject({ method: 'GET', url, headers: { ...basic, ...headers } });
const post = (url: string, payload: object | string, headers: Record<string, string> = {}) =>
  gateway.app.inject({ method: 'POST', url, payload, headers: { ...basic, ...headers } });

const sampleAt = (target: string, i: number, more: Partial<SampleDocument> = {}): SampleDocument => ({
  // Each a little after its round, by the page's phase.
  at: new Date(T0 + i * INTERVAL + (target.length % 7) * 1000),
  of: { source: SOURCE, target },
  round: new Date(T0 + i * INTERVAL),
  values: { fan_count: 1000 + i, followers_count: 2000 + 2 * i },
  ...more,
});

/** Keeps samples, and sums up all their hours but the last, as storage would. */
async function keep(samples: SampleDocument[]): Promise<void> {
  const hours = new Map<string, RollupHour & { from: Date }>();
  for (const { at, values, suspect } of samples) {
    const from = new Date(Math.floor(at.getTime() / HOUR) * HOUR);
    const before = hours.get(from.toISOString()) ?? { ...emptySummary(), to: at, from };
    hours.set(from.toISOString(), {
      ...joinSummaries(before, summaryOf(values, suspect === true)),
      to: at,
      from,
    });
  }
  const { source, target } = samples[0]!.of;
  const rollups = new Map<string, { _id: string; day: Date; hours: Record<string, RollupHour> }>();
  for (const { from, ...hour } of [...hours.values()].slice(0, -1)) {
    const _id = rollupId(source, target, from);
    const rollup = rollups.get(_id) ?? {
      _id,
      day: new Date(Math.floor(from.getTime() / DAY) * DAY),
      hours: {},
    };
    rollup.hours[String(from.getUTCHours())] = hour;
    rollups.set(_id, rollup);
  }
  await gateway.store.samples.collection.insertMany(samples as never);
  if (rollups.size > 0)
    await gateway.store.rollups.collection.insertMany(
      [...rollups.values()].map((rollup) => ({
        ...rollup,
        total: totalOf(rollup.hours),
        source,
        target,
      })) as never,
    );
}

const series = (target: string, from: number, to: number): SampleDocument[] =>
  Array.from({ length: to - from }, (_, i) => sampleAt(target, from + i));

/** Right after a stall of its process, which a large insert is, the gateway says that it is overloaded. */
const settled = (): Promise<void> =>
  until(async () => (await get('/api/fans/companies/')).statusCode !== 503, 'it has settled');

beforeAll(async () => {
  gateway = await startGateway({ env: { MAGPIE_ADMIN_KEY: KEY } });
  await gateway.store.sources.collection.insertOne({
    _id: SOURCE as never,
    summary: 'Fans',
    version: '1',
    params: {
      type: 'object',
      required: ['pages'],
      properties: {
        pages: { type: 'array', minItems: 1, maxItems: 200_000, items: { type: 'string', maxLength: 500 } },
      },
    },
    emits: {},
    batch: {},
    schedule: { every: 'PT10M' },
    targets: { param: 'pages', step: 'pages', perStep: 50 },
    limits: ['What was before'],
    lastSeenAt: new Date(),
  });
  await keep(series('nasa', 0, 10_500));
  const esa = series('esa', 0, 12);
  esa[5] = sampleAt('esa', 5, { values: { fan_count: 9_000_000, followers_count: 1 }, suspect: true });
  esa[6] = sampleAt('esa', 6, { verdict: 'confirmed' });
  esa.splice(3, 1);
  await keep(esa);
  await keep([sampleAt('=cmd()', 0), sampleAt('=cmd()', 1)]);
  await settled();
}, 180_000);
afterAll(() => gateway.close());

const DAY1 = 'from=2026-03-01&to=2026-03-01';

describe('line chart', () => {
  it('is ready to draw', async () => {
    const answer = await get(`/api/fans/linechart/nasa?${DAY1}`);
    expect(answer.statusCode).toBe(200);
    const chart = answer.json();
    expect(chart).toMatchObject({ page: 'nasa', interval: 'raw' });
    expect([chart.labels.length, chart.data.length, chart.followers.length]).toEqual([144, 144, 144]);
    expect([chart.labels[0], chart.data[0], chart.followers[0]]).toEqual([
      '2026-03-01T00:00:04.000Z',
      1000,
      2000,
    ]);
    expect([chart.data[143], chart.followers[143]]).toEqual([1143, 2286]);
  });

  it('has an hour or a day by its last sample, the open hour too', async () => {
    const hours = (await get(`/api/fans/linechart/nasa?${DAY1}&interval=hour`)).json();
    expect(hours.labels.length).toBe(24);
    expect(hours.data).toEqual(Array.from({ length: 24 }, (_, h) => 1000 + h * 6 + 5));
    const days = (await get('/api/fans/linechart/nasa?from=2026-03-01&to=2026-06-01&interval=day')).json();
    expect(days.labels.slice(0, 2)).toEqual(['2026-03-01T00:00:00.000Z', '2026-03-02T00:00:00.000Z']);
    expect(days.data.slice(0, 2)).toEqual([1143, 1287]);
    expect(days.data.at(-1)).toBe(1000 + 10_499);
    expect(days.labels.length).toBe(Math.ceil(10_500 / 144));
  });

  it('takes an interval by the period', async () => {
    const of = async (query: string) => (await get(`/api/fans/linechart/nasa?${query}`)).json().interval;
    expect(await of('from=2026-03-01&to=2026-03-02')).toBe('raw');
    expect(await of('from=2026-03-01&to=2026-03-20')).toBe('hour');
    expect(await of('from=2026-01-01&to=2026-12-31')).toBe('day');
    expect(await of('from=2026-03-01&to=2026-03-20&interval=raw')).toBe('raw');
  });

  it('gives 10,000 raw points', async () => {
    const answer = await get('/api/fans/linechart/nasa?from=2026-03-01&to=2026-06-01&interval=raw');
    expect(answer.statusCode).toBe(200);
    const { labels, data } = answer.json();
    expect([labels.length, new Set(labels).size]).toEqual([10_500, 10_500]);
    expect(data).toEqual(Array.from({ length: 10_500 }, (_, i) => 1000 + i));
  });

  it('refuses more points than it gives, and says which interval would do', async () => {
    const answer = await get('/api/fans/linechart/nasa?from=1970-01-01&to=2026-12-31&interval=hour');
    expect(answer.statusCode).toBe(400);
    expect(answer.json().errors).toEqual([
      { field: 'interval', message: expect.stringContaining('interval=day') },
    ]);
  });

  it('marks what is suspect, and leaves it out of hours', async () => {
    const { points } = (await get(`/api/fans/linechart/esa?${DAY1}&format=json&interval=raw`)).json();
    expect(points.map(({ suspect }: { suspect: boolean }) => suspect)).toEqual(
      [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11].map((i) => i === 5),
    );
    const hours = (await get(`/api/fans/linechart/esa?${DAY1}&interval=hour`)).json();
    expect(hours.data).toEqual([1004, 1011]);
  });

  it('gives a sample that was moved twice once', async () => {
    await keep([sampleAt('twice', 0), sampleAt('twice', 0), sampleAt('twice', 1), sampleAt('twice', 2)]);
    const { data } = (await get(`/api/fans/linechart/twice?${DAY1}`)).json();
    expect(data).toEqual([1000, 1001, 1002]);
    const { items } = (await get(`/api/fans/table/twice?${DAY1}&limit=2`)).json();
    expect(items.map(({ fans }: { fans: number }) => fans)).toEqual([1002, 1001]);
  });

  it.each(['NASA', 'Nasa', '@nasa', encodeURIComponent('https://www.facebook.com/NASA/')])(
    'knows the page by %s',
    async (page) => {
      const answer = await get(`/api/fans/linechart/${page}?${DAY1}`);
      expect([answer.statusCode, answer.json().page]).toEqual([200, 'nasa']);
    },
  );

  it.each([
    ['linechart', 'nobody'],
    ['table', 'nobody'],
    ['linechart', '%00'],
    ['linechart', 'a%20b'],
  ])('answers 404 to %s of %s', async (route, page) => {
    const answer = await get(`/api/fans/${route}/${page}`);
    expect([answer.statusCode, answer.json().code]).toEqual([404, 'not_found']);
  });

  it.each([
    ['from=yesterday', 'from'],
    ['from=2026-02-30', 'from'],
    ['from=2026-03-01T00:00:00', 'from'],
    ['to=2026-13-01', 'to'],
    ['from=2026-03-02&to=2026-03-01', 'to'],
    ['interval=week', 'interval'],
    ['format=xml', 'format'],
    ['form=2026-03-01', 'form'],
  ])('refuses %s', async (query, field) => {
    for (const route of ['linechart/nasa', 'table/nasa']) {
      const answer = await get(`/api/fans/${route}?${query}`);
      expect([answer.statusCode, answer.json().errors?.[0]?.field]).toEqual([400, field]);
    }
    const answer = await get(`/api/fans/multipage/?pages=nasa&${query}`);
    expect([answer.statusCode, answer.json().errors?.[0]?.field]).toEqual([400, field]);
  });
});

describe('table', () => {
  it('has rows, newest first, with what changed, over all its pages', async () => {
    const rows: { at: string; fans: number; fans_change: { absolute: number; percent: number } | null }[] =
      [];
    let cursor = '';
    do {
      const answer = await get(`/api/fans/table/nasa?${DAY1}&limit=50${cursor}`);
      expect(answer.statusCode).toBe(200);
      const { items, next } = answer.json();
      rows.push(...items);
      cursor = next === null ? '' : `&cursor=${next}`;
      if (next !== null) expect(answer.headers['link']).toContain(next);
    } while (cursor !== '');
    expect(rows.map(({ fans }) => fans)).toEqual(Array.from({ length: 144 }, (_, i) => 1143 - i));
    expect(rows.slice(0, 143).every(({ fans_change }) => fans_change?.absolute === 1)).toBe(true);
    expect(rows[0]!.fans_change?.percent).toBeCloseTo(100 / 1142, 3);
    expect(rows[143]!.fans_change).toBeNull();
  });

  it.each(['hour', 'day'])('pages by the %s', async (interval) => {
    const fans: number[] = [];
    let cursor = '';
    do {
      const answer = await get(
        `/api/fans/table/nasa?from=2026-05-05&to=2026-05-20&interval=${interval}&limit=5${cursor}`,
      );
      const { items, next } = answer.json();
      fans.push(...items.map((row: { fans: number }) => row.fans));
      cursor = next === null ? '' : `&cursor=${next}`;
    } while (cursor !== '');
    const chart = (
      await get(`/api/fans/linechart/nasa?from=2026-05-05&to=2026-05-20&interval=${interval}`)
    ).json();
    expect(fans).toEqual(chart.data.toReversed());
  });

  it('refuses a cursor of another list', async () => {
    const { next } = (await get(`/api/fans/table/nasa?${DAY1}&limit=5`)).json();
    const answer = await get(`/api/fans/table/nasa?${DAY1}&interval=hour&cursor=${next}`);
    expect([answer.statusCode, answer.json().code]).toEqual([400, 'invalid_cursor']);
  });
});

describe('several pages', () => {
  it('are aligned by rounds; missing is null', async () => {
    const answer = await get(
      '/api/fans/multipage/?pages=nasa&pages=ESA&from=2026-03-01&to=2026-03-01T01:59:59Z',
    );
    expect(answer.statusCode).toBe(200);
    const { labels, pages } = answer.json();
    expect(labels).toEqual(Array.from({ length: 12 }, (_, i) => new Date(T0 + i * INTERVAL).toISOString()));
    expect(pages.map(({ page }: { page: string }) => page)).toEqual(['nasa', 'esa']);
    expect(pages[0].data).toEqual(Array.from({ length: 12 }, (_, i) => 1000 + i));
    expect(pages[1].data).toEqual([
      1000,
      1001,
      1002,
      null,
      1004,
      9_000_000,
      1006,
      1007,
      1008,
      1009,
      1010,
      1011,
    ]);
  });

  it('name the page that nobody measures, and are 50 at most', async () => {
    const answer = await get('/api/fans/multipage/?pages=nasa&pages=nobody');
    expect([answer.statusCode, answer.json().errors]).toEqual([
      404,
      [{ field: 'pages.1', message: 'is not measured' }],
    ]);
    const many = Array.from({ length: 51 }, () => 'pages=nasa').join('&');
    expect((await get(`/api/fans/multipage/?${many}`)).statusCode).toBe(400);
    expect((await get('/api/fans/multipage/')).statusCode).toBe(400);
    expect((await get(`/api/fans/multipage/?pages=nasa&${DAY1}`)).statusCode).toBe(200);
  });
});

describe('CSV', () => {
  it.each([
    [`/api/fans/linechart/nasa?${DAY1}`, 'at,fans,followers,suspect', 144],
    [
      `/api/fans/table/nasa?${DAY1}&limit=10`,
      'at,fans,fans change,fans change %,followers,followers change,followers change %,suspect',
      10,
    ],
    [`/api/fans/multipage?pages=nasa&${DAY1}`, 'at,nasa,nasa followers', 144],
  ])('%s', async (url, header, rows) => {
    for (const answer of [await get(url, { accept: 'text/csv' }), await get(`${url}&format=csv`)]) {
      expect(answer.headers['content-type']).toMatch(/^text\/csv; charset=utf-8/);
      expect(answer.headers['content-disposition']).toMatch(/^attachment; filename="[\w.-]+\.csv"$/);
      const lines = answer.body.split('\r\n');
      expect([lines[0], lines.length]).toEqual([header, rows + 2]);
      expect(lines[1]!.split(',').length).toBe(header.split(',').length);
    }
    const json = await get(url, { accept: 'application/json, text/csv;q=0.5' });
    expect(json.headers['content-type']).toMatch(/^application\/json/);
  });

  it('has no formulas', async () => {
    const answer = await get(`/api/fans/multipage?pages=${encodeURIComponent('=cmd()')}&${DAY1}&format=csv`);
    expect(answer.body.split('\r\n')[0]).toBe("at,'=cmd(),'=cmd() followers");
  });
});

describe('what the client has already', () => {
  it.each(['linechart/nasa', 'table/nasa', 'multipage?pages=nasa'])(
    '%s is answered with 304',
    async (route) => {
      const url = `/api/fans/${route}${route.includes('?') ? '&' : '?'}${DAY1}`;
      const first = await get(url);
      const { etag } = first.headers as { etag: string };
      expect(etag).toMatch(/^"[\w-]{27}"$/);
      expect(first.headers['cache-control']).toBe('private, max-age=3600');
      for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
        const again = await get(url, { 'if-none-match': tag });
        expect([again.statusCode, again.body, again.headers['etag']]).toEqual([304, '', etag]);
      }
      expect((await get(url, { 'if-none-match': '"other"' })).statusCode).toBe(200);
      const csv = await get(url, { accept: 'text/csv', 'if-none-match': etag });
      expect([csv.statusCode, csv.headers['etag'] === etag]).toEqual([200, false]);
    },
  );

  it('is short-lived while the period goes on', async () => {
    const answer = await get('/api/fans/linechart/nasa?from=2026-03-01&interval=day');
    expect(answer.headers['cache-control']).toBe('private, max-age=30');
  });
});

describe('access', () => {
  it.each([
    ['Basic', basic, 200],
    ['API key', { 'x-api-key': KEY }, 200],
    ['a wrong password', { authorization: `Basic ${Buffer.from('a:b').toString('base64')}` }, 401],
    ['nothing', {}, 401],
  ])('%s', async (_how, headers, status) => {
    for (const url of [`/api/fans/linechart/nasa?${DAY1}`, '/api/fans/companies/']) {
      const answer = await gateway.app.inject({
        method: 'GET',
        url,
        headers: headers as Record<string, string>,
      });
      expect(answer.statusCode).toBe(status);
    }
  });
});

describe('companies', () => {
  it('are entered once, and their pages are measured by one job', async () => {
    const answer = await post('/api/fans/insertcompany/', 'name=Coca-Cola', {
      'content-type': 'application/x-www-form-urlencoded',
    });
    expect(answer.statusCode).toBe(201);
    expect(answer.headers['location']).toBe('http://magpie.test/api/fans/companies/coca-cola');
    expect(answer.json()).toMatchObject({ name: 'Coca-Cola', pages: ['coca-cola'] });
    const other = await post('/api/fans/put/', {
      name: 'Space People',
      pages: ['NASA', 'https://www.facebook.com/ESA/', 'nasa'],
    });
    expect([other.statusCode, other.json().pages]).toEqual([201, ['nasa', 'esa']]);
    expect(other.json().job_url).toBe(answer.json().job_url);
    for (const name of ['coca-cola', ' COCA-COLA ', 'Coca-Cola']) {
      const again = await post('/api/fans/put/', { name });
      expect([again.statusCode, again.json().code, again.json().errors[0].field]).toEqual([
        409,
        'already_exists',
        'name',
      ]);
    }
    const jobs = await gateway.store.jobs.find({ source: SOURCE }).lean();
    expect(jobs.map(({ targets, params }) => [targets, params])).toEqual([[3, {}]]);
    expect(jobs[0]!.schedule?.every).toBe('PT10M');
    const list = (await get('/api/fans/companies/')).json();
    expect(list.items.map(({ name }: { name: string }) => name)).toEqual(['Coca-Cola', 'Space People']);
    expect((await get('/api/fans/companies/space%20people')).json().name).toBe('Space People');
    expect((await get('/api/fans/companies/nobody')).statusCode).toBe(404);
    const { items } = (await get(`/api/v1/jobs/${jobs[0]!._id}/targets`)).json();
    expect(items.map(({ key }: { key: string }) => key)).toEqual(['coca-cola', 'esa', 'nasa']);
    const empty = await get('/api/fans/linechart/coca-cola');
    expect([empty.statusCode, empty.json().data]).toEqual([200, []]);
  });

  it('are measured by one job also when many come at once, and by a new one when that is over', async () => {
    const names = Array.from({ length: 8 }, (_, i) => `firm${i}`);
    await gateway.store.jobs.collection.updateMany({ source: SOURCE } as never, {
      $set: { state: 'terminated' },
    });
    const answers = await Promise.all([...names, ...names].map((name) => post('/api/fans/put/', { name })));
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([
      ...names.map(() => 201),
      ...names.map(() => 409),
    ]);
    const jobs = await gateway.store.jobs.find({ source: SOURCE, state: 'queued' }).lean();
    expect(jobs.map(({ targets }) => targets)).toEqual([8]);
    const keys = await gateway.store.targets.find({ jobId: jobs[0]!._id }).lean();
    expect(keys.map(({ key }) => key).sort()).toEqual(names);
    expect(await gateway.store.targetLoads.countDocuments({})).toBe(0);
  });

  it.each(['/api/fans/insertcompany/', '/api/fans/put/'])(
    'are entered once by many requests with one Idempotency-Key: %s',
    async (path) => {
      const name = `keyed-${path.includes('put')}`;
      const headers = { 'idempotency-key': 'one' };
      // Also the job that measures is made by one of them.
      await gateway.store.jobs.collection.updateMany({ source: SOURCE } as never, {
        $set: { state: 'terminated' },
      });
      const answers = await Promise.all(Array.from({ length: 8 }, () => post(path, { name }, headers)));
      expect(answers.map(({ statusCode }) => statusCode)).toEqual(Array(8).fill(201));
      expect(new Set(answers.map(({ body }) => body)).size).toBe(1);
      expect(answers.filter(({ headers: h }) => h['idempotent-replayed'] === undefined)).toHaveLength(1);
      const again = await post(path, `name=${name}`, {
        ...headers,
        'content-type': 'application/x-www-form-urlencoded',
      });
      expect([again.statusCode, again.headers['idempotent-replayed'], again.body]).toEqual([
        201,
        'true',
        answers[0]!.body,
      ]);
      expect(again.headers['location']).toBe(`http://magpie.test/api/fans/companies/${name}`);
      for (const body of [{ name: 'another' }, { name, pages: ['another'] }]) {
        const other = await post(path, body, headers);
        expect([other.statusCode, other.json().code]).toEqual([409, 'idempotency_conflict']);
      }
      const later = await post(path, { name }, { 'idempotency-key': 'two' });
      expect([later.statusCode, later.json().code]).toEqual([409, 'already_exists']);
      const none = await post(path, { name: 'another' }, { 'idempotency-key': 'a b' });
      expect([none.statusCode, none.json().errors[0].field]).toEqual([400, 'Idempotency-Key']);
      expect((await get('/api/fans/companies/another')).statusCode).toBe(404);
      expect(await gateway.store.targets.countDocuments({ key: 'another' })).toBe(0);
      expect(await gateway.store.jobs.countDocuments({ source: SOURCE, state: 'queued' })).toBe(1);
    },
  );

  it('with one Idempotency-Key and different names are one; the pages of the others are not measured', async () => {
    const names = Array.from({ length: 6 }, (_, i) => `rival${i}`);
    const answers = await Promise.all(
      names.map((name) => post('/api/fans/put/', { name }, { 'idempotency-key': 'rivals' })),
    );
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([201, 409, 409, 409, 409, 409]);
    const [winner] = answers.filter(({ statusCode }) => statusCode === 201);
    const measured = await gateway.store.targets.find({ key: { $in: names } }).lean();
    expect(measured.map(({ key }) => key)).toEqual([winner!.json().name]);
  });

  it.each([
    [{ name: '' }, 'name'],
    [{ name: '   ' }, 'name'],
    [{ name: 'Two Words' }, 'name'],
    [{ name: 'x', pages: ['a b'] }, 'pages.0'],
    [{ name: 'x', pages: [] }, 'pages'],
    [{ pages: ['a'] }, 'name'],
    [{ name: 'x', page: 'a' }, 'page'],
  ])('refuses %j', async (body, field) => {
    const answer = await post('/api/fans/insertcompany/', body);
    expect([answer.statusCode, answer.json().errors?.[0]?.field]).toEqual([400, field]);
  });
});

describe('a job that measures', () => {
  it('takes 200,000 names, keeps them apart from its parameters, and shows them by page', async () => {
    const pages = Array.from({ length: 200_000 }, (_, i) => `https://www.facebook.com/company-page-${i}`);
    const answer = await post('/api/v1/jobs', {
      source: SOURCE,
      params: { pages: [...pages.slice(1), 'Company-Page-7'] },
    });
    expect(answer.statusCode).toBe(202);
    await settled();
    const job = answer.json();
    expect([job.targets, job.params]).toEqual([199_999, {}]);
    const id = job.id as string;
    expect(await gateway.store.targets.countDocuments({ jobId: id })).toBe(199_999);
    const first = (await get(`/api/v1/jobs/${id}/targets?limit=2`)).json();
    expect(first.items.map(({ key }: { key: string }) => key)).toEqual(['company-page-1', 'company-page-10']);
    const second = (await get(`/api/v1/jobs/${id}/targets?limit=2&cursor=${first.next}`)).json();
    expect(second.items.map(({ key }: { key: string }) => key)).toEqual([
      'company-page-100',
      'company-page-1000',
    ]);
    await gateway.store.targets.collection.updateMany(
      { jobId: id, key: { $in: ['company-page-5', 'company-page-6'] } } as never,
      { $set: { state: 'unknown', misses: 3, nextAt: new Date(), message: 'gone' } },
    );
    const unknown = (await get(`/api/v1/jobs/${id}/targets?state=unknown&limit=1`)).json();
    expect(unknown.items[0]).toMatchObject({
      key: 'company-page-5',
      state: 'unknown',
      misses: 3,
      message: 'gone',
    });
    expect(
      (await get(`/api/v1/jobs/${id}/targets?state=unknown&cursor=${unknown.next}`)).json().items.length,
    ).toBe(1);
    expect((await get(`/api/v1/jobs/${id}/targets?state=lost`)).statusCode).toBe(400);
    expect((await get(`/api/v1/jobs/${id}/coverage`)).json()).toMatchObject({
      seen: null,
      limits: ['What was before'],
      targets: { active: 199_997, unknown: 2 },
      samples: { expected: 199_999, kept: 0 },
      openGaps: { targets: 0, since: null },
      gaps: { items: [], next: null },
    });
  }, 180_000);

  it('takes other names, and a schedule without them', async () => {
    const make = { source: SOURCE, params: { pages: ['a', 'b', 'c'] } };
    const { id } = (await post('/api/v1/jobs', make)).json();
    const patch = (payload: object) =>
      gateway.app.inject({ method: 'PATCH', url: `/api/v1/jobs/${id}`, payload, headers: basic });
    await gateway.store.targets.collection.updateOne({ _id: `${id}:b` } as never, {
      $set: { last: { at: new Date(), values: { fan_count: 1 }, suspect: false } },
    });
    const scheduled = await patch({ schedule: { every: 'PT1H' } });
    expect([scheduled.statusCode, scheduled.json().schedule?.every, scheduled.json().targets]).toEqual([
      200,
      'PT1H',
      3,
    ]);
    const changed = await patch({ params: { pages: ['B', 'c', 'https://facebook.com/D', 'e'] } });
    expect([changed.statusCode, changed.json().targets, changed.json().params]).toEqual([200, 4, {}]);
    const { items } = (await get(`/api/v1/jobs/${id}/targets`)).json();
    expect(items.map(({ key, last }: { key: string; last: object | null }) => [key, last !== null])).toEqual([
      ['b', true],
      ['c', false],
      ['d', false],
      ['e', false],
    ]);
    expect((await patch({ params: { pages: [' '] } })).statusCode).toBe(400);
    expect((await patch({ params: { pages: [] } })).statusCode).toBe(400);
  });

  it('refuses what is no name, and too many', async () => {
    const answer = await post('/api/v1/jobs', { source: SOURCE, params: { pages: ['a', 'b c', ''] } });
    expect([answer.statusCode, answer.json().errors]).toEqual([
      400,
      [
        { field: 'params.pages.1', message: 'must be a name, or an address that ends with one' },
        { field: 'params.pages.2', message: 'must be a name, or an address that ends with one' },
      ],
    ]);
  });

  it('says where its gaps are', async () => {
    const { id } = (
      await post('/api/v1/jobs', { source: SOURCE, params: { pages: ['a', 'b', 'c'] } })
    ).json();
    const now = Date.now();
    await gateway.store.gaps.collection.insertMany(
      Array.from({ length: 5 }, (_, i) => ({
        _id: `${id}:a:${i}`,
        jobId: id,
        target: 'a',
        from: new Date(now - i * HOUR),
        to: new Date(now - i * HOUR + 30 * MINUTE),
        missed: 2,
        reason: 'paused',
      })) as never,
    );
    const addedAt = new Date(now - 100 * INTERVAL - MINUTE);
    await gateway.store.targets.collection.updateMany({ jobId: id } as never, { $set: { addedAt } });
    await gateway.store.targets.collection.updateOne({ _id: `${id}:a` } as never, {
      $set: { last: { at: new Date(now - MINUTE), values: { fan_count: 1 }, suspect: false } },
    });
    await gateway.store.jobs.collection.updateOne({ _id: id } as never, {
      $set: { coverage: { from: addedAt, to: new Date(now) }, 'tally.samples': 250 },
    });
    const url = `/api/v1/jobs/${id}/coverage?limit=2`;
    const first = (await get(url)).json();
    expect(first).toMatchObject({
      seen: { from: addedAt.toISOString() },
      targets: { active: 3 },
      samples: { expected: 303, kept: 250 },
      openGaps: { targets: 2, since: addedAt.toISOString() },
    });
    expect(first.gaps.items.map(({ from }: { from: string }) => Date.parse(from))).toEqual([now, now - HOUR]);
    const second = (await get(`${url}&cursor=${first.gaps.next}`)).json();
    const third = (await get(`${url}&cursor=${second.gaps.next}`)).json();
    expect([second.gaps.items.length, third.gaps.items.length, third.gaps.next]).toEqual([2, 1, null]);
    expect(first.gaps.items[0]).toMatchObject({ target: 'a', missed: 2, reason: 'paused' });
  });
});
