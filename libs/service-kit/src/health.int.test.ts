import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readiness, startHealthServer, type HealthServer } from './health.ts';
import { createMetrics } from './metrics.ts';

let server: HealthServer | undefined;
afterEach(() => server?.close());

const get = async (path: string, init?: RequestInit) => {
  const response = await fetch(`http://127.0.0.1:${server?.port}${path}`, init);
  return { status: response.status, headers: response.headers, text: await response.text() };
};

describe('startHealthServer', () => {
  it('is live at once, and ready only while every check passes', async () => {
    let up = true;
    server = await startHealthServer({
      port: 0,
      checks: {
        mongodb: async () => {
          if (!up) throw new Error('connect mongodb://u:c4n4ry@h/ refused');
        },
        broker: () => {},
      },
    });
    expect(JSON.parse((await get('/healthz')).text)).toEqual({ status: 'ok' });
    const ready = await get('/readyz');
    expect(ready.status).toBe(200);
    expect(JSON.parse(ready.text)).toMatchObject({
      status: 'ready',
      checks: { mongodb: { ok: true }, broker: { ok: true } },
    });
    up = false;
    const unready = await get('/readyz');
    expect(unready.status).toBe(503);
    expect(JSON.parse(unready.text)).toMatchObject({
      status: 'not_ready',
      checks: { mongodb: { ok: false, error: expect.stringContaining('refused') }, broker: { ok: true } },
    });
    expect(unready.text).not.toContain('c4n4ry');
    up = true;
    expect((await get('/readyz')).status).toBe(200);
  });

  it('serves its metrics and nothing else', async () => {
    const metrics = createMetrics({ name: 'test', defaults: false });
    metrics.counter('magpie_things_total', 'Things', ['kind']).inc({ kind: 'a' });
    server = await startHealthServer({ port: 0, metrics });
    const { text, headers } = await get('/metrics');
    expect(text).toContain('magpie_things_total{kind="a",service="test"} 1');
    expect(headers.get('content-type')).toContain('text/plain');
    expect((await get('/')).status).toBe(404);
    expect((await get('/healthz', { method: 'POST', body: 'x' })).status).toBe(405);
  });

  it('serves nothing without a port, rejects when the port is taken, and closes twice', async () => {
    const none = await startHealthServer({ port: undefined });
    expect(none.port).toBeUndefined();
    await none.close();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    await expect(startHealthServer({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await new Promise((resolve) => other.close(resolve));
    server = await startHealthServer({ port: 0 });
    await Promise.all([server.close(), server.close()]);
  });
});

describe('readiness', () => {
  it('counts a check that hangs as failed, and tells it to stop', async () => {
    let aborted = false;
    const state = await readiness(
      {
        slow: (signal) =>
          new Promise(() => {
            signal.addEventListener('abort', () => (aborted = true));
          }),
      },
      20,
    );
    expect(state).toMatchObject({
      status: 'not_ready',
      checks: { slow: { error: 'no answer within 20 ms' } },
    });
    expect(aborted).toBe(true);
  });
});

describe('createMetrics', () => {
  it('has the default metrics of the process, in a registry of its own', async () => {
    const [a, b] = [createMetrics({ name: 'a' }), createMetrics({ name: 'b' })];
    a.histogram('magpie_step_seconds', 'Steps').observe(0.2);
    a.gauge('magpie_open', 'Open').set(3);
    expect(await a.text()).toContain('process_resident_memory_bytes{service="a"}');
    expect(await a.text()).toContain('magpie_step_seconds_bucket{le="0.25",service="a"} 1');
    expect(await b.text()).not.toContain('magpie_step_seconds');
  });
});
