import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createTransfer, type TransferDocument } from '@magpie/store';
import { startGateway, type TestGateway } from './testing/gateway.ts';
import { rejectsPath } from './import-request.ts';

let gateway: TestGateway;
let data: string;
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'magpie-imports-'));
  gateway = await startGateway({ env: { MAGPIE_DATA: data } });
  const source = (id: string, params: object, rest: object = {}) => ({
    _id: id,
    summary: id,
    version: '1',
    params: { type: 'object', additionalProperties: false, ...params },
    emits: {},
    batch: {},
    lastSeenAt: new Date(),
    ...rest,
  });
  const text = { type: 'string', minLength: 1 };
  await gateway.store.sources.collection.insertMany([
    source(
      'facebook-pages',
      {
        required: ['pages'],
        properties: {
          pages: { type: 'array', minItems: 1, maxItems: 5000, items: text },
          jumpFactor: { type: 'number', exclusiveMinimum: 1, default: 2 },
        },
      },
      { targets: { param: 'pages', step: 'pages', perStep: 50 }, schedule: { every: 'PT10M' } },
    ),
    source('instagram-hashtag', { required: ['tag'], properties: { tag: text } }),
    source('needs-two', { required: ['a', 'b'], properties: { a: text, b: text } }),
    source(
      'needs-a-key',
      { required: ['tag'], properties: { tag: text } },
      { provider: { id: 'somebody', title: 'T', howTo: 'H.', operations: {}, steps: {}, perRun: {} } },
    ),
  ] as never);
});
afterAll(async () => {
  await gateway.close();
  await rm(data, { recursive: true });
});

async function upload(change: Partial<TransferDocument> = {}, state = 'completed'): Promise<string> {
  const { job } = await createTransfer(gateway.store, { kind: 'upload', options: {}, correlationId: 'x' });
  const file = { name: 'rows.csv', type: 'text/csv', bytes: 40, sha256: '0'.repeat(64), path: 'uploads/x' };
  const transfer = { ...job.transfer, file, ...change };
  await gateway.store.jobs.collection.updateOne({ _id: job._id } as never, { $set: { state, transfer } });
  return job._id;
}

const post = (payload: object, headers: Record<string, string> = {}) =>
  gateway.app.inject({ method: 'POST', url: '/api/v1/imports', payload, headers });
const get = (url: string) => gateway.app.inject({ url: `/api/v1/imports${url}` });

interface JobBody {
  id: string;
  state: string;
  source: string;
  transfer: { kind: string; options: Record<string, unknown> };
}
interface ProblemBody {
  code: string;
  errors?: { field: string; message: string }[];
}

test('an import is taken as a job, once for each key, and listed', async () => {
  const body = { upload: await upload(), as: 'items', kind: 'page', mapping: { url: 'Address', title: 2 } };
  const first = await post(body, { 'idempotency-key': 'once' });
  expect(first.statusCode).toBe(202);
  const job = first.json<JobBody>();
  expect(first.headers.location).toBe(`http://magpie.test/api/v1/imports/${job.id}`);
  expect(job).toMatchObject({
    state: 'queued',
    source: 'import',
    transfer: { kind: 'import', options: body, totalBytes: 40 },
  });
  const again = await post(body, { 'idempotency-key': 'once' });
  expect(again.json<JobBody>().id).toBe(job.id);
  expect(again.headers['idempotent-replayed']).toBe('true');
  expect((await post({ ...body, kind: 'text' }, { 'idempotency-key': 'once' })).statusCode).toBe(409);

  expect((await get(`/${job.id}`)).json<JobBody>().id).toBe(job.id);
  expect((await gateway.app.inject({ url: `/api/v1/jobs/${job.id}` })).json<JobBody>().id).toBe(job.id);
  const others = [await post(body), await post(body)].map((answer) => answer.json<JobBody>().id);
  const page = (await get('?limit=2')).json<{ items: JobBody[]; next: string }>();
  expect(page.items.map(({ id }) => id)).toEqual(others.reverse());
  const rest = (await get(`?limit=2&cursor=${page.next}`)).json<{ items: JobBody[]; next: null }>();
  expect(rest).toMatchObject({ items: [{ id: job.id }], next: null });
  expect((await get('?state=running')).json()).toEqual({ items: [], next: null });
  const paused = await gateway.app.inject({ method: 'POST', url: `/api/v1/jobs/${job.id}/pause` });
  expect(paused.json()).toMatchObject({ state: 'pausing' });
});

test('an upload that cannot be imported is refused with the reason', async () => {
  const cases: [string, string][] = [
    ['00000000', 'unknown_upload'],
    [await upload({ kind: 'export' }), 'unknown_upload'],
    [await upload({ file: null }, 'running'), 'upload_incomplete'],
    [await upload({}, 'terminated'), 'upload_incomplete'],
    [await upload({ expiresAt: new Date(Date.now() - 1) }), 'upload_gone'],
    [await upload({ file: null }), 'upload_gone'],
  ];
  for (const [id, code] of cases) {
    const answer = await post({ upload: id, as: 'items' });
    expect([answer.statusCode, answer.json<ProblemBody>().code]).toEqual([422, code]);
    expect(answer.json<ProblemBody>().errors?.[0]?.field).toBe('upload');
  }
});

test('an upload is not removed while an import that has not ended reads it', async () => {
  for (const url of ['/api/v1/jobs', '/api/v1/uploads']) {
    const options = url.endsWith('uploads') ? { protocol: 'tus' } : {};
    const id = await upload({ options });
    const { id: reader } = (await post({ upload: id, as: 'items' })).json<JobBody>();
    const remove = () =>
      gateway.app.inject({ method: 'DELETE', url: `${url}/${id}`, headers: { 'tus-resumable': '1.0.0' } });
    const refused = await remove();
    expect([refused.statusCode, refused.json()]).toMatchObject([
      409,
      { code: 'invalid_transition', state: 'completed' },
    ]);
    expect(refused.body).toContain('An import that has not ended reads it');
    await gateway.store.jobs.collection.updateOne({ _id: reader } as never, { $set: { state: 'completed' } });
    expect((await remove()).statusCode).toBe(204);
  }
});

test('what is asked for is checked field by field', async () => {
  const id = await upload();
  const faultsOf = async (body: object): Promise<string[]> => {
    const answer = await post({ upload: id, ...body });
    expect([answer.statusCode, answer.json<ProblemBody>().code]).toEqual([400, 'invalid_request']);
    return (answer.json<ProblemBody>().errors ?? []).map(({ field }) => field);
  };
  expect(await faultsOf({ as: 'items', params: {}, schedule: { every: 'PT1H' } })).toEqual([
    'params',
    'schedule',
  ]);
  expect(await faultsOf({ as: 'targets', kind: 'page' })).toEqual(['kind', 'source']);
  expect(await faultsOf({ as: 'items', mapping: { title: 1 } })).toEqual(['mapping']);
  expect(await faultsOf({ as: 'items', header: false, mapping: { url: 'Address' } })).toEqual([
    'mapping.url',
  ]);
  expect(await faultsOf({ as: 'targets', source: 'facebook-pages', mapping: { target: 1, url: 2 } })).toEqual(
    ['mapping.url'],
  );
  const wrong = { upload: id, as: 'items', mapping: { url: 0, title: '', page: true } };
  expect((await post(wrong)).json<{ errors: unknown[] }>().errors).toEqual([
    { field: 'mapping.url', message: 'must be >= 1' },
    { field: 'mapping.title', message: 'must not have fewer than 1 characters' },
    { field: 'mapping.page', message: 'must be either string or integer' },
  ]);
  expect(await faultsOf({ as: 'items', encoding: 'klingon' })).toEqual(['encoding']);
  expect(await faultsOf({ as: 'items', mapping: { 'a-b': 1 } })).not.toEqual([]);
  expect(await faultsOf({ as: 'nothing' })).not.toEqual([]);
});

test('targets need a source that runs and that rows can fill, its other parameters, and a key', async () => {
  const id = await upload();
  const codeOf = async (body: object): Promise<[number, string]> => {
    const answer = await post({ upload: id, as: 'targets', ...body });
    return [answer.statusCode, answer.json<ProblemBody>().code];
  };
  expect(await codeOf({ source: 'nobody' })).toEqual([422, 'unknown_source']);
  expect(await codeOf({ source: 'needs-two' })).toEqual([422, 'not_importable']);
  expect(await codeOf({ source: 'needs-a-key' })).toEqual([422, 'missing_credential']);
  expect(await codeOf({ source: 'facebook-pages', params: { jumpFactor: 0 } })).toEqual([
    400,
    'invalid_request',
  ]);
  expect(await codeOf({ source: 'facebook-pages', params: { pages: ['a'] } })).toEqual([
    400,
    'invalid_request',
  ]);
  expect(await codeOf({ source: 'facebook-pages', schedule: { every: 'never' } })).toEqual([
    400,
    'invalid_request',
  ]);
});

test('how targets become jobs is settled when they are asked for', async () => {
  const id = await upload();
  const targetsOf = async (body: object): Promise<unknown> => {
    const answer = await post({ upload: id, as: 'targets', ...body });
    expect(answer.statusCode).toBe(202);
    return answer.json<JobBody>().transfer.options['targets'];
  };
  expect(await targetsOf({ source: 'facebook-pages' })).toMatchObject({
    how: 'measured',
    param: 'pages',
    most: 5000,
    params: { jumpFactor: 2 },
    schedule: { every: 'PT10M' },
  });
  expect(await targetsOf({ source: 'web-images', params: { depth: 2 } })).toMatchObject({
    how: 'listed',
    param: 'urls',
    most: 1000,
    params: { depth: 2, scope: 'host' },
    schedule: null,
  });
  expect(await targetsOf({ source: 'instagram-hashtag', schedule: { every: 'PT1H' } })).toMatchObject({
    how: 'one',
    param: 'tag',
    most: 1,
    schedule: { every: 'PT1H' },
  });
});

test('the errors of its job are the first rejected rows', async () => {
  const { id } = (await post({ upload: await upload(), as: 'items' })).json<JobBody>();
  const errors = async (query = ''): Promise<unknown> =>
    (await gateway.app.inject(`/api/v1/jobs/${id}/errors${query}`)).json<{ items: unknown[] }>().items;
  expect(await errors()).toEqual([]);
  const fault = { line: 1, column: 'url', code: 'invalid_url', message: 'not a URL', row: 3 };
  await gateway.store.jobs.collection.updateOne({ _id: id } as never, {
    $set: { 'transfer.report': { firstErrors: [fault, { ...fault, row: 4, column: null }] } },
  });
  const told = { kind: 'row', code: 'invalid_url', message: 'Line 1, row 3, column url: not a URL' };
  expect(await errors()).toMatchObject([told, { message: 'Line 1, row 4: not a URL' }]);
  expect(await errors('?limit=1')).toMatchObject([told]);
  expect(await errors('?state=skipped')).toEqual([]);
});

test('the rejected rows are downloaded up to what is committed', async () => {
  const { id } = (await post({ upload: await upload(), as: 'items' })).json<JobBody>();
  const none = await get(`/${id}/rejects`);
  expect(none.body).toBe('line,column,code,message,row\r\n');
  const committed = 'line,column,code,message,row\r\n7,url,invalid_url,not a URL,6\r\n';
  await mkdir(dirname(rejectsPath(data, id)), { recursive: true });
  await writeFile(rejectsPath(data, id), `${committed}8,url,invalid_url,not yet,7\r\n`);
  const set = (change: object) =>
    gateway.store.jobs.collection.updateOne({ _id: id } as never, { $set: change });
  await set({ 'transfer.checkpoint': { rejects: committed.length } });
  const answer = await get(`/${id}/rejects`);
  expect(answer.statusCode).toBe(200);
  expect(answer.headers).toMatchObject({
    'content-type': 'text/csv; charset=utf-8; header=present',
    'content-disposition': `attachment; filename="rejects-${id}.csv"`,
    'content-length': String(committed.length),
  });
  expect(answer.body).toBe(committed);
  await set({
    state: 'completed',
    'transfer.report': { rejected: 1, rejects: `/api/v1/imports/${id}/rejects` },
  });
  const told = (await get(`/${id}`)).json<{ allowed: string[]; transfer: { report: { rejects: string } } }>();
  expect(told.transfer.report.rejects).toBe(`http://magpie.test/api/v1/imports/${id}/rejects`);
  expect(told.allowed).toEqual(['terminate', 'retry']);
  await set({ 'transfer.report.expired': true });
  expect((await get(`/${id}`)).json()).toMatchObject({
    transfer: { report: { rejected: 1, expired: true } },
  });
  expect((await get(`/${id}`)).body).not.toContain('/rejects');
  await rm(rejectsPath(data, id));
  expect((await get(`/${id}/rejects`)).statusCode).toBe(404);
  const terminate = () => gateway.app.inject({ method: 'POST', url: `/api/v1/jobs/${id}/terminate` });
  expect((await terminate()).json()).toMatchObject({ state: 'terminating' });
  expect((await terminate()).json()).toMatchObject({ code: 'invalid_transition', allowed: [] });
  await set({ state: 'terminated', 'transfer.checkpoint': null });
  expect((await get(`/${id}/rejects`)).statusCode).toBe(404);
  expect((await get('/00000000/rejects')).statusCode).toBe(404);
});

test('the jobs that an import made are listed; other jobs are no imports', async () => {
  const { id } = (await post({ upload: await upload(), as: 'items' })).json<JobBody>();
  const other = (
    await gateway.app.inject({
      method: 'POST',
      url: '/api/v1/jobs',
      payload: { source: 'web-images', params: { urls: ['https://example.org/'], depth: 0, scope: 'host' } },
    })
  ).json<JobBody>();
  expect((await get(`/${other.id}`)).statusCode).toBe(404);
  expect((await get(`/${id}/jobs`)).json()).toEqual({ items: [], next: null });
  await gateway.store.jobs.collection.updateOne({ _id: other.id } as never, { $set: { importedBy: id } });
  expect((await get(`/${id}/jobs`)).json()).toMatchObject({ items: [{ id: other.id }], next: null });
});
