/** Keys and quotas on real servers: the director asks for keys, a scripted collector spends. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { NextStep, Provider, StepWork } from '@magpie/contracts';
import { dayIn, nextDayIn } from '@magpie/domain';
import {
  createCredential,
  removeCredential,
  updateCredential,
  type CredentialDocument,
  type NewCredential,
  type QuotaDocument,
} from '@magpie/store';
import { done, World } from '../testing/world.ts';

jest.setTimeout(90_000);

const ZONE = 'America/Los_Angeles';
const PROVIDER: Provider = {
  id: 'youtube',
  title: 'YouTube Data API v3',
  howTo: 'Make one in the console.',
  operations: { search: 10, videos: 1 },
  steps: { search: { search: 1 }, deep: { search: 3, videos: 2 } },
  perRun: { search: { usual: 1 } },
  unitsPerDay: 100,
  resetTimeZone: ZONE,
};

let world: World;
beforeEach(async () => {
  world = await World.make();
  await world.announce({ provider: PROVIDER });
});
afterEach(() => world.close());

const add = async (name: string, rest: Partial<NewCredential> = {}): Promise<string> => {
  const { credential } = await createCredential(world.store, {
    seal: () => `sealed-${name}`,
    provider: 'youtube',
    name,
    usual: { unitsPerDay: 100, callsPerHour: null, resetTimeZone: ZONE },
    ...rest,
  });
  return credential._id;
};
const quota = async (project: string): Promise<QuotaDocument> => {
  const found = await world.store.quotas.collection.findOne({ _id: `youtube:${project}` } as never);
  return found as unknown as QuotaDocument;
};
const credential = async (id: string): Promise<CredentialDocument> =>
  (await world.store.credentials.collection.findOne({ _id: id } as never)) as unknown as CredentialDocument;

const searches = (count: number, rest: Partial<NextStep> = {}): NextStep[] =>
  Array.from({ length: count }, (_, n) => ({ kind: 'search', key: `search ${n}`, input: { n }, ...rest }));
/** Who served the steps, in order, by the name of the key. */
const servedBy = (steps: readonly StepWork[] = world.seen): string[] =>
  steps.filter(({ kind }) => kind !== 'start').map(({ credential: key }) => key?.sealed.slice(7) ?? 'nobody');
const count = (names: readonly string[]): Record<string, number> =>
  names.reduce<Record<string, number>>((sum, name) => ({ ...sum, [name]: (sum[name] ?? 0) + 1 }), {});
/** Does searches, spending what they may. */
const spends =
  (steps: readonly NextStep[], spent: Record<string, number> = { search: 1 }) =>
  (step: StepWork) =>
    step.kind === 'start' ? done([], [...steps]) : { ...done(), spent };

describe('one key after the other', () => {
  test('two keys of one project share its quota; what is spent is counted exactly; then the next project', async () => {
    await add('a', { project: 'one' });
    await add('b', { project: 'one' });
    await add('c', { project: 'two', unitsPerDay: 55 });
    world.script = spends(searches(14));
    const job = await world.until(await world.submit(), 'completed');
    expect(count(servedBy())).toEqual({ a: 10, c: 4 });
    expect((await quota('one')).used).toBe(100);
    expect((await quota('two')).used).toBe(40);
    expect(job.tally).toMatchObject({ requests: 14, units: 140 });
  });

  test('what a step did not spend comes back', async () => {
    await add('a');
    world.script = (step) =>
      step.kind === 'start'
        ? done([], [{ kind: 'deep', key: 'd', input: {} }])
        : { ...done(), spent: { search: 1, videos: 2 } };
    const id = await world.submit();
    await world.until(id, 'completed');
    expect((await quota('a')).used).toBe(12);
    expect((await world.job(id)).tally).toMatchObject({ requests: 3, units: 12 });
  });

  test('a step that calls nothing needs no key', async () => {
    world.script = (step) =>
      step.kind === 'start' ? done([], [{ kind: 'free', key: 'f', input: {} }]) : done();
    await world.until(await world.submit(), 'completed');
    expect(servedBy()).toEqual(['nobody']);
  });
});

describe('when no key serves', () => {
  test('the job waits until the first quota is new, and goes on as soon as a key is added', async () => {
    await add('a', { unitsPerDay: 25 });
    await add('b', { unitsPerDay: 10 });
    world.script = spends(searches(6));
    const id = await world.submit();
    const job = await world.until(id, 'waiting');
    expect(job.waiting).toMatchObject({
      reason: 'keys_exhausted',
      until: new Date(nextDayIn(Date.now(), ZONE)),
      detail: expect.stringContaining('All 2 keys of youtube are used up for the day'),
    });
    expect(count(servedBy())).toEqual({ a: 2, b: 1 });
    await add('c');
    await world.until(id, 'completed');
    expect(count(servedBy())).toEqual({ a: 2, b: 1, c: 3 });
    // Neither was it passed from state to state meanwhile.
    const { history } = await world.job(id);
    expect(history.filter(({ to }) => to === 'waiting')).toHaveLength(1);
  });

  test('a job that is not to wait is stopped, with what it has', async () => {
    await add('a', { unitsPerDay: 20 });
    world.script = spends(searches(4));
    const id = await world.submit();
    await world.store.jobs.collection.updateOne({ _id: id } as never, { $set: { stopWhenExhausted: true } });
    const job = await world.until(id, 'stopped');
    expect(servedBy()).toHaveLength(2);
    expect(job.history.map(({ to, reason }) => [to, reason])).toContainEqual(['stopping', 'keys_exhausted']);
    expect(job.warnings).toMatchObject([{ code: 'quota_exhausted' }]);
  });

  test('without any key it says so, and begins when there is one', async () => {
    world.script = spends(searches(1));
    const id = await world.submit();
    const { waiting } = await world.until(id, 'waiting');
    expect(waiting).toMatchObject({
      reason: 'keys_exhausted',
      detail: 'There is no active key for youtube.',
    });
    const key = await add('a');
    await world.until(id, 'completed');
    expect((await credential(key)).lastUsedAt).toBeInstanceOf(Date);
  });
});

describe('the provider’s word', () => {
  test('a key that it refuses is disabled, and the next one is used', async () => {
    const [bad, good] = [await add('bad'), await add('good')];
    world.script = (step) =>
      step.kind === 'start'
        ? done([], searches(3))
        : step.credential?.sealed === 'sealed-bad'
          ? {
              outcome: 'credential',
              state: 'refused',
              code: 'credential_refused',
              message: 'API key not valid',
            }
          : { ...done(), spent: { search: 1 } };
    await world.until(await world.submit(), 'completed');
    expect(await credential(bad)).toMatchObject({ state: 'disabled', reason: 'API key not valid' });
    expect((await quota('bad')).used).toBe(0);
    expect((await quota('good')).used).toBe(30);
    expect((await credential(good)).state).toBe('active');
  });

  test('that a quota is used up beats our count, for all keys of the project, until its day ends', async () => {
    const first = await add('a', { project: 'one' });
    await add('b', { project: 'one' });
    await add('c', { project: 'two' });
    world.script = (step) =>
      step.kind === 'start'
        ? done([], searches(3))
        : step.credential?.sealed === 'sealed-c'
          ? { ...done(), spent: { search: 1 } }
          : { outcome: 'credential', state: 'exhausted', code: 'quota_exhausted', message: 'quotaExceeded' };
    await world.until(await world.submit(), 'completed');
    expect(await quota('one')).toMatchObject({
      used: 100,
      exhaustedUntil: new Date(nextDayIn(Date.now(), ZONE)),
    });
    expect((await credential(first)).lastExhaustedAt).toBeInstanceOf(Date);
    expect(servedBy()).not.toContain('b');
    expect((await quota('two')).used).toBe(30);
  });

  test('a rest is kept, and another key serves meanwhile; usage makes a key rest before it is refused', async () => {
    const [a, b] = [await add('a'), await add('b')];
    const until = Date.now() + 3_600_000;
    world.script = (step) => {
      if (step.kind === 'start') return done([], searches(2));
      if (step.credential?.id === a)
        return {
          outcome: 'credential',
          state: 'resting',
          until,
          code: 'provider_rate_limited',
          message: 'slow',
        };
      return { ...done(), spent: { search: 1 }, usage: { percent: 95 } };
    };
    await world.until(await world.submit(), 'completed');
    expect((await credential(a)).restUntil).toEqual(new Date(until));
    expect((await credential(b)).restUntil?.getTime()).toBeGreaterThan(Date.now() + 10 * 60_000);

    world.script = spends(searches(1));
    const id = await world.submit();
    const { waiting } = await world.until(id, 'waiting');
    expect(waiting).toMatchObject({ reason: 'rate_limited', until: (await credential(b)).restUntil });
    await updateCredential(world.store, a, { state: 'active' });
    await world.until(id, 'completed');
  });
});

test('the days of Pacific time are those of the quota', async () => {
  await add('a');
  expect((await quota('a')).day).toBe(dayIn(Date.now(), ZONE));
  await world.store.quotas.collection.updateOne({ _id: 'youtube:a' } as never, {
    $set: { day: '2026-01-01', used: 100, exhaustedUntil: new Date(Date.now() - 1) },
  });
  world.script = spends(searches(2));
  await world.until(await world.submit(), 'completed');
  expect(await quota('a')).toMatchObject({ day: dayIn(Date.now(), ZONE), used: 20 });
});

test('keys come and go while it runs', async () => {
  const a = await add('a', { unitsPerDay: null });
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  world.script = async (step) => {
    if (step.kind === 'start') return done([], searches(2));
    if (step.input['n'] === 0) return { ...done([], [{ kind: 'deep', key: 'after', input: {} }]), spent: {} };
    if (step.kind === 'deep') return { ...done(), spent: {} };
    await gate;
    return { ...done(), spent: { search: 1 } };
  };
  await world.until(await world.submit(), 'running');
  await world.eventually(
    () => servedBy(),
    (names) => names.length === 3,
  );
  await removeCredential(world.store, a);
  await add('b');
  open();
  await world.submit();
  await world.eventually(
    () => servedBy(),
    (names) => names.length === 6,
  );
  expect(servedBy().slice(3)).toEqual(['b', 'b', 'b']);
});
