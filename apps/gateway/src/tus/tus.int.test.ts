import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Job } from '@magpie/contracts';
import { mongodbLink } from '../testing/mongodb-link.ts';
import { startGateway } from '../testing/gateway.ts';
import { BYTES, codeOf, MIB, TusWorld } from '../testing/tus-world.ts';
import { until } from '../testing/until.ts';

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

let world: TusWorld;
beforeAll(async () => {
  world = await TusWorld.make();
});
afterAll(() => world.close());

describe('what is announced', () => {
  it('is what works', async () => {
    const answer = await world.ask('OPTIONS', '/api/v1/uploads');
    expect(answer.status).toBe(204);
    expect(answer.headers).toMatchObject({
      'tus-version': '1.0.0',
      'tus-extension': 'creation,creation-with-upload,creation-defer-length,termination,checksum,expiration',
      'tus-checksum-algorithm': 'sha1,sha256,md5',
      'tus-max-size': String(64 * MIB),
      'x-request-id': expect.any(String),
    });
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
  });
});

describe('an upload', () => {
  it('becomes the file of its job', async () => {
    const content = randomBytes(3 * MIB);
    const metadata = `filename ${Buffer.from('../../etc/targets.csv').toString('base64')},filetype ${Buffer.from('text/csv').toString('base64')}`;
    const id = await world.create(content.length, { 'upload-metadata': metadata });
    expect((await world.jobOf(id)).state).toBe('queued');
    const begun = await world.head(id);
    expect(begun.headers).toMatchObject({
      'upload-offset': '0',
      'upload-length': String(content.length),
      'upload-metadata': metadata,
      'tus-resumable': '1.0.0',
      'cache-control': 'no-store',
    });
    const first = await world.chunk(id, 0, content.subarray(0, MIB));
    expect([first.status, first.headers['upload-offset']]).toEqual([204, String(MIB)]);
    expect(Date.parse(first.headers['upload-expires'] as string)).toBeGreaterThan(
      Date.now() + 6 * 86_400_000,
    );
    const between = await world.jobOf(id);
    expect([between.state, between.transfer?.bytes, await world.leaseOf(id)]).toEqual(['running', MIB, null]);
    expect((await world.chunk(id, MIB, content.subarray(MIB))).status).toBe(204);
    const { state, transfer } = await world.jobOf(id);
    expect(state).toBe('completed');
    expect(transfer).toMatchObject({
      kind: 'upload',
      bytes: content.length,
      totalBytes: content.length,
      file: { name: 'targets.csv', type: 'text/csv', bytes: content.length, sha256: sha256(content) },
    });
    expect(sha256(world.fileOf(id))).toBe(sha256(content));
    expect((await readdir(join(world.data, 'uploads'))).filter((name) => name.startsWith(id))).toEqual([id]);
    expect(await world.offsetOf(id)).toBe(content.length);
    // The answer to the last request may have been lost.
    expect((await world.chunk(id, content.length, Buffer.alloc(0))).status).toBe(204);
  });

  it('may begin with its creation, have no bytes, or a size that is said later', async () => {
    const content = Buffer.from('one\ntwo\nthree');
    const whole = await world.ask(
      'POST',
      '/api/v1/uploads',
      { 'upload-length': content.length, 'content-type': BYTES },
      content,
    );
    expect([whole.status, whole.headers['upload-offset']]).toEqual([201, String(content.length)]);
    const id = whole.headers.location?.split('/').at(-1) ?? '';
    expect((await world.jobOf(id)).transfer).toMatchObject({ rows: 2, file: { sha256: sha256(content) } });

    const none = await world.create(0);
    expect((await world.jobOf(none)).transfer?.file).toMatchObject({
      bytes: 0,
      sha256: sha256(Buffer.alloc(0)),
    });
    expect(world.fileOf(none).length).toBe(0);

    const answer = await world.ask('POST', '/api/v1/uploads', { 'upload-defer-length': 1 });
    const later = answer.headers.location?.split('/').at(-1) ?? '';
    expect((await world.head(later)).headers).toMatchObject({
      'upload-defer-length': '1',
      'upload-offset': '0',
    });
    expect((await world.chunk(later, 0, content.subarray(0, 4))).status).toBe(204);
    expect(
      (await world.chunk(later, 4, content.subarray(4), { 'upload-length': String(content.length) })).status,
    ).toBe(204);
    expect(world.fileOf(later)).toEqual(content);
  });

  it('is made once for an Idempotency-Key', async () => {
    const headers = { 'upload-length': 4, 'idempotency-key': randomBytes(8).toString('hex') };
    const [one, two] = [
      await world.ask('POST', '/api/v1/uploads', headers),
      await world.ask('POST', '/api/v1/uploads', headers),
    ];
    expect([one.status, two.status, two.headers['idempotent-replayed']]).toEqual([201, 201, 'true']);
    expect(two.headers.location).toBe(one.headers.location);
    const other = await world.ask('POST', '/api/v1/uploads', { ...headers, 'upload-length': 5 });
    expect([other.status, codeOf(other)]).toEqual([409, 'idempotency_conflict']);
  });

  it('can be sent by POST where PATCH cannot', async () => {
    const id = await world.create(3);
    const answer = await world.ask(
      'POST',
      `/api/v1/uploads/${id}`,
      { 'x-http-method-override': 'PATCH', 'content-type': BYTES, 'upload-offset': 0 },
      Buffer.from('abc'),
    );
    expect([answer.status, answer.headers['upload-offset']]).toEqual([204, '3']);
    expect(world.fileOf(id).toString()).toBe('abc');
    expect((await world.ask('POST', `/api/v1/uploads/${id}`)).status).toBe(405);
  });
});

describe('what is refused', () => {
  it('leaves the upload as it is', async () => {
    const id = await world.create(10);
    expect((await world.chunk(id, 0, Buffer.from('01234'))).status).toBe(204);
    const answers = [
      [await world.chunk(id, 4, Buffer.from('x')), 409, 'upload_offset_conflict'],
      [await world.chunk(id, 6, Buffer.from('x')), 409, 'upload_offset_conflict'],
      [await world.chunk(id, 5, Buffer.from('567890')), 413, 'upload_too_large'],
      [
        await world.chunk(id, 5, Buffer.from('x'), { 'content-type': 'text/plain' }),
        415,
        'unsupported_media_type',
      ],
      [
        await world.chunk(id, 5, Buffer.from('x'), { 'tus-resumable': '0.2.2' }),
        412,
        'unsupported_tus_version',
      ],
      [await world.chunk(id, 5, Buffer.from('x'), { 'upload-offset': '-1' }), 400, 'invalid_request'],
      [
        await world.chunk(id, 5, Buffer.from('x'), { 'upload-checksum': 'crc32 AAAAAA==' }),
        400,
        'invalid_request',
      ],
      [
        await world.chunk(id, 5, Buffer.from('x'), { 'upload-checksum': 'sha1 AAAA' }),
        400,
        'invalid_request',
      ],
      [await world.ask('POST', '/api/v1/uploads'), 400, 'invalid_request'],
      [
        await world.ask('POST', '/api/v1/uploads', { 'upload-length': 64 * MIB + 1 }),
        413,
        'upload_too_large',
      ],
      [
        await world.ask('POST', '/api/v1/uploads', { 'upload-length': 1, 'upload-metadata': 'a b c' }),
        400,
        'invalid_request',
      ],
      [
        await world.ask('POST', '/api/v1/uploads', { 'upload-length': 1, 'upload-concat': 'partial' }),
        400,
        'invalid_request',
      ],
    ] as const;
    expect(answers.map(([answer]) => [answer.status, codeOf(answer)])).toEqual(
      answers.map(([, status, code]) => [status, code]),
    );
    for (const [answer] of answers) expect(answer.headers['tus-resumable']).toBe('1.0.0');
    // Without a length a body may still be too long: none of it is kept.
    const long = world.open('PATCH', `/api/v1/uploads/${id}`, { 'content-type': BYTES, 'upload-offset': 5 });
    long.out.end(Buffer.from('567890'));
    expect((await long.answer).status).toBe(413);
    expect(await world.offsetOf(id)).toBe(5);
    expect((await world.chunk(id, 5, Buffer.from('56789'))).status).toBe(204);
    expect(world.fileOf(id).toString()).toBe('0123456789');
  });

  it('is any id that is none, without a look at the disk', async () => {
    const known = new Set(await readdir(join(world.data, 'uploads')).catch(() => []));
    for (const id of [
      '..%2f..%2fetc%2fpasswd',
      '..%2F' + 'a'.repeat(19),
      '%2e%2e%2f%2e%2e%2fmagpie',
      '..%5c..%5cwindows',
      'a%00b',
      'short',
      'A'.repeat(22),
      '0'.repeat(23),
    ])
      for (const method of ['HEAD', 'PATCH', 'DELETE', 'POST']) {
        const answer = await world.ask(
          method,
          `/api/v1/uploads/${id}`,
          { 'content-type': BYTES, 'upload-offset': 0, 'x-http-method-override': 'PATCH' },
          Buffer.alloc(0),
        );
        expect([method, id, answer.status]).toEqual([method, id, 400]);
      }
    for (const path of [
      '/api/v1/uploads/..',
      '/api/v1/uploads/../../etc',
      `/api/v1/uploads/${'0'.repeat(300)}`,
    ])
      expect([404, 405]).toContain((await world.ask('HEAD', path)).status);
    const job = await world.gateway.app.inject({
      method: 'POST',
      url: '/api/v1/jobs',
      payload: { source: 'web-images', params: { urls: ['https://example.org/'] } },
    });
    for (const id of ['0'.repeat(22), job.json<Job>().id]) {
      expect((await world.head(id)).status).toBe(404);
      expect((await world.chunk(id, 0, Buffer.from('x'))).status).toBe(404);
      expect((await world.ask('DELETE', `/api/v1/uploads/${id}`)).status).toBe(404);
    }
    expect(new Set(await readdir(join(world.data, 'uploads')).catch(() => []))).toEqual(known);
  });

  it('is what is sent without the key', async () => {
    const closed = await startGateway({
      env: { MAGPIE_DATA: world.data, MAGPIE_ADMIN_KEY: 'a-long-enough-key' },
    });
    const at = await closed.listen();
    for (const [method, path] of [
      ['OPTIONS', '/api/v1/uploads'],
      ['POST', '/api/v1/uploads'],
      ['PATCH', `/api/v1/uploads/${'0'.repeat(22)}`],
      ['HEAD', `/api/v1/uploads/${'0'.repeat(22)}`],
    ] as const)
      expect((await fetch(at + path, { method, headers: { 'tus-resumable': '1.0.0' } })).status).toBe(401);
    await closed.close();
  });

  it('is told to ask again while the database does not answer: clients take a 503 for the end', async () => {
    const id = await world.create(1);
    const link = await mongodbLink();
    const other = await startGateway({
      env: { MAGPIE_DATA: world.data },
      store: { url: link.url, serverSelectionMs: 500 },
    });
    link.shut();
    const headers = { 'tus-resumable': '1.0.0', 'content-type': BYTES, 'upload-offset': '0' };
    const path = `/api/v1/uploads/${id}`;
    const asked = await other.app.inject({ method: 'HEAD', url: path, headers });
    expect([asked.statusCode, asked.headers['retry-after']]).toEqual([423, '2']);
    const sent = await other.app.inject({ method: 'PATCH', url: path, headers, payload: 'x' });
    expect([sent.statusCode, sent.json<{ code: string }>().code]).toEqual([503, 'storage_unavailable']);
    link.reopen();
    await other.close();
    await link.close();
  });

  it('is a second request that sends, at once, until the first has ended', async () => {
    const content = randomBytes(2 * MIB);
    const id = await world.create(content.length);
    const first = await world.sending(id, 0, content.length, content.subarray(0, MIB));
    const second = await world.chunk(id, 0, content);
    expect([second.status, codeOf(second), second.headers['retry-after']]).toEqual([
      423,
      'upload_locked',
      '2',
    ]);
    // Who has still much to send gets to read the answer, and is not listened to for long.
    const third = connect(Number(new URL(world.base).port), '127.0.0.1');
    const ended = new Promise((resolve) => third.once('close', resolve));
    let heard = '';
    third.on('error', () => undefined).on('data', (bytes: Buffer) => (heard += bytes.toString()));
    third.write(
      `PATCH /api/v1/uploads/${id} HTTP/1.1\r\nHost: 127.0.0.1\r\nTus-Resumable: 1.0.0\r\nContent-Type: ${BYTES}\r\n` +
        `Upload-Offset: ${MIB}\r\nContent-Length: ${MIB}\r\n\r\n`,
    );
    third.write(content.subarray(0, MIB / 2));
    await until(async () => heard.includes('upload_locked'), 'it is answered');
    expect(heard).toMatch(/^HTTP\/1\.1 423 Locked\r\n/);
    await ended;
    expect(await world.offsetOf(id)).toBe(MIB);
    first.out.end(content.subarray(MIB));
    expect((await first.answer).status).toBe(204);
    expect(sha256(world.fileOf(id))).toBe(sha256(content));
  });
});

describe('a checksum', () => {
  const content = Buffer.from('hello world');
  const of = (algorithm: string, bytes: Buffer): string =>
    `${algorithm} ${createHash(algorithm).update(bytes).digest('base64')}`;

  it('that is right lets the bytes in, by any algorithm', async () => {
    const id = await world.create(content.length * 3);
    for (const [i, algorithm] of ['sha1', 'sha256', 'md5'].entries())
      expect(
        (await world.chunk(id, i * content.length, content, { 'upload-checksum': of(algorithm, content) }))
          .status,
      ).toBe(204);
    expect(world.fileOf(id).toString()).toBe('hello world'.repeat(3));
  });

  it('that is wrong keeps nothing of the request', async () => {
    const id = await world.create(content.length * 2);
    expect((await world.chunk(id, 0, content)).status).toBe(204);
    const wrong = await world.chunk(id, content.length, content, {
      'upload-checksum': of('sha1', Buffer.from('other')),
    });
    expect([wrong.status, codeOf(wrong)]).toEqual([460, 'chunk_checksum_mismatch']);
    expect([await world.offsetOf(id), world.partSize(id)]).toEqual([content.length, content.length]);
    expect((await world.jobOf(id)).transfer?.bytes).toBe(content.length);
    expect((await world.chunk(id, content.length, content)).status).toBe(204);
    expect((await world.jobOf(id)).transfer?.file?.sha256).toBe(sha256(Buffer.from('hello world'.repeat(2))));
  });

  it('is not believed of half a request; what came without one is kept', async () => {
    const bytes = randomBytes(MIB);
    const id = await world.create(2 * bytes.length);
    const half = world.open('PATCH', `/api/v1/uploads/${id}`, {
      'content-type': BYTES,
      'upload-offset': 0,
      'content-length': bytes.length,
      'upload-checksum': of('sha256', bytes),
    });
    half.out.write(bytes.subarray(0, MIB / 2));
    await until(async () => world.partSize(id) === MIB / 2, 'half of it came');
    expect(await world.offsetOf(id)).toBe(0);
    half.out.destroy();
    await until(async () => (await world.leaseOf(id)) === null, 'the lease is given back');
    expect([await world.offsetOf(id), world.partSize(id)]).toEqual([0, 0]);

    const { out } = await world.sending(id, 0, bytes.length, bytes.subarray(0, MIB / 2));
    out.destroy();
    await until(async () => (await world.leaseOf(id)) === null, 'the lease is given back');
    expect(await world.offsetOf(id)).toBe(MIB / 2);
  });
});
