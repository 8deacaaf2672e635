import type { Job, Run } from '@magpie/contracts';
import { runId } from '@magpie/store';
import { startGateway, URLS, type TestGateway } from './testing/gateway.ts';
import { setJob } from './testing/ledger.ts';

describe('schedules of jobs', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway();
    await gateway.store.sources.collection.insertOne({
      _id: 'polled' as never,
      summary: 'Something that is looked at again and again',
      version: '1',
      params: {
        type: 'object',
        properties: {
          tag: { type: 'string' },
          every: { anyOf: [{ type: 'string' }, { type: 'number' }], default: 'PT30S' },
          start: { type: 'string' },
          end: { type: 'string' },
          zone: { type: 'string' },
        },
      },
      emits: {},
      batch: {},
      schedule: { every: 'PT10M', everyParam: 'every' },
      period: { from: 'start', to: 'end', timeZone: 'zone' },
      lastSeenAt: new Date(),
    });
    await gateway.store.sources.collection.insertOne({
      _id: 'until-then' as never,
      summary: 'Something that is collected until a day',
      version: '1',
      params: {
        type: 'object',
        required: ['end'],
        properties: { start: { type: 'string' }, end: { type: 'string' }, minutes: { type: 'integer' } },
      },
      emits: {},
      batch: {},
      schedule: { every: 'PT10M', everyParam: 'minutes', untilParam: 'end' },
      period: { from: 'start', to: 'end' },
      lastSeenAt: new Date(),
    });
  });
  afterAll(() => gateway.close());

  const send = (method: 'POST' | 'PATCH', url: string, payload: object) =>
    gateway.app.inject({ method, url, payload });
  const create = (body: object) =>
    send('POST', '/api/v1/jobs', { source: 'web-images', params: URLS, ...body });
  const get = (url: string) => gateway.app.inject({ method: 'GET', url });
  const made = async (body: object): Promise<Job> => {
    const answer = await create(body);
    expect([answer.statusCode, answer.body]).toEqual([202, expect.any(String)]);
    return answer.json<Job>();
  };
  const today = Date.now();
  const day = (inDays: number): string => new Date(today + inDays * 86_400_000).toISOString().slice(0, 10);

  it('are kept as they are meant; the first run of an interval is due at once, and no step is made before', async () => {
    const job = await made({ schedule: { every: '90m', timeZone: 'Europe/Berlin', jitter: '0s' } });
    expect(job).toMatchObject({
      state: 'queued',
      runs: 0,
      schedule: {
        every: 'PT1H30M',
        cron: null,
        timeZone: 'Europe/Berlin',
        until: null,
        jitter: null,
        asked: null,
      },
    });
    expect(Math.abs(Date.parse(job.nextRunAt as string) - Date.parse(job.createdAt))).toBeLessThan(60_000);
    expect(await gateway.store.steps.countDocuments({ jobs: job.id })).toBe(0);
    expect(await gateway.store.links.countDocuments({ jobId: job.id })).toBe(0);

    const weekly = await made({ schedule: { cron: '0 9 * * 1', timeZone: 'Europe/Berlin', until: day(40) } });
    const due = new Date(weekly.nextRunAt as string);
    expect(due.getTime()).toBeGreaterThan(Date.parse(weekly.createdAt));
    expect(
      due.toLocaleString('en-GB', {
        timeZone: 'Europe/Berlin',
        weekday: 'short',
        timeStyle: undefined,
        hour: '2-digit',
        minute: '2-digit',
      }),
    ).toBe('Mon 09:00');
    expect(weekly.schedule?.until).toMatch(/T2[23]:59:59\.999Z$/);
  });

  it.each([
    ['schedule', {}],
    ['schedule', { every: '1m', cron: '* * * * *' }],
    ['schedule.every', { every: 'soon' }],
    ['schedule.every', { every: '500ms' }],
    ['schedule.every', { every: 'P2Y' }],
    ['schedule.cron', { cron: '61 * * * *' }],
    ['schedule.cron', { cron: '0 0 31 2 *' }],
    ['schedule.cron', { cron: '0 0 1 1 * * 2030' }],
    ['schedule.timeZone', { every: '1m', timeZone: 'Mars/Olympus' }],
    ['schedule.until', { every: '1m', until: '2020-01-01' }],
    ['schedule.until', { every: '1m', until: '2027-02-30' }],
    ['schedule.until', { every: '1m', until: '2999-01-01T00:00:00' }],
    ['schedule.jitter', { every: '1m', jitter: 'some' }],
    ['schedule.sometimes', { every: '1m', sometimes: true }],
  ])('refuse what is wrong with %s: %j', async (field, schedule) => {
    const answer = await create({ schedule });
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ code: 'invalid_request', errors: [{ field }] });
  });

  it('come from the source and the parameters unless the job has its own', async () => {
    const of = async (body: object): Promise<Job['schedule']> => (await made(body)).schedule;
    expect(await of({ source: 'polled', params: {} })).toMatchObject({ every: 'PT30S', until: null });
    expect(await of({ source: 'polled', params: { every: 15 } })).toMatchObject({ every: 'PT15M' });
    expect(await of({ source: 'polled', params: { every: '2h' } })).toMatchObject({ every: 'PT2H' });
    expect(await of({ source: 'polled', params: {}, schedule: { cron: '0 * * * *' } })).toMatchObject({
      every: null,
      cron: '0 * * * *',
    });
    const answer = await create({ source: 'polled', params: { every: 'never' } });
    expect(answer.json()).toMatchObject({ code: 'invalid_request', errors: [{ field: 'params.every' }] });

    expect(await of({ source: 'until-then', params: { end: day(3) } })).toMatchObject({
      every: 'PT10M',
      until: `${day(3)}T23:59:59.999Z`,
    });
    expect(await of({ source: 'until-then', params: { end: day(-3) } })).toBeNull();
    expect(
      await of({ source: 'until-then', params: { end: day(3) }, schedule: { every: '1h' } }),
    ).toMatchObject({
      every: 'PT1H',
      until: `${day(3)}T23:59:59.999Z`,
    });
  });

  it.each([
    ['params.end', { start: '2026-05-02', end: '2026-05-01' }],
    ['params.end', { start: '2026-05-01T12:00:00Z', end: '2026-05-01T11:59:59Z' }],
    ['params.start', { start: '2026-02-30' }],
    ['params.start', { start: '2026-05-01T12:00:00' }],
    ['params.end', { end: 'tomorrow' }],
    ['params.zone', { start: '2026-05-01', zone: 'Mars' }],
  ])('refuse a period that is none: %s of %j', async (field, params) => {
    const answer = await create({ source: 'polled', params });
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ code: 'invalid_request', errors: [{ field }] });
  });

  it('take a period of one day', async () => {
    expect(
      (await create({ source: 'polled', params: { start: '2026-05-01', end: '2026-05-01' } })).statusCode,
    ).toBe(202);
  });

  it('are changed at once; their runs keep their times unless the interval changes', async () => {
    const { id, nextRunAt } = await made({ schedule: { every: '1h' } });
    const patch = async (body: object): Promise<Job> => {
      const answer = await send('PATCH', `/api/v1/jobs/${id}`, body);
      expect([answer.statusCode, answer.body]).toEqual([200, expect.any(String)]);
      return answer.json<Job>();
    };
    const before = (await get(`/api/v1/jobs/${id}`)).json<Job>();
    const same = await patch({ schedule: { every: 'PT60M', until: day(5) } });
    expect(same.rev).toBe(before.rev + 1);
    expect(same.schedule).toMatchObject({ every: 'PT1H', until: `${day(5)}T23:59:59.999Z` });
    expect(Date.parse(same.nextRunAt as string) - Date.parse(nextRunAt as string)).toBe(3_600_000);
    const other = await patch({ schedule: { every: '5m' } });
    const ahead = Date.parse(other.nextRunAt as string) - Date.parse(other.updatedAt);
    // Counted from when the change was read.
    expect(300_000 - ahead).toBeGreaterThanOrEqual(0);
    expect(300_000 - ahead).toBeLessThan(60_000);
    const late = await patch({ schedule: { every: '10m', jitter: '10m' } });
    expect(Date.parse(late.nextRunAt as string) - Date.parse(late.updatedAt)).toBeGreaterThan(540_000);

    const waiting = { reason: 'schedule', until: new Date(late.nextRunAt as string) };
    await setJob(gateway.store, id, { state: 'waiting', waiting });
    const none = await patch({ schedule: null, stopWhenExhausted: true });
    expect(none).toMatchObject({ schedule: null, nextRunAt: null, stopWhenExhausted: true });
    // Looked at now, not when the run was due that does not come any more.
    expect(Date.parse(none.waiting?.until as string)).toBeLessThanOrEqual(Date.now());
  });

  it('follow the parameters that name them', async () => {
    const { id, params } = await made({ source: 'polled', params: { tag: 'a', start: '2026-05-01' } });
    expect(params).toMatchObject({ tag: 'a', every: 'PT30S' });
    const first = await send('PATCH', `/api/v1/jobs/${id}`, { params: { tag: 'b', start: null } });
    expect(first.json<Job>()).toMatchObject({
      params: { tag: 'b', every: 'PT30S' },
      schedule: { every: 'PT30S' },
    });
    expect(first.json<Job>().params).not.toHaveProperty('start');
    const second = await send('PATCH', `/api/v1/jobs/${id}`, { params: { every: 2 } });
    expect(second.json<Job>()).toMatchObject({ params: { tag: 'b', every: 2 }, schedule: { every: 'PT2M' } });
  });

  it.each([
    ['params.end', { params: { end: 'soon' } }],
    ['params.colour', { params: { colour: 'red' } }],
    ['schedule.every', { schedule: { every: '1 hour' } }],
    ['state', { state: 'paused' }],
  ])('are not changed to what would not have been taken: %s', async (field, body) => {
    const job = await made({ source: 'polled', params: {} });
    const answer = await send('PATCH', `/api/v1/jobs/${job.id}`, body);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ code: 'invalid_request', errors: [{ field }] });
    expect((await get(`/api/v1/jobs/${job.id}`)).json()).toEqual(job);
  });

  it('are not changed in a job that is over, or about to be', async () => {
    const { id } = await made({ schedule: { every: '1h' } });
    const patch = () => send('PATCH', `/api/v1/jobs/${id}`, { schedule: { every: '2h' } });
    for (const state of [
      'completed',
      'failed',
      'stopped',
      'terminated',
      'stopping',
      'terminating',
    ] as const) {
      await setJob(gateway.store, id, { state });
      const answer = await patch();
      expect([state, answer.statusCode]).toEqual([state, 409]);
      expect(answer.json()).toMatchObject({ code: 'invalid_transition', state });
    }
    for (const state of ['queued', 'running', 'waiting', 'pausing', 'paused'] as const) {
      await setJob(gateway.store, id, { state });
      expect([state, (await patch()).statusCode]).toEqual([state, 200]);
    }
    expect((await send('PATCH', `/api/v1/jobs/${'0'.repeat(22)}`, { schedule: null })).statusCode).toBe(404);
  });

  it('have a list of runs, newest first, each once; it goes with the job', async () => {
    const { id } = await made({ schedule: { every: '1h' } });
    const { id: other } = await made({ schedule: { every: '1h' } });
    const counts = { discovered: 1, stored: 1, shared: 0, failed: 0, samples: 0, requests: 2, units: 101 };
    const runs = [id, other].flatMap((jobId) =>
      Array.from({ length: 12 }, (_, i) => ({
        _id: runId(jobId, i + 1),
        jobId,
        number: i + 1,
        state: i % 3 === 0 ? 'skipped' : 'completed',
        reason: i % 3 === 0 ? 'overlap' : null,
        dueAt: new Date(i),
        startedAt: i % 3 === 0 ? null : new Date(i),
        endedAt: null,
        missed: i,
        counts,
      })),
    );
    await gateway.store.runs.collection.insertMany(runs as never[]);
    const seen: number[] = [];
    let url: string | null = `/api/v1/jobs/${id}/runs?limit=5`;
    while (url !== null) {
      const answer = await get(url);
      expect(answer.statusCode).toBe(200);
      seen.push(...answer.json<{ items: Run[] }>().items.map(({ number }) => number));
      url = /^<([^>]+)>; rel="next"$/.exec(String(answer.headers['link'] ?? ''))?.[1] ?? null;
    }
    expect(seen).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    const skipped = (await get(`/api/v1/jobs/${id}/runs?state=skipped`)).json<{ items: Run[] }>().items;
    expect(skipped.map(({ number }) => number)).toEqual([10, 7, 4, 1]);
    expect(skipped[0]).toEqual({
      number: 10,
      state: 'skipped',
      reason: 'overlap',
      dueAt: new Date(9).toISOString(),
      startedAt: null,
      endedAt: null,
      missed: 9,
      counts,
    });
    expect((await get(`/api/v1/jobs/${id}/runs?state=lost`)).statusCode).toBe(400);
    expect((await get(`/api/v1/jobs/${'0'.repeat(22)}/runs`)).statusCode).toBe(404);

    await setJob(gateway.store, id, { state: 'completed' });
    expect((await gateway.app.inject({ method: 'DELETE', url: `/api/v1/jobs/${id}` })).statusCode).toBe(204);
    expect(await gateway.store.runs.countDocuments({ jobId: id })).toBe(0);
    expect(await gateway.store.runs.countDocuments({ jobId: other })).toBe(12);
  });
});
