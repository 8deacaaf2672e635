import { EXCHANGES } from '@magpie/broker';
import { MESSAGES } from '@magpie/contracts';
import { findJob, type JobDocument } from '@magpie/store';
import { jobEventStream } from './job-event-stream.ts';
import { readEvents } from './testing/event-source.ts';
import { makeJob, startGateway, type TestGateway } from './testing/gateway.ts';
import { until } from './testing/until.ts';

const DEAD_BROKER = 'amqp://guest:guest@127.0.0.1:1';

describe.each([
  ['by the broker alone', undefined],
  ['by looking alone', DEAD_BROKER],
])('live events %s', (_name, amqpUrl) => {
  let gateway: TestGateway;
  let base: string;
  beforeAll(async () => {
    gateway = await startGateway(
      amqpUrl === undefined ? { env: { MAGPIE_WATCH_INTERVAL: '1h' } } : { amqpUrl },
    );
    if (amqpUrl === undefined) await gateway.listens();
    base = await gateway.listen();
  });
  afterAll(() => gateway.close());

  /** As storage does it: a new revision, with a transition or without, then a hint. */
  async function change(id: string, to?: string, counts = 0): Promise<void> {
    const job = await gateway.store.jobs.findOne({ _id: id }).lean();
    if (!job) throw new Error('no such job');
    const rev = job.rev + 1;
    await gateway.store.jobs.collection.updateOne({ _id: id as never }, {
      $set: { rev, 'counts.discovered': counts, 'counts.pending': counts, ...(to ? { state: to } : {}) },
      ...(to ? { $push: { history: { rev, at: new Date(), from: job.state, to } } } : {}),
    } as never);
    gateway.broker.tryPublish({
      exchange: EXCHANGES.events,
      routingKey: `job.${id}.progress`,
      type: MESSAGES.jobEvent,
      body: { jobId: id, event: 'progress', state: (to ?? job.state) as never, rev },
    });
  }

  it('begin with the job, bring every transition, end with the job', async () => {
    const id = await makeJob(gateway.app);
    const reader = await readEvents(`${base}/api/v1/jobs/${id}/events`);
    expect(reader.status).toBe(200);
    expect(reader.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(reader.headers.get('cache-control')).toBe('no-store');
    expect(reader.headers.get('x-accel-buffering')).toBe('no');
    await reader.until((events) => events.length > 0);
    expect(reader.events[0]).toMatchObject({ event: 'progress', id: '1', data: { id, state: 'queued' } });
    await change(id, 'running');
    await reader.until((events) => events.some(({ data }) => data['to'] === 'running'));
    await change(id, undefined, 5);
    await reader.until((events) => events.some(({ id: rev }) => rev === '3'));
    await change(id, 'completed');
    await reader.ended;
    expect(reader.events.filter(({ event }) => event === 'state')).toMatchObject([
      { id: '2', data: { rev: 2, from: 'queued', to: 'running' } },
      { id: '4', data: { rev: 4, from: 'running', to: 'completed' } },
    ]);
    expect(reader.events.at(-2)).toMatchObject({ event: 'progress', id: '4', data: { state: 'completed' } });
    expect(reader.events.at(-1)).toEqual({ event: 'end', id: '4', data: { state: 'completed' } });
    expect(gateway.app.jobWatch.size).toBe(0);
  });

  it('are resumed where the client was', async () => {
    const id = await makeJob(gateway.app);
    for (const to of ['running', 'pausing', 'paused']) await change(id, to);
    const reader = await readEvents(`${base}/api/v1/jobs/${id}/events`, { 'last-event-id': '2' });
    await reader.until((events) => events.length >= 3);
    expect(reader.events.map(({ event, id: rev }) => [event, rev])).toEqual([
      ['state', '3'],
      ['state', '4'],
      ['progress', '4'],
    ]);
    reader.close();

    const fresh = await readEvents(`${base}/api/v1/jobs/${id}/events`, { 'last-event-id': 'rubbish' });
    await fresh.until((events) => events.length > 0);
    expect(fresh.events.map(({ event }) => event)).toEqual(['progress']);
    fresh.close();

    await change(id, 'terminated');
    const seen = await readEvents(`${base}/api/v1/jobs/${id}/events`, { 'last-event-id': '5' });
    expect(seen.status).toBe(204);
    const missed = await readEvents(`${base}/api/v1/jobs/${id}/events`, { 'last-event-id': '4' });
    await missed.ended;
    expect(missed.events.map(({ event }) => event)).toEqual(['state', 'progress', 'end']);
  });

  it('are throttled, and lose no transition', async () => {
    const id = await makeJob(gateway.app);
    const reader = await readEvents(`${base}/api/v1/jobs/${id}/events`);
    const began = Date.now();
    for (let i = 1; i <= 40; i++)
      await change(id, i % 10 === 0 ? (i % 20 ? 'running' : 'waiting') : undefined, i);
    await change(id, 'failed', 41);
    await reader.ended;
    const seconds = (Date.now() - began) / 1000;
    const progress = reader.events.filter(({ event }) => event === 'progress');
    expect(progress.length).toBeLessThanOrEqual(3 + 4 * seconds);
    expect(reader.events.filter(({ event }) => event === 'state').map(({ data }) => data['to'])).toEqual([
      'running',
      'waiting',
      'running',
      'waiting',
      'failed',
    ]);
  });
});

describe('an event stream', () => {
  let gateway: TestGateway;
  let base: string;
  beforeAll(async () => {
    gateway = await startGateway({ env: { MAGPIE_MAX_STREAMS: '2' } });
    base = await gateway.listen();
  });
  afterAll(() => gateway.close());

  it('is 404 without a job, has a HEAD without a body, and a limit', async () => {
    expect((await fetch(`${base}/api/v1/jobs/${'0'.repeat(22)}/events`)).status).toBe(404);
    const id = await makeJob(gateway.app);
    const url = `${base}/api/v1/jobs/${id}/events`;
    const head = await fetch(url, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-type')]).toEqual([
      200,
      'text/event-stream; charset=utf-8',
    ]);
    const open = [await readEvents(url), await readEvents(url)];
    const refused = await fetch(url);
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ code: 'too_many_streams' });
    open[0]?.close();
    await until(() => gateway.app.jobWatch.size === 1, 'one of the streams has ended');
    const next = await readEvents(url);
    expect(next.status).toBe(200);
    next.close();
    open[1]?.close();
  });

  it('ends when the job is removed', async () => {
    const id = await makeJob(gateway.app);
    const reader = await readEvents(`${base}/api/v1/jobs/${id}/events`);
    await reader.until((events) => events.length > 0);
    await gateway.store.jobs.collection.deleteOne({ _id: id as never });
    await reader.ended;
    expect(reader.events.at(-1)).toMatchObject({ event: 'end', data: { state: 'removed' } });
  });

  it('says that it is still here, and makes nothing for a reader that does not read', async () => {
    const id = await makeJob(gateway.app);
    const job = await findJob(gateway.store, id);
    if (!job) throw new Error('no such job');
    const abort = new AbortController();
    let tell: ((next: JobDocument) => void) | undefined;
    const watch = {
      size: 1,
      ready: undefined,
      watch(_id: string, listener: (next: JobDocument | undefined) => void) {
        tell = listener;
        return () => (tell = undefined);
      },
    };
    const stream = jobEventStream(job, { watch, base: '', signal: abort.signal, heartbeatMs: 20 });
    expect((await stream.next()).value).toContain('event: progress');
    expect((await stream.next()).value).toBe(': still here\n\n');
    for (let rev = 2; rev <= 1000; rev++) tell?.({ ...job, rev });
    expect((await stream.next()).value).toContain('id: 1000\n');
    abort.abort();
    expect((await stream.next()).done).toBe(true);
    expect(tell).toBeUndefined();
  });

  it('ends when the gateway does', async () => {
    const other = await startGateway();
    const address = await other.listen();
    const id = await makeJob(other.app);
    const reader = await readEvents(`${address}/api/v1/jobs/${id}/events`);
    await reader.until((events) => events.length > 0);
    await other.close();
    await reader.ended;
  });
});
