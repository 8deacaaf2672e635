import zlib from 'node:zlib';
import { client, closeAll, errorOf, site, type Route } from './loopback-site.ts';
import { until } from '../testing/until.ts';

afterEach(closeAll);

const MiB = 1024 * 1024;
const send =
  (encoding: string | undefined, body: Uint8Array, extra: Record<string, string> = {}): Route =>
  (_, response) =>
    void response
      .writeHead(200, { ...(encoding !== undefined && { 'content-encoding': encoding }), ...extra })
      .end(body);

const plain = Buffer.from('The quick brown fox. '.repeat(5000));

describe('content encodings', () => {
  test.each([
    ['identity', plain],
    ['gzip', zlib.gzipSync(plain)],
    ['X-GZIP', zlib.gzipSync(plain)],
    ['deflate', zlib.deflateSync(plain)],
    ['deflate', zlib.deflateRawSync(plain)],
    ['br', zlib.brotliCompressSync(plain)],
    ['zstd', zlib.zstdCompressSync(plain)],
    ['gzip, br', zlib.brotliCompressSync(zlib.gzipSync(plain))],
    ['gzip', Buffer.concat([zlib.gzipSync(plain.subarray(0, 1000)), zlib.gzipSync(plain.subarray(1000))])],
  ])('%s is undone', async (encoding, body) => {
    const target = await site({ '/': send(encoding, body) });
    const response = await client().get(`${target.origin}/`);
    expect(Buffer.from(await response.bytes()).equals(plain)).toBe(true);
  });

  test('single bytes at a time', async () => {
    const body = zlib.deflateSync(Buffer.from('hello'));
    const target = await site({
      '/': async (_, response) => {
        response.writeHead(200, { 'content-encoding': 'deflate' });
        for (const byte of body) {
          response.write(Buffer.of(byte));
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
        response.end();
      },
    });
    expect(Buffer.from(await (await client().get(`${target.origin}/`)).bytes()).toString()).toBe('hello');
  });

  test('no bytes at all are an empty body', async () => {
    const target = await site({ '/': send('gzip', Buffer.alloc(0)) });
    expect((await (await client().get(`${target.origin}/`)).bytes()).length).toBe(0);
  });

  test('six on top of each other are too many, and nothing is decoded', async () => {
    let body: Buffer = Buffer.alloc(MiB);
    for (let i = 0; i < 6; i++) body = zlib.gzipSync(body);
    const target = await site({ '/': send('gzip, gzip, gzip, gzip, gzip, gzip', body) });
    const error = await errorOf(client().get(`${target.origin}/`));
    expect(error).toMatchObject({ name: 'Permanent', code: 'too_many_encodings' });
  });

  test.each(['compress', 'exi', 'gzip;q=1', '__proto__'])('%s is not understood', async (encoding) => {
    const target = await site({ '/': send(encoding, plain) });
    const error = await errorOf(client().get(`${target.origin}/`));
    expect(error).toMatchObject({ name: 'Permanent', code: 'encoding_unsupported' });
  });

  test.each([
    ['gzip', zlib.gzipSync(plain)],
    ['deflate', zlib.deflateSync(plain)],
    ['br', zlib.brotliCompressSync(plain)],
    ['zstd', zlib.zstdCompressSync(plain)],
    ['gzip, gzip', zlib.gzipSync(zlib.gzipSync(plain).subarray(0, -20))],
  ])('%s data that end early are a truncated body', async (encoding, body) => {
    const cut = encoding.includes(',') ? body : body.subarray(0, -10);
    const target = await site({ '/': send(encoding, cut) });
    const response = await client().get(`${target.origin}/`);
    expect(await errorOf(response.bytes())).toMatchObject({ name: 'Retryable', code: 'truncated_body' });
  });

  test.each(['gzip', 'deflate', 'br', 'zstd'])(
    'what is labelled %s and is not, is a decode_error',
    async (encoding) => {
      const target = await site({ '/': send(encoding, Buffer.from([255, 255, 255, 255, ...plain])) });
      const response = await client().get(`${target.origin}/`);
      expect(await errorOf(response.bytes())).toMatchObject({ name: 'Retryable', code: 'decode_error' });
    },
  );

  test('a flipped bit in gzip data is found', async () => {
    const body = zlib.gzipSync(plain);
    body[body.length - 6]! ^= 1;
    const target = await site({ '/': send('gzip', body) });
    expect((await errorOf((await client().get(`${target.origin}/`)).bytes())).code).toBe('decode_error');
  });
});

describe('bombs', () => {
  const zeros = Buffer.alloc(64 * MiB);
  const bombs: [string, Buffer][] = [
    ['gzip', zlib.gzipSync(zeros)],
    ['deflate', zlib.deflateSync(zeros)],
    ['br', zlib.brotliCompressSync(zeros, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } })],
    ['zstd', zlib.zstdCompressSync(zeros)],
    ['gzip, gzip', zlib.gzipSync(zlib.gzipSync(zeros))],
  ];

  test.each(bombs)('%s: stopped at the limit, in bounded memory', async (encoding, body) => {
    expect(body.length).toBeLessThan(MiB);
    const target = await site({ '/': send(encoding, body) });
    const response = await client({ limits: { maxBytes: 4 * MiB } }).get(`${target.origin}/`);
    let got = 0;
    const before = process.memoryUsage();
    const error = await errorOf(
      (async () => {
        for await (const chunk of response.body) got += chunk.length;
      })(),
    );
    const after = process.memoryUsage();
    expect(error).toMatchObject({ name: 'Permanent', code: 'decompressed_too_large' });
    expect(got).toBeLessThanOrEqual(4 * MiB);
    expect(after.external + after.arrayBuffers - before.external - before.arrayBuffers).toBeLessThan(
      64 * MiB,
    );
  });

  test('a layer in between counts too', async () => {
    // 8 MiB of empty gzip members, which decode to nothing at all.
    const nothing = zlib.gzipSync(Buffer.alloc(0));
    const members = Buffer.alloc(8 * MiB - ((8 * MiB) % nothing.length));
    for (let i = 0; i < members.length; i += nothing.length) nothing.copy(members, i);
    const target = await site({ '/': send('gzip, gzip', zlib.gzipSync(members)) });
    const response = await client({ limits: { maxBytes: 4 * MiB } }).get(`${target.origin}/`);
    expect((await errorOf(response.bytes())).code).toBe('decompressed_too_large');
  });

  test('a slow reader holds the decoder back', async () => {
    const target = await site({ '/': send('gzip', bombs[0]![1]) });
    const response = await client({ limits: { maxBytes: 300 * MiB } }).get(`${target.origin}/`, {
      robots: false,
    });
    const before = process.memoryUsage().arrayBuffers;
    const reader = response.body[Symbol.asyncIterator]();
    await reader.next();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * MiB);
    await reader.return?.();
  });
});

describe('sizes', () => {
  test('a declared length beyond the limit is refused before the body', async () => {
    const target = await site({
      '/': send(undefined, Buffer.alloc(2 * MiB), { 'content-length': String(2 * MiB) }),
    });
    const error = await errorOf(client({ limits: { maxWireBytes: MiB } }).get(`${target.origin}/`));
    expect(error).toMatchObject({ name: 'Permanent', code: 'body_too_large' });
  });

  test('an undeclared one is cut off at the limit', async () => {
    let sent = 0;
    const target = await site({
      '/': (_, response) => {
        const more = (): void => {
          while (!response.destroyed && (sent += 65536) && response.write(Buffer.alloc(65536)));
        };
        response.on('drain', more);
        more();
      },
    });
    const response = await client({ limits: { maxWireBytes: MiB } }).get(`${target.origin}/`, {
      robots: false,
    });
    expect(await errorOf(response.bytes())).toMatchObject({ name: 'Permanent', code: 'body_too_large' });
    await until(() => target.sockets.size === 0);
    expect(sent).toBeLessThan(16 * MiB);
  });

  test('the limit of decompressed bytes holds for a body that is not compressed', async () => {
    const target = await site({ '/': send(undefined, Buffer.alloc(2 * MiB)) });
    const response = await client({ limits: { maxBytes: MiB } }).get(`${target.origin}/`);
    let got = 0;
    const reading = async (): Promise<void> => {
      for await (const chunk of response.body) got += chunk.length;
    };
    expect((await errorOf(reading())).code).toBe('body_too_large');
    expect(got).toBeLessThanOrEqual(MiB);
  });

  test('bytes(max)', async () => {
    const target = await site({ '/': send('gzip', zlib.gzipSync(plain)), '/plain': send(undefined, plain) });
    const http = client();
    expect((await errorOf((await http.get(`${target.origin}/`)).bytes(1000))).code).toBe(
      'decompressed_too_large',
    );
    expect((await errorOf((await http.get(`${target.origin}/plain`)).bytes(1000))).code).toBe(
      'body_too_large',
    );
    expect((await (await http.get(`${target.origin}/plain`)).bytes(plain.length)).length).toBe(plain.length);
  });

  test('a reader that stops holds the server back', async () => {
    let sent = 0;
    const target = await site({
      '/': (_, response) => {
        const more = (): void => {
          while (!response.destroyed && (sent += 65536) && response.write(Buffer.alloc(65536)));
        };
        response.on('drain', more);
        more();
      },
    });
    const response = await client({ limits: { maxWireBytes: 1024 * MiB, maxBytes: 1024 * MiB } }).get(
      `${target.origin}/`,
      { robots: false },
    );
    const reader = response.body[Symbol.asyncIterator]();
    await reader.next();
    let paused = 0;
    while (paused !== sent && sent < 32 * MiB) {
      paused = sent;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    expect(sent).toBeLessThan(32 * MiB);
    for (let i = 0; i < 1000; i++) await reader.next();
    expect(sent).toBeGreaterThan(paused);
    await reader.return?.();
    await until(() => target.sockets.size === 0);
  });
});
