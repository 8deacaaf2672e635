import { connect } from 'node:net';
import { client, closeAll, errorOf, LOOPBACK, site, type LoopbackSite } from './loopback-site.ts';
import { guardedConnector, type Lookup } from './guard.ts';
import type { HttpClient } from './http-types.ts';

let target: LoopbackSite;
let guarded: HttpClient;

beforeEach(async () => {
  target = await site({
    '/ok': (_, response) => response.end('secret'),
    '/robots.txt': (_, response) => response.end(''),
    '/to-ftp': (_, response) => response.writeHead(302, { location: 'ftp://example.com/' }).end(),
    '/to-file': (_, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    '/to-credentials': (_, response) =>
      response.writeHead(302, { location: 'http://u:p@example.com/' }).end(),
  });
  guarded = client({ allow: [] });
});
afterEach(closeAll);

describe('what is refused before anything is sent', () => {
  test.each([
    'http://127.0.0.1:PORT/ok',
    'http://127.0.0.1.:PORT/ok',
    'http://2130706433:PORT/ok',
    'http://0x7f.1:PORT/ok',
    'http://0177.0.0.1:PORT/ok',
    'http://①②⑦.⓪.⓪.①:PORT/ok',
    'http://[::ffff:7f00:1]:PORT/ok',
    'http://[::ffff:127.0.0.1]:PORT/ok',
    'http://[64:ff9b::7f00:1]:PORT/ok',
    'http://[::1]:PORT/ok',
    'http://0:PORT/ok',
    'http://localhost:PORT/ok',
    'http://169.254.169.254/latest/meta-data/',
  ])('%s', async (url) => {
    const error = await errorOf(guarded.get(url.replace('PORT', String(target.port))));
    expect(error).toMatchObject({ name: 'Permanent', code: 'blocked_address' });
    expect(target.connections.count).toBe(0);
  });

  test.each([
    ['file:///etc/passwd', 'scheme_not_allowed'],
    ['ftp://example.com/', 'scheme_not_allowed'],
    ['gopher://127.0.0.1/', 'scheme_not_allowed'],
    ['http://user:hunter2@example.com/', 'credentials_in_url'],
    ['http://', 'invalid_url'],
    ['not a url', 'invalid_url'],
    ['http://example.com/LONG', 'url_too_long'],
  ])('%s is %s', async (url, code) => {
    const error = await errorOf(guarded.get(url.replace('LONG', 'a'.repeat(9000))));
    expect(error).toMatchObject({ name: 'Permanent', code });
    expect(JSON.stringify([error.message, error.url])).not.toContain('hunter2');
  });
});

test('a name that always means this machine is not even looked up', async () => {
  let asked = 0;
  const lookup: Lookup = async () => [{ address: `93.184.216.${asked++}`, family: 4 }];
  const own = client({ allow: [], lookup });
  for (const host of ['localhost', 'a.localhost', 'LOCALHOST.', 'ip6-localhost']) {
    expect((await errorOf(own.get(`http://${host}:${target.port}/`))).code).toBe('blocked_address');
  }
  expect(asked).toBe(0);
});

describe('names', () => {
  const answering =
    (...answers: string[]): Lookup =>
    async () =>
      answers.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));

  test.each([
    [['127.0.0.1']],
    [['10.0.0.1']],
    [['93.184.216.34', '127.0.0.1']],
    [['::1']],
    [['::ffff:127.0.0.1']],
    [['fd00::1']],
  ])('a public name that resolves to %j is refused', async (answers) => {
    const own = client({ allow: [], lookup: answering(...answers) });
    for (const robots of [true, false]) {
      const error = await errorOf(own.get(`http://public.example:${target.port}/ok`, { robots }));
      expect(error).toMatchObject({ name: 'Permanent', code: 'blocked_address' });
      expect(error.url).toBe(`http://public.example:${target.port}/ok`);
    }
    expect(target.connections.count).toBe(0);
  });

  test('a name whose answers are allowed is reached, by the address that was checked', async () => {
    const own = client({ lookup: answering('127.0.0.1') });
    const response = await own.get(`http://inside.example:${target.port}/ok`);
    expect(Buffer.from(await response.bytes()).toString()).toBe('secret');
    expect(target.headers.at(-1)?.host).toBe(`inside.example:${target.port}`);
  });

  test('a name that answers differently the second time is not asked a second time before it connects', async () => {
    // 127.0.0.2 is the allowed one, where nothing listens; the site is on 127.0.0.1.
    let asked = 0;
    const rebinding: Lookup = async () => [{ address: asked++ === 0 ? '127.0.0.2' : '127.0.0.1', family: 4 }];
    const own = client({
      allow: [{ ...LOOPBACK[0]!, bytes: [127, 0, 0, 2], prefix: 32 }],
      lookup: rebinding,
    });
    const url = `http://rebind.example:${target.port}/ok`;
    expect((await errorOf(own.get(url, { robots: false }))).code).toBe('connect_refused');
    expect(asked).toBe(1);
    expect((await errorOf(own.get(url, { robots: false }))).code).toBe('blocked_address');
    expect(target.connections.count).toBe(0);
  });

  test('an answer that changes after it was checked changes nothing', async () => {
    let reads = 0;
    const lying: Lookup = async () => [
      {
        get address() {
          return reads++ === 0 ? '127.0.0.2' : '127.0.0.1';
        },
        family: 4,
      },
    ];
    const own = client({ allow: [{ ...LOOPBACK[0]!, bytes: [127, 0, 0, 2], prefix: 32 }], lookup: lying });
    await errorOf(own.get(`http://rebind.example:${target.port}/ok`, { robots: false }));
    expect(target.connections.count).toBe(0);
  });

  test('a name without an answer is a dns_error', async () => {
    const failing = client({
      allow: [],
      lookup: () => Promise.reject(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' })),
    });
    expect(await errorOf(failing.get('http://gone.example/'))).toMatchObject({
      name: 'Retryable',
      code: 'dns_error',
      url: 'http://gone.example/',
    });
    const empty = client({ allow: [], lookup: answering() });
    expect((await errorOf(empty.get('http://gone.example/'))).code).toBe('dns_error');
  });
});

describe('the connector by itself', () => {
  type Result = { code?: string; connected: boolean };
  const dial = (connector: ReturnType<typeof guardedConnector>, hostname: string): Promise<Result> =>
    new Promise((resolve) => {
      connector(
        { hostname, host: hostname, protocol: 'http:', port: String(target.port) },
        (...[error, socket]) => {
          socket?.destroy();
          resolve({
            ...(error !== null && { code: (error as { code?: string }).code ?? '' }),
            connected: socket !== null,
          });
        },
      );
    });

  test.each(['127.0.0.1', '::1', '[::1]', '::ffff:7f00:1'])('refuses the literal %s', async (hostname) => {
    const connector = guardedConnector({ allow: [], connectMs: 15_000 });
    expect(await dial(connector, hostname)).toEqual({ code: 'blocked_address', connected: false });
    expect(target.connections.count).toBe(0);
  });

  test('refuses a socket that turns out to lead elsewhere', async () => {
    const elsewhere = guardedConnector({
      allow: [],
      connectMs: 15_000,
      open: () => (options, callback) => {
        const socket = connect(Number(options.port), '127.0.0.1', () => callback(null, socket));
        return socket;
      },
    });
    expect(await dial(elsewhere, 'public.example')).toEqual({ code: 'blocked_address', connected: false });
  });

  test('opens what is allowed', async () => {
    const connector = guardedConnector({ allow: LOOPBACK, connectMs: 15_000 });
    expect(await dial(connector, '127.0.0.1')).toEqual({ connected: true });
  });
});

describe('redirects', () => {
  test.each([
    'http://10.0.0.1/',
    'http://169.254.169.254/latest/meta-data/',
    'http://[::1]/',
    '//0xa9fea9fe/',
    'http://private.example/',
  ])('one to %s is blocked', async (location) => {
    const from = await site({ '/': (_, response) => response.writeHead(302, { location }).end() });
    const own = client({ lookup: async () => [{ address: '192.168.0.1', family: 4 }] });
    const followed: string[] = [];
    const onRedirect = ({ to }: { to: string }): void => void followed.push(to);
    const error = await errorOf(own.get(`${from.origin}/`, { robots: false, onRedirect }));
    expect(error).toMatchObject({ name: 'Permanent', code: 'blocked_address' });
    expect(followed).toEqual(location.includes('.example') ? [location] : []);
  });

  test.each([
    ['/to-ftp', 'scheme_not_allowed'],
    ['/to-file', 'scheme_not_allowed'],
    ['/to-credentials', 'credentials_in_url'],
  ])('%s is %s', async (path, code) => {
    const own = client();
    expect(await errorOf(own.get(target.origin + path))).toMatchObject({ name: 'Permanent', code });
  });

  test('a robots.txt that redirects to a private address reads nothing there', async () => {
    const from = await site({
      '/robots.txt': (_, response) =>
        response.writeHead(302, { location: 'http://10.0.0.1/robots.txt' }).end(),
      '/ok': (_, response) => response.end('ok'),
    });
    const own = client();
    expect((await own.get(`${from.origin}/ok`)).status).toBe(200);
  });
});
