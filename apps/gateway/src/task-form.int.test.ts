/** The form and its pages, on a real gateway: as a browser without JavaScript would use them. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Provider } from '@magpie/contracts';
import type { ItemDocument } from '@magpie/store';
import { startGateway, type TestGateway } from './testing/gateway.ts';
import { itemOf, keep, setJob } from './testing/ledger.ts';

const HOSTILE = `"><script>alert(1)</script><img src=x onerror='alert(2)'>\`&amp;`;
const ESCAPED =
  '&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=&#39;alert(2)&#39;&gt;&#96;&amp;amp;';
const PROVIDER: Provider = {
  id: 'instagram',
  title: 'Instagram Graph API',
  howTo: 'Make an app and take its token.',
  account: 'the id of the Instagram user',
  operations: { media: 1 },
  steps: { media: { media: 1 } },
  perRun: { media: { usual: 1 } },
};
const PARAMS = {
  type: 'object',
  required: ['tag'],
  additionalProperties: false,
  properties: {
    tag: { type: 'string', pattern: '^[#\uFF03]?[\\p{L}\\p{M}\\p{N}_]{1,100}$' },
    start: { type: 'string', minLength: 1, maxLength: 40 },
    end: { type: 'string', minLength: 1, maxLength: 40 },
    timeZone: { type: 'string', default: 'UTC' },
    minIntervalMinutes: { type: 'integer', default: 60 },
    media: { type: 'boolean', default: false },
  },
};

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway({ env: { MAGPIE_SECRET: 'a-secret-that-seals-credentials' } });
});
afterAll(() => gateway.close());

beforeEach(async () => {
  const { sources, credentials } = gateway.store;
  await sources.collection.deleteMany({ _id: 'instagram-hashtag' as never });
  await sources.collection.insertOne({
    _id: 'instagram-hashtag' as never,
    summary: 'Posts',
    version: '1.0.0',
    params: PARAMS,
    emits: { post: {}, image: {} },
    batch: {},
    provider: PROVIDER,
    schedule: { every: 'PT1H', everyParam: 'minIntervalMinutes', untilParam: 'end' },
    period: { from: 'start', to: 'end', timeZone: 'timeZone' },
    limits: ['Only <24 hours> are shown'],
    lastSeenAt: new Date(),
  });
  await credentials.collection.deleteMany({});
  const added = await gateway.app.inject({
    method: 'POST',
    url: '/api/v1/credentials',
    payload: {
      provider: 'instagram',
      name: 'first',
      secret: 'EAAtoken-of-the-tests',
      account: '17841405309211844',
    },
  });
  expect(added.statusCode).toBe(201);
});

interface Answer {
  status: number;
  body: string;
  headers: Record<string, unknown>;
}

async function ask(
  url: string,
  form?: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const answer = await gateway.app.inject({
    method: form === undefined ? 'GET' : 'POST',
    url,
    headers: {
      accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
      ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
      ...headers,
    },
    ...(form === undefined ? {} : { payload: new URLSearchParams(form).toString() }),
  });
  // Blanks between elements mean nothing.
  const body = answer.body.replace(/\s+/g, ' ').replace(/> </g, '><');
  return { status: answer.statusCode, body, headers: answer.headers };
}
const submit = (form: Record<string, string>, headers?: Record<string, string>): Promise<Answer> =>
  ask('/task/new/', form, headers);
/** The tag of the input with this name. */
const input = ({ body }: Answer, name: string): string =>
  new RegExp(`<input[^>]* name="${name}"[^>]*>`).exec(body)?.[0] ?? '';
const idOf = ({ headers }: Answer): string =>
  /^\/task\/(\w+)\/$/.exec(String(headers['location']))?.[1] ?? '';
const jobOf = (id: string): Promise<{ params: Record<string, unknown> } | null> =>
  gateway.store.jobs.collection.findOne({ _id: id } as never) as never;
const make = async (): Promise<string> =>
  idOf(await submit({ tag: 'sunset', start: '2026-05-01', end: '2026-05-02' }));
const photo = (n: number, more: Partial<ItemDocument> = {}): ItemDocument =>
  itemOf(`https://www.instagram.com/p/C${n}/?img_index=1`, {
    source: 'instagram-hashtag',
    page: `https://www.instagram.com/p/C${n}/`,
    data: { post: '1', index: 1, timestamp: '2026-05-01T12:00:00.000Z', caption: `Caption ${n}` },
    ...more,
  });

describe('the form', () => {
  test('has a label and a hint for each field, and needs no script', async () => {
    const page = await ask('/task/new/');
    expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page.body).toMatch(/^<!doctype html><html lang="en">/);
    for (const name of ['tag', 'start', 'end', 'timeZone']) {
      expect(input(page, name)).toContain(`id="${name}"`);
      expect(page.body).toContain(`<label for="${name}">`);
      expect(input(page, name)).toContain(`aria-describedby="${name}-hint"`);
      expect(page.body).toContain(`id="${name}-hint"`);
      expect(input(page, name)).not.toContain('aria-invalid');
    }
    expect(input(page, 'start')).toContain('type="date"');
    expect(input(page, 'tag')).toContain('required');
    expect(page.body).toContain('<form method="post" action="/task/new/"');
    expect(page.body).toContain('Only &lt;24 hours&gt; are shown');
    expect(page.body).not.toMatch(/<script|<style|style=|onclick|http-equiv/);
  });

  test('is kept from running or loading anything, and its style sheet is a route', async () => {
    const page = await ask('/task/new/');
    const policy = String(page.headers['content-security-policy']);
    expect(policy).toBe(
      "default-src 'none'; style-src 'self'; img-src 'self' http://magpie.test; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    );
    expect(page.headers['x-content-type-options']).toBe('nosniff');
    // Browsers send no Origin with forms of pages whose policy is no-referrer.
    expect(page.headers['referrer-policy']).toBe('same-origin');
    const [, href = ''] = /<link rel="stylesheet" href="([^"]+)"/.exec(page.body) ?? [];
    const style = await ask(href);
    expect([style.status, style.headers['content-type']]).toEqual([200, 'text/css; charset=utf-8']);
    expect(style.headers['cache-control']).toContain('immutable');
  });

  test('is found with and without the slash', async () => {
    expect((await ask('/task/new')).status).toBe(200);
  });

  test('makes a job that downloads photos, and leads to its page', async () => {
    const answer = await submit({
      tag: ' #Sunset ',
      start: '2026-05-01',
      end: '2026-05-02',
      timeZone: 'Europe/Berlin',
    });
    expect(answer.status).toBe(303);
    expect((await jobOf(idOf(answer)))?.params).toEqual({
      tag: '#Sunset',
      start: '2026-05-01',
      end: '2026-05-02',
      timeZone: 'Europe/Berlin',
      media: true,
      minIntervalMinutes: 60,
    });
    expect((await ask(String(answer.headers['location']))).status).toBe(200);
  });

  test('takes instants, other scripts, and fields that were left empty', async () => {
    const answer = await submit({ tag: 'закат', start: '2026-05-01T08:00:00+02:00', end: '', timeZone: '' });
    expect(answer.status).toBe(303);
    expect((await jobOf(idOf(answer)))?.params).toMatchObject({
      tag: 'закат',
      start: '2026-05-01T08:00:00+02:00',
    });
    expect((await jobOf(idOf(answer)))?.params).not.toHaveProperty('end');
  });

  test('a task with its end to come is repeated', async () => {
    const answer = await submit({ tag: 'sunset', end: '2099-01-01' });
    expect(await jobOf(idOf(answer))).toMatchObject({ schedule: { every: expect.any(String) } });
  });
});

describe('what is wrong', () => {
  test.each([
    ['no tag', { tag: '', start: '2026-05-01' }, 'tag', 'Hashtag is required.'],
    ['a tag of two words', { tag: 'two words' }, 'tag', 'Hashtag must be letters, digits'],
    [
      'an end before the start',
      { tag: 'a', start: '2026-05-02', end: '2026-05-01' },
      'end',
      'End date must not be before start.',
    ],
    ['a day that there is not', { tag: 'a', start: '2026-02-30' }, 'start', 'Start date is not a day'],
    [
      'an instant without an offset',
      { tag: 'a', end: '2026-05-01T10:00:00' },
      'end',
      'End date must name the time zone',
    ],
    ['no time zone', { tag: 'a', timeZone: 'Moon/Base' }, 'timeZone', 'is not a time zone'],
  ] as const)('%s: beside its field, with the values kept', async (_, form, name, message) => {
    const page = await submit(form);
    expect([page.status, page.headers['content-type']]).toEqual([400, 'text/html; charset=utf-8']);
    expect(page.body).toContain('<title>Error: New task');
    expect(input(page, name)).toContain('aria-invalid="true"');
    expect(input(page, name)).toContain(`aria-describedby="${name}-hint ${name}-error"`);
    expect(new RegExp(`<p class="error" id="${name}-error">([^<]*)</p>`).exec(page.body)?.[1]).toContain(
      message,
    );
    expect(page.body).toContain(`<li><a href="#${name}">`);
    expect(page.body.match(/aria-invalid/g)).toHaveLength(1);
    for (const [field, value] of Object.entries(form))
      expect(input(page, field)).toContain(`value="${value}"`);
  });

  test('all of it is said at once', async () => {
    const { body } = await submit({ tag: 'two words', start: '2026-02-30', end: 'soon' });
    expect([...body.matchAll(/<p class="error" id="(\w+)-error">/g)].map(([, name]) => name)).toEqual([
      'tag',
      'start',
      'end',
    ]);
  });

  test('an instant is shown again as text, since a calendar has no place for it', async () => {
    const page = await submit({ tag: '', start: '2026-05-01T08:00:00+02:00' });
    expect(input(page, 'start')).toContain('type="text"');
    expect(input(page, 'start')).toContain('value="2026-05-01T08:00:00+02:00"');
  });

  test('what was sent is text in the page, whatever it is', async () => {
    const page = await submit({ tag: HOSTILE, start: HOSTILE, end: HOSTILE, timeZone: HOSTILE });
    expect(page.status).toBe(400);
    expect(page.body).not.toMatch(/<script|<img/);
    expect(input(page, 'tag')).toContain(`value="${ESCAPED}"`);
  });

  test('no key: what to do, with the values kept', async () => {
    await gateway.store.credentials.collection.deleteMany({});
    const page = await submit({ tag: 'sunset' });
    expect(page.status).toBe(422);
    expect(page.body).toContain('There is no key for the provider');
    expect(page.body).toContain('Make an app and take its token.');
    expect(page.body).toContain('POST /api/v1/credentials');
    expect(input(page, 'tag')).toContain('value="sunset"');
  });

  test('no collector: what to do', async () => {
    await gateway.store.sources.collection.deleteMany({ _id: 'instagram-hashtag' as never });
    expect((await ask('/task/new/')).status).toBe(200);
    const page = await submit({ tag: 'sunset' });
    expect([page.status, page.headers['retry-after']]).toEqual([503, '5']);
    expect(page.body).toContain('No collector of instagram-hashtag has reported yet.');
  });

  test('a form of another web site is refused', async () => {
    const before = await gateway.store.jobs.countDocuments();
    const page = await submit({ tag: 'sunset' }, { origin: 'https://evil.example' });
    expect([page.status, page.headers['content-type']]).toEqual([403, 'text/html; charset=utf-8']);
    expect((await submit({ tag: 'sunset' }, { origin: 'null' })).status).toBe(403);
    expect(await gateway.store.jobs.countDocuments()).toBe(before);
    expect((await submit({ tag: 'sunset' }, { origin: 'http://magpie.test' })).status).toBe(303);
  });

  test('clients that want JSON get problem documents', async () => {
    const answer = await submit({ tag: '' }, { accept: 'application/json' });
    expect([answer.status, answer.headers['content-type']]).toEqual([
      400,
      'application/problem+json; charset=utf-8',
    ]);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'invalid_request', errors: [{ field: 'tag' }] });
  });

  test('lists, prototypes and other types are no values', async () => {
    const page = await gateway.app.inject({
      method: 'POST',
      url: '/task/new/',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: 'tag=two+words&tag=sun set&__proto__=1&constructor=2',
    });
    expect(page.statusCode).toBe(400);
    expect(page.body).toContain('value="sun set"');
  });
});

describe('the page of a task', () => {
  test('says where the task is, why it waits, and what it has seen', async () => {
    const id = await make();
    await setJob(gateway.store, id, {
      state: 'waiting',
      waiting: {
        reason: 'keys_exhausted',
        until: new Date('2026-05-03T07:00:00Z'),
        detail: 'All <keys> are used.',
      },
      'counts.discovered': 12,
      coverage: { from: new Date('2026-05-01T01:02:03Z'), to: new Date('2026-05-02T04:05:06Z') },
      nextRunAt: new Date('2026-05-03T08:00:00Z'),
      warnings: [{ code: 'x', message: 'A <warning>' }],
    });
    const { status, body, headers } = await ask(`/task/${id}/`);
    expect([status, headers['cache-control']]).toEqual([200, 'no-store']);
    expect(body).toContain('<h1>#sunset</h1>');
    expect(body).toContain(
      'Waiting</strong>: no key may be used now, until <time datetime="2026-05-03T07:00:00.000Z">',
    );
    expect(body).toContain('All &lt;keys&gt; are used.');
    expect(body).toContain('A &lt;warning&gt;');
    expect(body).toContain('datetime="2026-05-01T01:02:03.000Z"');
    expect(body).toContain('datetime="2026-05-03T08:00:00.000Z"');
    expect(body).toContain('<dt>Found</dt><dd>12</dd>');
    expect(body).not.toMatch(/<script|style=/);
  });

  test('loads itself again while the task is live, and nobody wants to read in peace', async () => {
    const id = await make();
    const refreshes = async (query = '') =>
      /http-equiv="refresh"/.test((await ask(`/task/${id}/${query}`)).body);
    for (const state of ['queued', 'running', 'waiting', 'pausing', 'stopping']) {
      await setJob(gateway.store, id, { state });
      expect([state, await refreshes()]).toEqual([state, true]);
      expect(await refreshes('?still=true')).toBe(false);
    }
    for (const state of ['paused', 'completed', 'failed', 'stopped', 'terminated']) {
      await setJob(gateway.store, id, { state });
      expect([state, await refreshes()]).toEqual([state, false]);
    }
  });

  test('has buttons for what can be done, and each does it', async () => {
    const id = await make();
    await setJob(gateway.store, id, { state: 'running' });
    const buttons = async () =>
      [...(await ask(`/task/${id}/`)).body.matchAll(/<form method="post" action="\/task\/\w+\/(\w+)">/g)].map(
        ([, action]) => action,
      );
    expect(await buttons()).toEqual(['pause', 'stop']);
    const paused = await ask(`/task/${id}/pause`, {});
    expect([paused.status, paused.headers['location']]).toEqual([303, `/task/${id}/`]);
    expect(await jobOf(id)).toMatchObject({ state: 'pausing' });
    await setJob(gateway.store, id, { state: 'paused' });
    expect(await buttons()).toEqual(['resume', 'stop']);
    expect((await ask(`/task/${id}/resume`, {})).status).toBe(303);
    expect((await ask(`/task/${id}/stop`, {})).status).toBe(303);
    await setJob(gateway.store, id, { state: 'completed' });
    const late = await ask(`/task/${id}/pause`, {});
    expect([late.status, late.headers['content-type']]).toEqual([409, 'text/html; charset=utf-8']);
    expect(late.body).not.toContain('&#96;');
    expect(late.body).toContain(`<a href="/task/${id}/">`);
    expect((await ask(`/task/${id}/pause`, {}, { origin: 'https://evil.example' })).status).toBe(403);
  });

  test('shows the pictures, the latest first, page by page, each once', async () => {
    const id = await make();
    await keep(
      gateway.store,
      id,
      Array.from({ length: 55 }, (_, n) => photo(n)),
    );
    const seen: string[] = [];
    let url = `/task/${id}/`;
    for (let pages = 1; url !== ''; pages++) {
      const { body } = await ask(url);
      seen.push(...[...body.matchAll(/alt="(Caption \d+)"/g)].map(([, alt]) => alt ?? ''));
      expect(pages).toBeLessThanOrEqual(3);
      expect(/http-equiv/.test(body)).toBe(pages === 1);
      url = /<a rel="next" href="([^"#]+)/.exec(body)?.[1] ?? '';
    }
    expect(seen).toEqual(Array.from({ length: 55 }, (_, n) => `Caption ${54 - n}`));
  });

  test('pictures are files from nginx, with sizes, and lead to their posts', async () => {
    const id = await make();
    const picture = photo(1000);
    await keep(gateway.store, id, [picture]);
    const { body } = await ask(`/task/${id}/`);
    expect(body).toContain(`src="http://magpie.test/files/${picture.file?.path ?? '-'}"`);
    expect(body).toContain('width="640" height="480"');
    expect(body).toContain('<a href="https://www.instagram.com/p/C1000/" rel="noopener noreferrer">');
  });

  test('captions and addresses are text, whatever they are', async () => {
    const id = await make();
    await keep(gateway.store, id, [
      photo(2000, { data: { caption: HOSTILE, timestamp: HOSTILE }, page: 'javascript:alert(3)' }),
      photo(2001, {
        data: { caption: { toString: 'x' }, timestamp: 5 },
        page: `https://x.example/"onload="y`,
      }),
      photo(2002, { data: { caption: '😀'.repeat(200) } }),
    ]);
    const { body, status } = await ask(`/task/${id}/`);
    expect(status).toBe(200);
    expect(body).toContain(`alt="${ESCAPED}"`);
    expect(body).toContain(`<figcaption>${ESCAPED}`);
    expect(body).not.toMatch(/<script|onerror='|javascript:|"onload="/);
    expect(body.match(/<img/g)).toHaveLength(3);
    expect(body).not.toContain('\ud83d…');
    await setJob(gateway.store, id, { 'params.tag': HOSTILE, 'params.start': HOSTILE });
    const hostile = await ask(`/task/${id}/`);
    expect(hostile.body).toContain(`<h1>#${ESCAPED}</h1>`);
    expect(hostile.body).not.toMatch(/<script/);
  });

  test('there is none of what is no task', async () => {
    const other = await gateway.app.inject({
      method: 'POST',
      url: '/images_tasks',
      payload: { url: 'https://example.org/' },
    });
    for (const id of [other.json<{ id: string }>().id, '0'.repeat(22), 'x', '%3Cscript%3E']) {
      const page = await ask(`/task/${id}/`);
      expect([id, page.status, page.headers['content-type']]).toEqual([id, 404, 'text/html; charset=utf-8']);
      expect(page.body).not.toContain('<script');
      expect((await ask(`/task/${id}/stop`, {})).status).toBe(404);
    }
    expect((await ask(`/task/${await make()}/?cursor=nonsense`)).status).toBe(400);
  });
});
