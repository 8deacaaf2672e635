import { setTimeout as sleep } from 'node:timers/promises';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { faultyLink } from '@magpie/broker/testing';
import { seal } from '@magpie/domain';
import { Type } from 'typebox';
import { defineSource } from '../source/define-source.ts';
import { step } from '../source/step.ts';
import { png } from '../testing/png.ts';
import { serveSite, type Site } from '../testing/site.ts';
import { startCollector, type Collector, type CollectorOptions } from './start-collector.ts';
import { createDispatcher, eventually, type TestDispatcher } from './test-dispatcher.ts';

let ran: string[] = [];
const gates = new Map<string, () => void>();
const source = defineSource({
  id: 'int-source',
  summary: 'For tests',
  params: Type.Object({}),
  emits: { thing: Type.Object({ n: Type.Integer() }), image: Type.Object({}) },
  settings: { INT_NAME: { schema: Type.String(), default: 'nobody', describe: 'For tests' } },
  steps: {
    start: () => ({ next: [{ kind: 'thing', key: '1', input: { n: 1 } }] }),
    thing: step(Type.Object({ n: Type.Integer() }), ({ id, input }) => {
      ran.push(id);
      return { items: [{ kind: 'thing', url: `https://a.example/${input.n}`, data: { n: input.n } }] };
    }),
    /** Runs until it is let go or aborted. */
    wait: ({ id }, { signal }) => {
      ran.push(id);
      return new Promise((resolve, reject) => {
        gates.set(id, () => resolve({}));
        signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
      });
    },
    tell: (_, { settings: { INT_NAME }, credential, spend }) => {
      spend('list');
      return {
        items: [
          {
            kind: 'thing',
            url: `https://a.example/${INT_NAME}`,
            data: { n: credential?.secret().length ?? 0 },
          },
        ],
      };
    },
    busy: () => {
      const over = performance.now() + 20;
      while (performance.now() < over);
      return {};
    },
    fetch: async ({ url = '' }, { http, files }) => {
      const response = await http.get(url, { limits: { maxBytes: 1e6, maxWireBytes: 1e6 } });
      const file = await files.write('images', response.body, { maxBytes: 1_000_000 });
      return { items: [{ kind: 'image', url, data: {}, file }] };
    },
    huge: () => ({
      items: [],
      next: Array.from({ length: 2_000 }, (_, i) => ({
        kind: 'thing',
        key: `${i}`.padEnd(1_500, 'x'),
        input: { n: i },
      })),
    }),
  },
});

let filesRoot: string;
let dispatcher: TestDispatcher;
let site: Site;
const open: Collector[] = [];

beforeEach(async () => {
  ran = [];
  gates.clear();
  filesRoot = await mkdtemp(join(tmpdir(), 'magpie-int-'));
  dispatcher = await createDispatcher(source.id);
  site = await serveSite();
});

afterEach(async () => {
  await Promise.all(open.splice(0).map((collector) => collector.close()));
  await dispatcher.end();
  await site.close();
  await rm(filesRoot, { recursive: true });
});

async function start(more: Partial<CollectorOptions> = {}): Promise<Collector> {
  const { url: amqpUrl, prefix } = dispatcher;
  const collector = await startCollector(source, {
    amqpUrl,
    filesRoot,
    prefix,
    allow: ['127.0.0.1'],
    graceMs: 200,
    ...more,
  });
  open.push(collector);
  await collector.ready;
  return collector;
}

test('a step gets the settings, and its credential opened', async () => {
  const secret = 'a secret of sixteen or more';
  await start({ secret, settings: { INT_NAME: 'somebody' } });
  const sealed = seal(secret, 'credential01', 'canary');
  await dispatcher.dispatch([{ kind: 'tell', credential: { id: 'credential01', sealed } }]);
  const [told] = await dispatcher.until(1);
  expect(told).toMatchObject({
    outcome: 'done',
    items: [{ url: 'https://a.example/somebody', data: { n: 6 } }],
    spent: { list: 1 },
  });
});

test('without MAGPIE_SECRET a step that asks for its credential fails', async () => {
  await start();
  await dispatcher.dispatch([{ kind: 'tell', credential: { id: 'credential01', sealed: 'v1.AAAA' } }]);
  const [told] = await dispatcher.until(1);
  expect(told).toMatchObject({ outcome: 'failed', code: 'credential_unreadable', spent: { list: 1 } });
});

test('settings that are none of the source are refused', async () => {
  await expect(start({ settings: { NO_SUCH: 'x' } })).rejects.toThrow('NO_SUCH');
});

/** Everything was acked: nothing comes back when the replicas are gone. */
async function expectAllAcked(): Promise<void> {
  await Promise.all(open.splice(0).map((collector) => collector.close()));
  expect(await dispatcher.depth()).toBe(0);
}

const kinds = (): string[] => dispatcher.outcomes.map(({ outcome }) => outcome);
const things = (count: number): { kind: string; input: { n: number } }[] =>
  Array.from({ length: count }, (_, n) => ({ kind: 'thing', input: { n } }));

test('steps of several messages are answered, and their messages acked', async () => {
  await start();
  await dispatcher.dispatch([{ kind: 'start', input: { params: {} } }]);
  await dispatcher.dispatch(things(2));
  await dispatcher.until(3);
  expect(kinds()).toEqual(['done', 'done', 'done']);
  await expectAllAcked();
});

test('many outcomes go into few messages', async () => {
  await start({ concurrency: 500, prefetch: 10 });
  const waits = Array.from({ length: 50 }, () => ({ kind: 'wait' }));
  for (let i = 0; i < 10; i++) await dispatcher.dispatch(waits);
  await eventually(
    () => gates.size === 500,
    15_000,
    () => `${gates.size} of 500 run`,
  );
  for (const open of gates.values()) open();
  await dispatcher.until(500);
  expect(dispatcher.sizes.length).toBeLessThan(50);
  expect(Math.max(...dispatcher.sizes)).toBeLessThanOrEqual(100);
});

test('large outcomes do not share a message', async () => {
  await start();
  await dispatcher.dispatch([...things(1), { kind: 'huge' }, ...things(1), { kind: 'huge' }]);
  await dispatcher.until(4);
  const huge = dispatcher.outcomes.filter((one) => one.outcome === 'done' && one.next.length > 0);
  expect(huge).toHaveLength(2);
  expect(dispatcher.sizes.length).toBeGreaterThanOrEqual(3);
});

test('the source is announced', async () => {
  await start();
  expect(await dispatcher.announced()).toMatchObject({
    id: source.id,
    emits: { thing: { type: 'object' } },
  });
});

test('a message taken too late is acked and not worked', async () => {
  await dispatcher.dispatch(things(1), { startIn: -1 });
  await start();
  await dispatcher.dispatch(things(1));
  await dispatcher.until(1);
  expect(ran).toHaveLength(1);
  await expectAllAcked();
});

test('a message that comes from a replica that died is not worked, but reported', async () => {
  const steps = await dispatcher.dispatch(things(2));
  await dispatcher.takeAndDie();
  await start();
  expect(await dispatcher.until(2)).toEqual(
    steps.map(({ id, lease }) => ({ id, lease, outcome: 'interrupted' })),
  );
  expect(ran).toEqual([]);
  await expectAllAcked();
});

test('a step past its deadline is aborted: its socket closes, and it is tried again', async () => {
  site.route('/slow', { hang: 'headers' });
  await start();
  await dispatcher.dispatch([{ kind: 'fetch', url: site.url('/slow') }], { endIn: 300 });
  expect(await dispatcher.until(1)).toMatchObject([{ outcome: 'retry', code: 'transfer_timeout' }]);
  await eventually(
    () => site.pending === 0,
    15_000,
    () => 'socket open',
  );
});

test('hold takes effect in every busy replica before its work is done', async () => {
  const replicas = [
    await start({ concurrency: 1, prefetch: 4 }),
    await start({ concurrency: 1, prefetch: 4 }),
  ];
  const busy = (jobId: string) => Array.from({ length: 100 }, () => ({ kind: 'busy', jobId }));
  for (let i = 0; i < 10; i++) await dispatcher.dispatch(busy('jobheld1'));
  await dispatcher.until(10);
  await dispatcher.control({ action: 'hold', jobId: 'jobheld1', epoch: 1 });
  await dispatcher.until(1_000);
  const done = kinds().filter((kind) => kind === 'done').length;
  expect(kinds().filter((kind) => kind === 'released')).toHaveLength(1_000 - done);
  expect(done).toBeLessThan(500);
  await dispatcher.dispatch([{ kind: 'thing', input: { n: 1 }, jobId: 'jobheld1', epoch: 2 }]);
  await dispatcher.until(1_001);
  expect(kinds().at(-1)).toBe('done');
  // They hear of the confirm later than the dispatcher of the outcome.
  await eventually(
    () => replicas.every(({ held }) => held === 0),
    15_000,
    () => 'steps held',
  );
});

test('abort closes the sockets of running steps, keeps nothing, and answers nothing', async () => {
  site.route('/slow.png', { body: Buffer.concat([png(), Buffer.alloc(500_000)]), hang: 'body' });
  const collector = await start();
  const steps = await dispatcher.dispatch([
    { kind: 'fetch', url: site.url('/slow.png?1') },
    { kind: 'fetch', url: site.url('/slow.png?2') },
  ]);
  await eventually(
    () => site.pending === 2,
    15_000,
    () => `${site.pending} requests`,
  );
  await sleep(100);
  await dispatcher.control({ action: 'abort', steps: steps.map(({ id }) => id) });
  await eventually(
    () => site.pending === 0,
    15_000,
    () => 'sockets open',
  );
  await eventually(
    () => collector.held === 0,
    15_000,
    () => 'steps held',
  );
  await dispatcher.dispatch(things(1));
  await dispatcher.until(1);
  expect(dispatcher.outcomes).toHaveLength(1);
  await eventually(
    () => !readdirSync(filesRoot, { recursive: true, withFileTypes: true }).some((one) => one.isFile()),
    15_000,
    () => 'files kept',
  );
  await expectAllAcked();
});

test('at the end running steps get their grace, the rest is given back, all is acked', async () => {
  const collector = await start({ concurrency: 2, graceMs: 500 });
  const steps = await dispatcher.dispatch(Array.from({ length: 5 }, () => ({ kind: 'wait' })));
  await eventually(
    () => collector.running === 2,
    15_000,
    () => 'not running',
  );
  const closing = collector.close();
  gates.get(steps[0]?.id ?? '')?.();
  await closing;
  await dispatcher.until(5);
  expect(kinds().sort()).toEqual(['done', 'released', 'released', 'released', 'released']);
  expect(ran).toHaveLength(2);
  await expectAllAcked();
});

test('while the broker is away steps go on, and are answered when it is back', async () => {
  const link = await faultyLink(dispatcher.url);
  try {
    const collector = await start({ amqpUrl: link.url });
    const steps = await dispatcher.dispatch([{ kind: 'wait' }, { kind: 'wait' }]);
    await eventually(
      () => collector.running === 2,
      15_000,
      () => 'not running',
    );
    link.shut();
    for (const { id } of steps) gates.get(id)?.();
    await sleep(500);
    expect(dispatcher.outcomes).toEqual([]);
    link.reopen();
    await dispatcher.until(2);
    await eventually(
      () => collector.broker.counts.acked > 0,
      15_000,
      () => 'not acked',
    );
    // The broker handed the message out again: to the replica that has its steps.
    expect(new Set(kinds())).toEqual(new Set(['done']));
    expect(ran).toHaveLength(2);
    await eventually(
      () => collector.held === 0,
      15_000,
      () => 'steps held',
    );
    await expectAllAcked();
  } finally {
    await Promise.all(open.splice(0).map((collector) => collector.close()));
    await link.close();
  }
});

test('a crawl delay is reported once', async () => {
  site.route('/robots.txt', {
    body: 'User-agent: *\nCrawl-delay: 0.2',
    headers: { 'content-type': 'text/plain' },
  });
  site.route('/a.png', png());
  await start();
  const fetch = { kind: 'fetch', url: site.url('/a.png') };
  await dispatcher.dispatch([fetch, fetch, fetch]);
  await dispatcher.until(3);
  expect(kinds()).toEqual(['done', 'done', 'done']);
  expect(dispatcher.hosts).toEqual([{ host: new URL(site.origin).host, delayMs: 200 }]);
});

test('a step may ask for larger bodies than the operator allows, and does not get them', async () => {
  site.route('/big.png', Buffer.concat([png(), Buffer.alloc(5_000)]));
  await start({ maxBytes: 2_000 });
  await dispatcher.dispatch([{ kind: 'fetch', url: site.url('/big.png') }]);
  expect(await dispatcher.until(1)).toMatchObject([{ outcome: 'failed', code: 'body_too_large' }]);
});
