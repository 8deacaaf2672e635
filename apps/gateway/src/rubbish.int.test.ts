import { connect } from 'node:net';
import { ERRORS, Problem } from '@magpie/contracts';
import { encodeCursor } from '@magpie/store';
import { Compile } from 'typebox/compile';
import { makeJob, startGateway, URLS, type TestGateway } from './testing/gateway.ts';

const isProblem = Compile(Problem);
const JSON_TYPE = 'application/json';
const body = { source: 'web-images', params: URLS };
const ID = '0'.repeat(22);

type Case = [
  name: string,
  request: {
    method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
    url: string;
    payload?: string;
    type?: string | null;
  },
  status: number,
  code: keyof typeof ERRORS,
];

const post = (payload: unknown, type: string | null = JSON_TYPE, url = '/api/v1/jobs'): Case[1] => ({
  method: 'POST',
  url,
  payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
  type,
});

const CASES: Case[] = [
  ['no JSON', post('{"source":'), 400, 'invalid_json'],
  ['no body', post(''), 400, 'invalid_json'],
  ['a list', post([]), 400, 'invalid_request'],
  ['null', post('null'), 400, 'invalid_request'],
  ['a number', post('1e999'), 400, 'invalid_request'],
  ['an unknown key', post({ ...body, extra: 1 }), 400, 'invalid_request'],
  ['no source', post({ params: URLS }), 400, 'invalid_request'],
  ['no params', post({ source: 'web-images' }), 400, 'invalid_request'],
  ['an unknown source', post({ ...body, source: 'web-moon' }), 422, 'unknown_source'],
  ['a source that is an operator', post({ ...body, source: { $ne: null } }), 400, 'invalid_request'],
  ['a source that is a path', post({ ...body, source: '../etc' }), 400, 'invalid_request'],
  ['a priority that is none', post({ ...body, priority: 'now' }), 400, 'invalid_request'],
  ['params that are an operator', post({ ...body, params: { $where: '1' } }), 400, 'invalid_request'],
  ['__proto__', post('{"source":"web-images","params":{},"__proto__":{"admin":true}}'), 400, 'invalid_json'],
  [
    '__proto__ below',
    post('{"source":"web-images","params":{"urls":["https://example.org"],"__proto__":{"depth":9}}}'),
    400,
    'invalid_json',
  ],
  ['constructor', post('{"source":"web-images","constructor":{"prototype":{"x":1}}}'), 400, 'invalid_json'],
  [
    '__proto__ in a form',
    post('url=https://example.org&__proto__=1', 'application/x-www-form-urlencoded', '/images_tasks'),
    400,
    'invalid_request',
  ],
  ['deep JSON', post('['.repeat(50_000) + ']'.repeat(50_000)), 400, 'invalid_request'],
  [
    '17 MB',
    post(JSON.stringify({ ...body, params: { x: 'a'.repeat(17_000_000) } })),
    413,
    'payload_too_large',
  ],
  [
    '2 MB of a form',
    post(`url=${'a'.repeat(2_000_000)}`, 'application/x-www-form-urlencoded', '/images_tasks'),
    413,
    'payload_too_large',
  ],
  ['plain text', post('{}', 'text/plain'), 415, 'unsupported_media_type'],
  [
    'JSON that is empty, where no body is wanted',
    post('', JSON_TYPE, `/api/v1/jobs/${ID}/pause`),
    404,
    'not_found',
  ],
  ['XML', post('<job/>', 'application/xml'), 415, 'unsupported_media_type'],
  ['a file upload', post('--x--', 'multipart/form-data; boundary=x'), 415, 'unsupported_media_type'],
  ['no type', post('{}', null), 415, 'unsupported_media_type'],
  [
    'a form where none is taken',
    post('source=web-images', 'application/x-www-form-urlencoded'),
    400,
    'invalid_request',
  ],
  ['an id of another form', { url: '/api/v1/jobs/UPPER-case' }, 404, 'not_found'],
  ['an id that is an operator', { url: '/api/v1/jobs/%7B%22$ne%22:null%7D' }, 404, 'not_found'],
  ['an id that is a path', { url: '/api/v1/jobs/..%2F..%2Fetc' }, 404, 'not_found'],
  ['an id that is too long', { url: `/api/v1/jobs/${'a'.repeat(5000)}` }, 404, 'not_found'],
  ['an id with a zero byte', { url: '/api/v1/jobs/abc%00defgh' }, 404, 'not_found'],
  ['an id of nobody', { url: `/api/v1/items/${ID}` }, 404, 'not_found'],
  ['an address that is no UTF-8', { url: '/api/v1/jobs/%ff%fe' }, 400, 'invalid_request'],
  ['an unknown route', { url: '/api/v1/nothing' }, 404, 'not_found'],
  ['an unknown route below one', { url: `/api/v1/jobs/${ID}/nothing` }, 404, 'not_found'],
  ['a wrong method', { method: 'PUT', url: '/api/v1/jobs' }, 405, 'method_not_allowed'],
  ['a wrong method below', { method: 'DELETE', url: `/api/v1/jobs/${ID}/pause` }, 405, 'method_not_allowed'],
  ['a limit of zero', { url: '/api/v1/jobs?limit=0' }, 400, 'invalid_request'],
  ['a limit too large', { url: '/api/v1/jobs?limit=501' }, 400, 'invalid_request'],
  ['a limit that is none', { url: '/api/v1/jobs?limit=ten' }, 400, 'invalid_request'],
  ['two limits', { url: '/api/v1/jobs?limit=1&limit=2' }, 400, 'invalid_request'],
  ['a state that is none', { url: '/api/v1/jobs?state=sleeping' }, 400, 'invalid_request'],
  ['a state that is an operator', { url: '/api/v1/jobs?state[$ne]=x' }, 400, 'invalid_request'],
  ['a filter that is none', { url: '/api/v1/jobs?colour=red' }, 400, 'invalid_request'],
  ['a time that is none', { url: '/api/v1/jobs?from=yesterday' }, 400, 'invalid_request'],
  ['a time that can’t be', { url: '/api/v1/jobs?from=2026-13-45' }, 400, 'invalid_request'],
  ['a cursor that is none', { url: '/api/v1/jobs?cursor=abc' }, 400, 'invalid_cursor'],
  ['a cursor with other characters', { url: '/api/v1/jobs?cursor=%00%2B' }, 400, 'invalid_cursor'],
  [
    'a cursor of another list',
    { url: `/api/v1/jobs?cursor=${encodeCursor('items', [1, 'x'])}` },
    400,
    'invalid_cursor',
  ],
  [
    'a cursor of another shape',
    { url: `/api/v1/items?cursor=${encodeCursor('items', ['1', 'x'])}` },
    400,
    'invalid_cursor',
  ],
  [
    'a cursor that is an operator',
    { url: `/api/v1/jobs?cursor=${Buffer.from('["jobs",{"$ne":null}]').toString('base64url')}` },
    400,
    'invalid_cursor',
  ],
  ['a long cursor', { url: `/api/v1/jobs?cursor=${'a'.repeat(600)}` }, 400, 'invalid_request'],
  ['a text search of nothing', { url: '/api/v1/items?q=' }, 400, 'invalid_request'],
  ['a job that is not there', { url: `/api/v1/items?job=${ID}` }, 404, 'not_found'],
  ['a source that is none', { url: '/api/v1/sources/Nope!' }, 404, 'not_found'],
  [
    'a dead letter that is none',
    { method: 'POST', url: '/api/v1/dead-letters/none/replay' },
    404,
    'not_found',
  ],
];

describe('rubbish', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.close());

  it.each(CASES)('%s', async (_name, { method = 'GET', url, payload, type }, status, code) => {
    const answer = await gateway.app.inject({
      method,
      url,
      ...(payload === undefined ? {} : { payload }),
      headers: { ...(typeof type === 'string' ? { 'content-type': type } : {}), 'x-request-id': 'rubbish-1' },
    });
    expect([answer.statusCode, answer.json<{ code?: string }>().code]).toEqual([status, code]);
    expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    const problem = answer.json<Problem>();
    expect(isProblem.Errors(problem)).toEqual([]);
    expect(problem).toMatchObject({
      type: `http://magpie.test/docs/errors#${code}`,
      title: ERRORS[code].title,
      status,
      instance: 'rubbish-1',
    });
    expect(problem.detail).not.toBe('');
    if (status === 405) expect(answer.headers['allow']).toMatch(/^[A-Z]+(, [A-Z]+)*$/);
    expect(await gateway.store.jobs.countDocuments()).toBe(0);
  });

  it('is told field by field', async () => {
    const answer = await gateway.app.inject({
      ...post({ source: 'web-images', params: { urls: [5], depth: -1, colour: 'red' } }),
      headers: { 'content-type': JSON_TYPE },
    } as never);
    expect(
      answer
        .json<Problem>()
        .errors?.map(({ field }) => field)
        .sort(),
    ).toEqual(['params.colour', 'params.depth', 'params.urls.0']);
  });

  it('does not reach what is stored', async () => {
    const id = await makeJob(gateway.app);
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
    await gateway.store.jobs.collection.deleteOne({ _id: id as never });
  });

  it('that is no HTTP is answered, and closes its connection', async () => {
    const { port } = new URL(await gateway.listen());
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write('RUBBISH\r\n\r\n'));
      let text = '';
      socket.on('data', (chunk) => (text += chunk.toString()));
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\nContent-Type: application\/problem\+json/);
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({
      code: 'invalid_request',
      status: 400,
    });
  });

  it('inside the gateway stays there: a fault tells its request’s id and nothing else', async () => {
    const broken = await startGateway();
    await broken.store.jobs.collection.insertOne({ _id: ID, secret: 'hush' } as never);
    const answer = await broken.app.inject({
      url: `/api/v1/jobs/${ID}`,
      headers: { 'x-request-id': 'fault-0001' },
    });
    expect(answer.statusCode).toBe(500);
    expect(answer.json()).toMatchObject({ code: 'internal_error', instance: 'fault-0001' });
    expect(answer.body).not.toMatch(/undefined|hush|TypeError/);
    expect(broken.logged()).toContainEqual(
      expect.objectContaining({ level: 'error', correlationId: 'fault-0001', msg: 'a request failed' }),
    );
    await broken.close();
  });
});
