import { ACTIONS, allowedActions, TRANSITIONS, type Action, type State } from '@magpie/domain';
import type { Job } from '@magpie/contracts';
import { itemOf, keep, linkOf, setJob } from './testing/ledger.ts';
import { makeJob, startGateway, URLS, type TestGateway } from './testing/gateway.ts';
import { until } from './testing/until.ts';

interface PageBody<T> {
  items: T[];
  next: string | null;
}

describe('jobs', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.close());

  const post = (url: string, payload?: object, headers: Record<string, string> = {}) =>
    gateway.app.inject({ method: 'POST', url, ...(payload ? { payload } : {}), headers });
  const get = (url: string) => gateway.app.inject({ method: 'GET', url });

  it('are made with their first step, and shown', async () => {
    const answer = await post('/api/v1/jobs', { source: 'web-images', params: URLS, priority: 'high' });
    expect(answer.statusCode).toBe(202);
    const job = answer.json<Job>();
    expect(answer.headers['location']).toBe(`http://magpie.test/api/v1/jobs/${job.id}`);
    expect(job).toMatchObject({
      source: 'web-images',
      params: { ...URLS, depth: 0, scope: 'host' },
      priority: 'high',
      state: 'queued',
      epoch: 1,
      rev: 1,
      allowed: ['pause', 'stop', 'terminate'],
    });
    expect((await get(`/api/v1/jobs/${job.id}`)).json()).toEqual(job);

    const [step] = await gateway.store.steps.find({ jobs: job.id }).lean();
    expect(step).toMatchObject({ kind: 'start', state: 'ready', attempt: 1, input: { params: job.params } });
    const [link] = await gateway.store.links.find({ jobId: job.id }).lean();
    expect(link).toMatchObject({
      _id: `${job.id}:${step?._id}`,
      of: 'step',
      kind: 'start',
      state: 'pending',
    });
    expect(await gateway.store.jobs.findOne({ _id: job.id }).lean()).toMatchObject({
      rank: 0,
    });
  });

  describe('with an Idempotency-Key', () => {
    const body = { source: 'web-images', params: URLS };

    it('are made once by many requests at once', async () => {
      const headers = { 'idempotency-key': 'race-1' };
      const answers = await Promise.all(
        Array.from({ length: 12 }, () => post('/api/v1/jobs', body, headers)),
      );
      expect(answers.map(({ statusCode }) => statusCode)).toEqual(Array(12).fill(202));
      const ids = new Set(answers.map((answer) => answer.json<Job>().id));
      expect(ids.size).toBe(1);
      expect(answers.filter(({ headers: h }) => h['idempotent-replayed'] === undefined)).toHaveLength(1);
      expect(await gateway.store.steps.countDocuments({ jobs: String([...ids][0]) })).toBe(1);
    });

    it('are not made of another body', async () => {
      const headers = { 'idempotency-key': 'other-body' };
      expect((await post('/api/v1/jobs', body, headers)).statusCode).toBe(202);
      const answer = await post('/api/v1/jobs', { ...body, priority: 'low' }, headers);
      expect(answer.statusCode).toBe(409);
      expect(answer.json()).toMatchObject({ code: 'idempotency_conflict', status: 409 });
    });

    it('are told apart by route, and not by the order of keys', async () => {
      const headers = { 'idempotency-key': 'routes' };
      const first = await post(
        '/api/v1/jobs',
        { source: 'web-images', params: { ...URLS, depth: 1 } },
        headers,
      );
      const again = await post(
        '/api/v1/jobs',
        { params: { depth: 1, ...URLS }, source: 'web-images' },
        headers,
      );
      expect(again.json<Job>().id).toBe(first.json<Job>().id);
      const task = await post('/images_tasks', URLS, headers);
      expect(task.statusCode).toBe(202);
      expect(task.json<Job>().id).not.toBe(first.json<Job>().id);
    });

    it('refuse a key that is none', async () => {
      const answer = await post('/api/v1/jobs', body, { 'idempotency-key': 'a b' });
      expect(answer.statusCode).toBe(400);
      expect(answer.json()).toMatchObject({ errors: [{ field: 'Idempotency-Key' }] });
    });
  });

  describe('are controlled', () => {
    const states = Object.keys(TRANSITIONS) as State[];
    const actions = Object.keys(ACTIONS) as Action[];
    const table = states.flatMap((state) => actions.map((action) => [state, action] as const));
    let id: string;
    beforeAll(async () => {
      id = await makeJob(gateway.app);
    });

    it.each(table)('%s: %s', async (state, action) => {
      const waiting = { reason: 'schedule', until: new Date() };
      await setJob(gateway.store, id, {
        state,
        waiting,
        endedAt: new Date(),
        error: { code: 'x', message: 'y' },
        retrying: false,
      });
      const before = (await get(`/api/v1/jobs/${id}`)).json<Job>();
      const answer = await post(`/api/v1/jobs/${id}/${action}`);
      const after = (await get(`/api/v1/jobs/${id}`)).json<Job>();
      if (!(ACTIONS[action].from as readonly State[]).includes(state)) {
        expect(answer.statusCode).toBe(409);
        expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
        expect(answer.json()).toMatchObject({
          code: 'invalid_transition',
          status: 409,
          state,
          allowed: allowedActions(state),
        });
        expect(after).toEqual(before);
        return;
      }
      expect(answer.statusCode).toBe(202);
      expect(after).toEqual(answer.json());
      expect(after).toMatchObject({
        state: ACTIONS[action].to,
        rev: before.rev + 1,
        epoch: before.epoch + (ACTIONS[action].newEpoch ? 1 : 0),
        waiting: null,
      });
      const stored = await gateway.store.jobs.findOne({ _id: id }).lean();
      expect(stored?.history.at(-1)).toMatchObject({
        rev: after.rev,
        from: state,
        to: after.state,
        reason: action,
      });
      if (action === 'resume' || action === 'retry') expect(after.endedAt).toBeNull();
      expect(stored?.retrying).toBe(action === 'retry');
      if (action === 'retry') expect(after.error).toBeNull();
    });

    it('one of two that exclude each other wins', async () => {
      await setJob(gateway.store, id, { state: 'paused' });
      const answers = await Promise.all([
        post(`/api/v1/jobs/${id}/resume`),
        post(`/api/v1/jobs/${id}/resume`),
        post(`/api/v1/jobs/${id}/resume`),
      ]);
      expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([202, 409, 409]);
    });

    it('history is bounded', async () => {
      for (let i = 0; i < 60; i++) {
        await setJob(gateway.store, id, { state: 'paused' });
        await post(`/api/v1/jobs/${id}/resume`);
        await setJob(gateway.store, id, { state: 'running' });
        await post(`/api/v1/jobs/${id}/pause`);
      }
      const stored = await gateway.store.jobs.findOne({ _id: id }).lean();
      expect(stored?.history).toHaveLength(100);
      expect(stored?.history.at(-1)?.rev).toBe(stored?.rev);
    });

    it('404 without a job', async () => {
      for (const action of actions)
        expect((await post(`/api/v1/jobs/${'0'.repeat(22)}/${action}`)).statusCode).toBe(404);
    });
  });

  describe('are removed', () => {
    it('when they have ended, with their lists, and their items stay', async () => {
      const id = await makeJob(gateway.app);
      const other = await makeJob(gateway.app);
      const items = Array.from({ length: 1200 }, (_, i) =>
        itemOf(`https://example.org/removed/${i}.png`, { refs: 2 }),
      );
      await keep(gateway.store, id, items);
      await gateway.store.links.collection.insertOne(linkOf(other, items[0]!) as never);
      const shared = { _id: 'shared-step', jobs: [id, other], state: 'ready', kind: 'image' };
      const leased = { _id: 'leased-step', jobs: [id], state: 'leased', kind: 'image' };
      const failed = ['own-failed', 'item-failed', 'item-failed-too'].map((_id) => ({
        _id,
        jobs: [],
        state: 'failed',
      }));
      await gateway.store.steps.collection.insertMany([shared, leased, ...failed] as never[]);
      const failure = (jobId: string, target: string) => ({
        ...linkOf(jobId, items[0]!),
        _id: `${jobId}:${target}`,
        target,
        state: 'failed',
      });
      await gateway.store.links.collection.insertMany([
        { ...failure(id, 'own-failed'), of: 'page' },
        failure(id, 'item-failed'),
        failure(id, 'item-failed-too'),
        failure(other, 'item-failed-too'),
      ] as never[]);

      const refused = await gateway.app.inject({ method: 'DELETE', url: `/api/v1/jobs/${id}` });
      expect(refused.statusCode).toBe(409);
      expect(refused.json()).toMatchObject({ code: 'invalid_transition', state: 'queued' });

      await setJob(gateway.store, id, { state: 'completed' });
      const answer = await gateway.app.inject({ method: 'DELETE', url: `/api/v1/jobs/${id}` });
      expect([answer.statusCode, answer.body]).toEqual([204, '']);
      expect((await get(`/api/v1/jobs/${id}`)).statusCode).toBe(404);
      expect(await gateway.store.links.countDocuments({ jobId: id })).toBe(0);
      expect(await gateway.store.links.countDocuments({ jobId: other })).toBe(3);
      expect(
        await gateway.store.items.countDocuments({ _id: { $in: items.map(({ _id }) => _id) }, refs: 1 }),
      ).toBe(1200);
      const steps = ['shared-step', 'leased-step', ...failed.map(({ _id }) => _id)];
      const left = await gateway.store.steps.find({ _id: { $in: steps } }).lean();
      expect(left.map(({ _id, jobs }) => [_id, jobs]).sort()).toEqual([
        ['item-failed-too', []],
        ['leased-step', []],
        ['shared-step', [other]],
      ]);
      expect((await gateway.app.inject({ method: 'DELETE', url: `/api/v1/jobs/${id}` })).statusCode).toBe(
        404,
      );
    });

    it('again, when a removal was cut off; nothing else can be done with them', async () => {
      const id = await makeJob(gateway.app);
      await setJob(gateway.store, id, { state: 'completed', removing: true });
      expect((await post(`/api/v1/jobs/${id}/retry`)).statusCode).toBe(404);
      expect((await gateway.app.inject({ method: 'DELETE', url: `/api/v1/jobs/${id}` })).statusCode).toBe(
        204,
      );
    });
  });

  describe('are listed', () => {
    it('newest first, each once, while more are made', async () => {
      const made: string[] = [];
      for (let i = 0; i < 7; i++) made.unshift(await makeJob(gateway.app, 'web-text'));
      const seen: string[] = [];
      let url: string | null = '/api/v1/jobs?source=web-text&limit=3';
      while (url !== null) {
        const answer = await get(url);
        const { items, next }: PageBody<Job> = answer.json();
        seen.push(...items.map(({ id }) => id));
        await makeJob(gateway.app, 'web-text');
        const link = /^<([^>]+)>; rel="next"$/.exec(String(answer.headers['link'] ?? ''))?.[1];
        expect(link === undefined).toBe(next === null);
        url = link ?? null;
      }
      expect(seen).toEqual(made);
    });

    it('by state and by time', async () => {
      const id = await makeJob(gateway.app);
      await setJob(gateway.store, id, { state: 'waiting' });
      const { createdAt } = (await get(`/api/v1/jobs/${id}`)).json<Job>();
      const later = new Date(Date.parse(createdAt) + 1).toISOString();
      const ids = async (query: string) =>
        (await get(`/api/v1/jobs?${query}`)).json<PageBody<Job>>().items.map((job) => job.id);
      expect(await ids('state=waiting')).toEqual([id]);
      expect(await ids(`state=waiting&source=web-images&from=${createdAt}&to=${later}`)).toEqual([id]);
      expect(await ids(`state=waiting&from=${later}`)).toEqual([]);
      expect(await ids(`state=waiting&to=${createdAt}`)).toEqual([]);
      expect(await ids('state=waiting&from=2020-01-01')).toEqual([id]);
    });
  });

  describe('show', () => {
    it('their items in pages, each once, while more come', async () => {
      const id = await makeJob(gateway.app);
      const items = Array.from({ length: 7 }, (_, i) => itemOf(`https://example.org/paged/${i}.png`));
      await keep(gateway.store, id, items);
      const skipped = itemOf('https://example.org/paged/small.png');
      await gateway.store.links.collection.insertOne(linkOf(id, skipped, { state: 'skipped' }) as never);
      const seen: string[] = [];
      let cursor: string | null = '';
      for (let round = 0; cursor !== null; round++) {
        const answer = await get(`/api/v1/jobs/${id}/items?limit=3${cursor && `&cursor=${cursor}`}`);
        expect(answer.statusCode).toBe(200);
        const page: PageBody<{ url: string }> = answer.json();
        seen.push(...page.items.map(({ url }) => url));
        cursor = page.next;
        if (round === 0) await keep(gateway.store, id, [itemOf('https://example.org/paged/late.png')]);
      }
      expect(seen).toEqual([...items.map(({ url }) => url), 'https://example.org/paged/late.png']);
    });

    it('what failed, and what was left out, without secrets', async () => {
      const id = await makeJob(gateway.app);
      const at = new Date();
      const url = 'https://example.org/a.png?access_token=hush';
      const error = {
        code: 'http_status',
        message: `${url} answered 404`,
        attempt: 2,
        status: 404,
        at,
        epoch: 1,
      };
      const item = itemOf('https://example.org/errors/1.png');
      await gateway.store.links.collection.insertMany([
        linkOf(id, item, { state: 'failed', url, error }),
        { ...linkOf(id, item), _id: `${id}:page`, of: 'page', kind: 'page', state: 'failed', error },
        { ...linkOf(id, item), _id: `${id}:small`, state: 'skipped', error: { ...error, code: 'filtered' } },
      ] as never[]);
      const failed = (await get(`/api/v1/jobs/${id}/errors`)).json<PageBody<object>>();
      expect(failed.items).toHaveLength(2);
      expect(failed.items[0]).toMatchObject({
        kind: 'image',
        code: 'http_status',
        attempt: 2,
        status: 404,
        at: at.toISOString(),
      });
      expect(JSON.stringify(failed)).not.toContain('hush');
      const skipped = (await get(`/api/v1/jobs/${id}/errors?state=skipped`)).json<PageBody<object>>();
      expect(skipped.items).toMatchObject([{ code: 'filtered' }]);
    });
  });

  it('are announced to whoever listens', async () => {
    const heard: unknown[] = [];
    const { EXCHANGES } = await import('@magpie/broker');
    const { MESSAGES } = await import('@magpie/contracts');
    const subscription = gateway.broker.subscribe({
      exchange: EXCHANGES.events,
      bindingKeys: ['job.#'],
      types: [MESSAGES.jobEvent],
      handler: ({ body }) => void heard.push(body),
    });
    await subscription.ready;
    await gateway.listens();
    const id = await makeJob(gateway.app);
    await post(`/api/v1/jobs/${id}/pause`);
    await until(() => heard.length >= 2, 'both are heard');
    await subscription.close();
    expect(heard).toEqual([
      { jobId: id, event: 'changed', state: 'queued', rev: 1 },
      { jobId: id, event: 'changed', state: 'pausing', rev: 2 },
    ]);
  });
});
