import { setTimeout as sleep } from 'node:timers/promises';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Type } from 'typebox';
import { defineSource } from '../source/define-source.ts';
import { step } from '../source/step.ts';
import { startCollector, type Collector } from './start-collector.ts';
import { createDispatcher, type TestDispatcher } from './test-dispatcher.ts';

const amqpUrl = process.env['MAGPIE_TEST_AMQP_URL'];
if (amqpUrl === undefined) throw new Error('MAGPIE_TEST_AMQP_URL is not set');

let ran: string[] = [];
const gates = new Map<string, () => void>();
const source = defineSource({
  id: 'int-source',
  summary: 'For tests',
  params: Type.Object({}),
  emits: { thing: Type.Object({ n: Type.Integer() }) },
  steps: {
    start: () => ({ next: [{ kind: 'thing', key: '1', input: { n: 1 } }] }),
    thing: step(Type.Object({ n: Type.Integer() }), ({ id, input }) => {
      ran.push(id);
      return { items: [{ kind: 'thing', url: `https://a.example/${input.n}`, data: { n: input.n } }] };
    }),
    wait: ({ id }, { signal }) => {
      ran.push(id);
      return new Promise((resolve, reject) => {
        gates.set(id, () => resolve({}));
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
    },
  },
});

let filesRoot: string;
let dispatcher: TestDispatcher;
const open: Collector[] = [];

beforeEach(async () => {
  ran = [];
  gates.clear();
  filesRoot = await mkdtemp(join(tmpdir(), 'magpie-int-'));
  dispatcher = await createDispatcher(amqpUrl, source.id);
});

afterEach(async () => {
  await Promise.all(open.splice(0).map((collector) => collector.close()));
  await dispatcher.close();
  await rm(filesRoot, { recursive: true });
});

async function start(more: { prefetch?: number; concurrency?: number; graceMs?: number } = {}): Promise<Collector> {
  const collector = await startCollector(source, { amqpUrl: amqpUrl as string, filesRoot, prefix: dispatcher.prefix, ...more });
  open.push(collector);
  await collector.ready;
  return collector;
}

test('steps of several messages are answered, then their messages are acked', async () => {
  await start();
  await dispatcher.dispatch([{ kind: 'start', input: { params: {} } }]);
  await dispatcher.dispatch([
    { kind: 'thing', input: { n: 1 } },
    { kind: 'thing', input: { n: 2 } },
  ]);
  const outcomes = await dispatcher.outcomes(3);
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(['done', 'done', 'done']);
});

test('the source is announced', async () => {
  await start();
  expect(await dispatcher.announced()).toMatchObject({ id: source.id, emits: { thing: { type: 'object' } } });
});
