import type { ImagesTask, TextTask } from '@magpie/contracts';
import { itemOf, keep, linkOf } from './testing/ledger.ts';
import { announceSources, makeJob, startGateway, type TestGateway } from './testing/gateway.ts';

const URL_ = 'https://example.org/gallery';
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

describe('tasks', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.close());

  const get = (url: string) => gateway.app.inject({ method: 'GET', url });
  const paramsOf = async (id: string) => (await gateway.store.jobs.findOne({ _id: id }).lean())?.params;

  it.each(['/images_tasks', '/text_tasks'])('%s are jobs of their source', async (path) => {
    const answer = await gateway.app.inject({ method: 'POST', url: path, payload: { url: URL_ } });
    expect(answer.statusCode).toBe(202);
    const task = answer.json<ImagesTask & TextTask>();
    expect(answer.headers['location']).toBe(`http://magpie.test${path}/${task.id}`);
    expect(task).toMatchObject({ state: 'queued', urls: [URL_], error: null, pages: { discovered: 0 } });
    expect(task.job_url).toBe(`http://magpie.test/api/v1/jobs/${task.id}`);
    const [, list] = path === '/images_tasks' ? [task, task.images_url] : [task, task.text_url];
    expect(list.startsWith(`http://magpie.test${path}/${task.id}/`)).toBe(true);
    expect((await get(`${path}/${task.id}`)).json()).toEqual(task);
    expect((await get(`${path}/${task.id}/`)).statusCode).toBe(200);
    expect((await get(new URL(list).pathname)).json()).toEqual({ items: [], next: null });
    expect((await get(path)).json<{ items: { id: string }[] }>().items[0]?.id).toBe(task.id);
    expect((await get(`${path}?state=failed`)).json()).toEqual({ items: [], next: null });
    const other = path === '/images_tasks' ? '/text_tasks' : '/images_tasks';
    expect((await get(`${other}/${task.id}`)).statusCode).toBe(404);
  });

  it.each([
    ['a url', 'application/json', JSON.stringify({ url: URL_ }), { urls: [URL_], depth: 0 }],
    [
      'urls',
      'application/json',
      JSON.stringify({ urls: [URL_, `${URL_}/2`] }),
      { urls: [URL_, `${URL_}/2`] },
    ],
    ['urls that are one', 'application/json', JSON.stringify({ urls: URL_ }), { urls: [URL_] }],
    [
      'both',
      'application/json',
      JSON.stringify({ url: URL_, urls: [`${URL_}/2`] }),
      { urls: [URL_, `${URL_}/2`] },
    ],
    ['parameters', 'application/json', JSON.stringify({ url: URL_, depth: 2 }), { urls: [URL_], depth: 2 }],
    ['a form', FORM['content-type'], `url=${encodeURIComponent(URL_)}`, { urls: [URL_], scope: 'host' }],
    [
      'a form, url repeated',
      FORM['content-type'],
      `url=${URL_}&url=${URL_}/2`,
      { urls: [URL_, `${URL_}/2`] },
    ],
    [
      'a form, urls repeated',
      FORM['content-type'],
      `urls=${URL_}&urls=${URL_}/2`,
      { urls: [URL_, `${URL_}/2`] },
    ],
    [
      'a form with parameters',
      FORM['content-type'],
      `url=${URL_}&depth=2&sitemaps=true&include=a*&minBytes=10`,
      { urls: [URL_], depth: 2, sitemaps: true, include: ['a*'], minBytes: 10 },
    ],
  ])('take %s', async (_name, type, payload, params) => {
    const answer = await gateway.app.inject({
      method: 'POST',
      url: '/images_tasks',
      payload,
      headers: { 'content-type': type },
    });
    expect(answer.statusCode).toBe(202);
    expect(await paramsOf(answer.json<ImagesTask>().id)).toMatchObject(params);
  });

  it.each([
    ['nothing', {}, 'invalid_request', 'url'],
    ['no url', { depth: 1 }, 'invalid_request', 'url'],
    ['a number', { url: 5 }, 'invalid_request', 'url'],
    ['an operator', { url: { $ne: null } }, 'invalid_request', 'url'],
    ['an operator in urls', { urls: [{ $gt: '' }] }, 'invalid_request', 'urls.0'],
    ['no urls', { urls: [] }, 'invalid_request', 'url'],
    ['an unknown key', { url: URL_, color: 'red' }, 'invalid_request', 'color'],
    ['a parameter out of range', { url: URL_, depth: 99 }, 'invalid_request', 'depth'],
    ['a parameter of another type', { url: URL_, depth: '2' }, 'invalid_request', 'depth'],
    ['a choice that is none', { url: URL_, scope: 'planet' }, 'invalid_request', 'scope'],
    ['a file', { url: 'file:///etc/passwd' }, 'scheme_not_allowed', 'url'],
    ['ftp', { url: 'ftp://example.org/' }, 'scheme_not_allowed', 'url'],
    ['no URL', { url: 'not a url' }, 'invalid_url', 'url'],
    ['a password', { url: 'https://me:secret@example.org/' }, 'credentials_in_url', 'url'],
    ['a long URL', { url: `https://example.org/${'a'.repeat(9000)}` }, 'url_too_long', 'url'],
    [
      'both, the second bad',
      { url: URL_, urls: [URL_, 'ftp://example.org'] },
      'scheme_not_allowed',
      'urls.1',
    ],
    ['a list as url', { url: [URL_, 'ftp://example.org'] }, 'scheme_not_allowed', 'url.1'],
    ['the second of two', { urls: [URL_, 'http://10.0.0.1/'] }, 'blocked_address', 'urls.1'],
    ...[
      'http://127.0.0.1',
      'http://2130706433',
      'http://0x7f.1',
      'http://①②⑦.⓪.⓪.①',
      'http://[::ffff:7f00:1]',
      'http://[64:ff9b::7f00:1]',
      'http://169.254.169.254/latest/meta-data',
      'http://localhost:27017/',
      'http://[::1]/',
    ].map((url) => [url, { url }, 'blocked_address', 'url'] as const),
  ] as const)('refuse %s', async (_name, payload, code, field) => {
    for (const path of ['/images_tasks', '/text_tasks']) {
      const before = await gateway.store.jobs.countDocuments();
      const answer = await gateway.app.inject({ method: 'POST', url: path, payload });
      expect(answer.statusCode).toBe(400);
      expect(answer.json()).toMatchObject({ code, errors: [{ field }] });
      expect(answer.body).not.toContain('secret');
      expect(await gateway.store.jobs.countDocuments()).toBe(before);
    }
  });

  it('may reach what the operator allows', async () => {
    const open = await startGateway({ env: { MAGPIE_ALLOW_ADDRESSES: '127.0.0.0/8' } });
    const ask = (url: string) => open.app.inject({ method: 'POST', url: '/images_tasks', payload: { url } });
    expect((await ask('http://127.0.0.1:8090/site')).statusCode).toBe(202);
    expect((await ask('http://10.0.0.1/')).json()).toMatchObject({ code: 'blocked_address' });
    await open.close();
  });

  it('wait for their collector', async () => {
    const bare = await startGateway({ sources: false });
    const ask = () => bare.app.inject({ method: 'POST', url: '/text_tasks', payload: { url: URL_ } });
    const answer = await ask();
    expect(answer.statusCode).toBe(503);
    expect(answer.headers['retry-after']).toBe('5');
    expect(answer.json()).toMatchObject({
      code: 'source_unavailable',
      detail: 'No collector of web-text has reported yet.',
    });
    await announceSources(bare.store);
    expect((await ask()).statusCode).toBe(202);
    await bare.close();
  });

  it('show their images, with original and static URL', async () => {
    const id = await makeJob(gateway.app);
    const other = await makeJob(gateway.app);
    const image = itemOf('https://example.org/task/1.png');
    const foreign = itemOf('https://example.org/task/2.png');
    const text = itemOf('https://example.org/task/page', { kind: 'text' });
    await keep(gateway.store, id, [image, text]);
    await keep(gateway.store, other, [foreign]);
    await gateway.store.links.collection.insertOne(
      linkOf(id, { ...foreign, _id: 'never-stored' }, { state: 'pending' }) as never,
    );
    const expected = {
      id: image._id,
      url: image.url,
      static_url: `http://magpie.test/files/${image.file?.path}`,
      type: 'image/png',
      width: 640,
      height: 480,
      bytes: 20480,
      sha256: image.file?.sha256,
      alt: 'A picture',
      page: 'https://example.org/gallery',
      stored_at: image.storedAt.toISOString(),
    };
    expect((await get(`/images_tasks/${id}/images`)).json()).toEqual({ items: [expected], next: null });
    expect((await get(`/images_tasks/${id}/images/${image._id}`)).json()).toEqual(expected);
    expect((await get(`/images_tasks/${id}/images/${foreign._id}`)).statusCode).toBe(404);
    expect((await get(`/images_tasks/${id}/images/${text._id}`)).statusCode).toBe(404);
    expect((await get(`/images_tasks/${'0'.repeat(22)}/images`)).statusCode).toBe(404);
  });

  it('show their texts', async () => {
    const id = await makeJob(gateway.app, 'web-text');
    const { file: _, ...page } = itemOf('https://example.org/article', {
      kind: 'text',
      data: {
        title: 'On magpies',
        text: 'They collect.\n\nEach thing once.',
        markdown: '# On magpies',
        language: 'en',
        byline: 'A. Author',
        publishedAt: '2026-04-30',
      },
    });
    await keep(gateway.store, id, [page]);
    expect((await get(`/text_tasks/${id}/text`)).json()).toEqual({
      items: [
        {
          id: page._id,
          url: page.url,
          title: 'On magpies',
          text: 'They collect.\n\nEach thing once.',
          markdown: '# On magpies',
          language: 'en',
          byline: 'A. Author',
          published_at: '2026-04-30',
          word_count: 5,
          stored_at: page.storedAt.toISOString(),
        },
      ],
      next: null,
    });
  });
});
