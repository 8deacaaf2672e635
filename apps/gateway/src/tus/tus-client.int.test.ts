/** Uploads by tus-js-client, over connections that break and to gateways that die. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from '@magpie/contracts';
import { openStore } from '@magpie/store';
import { Upload, type UploadOptions } from 'tus-js-client';
import { startBreakingProxy, type BreakingProxy } from '../testing/breaking-proxy.ts';
import { startGateway } from '../testing/gateway.ts';
import { until } from '../testing/until.ts';

const MIB = 1024 * 1024;
/** What Node has compiled once, for all that are started: most of a start is that. */
const COMPILED = join(import.meta.dirname, '../../../../node_modules/.cache/magpie-tests');
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

let data: string;
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'magpie-tus-'));
});
afterAll(() => rm(data, { recursive: true, force: true }));

/** Begins an upload; `done` gives its id. */
function upload(url: string, content: Buffer | Readable, options: Partial<UploadOptions> = {}) {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const upload: Upload = new Upload(content as Buffer, {
    endpoint: `${url}/api/v1/uploads`,
    retryDelays: Array.from({ length: 1000 }, () => 200),
    metadata: { filename: 'targets.csv', filetype: 'text/csv' },
    onSuccess: () => resolve(upload.url?.split('/').at(-1) ?? ''),
    onError: reject,
    ...options,
  });
  promise.catch(() => undefined);
  upload.start();
  return { upload, done: promise };
}

describe('an upload whose connection is cut ten times, to a gateway that is killed twice', () => {
  const database = `gateway-${randomBytes(6).toString('hex')}`;
  const mongo = new URL(process.env['MAGPIE_TEST_MONGODB_URL'] ?? 'mongodb://127.0.0.1');
  const store = openStore({ url: mongo.href, database });
  let child: ChildProcess | undefined;
  let proxy: BreakingProxy;

  /** A process of its own behind the proxy; without a broker it is degraded, and does all that is asked of it here. */
  async function startChild(): Promise<void> {
    const url = new URL(mongo.href);
    url.pathname = `/${database}`;
    const { stdout } = (child = spawn(process.execPath, [join(import.meta.dirname, '..', 'main.ts')], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: {
        PATH: process.env['PATH'],
        MONGODB_URL: url.href,
        AMQP_URL: 'amqp://127.0.0.1:1',
        MAGPIE_GATEWAY_PORT: '0',
        MAGPIE_PUBLIC_URL: proxy.url,
        MAGPIE_DATA: data,
        MAGPIE_DISK_RESERVE: '0',
        MAGPIE_MAX_EVENT_LOOP_DELAY: '10m',
        NODE_COMPILE_CACHE: COMPILED,
      },
    }));
    stdout.setEncoding('utf8').on('data', (log: string) => {
      const [, port] = /listening at http:\/\/127\.0\.0\.1:(\d+)/.exec(log) ?? [];
      if (port !== undefined) proxy.target = Number(port);
    });
    await until(async () => (await fetch(`${proxy.url}/readyz`)).ok, 'the gateway is ready');
  }
  /** The lease of the dead is good for so long yet, instead of ten seconds, ms. */
  const leaseEnds = async (ms: number): Promise<void> => {
    const until = new Date(Date.now() + ms);
    const { collection } = store.jobs;
    await collection.updateMany(
      { 'transfer.lease': { $ne: null } },
      { $set: { 'transfer.lease.until': until } },
    );
  };
  const kill = async (): Promise<void> => {
    const ended = new Promise((resolve) => child?.once('exit', resolve));
    child?.kill('SIGKILL');
    await ended;
    // Its port may be anybody's now.
    proxy.target = 0;
  };
  afterAll(async () => {
    if (child?.exitCode === null && child.signalCode === null) await kill();
    await proxy?.close();
    await store.connection.dropDatabase();
    await store.close();
  });

  it('is there byte by byte; what was not compared with its checksum is not', async () => {
    await store.prepare();
    let cuts = 0;
    let kills = 0;
    let starting: Promise<void> = Promise.resolve();
    proxy = await startBreakingProxy(MIB, async (time) => {
      // What it was sent last is on its way to the disk.
      await sleep(20);
      if (time > 12) return 'pass';
      if (time === 4 || time === 9) {
        kills++;
        await kill();
        // What the dead one sent last has come by then.
        starting = startChild().then(() => leaseEnds(0));
        // Told below.
        starting.catch(() => undefined);
      } else cuts++;
      return 'cut';
    });
    await startChild();
    const content = randomBytes(20 * MIB);
    const id = await upload(proxy.url, content).done;
    expect([cuts, kills]).toEqual([10, 2]);
    await starting;
    expect(sha256(readFileSync(join(data, 'uploads', id)))).toBe(sha256(content));
    const job = (await (await fetch(`${proxy.url}/api/v1/jobs/${id}`)).json()) as Job;
    expect(job).toMatchObject({
      state: 'completed',
      transfer: {
        bytes: content.length,
        totalBytes: content.length,
        file: { name: 'targets.csv', type: 'text/csv', bytes: content.length, sha256: sha256(content) },
      },
    });

    const at = `${proxy.url}/api/v1/uploads`;
    const tus = { 'tus-resumable': '1.0.0' };
    const made = await fetch(at, { method: 'POST', headers: { ...tus, 'upload-length': '8' } });
    const other = made.headers.get('location')?.split('/').at(-1) ?? '';
    const part = join(data, 'uploads', `${other}.part`);
    const patch = (
      offset: number,
      body: string | ReadableStream,
      more: Record<string, string> = {},
    ): Promise<Response> =>
      fetch(`${at}/${other}`, {
        method: 'PATCH',
        headers: {
          ...tus,
          'content-type': 'application/offset+octet-stream',
          'upload-offset': `${offset}`,
          ...more,
        },
        body,
        duplex: 'half',
      } as RequestInit);
    expect((await patch(0, 'good')).status).toBe(204);
    const checksum = `sha1 ${createHash('sha1').update('more').digest('base64')}`;
    const half = new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('mo')) });
    const broken = patch(4, half, { 'upload-checksum': checksum }).catch(() => 'broken');
    await until(async () => readFileSync(part).length === 6, 'half of it is on the disk');
    await kill();
    expect(await broken).toBe('broken');
    await startChild();
    const head = await fetch(`${at}/${other}`, { method: 'HEAD', headers: tus });
    expect(head.headers.get('upload-offset')).toBe('4');
    await leaseEnds(2000);
    await until(
      async () => (await patch(4, 'more', { 'upload-checksum': checksum })).status === 204,
      'the lease of the dead runs out',
    );
    expect(readFileSync(join(data, 'uploads', other), 'utf8')).toBe('goodmore');
  }, 300_000);
});

describe('tus-js-client', () => {
  it.concurrent(
    'is paused and resumed by the job in one request, ends an upload, and sends what has no length',
    async () => {
      const paused = Promise.withResolvers<void>();
      const proxy = await startBreakingProxy(MIB, async (time) => {
        if (time > 1) return 'pass';
        await until(async () => (await list()).items[0]?.state === 'running', 'it is received');
        await control((await list()).items[0]?.id ?? '', 'pause');
        await until(async () => (await list()).items[0]?.state === 'paused', 'it is paused');
        paused.resolve();
        return 'pass';
      });
      const gateway = await startGateway({
        env: { MAGPIE_DATA: data, MAGPIE_DISK_RESERVE: '0', MAGPIE_PUBLIC_URL: proxy.url },
      });
      proxy.target = Number(new URL(await gateway.listen()).port);
      const list = async (): Promise<{ items: Job[] }> =>
        (await gateway.app.inject('/api/v1/uploads')).json<{ items: Job[] }>();
      const control = async (id: string, action: string): Promise<void> => {
        const { statusCode } = await gateway.app.inject({
          method: 'POST',
          url: `/api/v1/jobs/${id}/${action}`,
        });
        expect(statusCode).toBe(202);
      };

      const content = randomBytes(12 * MIB);
      const first = upload(proxy.url, content);
      await paused.promise;
      const before = (await list()).items[0]?.transfer?.bytes;
      await sleep(1500);
      const { items } = await list();
      expect(items[0]).toMatchObject({ state: 'paused', transfer: { bytes: before } });
      await control(items[0]?.id ?? '', 'resume');
      const id = await first.done;
      expect(sha256(readFileSync(join(data, 'uploads', id)))).toBe(sha256(content));
      const patches = () =>
        gateway.logged().filter(({ method, url }) => method === 'PATCH' && String(url).includes(id));
      await until(async () => patches().length > 0, 'it is logged');
      expect(patches()).toHaveLength(1);

      const aborted = Promise.withResolvers<void>();
      const second = upload(proxy.url, randomBytes(4 * MIB), {
        chunkSize: MIB,
        onChunkComplete: () => aborted.resolve(second.upload.abort(true)),
      });
      await aborted.promise;
      const ended = second.upload.url?.split('/').at(-1) ?? '';
      expect((await gateway.app.inject(`/api/v1/jobs/${ended}`)).json<Job>().state).toBe('terminating');

      const lines = Array.from({ length: 100_000 }, (_, i) => `https://example.org/${i}\n`);
      const third = upload(
        proxy.url,
        Readable.from(
          lines.map((line) => Buffer.from(line)),
          { objectMode: false },
        ),
        {
          chunkSize: MIB,
          uploadLengthDeferred: true,
          uploadDataDuringCreation: true,
          overridePatchMethod: true,
        },
      );
      const text = await third.done;
      expect(readFileSync(join(data, 'uploads', text), 'utf8')).toBe(lines.join(''));
      expect((await gateway.app.inject(`/api/v1/jobs/${text}`)).json<Job>().transfer).toMatchObject({
        rows: 100_000,
        totalBytes: lines.join('').length,
      });
      expect((await readdir(join(data, 'uploads'))).filter((name) => name.startsWith(text))).toEqual([text]);
      await gateway.close();
      await proxy.close();
    },
  );
});
