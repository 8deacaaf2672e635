import { setTimeout as sleep } from 'node:timers/promises';
import { jest } from '@jest/globals';
import type { Outcome, StepsMessage, StepWork } from '@magpie/contracts';
import { createLogger, createMetrics } from '@magpie/service-kit';
import { Type } from 'typebox';
import {
  CredentialRefused,
  Permanent,
  QuotaExhausted,
  Retryable,
  RetryAfter,
  Skip,
  Throttled,
} from '../errors.ts';
import { defineSource } from '../source/define-source.ts';
import { step, type StepContext } from '../source/step.ts';
import { until } from '../testing/until.ts';
import { Replica } from './replica.ts';
import { createReplicaMetrics } from './replica-metrics.ts';

const JOB = 'job00001';
/** One for all that are dispatched together. */
const LEASE = 'lease1';
let ran: string[] = [];
let gates: Map<string, () => void>;

const source = defineSource({
  id: 'test-source',
  summary: 'For tests',
  params: Type.Object({}),
  emits: { thing: Type.Object({ n: Type.Integer() }) },
  concurrency: { alone: 1 },
  steps: {
    start: () => ({}),
    thing: step(Type.Object({ n: Type.Integer() }), ({ input, id }) => {
      ran.push(id);
      return { items: [{ kind: 'thing', url: `https://a.example/${input.n}`, data: { n: input.n } }] };
    }),
    /** Runs until it is let go or aborted. */
    wait: ({ id }, { signal }) => hang(id, signal),
    alone: ({ id }, { signal }) => hang(id, signal),
    deaf: (_, { spend }) => {
      spend('list');
      return new Promise<never>(() => {});
    },
    spends: ({ input, id }, { signal, spend, usage }) => {
      spend('list', 2);
      usage(97, 5);
      if (input['error'] === 'hang') return hang(id, signal);
      const error = errors[String(input['error'])]?.();
      if (error) throw error;
      return { ...(input['result'] as object) };
    },
    /** Ends normally when it is aborted. */
    stubborn: async ({ id }, { signal }) => {
      await hang(id, signal).catch(() => {});
      return {};
    },
    throws: ({ input }) => {
      throw errors[String(input['error'])]?.() ?? new Error('unknown');
    },
    badItem: () => ({ items: [{ kind: 'thing', url: 'https://a.example/', data: { n: 'one' } }] }),
    badNext: () => ({ next: [{ kind: 'nowhere', key: 'k', input: {} }] }),
    tooMuch: () => ({
      next: Array.from({ length: 10_001 }, (_, i) => ({ kind: 'thing', key: `${i}`, input: {} })),
    }),
  },
});

const errors: Record<string, () => Error> = {
  permanent: () => new Permanent('http_status', 'gone', { status: 410, url: 'https://a.example/?token=abc' }),
  retryable: () => new Retryable('connection_lost', 'broke'),
  skip: () => new Skip('robots_disallowed'),
  retryAfter: () => new RetryAfter(Date.now() + 5000, 'host_backoff', 'a.example:443', { status: 429 }),
  quota: () => new QuotaExhausted(Date.now() + 5000),
  quotaUnstated: () => new QuotaExhausted(),
  throttled: () => new Throttled(5_000.4),
  throttledSomewhere: () => new Throttled(undefined, { url: 'https://a.example/x', status: 429 }),
  refused: () => new CredentialRefused('not valid', { status: 401 }),
  disk: () =>
    Object.assign(new Error('write failed'), {
      cause: Object.assign(new Error('no space'), { code: 'ENOSPC' }),
    }),
  other: () => new TypeError(`undefined is not a function at https://u:p@a.example/ ${'x'.repeat(2000)}`),
};

function hang(id: string, signal: AbortSignal): Promise<object> {
  ran.push(id);
  return new Promise((resolve, reject) => {
    gates.set(id, () => resolve({}));
    signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
  });
}

function createReplica(concurrency = 4): { replica: Replica; outcomes: Outcome[] } {
  const outcomes: Outcome[] = [];
  const replica = new Replica({
    source,
    concurrency,
    createContext: ({ attempt }, { signal, deadline, log, ledger }) =>
      ({
        ...{ signal, deadline, log, attempt },
        spend: (operation: string, calls?: number) => ledger.spend(operation, calls),
        usage: (percent: number, untilMs?: number) => ledger.usage(percent, untilMs),
      }) as unknown as StepContext,
    answer: async (outcome) => {
      await sleep(1);
      outcomes.push(outcome);
    },
    log: createLogger({ name: 'test', level: 'silent' }),
    metrics: createReplicaMetrics(createMetrics({ name: 'test', defaults: false })),
  });
  return { replica, outcomes };
}

let number = 0;
function work(kind: string, more: Partial<StepWork> = {}): StepWork {
  number += 1;
  return {
    id: `s${number}`,
    lease: LEASE,
    jobId: JOB,
    epoch: 1,
    kind,
    attempt: 1,
    input: {},
    ...more,
  };
}

function message(steps: StepWork[], { startIn = 10_000, endIn = 20_000 } = {}): StepsMessage {
  return { source: 'test-source', startBefore: Date.now() + startIn, deadline: Date.now() + endIn, steps };
}

const fresh = { redelivered: false };

beforeEach(() => {
  ran = [];
  gates = new Map();
});

test('a message is settled when all of its steps are answered', async () => {
  const { replica, outcomes } = createReplica();
  await replica.take(
    message([work('thing', { input: { n: 1 } }), work('thing', { input: { n: 2 } })]),
    fresh,
  );
  expect(outcomes).toMatchObject([
    { outcome: 'done', items: [{ data: { n: 1 } }], next: [] },
    { outcome: 'done', items: [{ data: { n: 2 } }] },
  ]);
  expect(replica.held).toBe(0);
});

test('a message that comes too late is settled unworked and unanswered', async () => {
  const { replica, outcomes } = createReplica();
  await replica.take(message([work('thing', { input: { n: 1 } })], { startIn: -1 }), fresh);
  expect(ran).toEqual([]);
  expect(outcomes).toEqual([]);
});

test('a step that had to wait past startBefore is given back', async () => {
  const { replica, outcomes } = createReplica(1);
  const first = work('wait');
  const taken = replica.take(message([first, work('thing', { input: { n: 1 } })], { endIn: 60_000 }), fresh);
  const real = Date.now;
  const later = jest.spyOn(Date, 'now').mockImplementation(() => real() + 20_000);
  gates.get(first.id)?.();
  await taken;
  later.mockRestore();
  expect(ran).toEqual([first.id]);
  expect(outcomes).toMatchObject([{ outcome: 'done' }, { outcome: 'released', reason: 'late' }]);
});

test('a step that runs at its deadline is aborted and tried again', async () => {
  const { replica, outcomes } = createReplica();
  await replica.take(message([work('wait', { url: 'https://a.example/x?token=abc' })], { endIn: 50 }), fresh);
  expect(outcomes).toMatchObject([
    { outcome: 'retry', code: 'transfer_timeout', url: 'https://a.example/x?token=…' },
  ]);
});

test('a step that does not hear its signal is over a second after its deadline', async () => {
  const { replica, outcomes } = createReplica();
  await replica.take(message([work('deaf')], { endIn: 20 }), fresh);
  expect(outcomes).toMatchObject([{ outcome: 'retry', code: 'transfer_timeout', spent: { list: 1 } }]);
  expect(replica.running).toBe(0);
});

test('a redelivered message is not worked: each step was interrupted', async () => {
  const { replica, outcomes } = createReplica();
  const steps = [work('thing', { input: { n: 1 } }), work('thing', { input: { n: 2 } })];
  await replica.take(message(steps, { startIn: -1 }), { redelivered: true });
  expect(ran).toEqual([]);
  expect(outcomes).toEqual(steps.map(({ id, lease }) => ({ id, lease, outcome: 'interrupted' })));
});

test('a redelivered message whose steps are still here joins them', async () => {
  const { replica, outcomes } = createReplica();
  const waiting = work('wait');
  const both = message([waiting]);
  const first = replica.take(both, fresh);
  const second = replica.take(both, { redelivered: true });
  gates.get(waiting.id)?.();
  await Promise.all([first, second]);
  await replica.take(both, { redelivered: true });
  expect(outcomes).toMatchObject([{ id: waiting.id, outcome: 'done' }]);
});

test('hold gives back what has not begun, now and later, and lets the rest finish', async () => {
  const { replica, outcomes } = createReplica(1);
  const running = work('wait');
  const newer = work('thing', { input: { n: 2 }, epoch: 2 });
  const taken = replica.take(message([running, work('thing', { input: { n: 1 } }), newer]), fresh);
  replica.control({ action: 'hold', jobId: JOB, epoch: 1 });
  await until(() => outcomes.length === 1);
  expect(outcomes).toMatchObject([{ outcome: 'released', reason: 'held' }]);
  await replica.take(message([work('thing', { input: { n: 3 } })]), fresh);
  expect(outcomes).toMatchObject([{ outcome: 'released' }, { outcome: 'released' }]);
  gates.get(running.id)?.();
  await taken;
  expect(outcomes.slice(2)).toMatchObject([
    { id: running.id, outcome: 'done' },
    { id: newer.id, outcome: 'done' },
  ]);
});

test('abort ends running steps at once and forgets waiting ones, without an answer', async () => {
  const { replica, outcomes } = createReplica(1);
  const steps = [work('wait'), work('wait'), work('thing', { input: { n: 1 } })];
  const taken = replica.take(message(steps), fresh);
  replica.control({ action: 'abort', steps: [steps[0]!.id, steps[1]!.id, 'unknown'] });
  await taken;
  expect(ran).toEqual([steps[0]!.id, steps[2]!.id]);
  expect(outcomes).toMatchObject([{ id: steps[2]!.id, outcome: 'done' }]);
});

test('a step that was done in spite of its abort is reported', async () => {
  const { replica, outcomes } = createReplica();
  const one = work('stubborn');
  const taken = replica.take(message([one]), fresh);
  replica.control({ action: 'abort', steps: [one.id] });
  await taken;
  expect(outcomes).toMatchObject([{ id: one.id, outcome: 'done' }]);
});

test('at most `concurrency` steps run, and of a kind no more than the source allows', async () => {
  const { replica } = createReplica(3);
  const steps = [work('alone'), work('alone'), work('wait'), work('wait'), work('wait')];
  const taken = replica.take(message(steps), fresh);
  await sleep(20);
  expect(ran).toEqual([steps[0]!.id, steps[2]!.id, steps[3]!.id]);
  for (let left = steps.length; left > 0;) {
    for (const [id, open] of gates) {
      gates.delete(id);
      left -= 1;
      open();
    }
    await sleep(5);
  }
  await taken;
  expect(ran).toHaveLength(5);
});

test('the class of an error decides the outcome', async () => {
  const { replica, outcomes } = createReplica();
  const names = Object.keys(errors);
  await replica.take(message(names.map((error) => work('throws', { input: { error } }))), fresh);
  expect(Object.fromEntries(names.map((name, i) => [name, outcomes[i]]))).toMatchObject({
    permanent: { outcome: 'failed', code: 'http_status', status: 410, url: 'https://a.example/?token=…' },
    retryable: { outcome: 'retry', code: 'connection_lost', message: 'broke' },
    skip: { outcome: 'skipped', code: 'robots_disallowed' },
    retryAfter: { outcome: 'backoff', host: 'a.example:443', status: 429, until: expect.any(Number) },
    quota: { outcome: 'wait', reason: 'keys_exhausted', until: expect.any(Number) },
    quotaUnstated: { outcome: 'wait', reason: 'keys_exhausted', until: expect.any(Number) },
    throttled: { outcome: 'retry', code: 'provider_rate_limited' },
    throttledSomewhere: { outcome: 'backoff', host: 'a.example:443', until: expect.any(Number) },
    refused: { outcome: 'failed', code: 'credential_refused' },
    disk: { outcome: 'wait', reason: 'disk_full', code: 'disk_full', until: expect.any(Number) },
    other: { outcome: 'retry', code: 'source_error' },
  });
  const other = outcomes.at(-1) as Extract<Outcome, { outcome: 'retry' }>;
  expect(other.message).not.toContain('u:p');
  expect(other.message.length).toBeLessThanOrEqual(500);
});

const credential = { id: 'credential01', sealed: 'v1.x' };
const spent = { spent: { list: 2 }, usage: { percent: 97, until: 5 } };

test('with a credential an error of the provider is about the credential', async () => {
  const { replica, outcomes } = createReplica();
  const names = ['quota', 'quotaUnstated', 'throttled', 'throttledSomewhere', 'refused'];
  await replica.take(message(names.map((error) => work('throws', { input: { error }, credential }))), fresh);
  expect(outcomes).toMatchObject([
    { outcome: 'credential', state: 'exhausted', code: 'quota_exhausted', until: expect.any(Number) },
    { outcome: 'credential', state: 'exhausted', code: 'quota_exhausted' },
    { outcome: 'credential', state: 'resting', code: 'provider_rate_limited', until: 5000 },
    { outcome: 'credential', state: 'resting', code: 'provider_rate_limited', status: 429 },
    { outcome: 'credential', state: 'refused', code: 'credential_refused', status: 401 },
  ]);
  for (const i of [1, 3, 4]) expect(outcomes[i]).not.toHaveProperty('until');
});

test('what was spent is told whatever becomes of the step', async () => {
  const { replica, outcomes } = createReplica(100);
  const names = [...Object.keys(errors), 'none'];
  await replica.take(message(names.map((error) => work('spends', { input: { error }, credential }))), fresh);
  await replica.take(message([work('spends', { input: { error: 'hang' } })], { endIn: 30 }), fresh);
  const taken = replica.take(message([work('spends', { input: { error: 'hang' } })]), fresh);
  await Promise.all([replica.end(20), taken]);
  expect(outcomes).toHaveLength(names.length + 2);
  for (const outcome of outcomes) expect(outcome).toMatchObject(spent);
  const kinds = new Set(outcomes.map(({ outcome }) => outcome));
  const all = ['done', 'failed', 'skipped', 'retry', 'backoff', 'wait', 'credential', 'released'];
  expect([...kinds].sort()).toEqual(all.sort());
});

test('what was measured, learned and covered is told', async () => {
  const { replica, outcomes } = createReplica();
  const result = {
    samples: [{ target: 'a', at: 5, values: { fans: 3 } }],
    targets: [{ target: 'a', state: 'renamed', movedTo: 'b' }],
    coverage: { from: 1, to: 2 },
  };
  await replica.take(message([work('spends', { input: { result } })]), fresh);
  expect(outcomes).toMatchObject([{ outcome: 'done', ...result, ...spent }]);
});

test.each([
  [{ samples: [{ target: 'a', at: 5, values: { fans: -3 } }] }, 'sample'],
  [{ samples: [{ target: 'a', at: 5, values: { fans: undefined } }] }, 'sample'],
  [{ samples: 'none' }, 'sample'],
  [{ samples: Array.from({ length: 1001 }, () => ({ target: 'a', at: 5, values: {} })) }, '1001'],
  [{ targets: [{ target: 'a', state: 'asleep' }] }, 'target'],
  [{ coverage: { from: 2, to: 1 } }, 'coverage'],
  [{ coverage: { from: 'yesterday', to: 1 } }, 'coverage'],
])('%j may not be returned', async (result, named) => {
  const { replica, outcomes } = createReplica();
  await replica.take(message([work('spends', { input: { result } })]), fresh);
  expect(outcomes).toMatchObject([
    { outcome: 'failed', code: 'source_error', message: expect.stringContaining(named), ...spent },
  ]);
});

test('what a source may not return fails the step', async () => {
  const { replica, outcomes } = createReplica();
  await replica.take(
    message([
      work('badItem'),
      work('badNext'),
      work('tooMuch'),
      work('nowhere'),
      work('thing', { input: { n: 'one' } }),
    ]),
    fresh,
  );
  expect(outcomes).toHaveLength(5);
  for (const outcome of outcomes) expect(outcome).toMatchObject({ outcome: 'failed', code: 'source_error' });
});

test('at the end: what waits is given back, what runs gets its grace, then is given back too', async () => {
  const { replica, outcomes } = createReplica(2);
  const [quick, slow, waiting] = [work('wait'), work('wait'), work('wait')];
  const taken = replica.take(message([quick, slow, waiting]), fresh);
  const ended = replica.end(100);
  gates.get(quick.id)?.();
  await Promise.all([ended, taken]);
  expect(outcomes).toMatchObject([
    { id: waiting.id, outcome: 'released', reason: 'shutdown' },
    { id: quick.id, outcome: 'done' },
    { id: slow.id, outcome: 'released', reason: 'shutdown' },
  ]);
  await replica.take(message([work('thing', { input: { n: 2 } })]), fresh);
  expect(outcomes.at(-1)).toMatchObject({ outcome: 'released', reason: 'shutdown' });
});
