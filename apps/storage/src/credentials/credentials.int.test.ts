/** Keys and quotas on real servers: the director asks for keys, a scripted collector spends. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { NextStep, Provider, StepWork } from '@magpie/contracts';
import { dayIn, nextDayIn } from '@magpie/domain';
import {
  createCredential,
  removeCredential,
  updateCredential,
  type CredentialDocument,
  type NewCredential,
  type QuotaDocument,
  type StepDocument,
} from '@magpie/store';
import { done, pause, World } from '../testing/world.ts';
import { Credentials } from './credentials.ts';

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
  // No day ends while a test goes on.
  world.clock.set(nextDayIn(Date.now(), ZONE) + 12 * 3_600_000);
});
afterEach(() => world.close());

const add = async (name: string, rest: Partial<NewCredential> = {}): Promise<string> => {
  const { credential } = await createCredential(
    world.store,
    {
      seal: () => `sealed-${name}`,
      provider: 'youtube',
      name,
      usual: { unitsPerDay: 100, callsPerHour: null, resetTimeZone: ZONE },
      ...rest,
    },
    new Date(world.clock.now()),
  );
  return credential._id;
};
const quota = async (project: string): Promise<QuotaDocument> => {
  const found = await world.store.quotas.collection.findOne({ _id: `youtube:${project}` } as never);
  return found as unknown as QuotaDocument;
};
const credential = async (id: string): Promise<CredentialDocument> =>
  (await world.store.credentials.collection.findOne({ _id: id } as never)) as unknown as CredentialDocument;

/** Quotas and keys learn of a result after its commit, by which the job may have ended. */
const settled = (used: Record<string, number>): Promise<unknown> =>
  world.eventually(
    async () => {
      const quotas = (await world.store.quotas.collection.find({}).toArray()) as unknown as QuotaDocument[];
      return quotas.filter(({ project }) => project in used).map(({ project, used: n }) => [project, n]);
    },
    (now) => JSON.stringify(now.sort()) === JSON.stringify(Object.entries(used).sort()),
  );

const searches = (count: number, rest: Partial<NextStep> = {}): NextStep[] =>
  Array.from({ length: count }, (_, n) => ({ kind: 'search', key: `search ${n}`, input: { n }, ...rest }));
const deep = (count: number): NextStep[] =>
  Array.from({ length: count }, (_, n) => ({ kind: 'deep', key: `deep ${n}`, input: { n } }));
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
    await settled({ a: 12 });
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
      until: new Date(nextDayIn(world.clock.now(), ZONE)),
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
    const id = await world.submit({}, 'normal', { stopWhenExhausted: true });
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
    await world.eventually(
      () => credential(key),
      ({ lastUsedAt }) => lastUsedAt instanceof Date,
    );
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
    const ends = nextDayIn(world.clock.now(), ZONE);
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
      exhaustedUntil: new Date(ends),
    });
    expect((await credential(first)).lastExhaustedAt).toBeInstanceOf(Date);
    expect(servedBy()).not.toContain('b');
    expect((await quota('two')).used).toBe(30);
  });

  test('a rest is kept, and another key serves meanwhile; usage makes a key rest before it is refused', async () => {
    const [a, b] = [await add('a'), await add('b')];
    const until = world.clock.now() + 3_600_000;
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
    // Half an hour at the most, by how much is used.
    await world.eventually(
      () => credential(b),
      ({ restUntil }) => Number(restUntil) > world.clock.now() + 10 * 60_000,
    );

    world.script = spends(searches(1));
    const id = await world.submit();
    const { waiting } = await world.until(id, 'waiting');
    expect(waiting).toMatchObject({ reason: 'rate_limited', until: (await credential(b)).restUntil });
    await updateCredential(world.store, a, { state: 'active' });
    await world.until(id, 'completed');
  });
});

test('at the beginning of a day the provider may still count the one before: its word then holds for minutes', async () => {
  await add('a');
  const midnight = nextDayIn(world.clock.now(), ZONE);
  world.clock.set(midnight + 5000);
  let late = true;
  world.script = (step) => {
    if (step.kind === 'start') return done([], searches(1));
    return late
      ? { outcome: 'credential', state: 'exhausted', code: 'quota_exhausted', message: 'quotaExceeded' }
      : { ...done(), spent: { search: 1 } };
  };
  const id = await world.submit();
  const { waiting } = await world.until(id, 'waiting');
  expect(waiting?.reason).toBe('keys_exhausted');
  expect(Number(waiting?.until)).toBeLessThan(midnight + 10 * 60_000);
  await settled({ a: 0 });
  late = false;
  world.clock.set(Number(waiting?.until) + 1);
  await world.until(id, 'completed');
  expect(await quota('a')).toMatchObject({ day: dayIn(midnight, ZONE), used: 10 });
});

test('a rest until a time that has passed is a rest all the same', async () => {
  const a = await add('a');
  world.script = (step) =>
    step.kind === 'start'
      ? done([], searches(1))
      : {
          outcome: 'credential',
          state: 'resting',
          until: world.clock.now() - 1000,
          code: 'provider_rate_limited',
          message: 'slow',
        };
  const { waiting } = await world.until(await world.submit(), 'waiting');
  expect(waiting).toMatchObject({ reason: 'rate_limited', until: (await credential(a)).restUntil });
  const asked = servedBy().length;
  // The key may be handed out once more between a result's commit and the rest.
  expect(asked).toBeLessThan(3);
  await pause(1500);
  expect(servedBy()).toHaveLength(asked);
});

test('the days of Pacific time are those of the quota', async () => {
  await add('a');
  expect((await quota('a')).day).toBe(dayIn(world.clock.now(), ZONE));
  await world.store.quotas.collection.updateOne({ _id: 'youtube:a' } as never, {
    $set: { day: '2026-01-01', used: 100, exhaustedUntil: new Date(world.clock.now() - 1) },
  });
  world.script = spends(searches(2));
  await world.until(await world.submit(), 'completed');
  expect(await quota('a')).toMatchObject({ day: dayIn(world.clock.now(), ZONE), used: 20 });
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

describe('over days and restarts', () => {
  test('all used up: the job waits for midnight in Pacific time, and goes on by itself when it has come', async () => {
    await add('a', { unitsPerDay: 20, project: 'one' });
    await add('b', { unitsPerDay: 20, project: 'one' });
    await add('c', { unitsPerDay: 10 });
    world.script = spends(searches(8));
    const id = await world.submit();
    const { waiting } = await world.until(id, 'waiting');
    const midnight = nextDayIn(world.clock.now(), ZONE);
    expect(waiting).toMatchObject({ reason: 'keys_exhausted', until: new Date(midnight) });
    expect(count(servedBy())).toEqual({ a: 2, c: 1 });
    expect([(await quota('one')).used, (await quota('c')).used]).toEqual([20, 10]);

    world.clock.set(midnight - 60_000);
    await pause(1500);
    expect((await world.job(id)).state).toBe('waiting');
    world.clock.set(midnight + 1000);
    await world.eventually(
      () => servedBy(),
      (names) => names.length === 6,
    );
    const again = await world.until(id, 'waiting');
    expect(again.waiting?.until).toEqual(new Date(nextDayIn(midnight + 1000, ZONE)));
    expect((await quota('one')).day).toBe(dayIn(midnight, ZONE));
    world.clock.set(nextDayIn(midnight + 1000, ZONE) + 1000);
    const job = await world.until(id, 'completed');
    expect(count(servedBy())).toEqual({ a: 6, c: 2 });
    expect(job.tally.units).toBe(80);
  });

  test('counts survive a restart, and a job that waited for keys waits on', async () => {
    await add('a', { unitsPerDay: 20 });
    world.script = spends(searches(3));
    const id = await world.submit();
    await world.until(id, 'waiting');
    await world.closeStorages();
    await world.addStorage();
    await pause(2500);
    expect((await world.job(id)).state).toBe('waiting');
    expect((await world.job(id)).history.filter(({ to }) => to === 'waiting')).toHaveLength(1);
    expect((await quota('a')).used).toBe(20);
    const { items } = { items: await world.store.credentials.collection.find({}).toArray() };
    await updateCredential(world.store, String(items[0]?._id), { unitsPerDay: 30 });
    await world.until(id, 'completed');
    expect((await quota('a')).used).toBe(30);
  });
});

test('a bucket of calls gives what it holds, then drop by drop', async () => {
  await add('a', { unitsPerDay: null, callsPerHour: 4 });
  world.script = spends(searches(6));
  const from = world.clock.now();
  const id = await world.submit();
  const { waiting } = await world.until(id, 'waiting');
  expect(servedBy()).toHaveLength(4);
  expect(waiting).toMatchObject({
    reason: 'rate_limited',
    detail: expect.stringContaining('calls of an hour'),
  });
  const until = waiting?.until.getTime() ?? 0;
  expect(until).toBeGreaterThan(from + 14 * 60_000);
  expect(until).toBeLessThan(world.clock.now() + 16 * 60_000);
  world.clock.set(until + 1000);
  await world.eventually(
    () => servedBy(),
    (names) => names.length === 5,
  );
  world.clock.advance(3_600_000);
  await world.until(id, 'completed');
});

describe('different things in some days', () => {
  beforeEach(() =>
    world.announce({ provider: { ...PROVIDER, distinct: { limit: 3, days: 7, what: 'hashtags' } } }),
  );
  const ask = async (tag: string): Promise<string> => {
    world.script = (step) =>
      step.kind === 'start'
        ? done([], [{ kind: 'search', key: `tag ${tag}`, input: { tag }, distinct: tag }])
        : { ...done(), spent: { search: 1 } };
    return world.submit();
  };

  test('the one too many waits with a reason until the first no longer counts; known ones and other keys go', async () => {
    const key = await add('a', { unitsPerDay: null });
    for (const tag of ['one', 'two', '$three', 'one']) await world.until(await ask(tag), 'completed');
    expect((await credential(key)).distinct.map(({ what }) => what)).toEqual(['one', 'two', '$three']);
    const id = await ask('four');
    const { waiting } = await world.until(id, 'waiting');
    const first = (await credential(key)).distinct[0]?.at.getTime() ?? 0;
    expect(waiting).toMatchObject({
      reason: 'rate_limited',
      until: new Date(first + 7 * 86_400_000),
      detail: expect.stringContaining(
        '3 different hashtags were asked for in 7 days; there is room again at',
      ),
    });
    expect((await quota('a')).used).toBe(40);
    await world.until(await ask('two'), 'completed');
    const other = await add('b', { unitsPerDay: null });
    await world.until(id, 'completed');
    expect((await credential(other)).distinct.map(({ what }) => what)).toEqual(['four']);
    // A known thing goes to the key that knows it, though another one has room.
    await world.until(await ask('four'), 'completed');
    expect(servedBy().at(-1)).toBe('b');

    world.clock.advance(8 * 86_400_000);
    await world.until(await ask('five'), 'completed');
    expect((await credential(key)).distinct.map(({ what }) => what)).toEqual(['five']);
  });

  test('a thing for which there is no quota takes no room', async () => {
    const key = await add('a', { unitsPerDay: 5 });
    await world.until(await ask('one'), 'waiting');
    expect((await credential(key)).distinct).toEqual([]);
  });
});

test('a job that cannot be served for an error keeps no other from being served', async () => {
  await add('a');
  await world.store.quotas.collection.updateOne({ _id: 'youtube:a' } as never, {
    $set: { resetTimeZone: 'Mars/Phobos' },
  });
  world.script = ({ kind, input }) => {
    const { params } = input as { params?: { kind: string } };
    return kind === 'start' ? done([], [{ kind: String(params?.kind), key: 'k', input: {} }]) : done();
  };
  const troubled = await world.submit({ kind: 'search' });
  await world.eventually(
    () => world.store.steps.countDocuments({ jobs: troubled, kind: 'search' }),
    (steps) => steps === 1,
  );
  await world.until(await world.submit({ kind: 'local' }), 'completed');
  await world.store.quotas.collection.updateOne({ _id: 'youtube:a' } as never, {
    $set: { resetTimeZone: ZONE },
  });
  await world.until(troubled, 'completed');
});

describe('many at once', () => {
  test('three replicas with many steps and results that come late never spend more than there is', async () => {
    for (let i = 0; i < 2; i++) await world.addStorage();
    await add('a', { project: 'one', unitsPerDay: 95 });
    await add('b', { project: 'one' });
    await add('c', { project: 'two', unitsPerDay: 60 });
    let open = 0;
    let most = 0;
    const late: StepWork[] = [];
    world.script = async (step) => {
      if (step.kind === 'start') return done([], [...searches(12), deep(12)].flat());
      most = Math.max(most, ++open);
      late.push(step);
      return undefined;
    };
    const ids = [await world.submit(), await world.submit()];
    const spent = new Map<string, number>();
    const sums = async () => [(await quota('one')).used, (await quota('two')).used];
    const round = async (): Promise<boolean> => {
      const [one = 0, two = 0] = await sums();
      expect(one).toBeLessThanOrEqual(95);
      expect(two).toBeLessThanOrEqual(60);
      for (const step of late.splice(0)) {
        // What is charged and not yet answered, and what was spent, are together within the quota at any time.
        const calls = step.kind === 'deep' ? { search: 1, videos: 1 } : { search: 1 };
        const project = step.credential?.sealed === 'sealed-c' ? 'two' : 'one';
        spent.set(project, (spent.get(project) ?? 0) + (step.kind === 'deep' ? 11 : 10));
        await world.answer(step, { ...done(), spent: calls }, 2);
      }
      // Exactly what was spent is counted, although each result came twice; and no search is left in either.
      return one === spent.get('one') && two === spent.get('two') && one > 85 && two > 50;
    };
    await world.eventually(round, (over) => over);
    for (const id of ids) await world.until(id, 'waiting');
    expect(await sums()).toEqual([spent.get('one'), spent.get('two')]);
    expect(most).toBeGreaterThan(0);
  });

  test('what did not go out comes back, on the same day; a death before it goes out costs what was taken', async () => {
    await add('a', { callsPerHour: 5 });
    const credentials = new Credentials({
      store: world.store,
      log: { warn: () => undefined },
      providerOf: () => PROVIDER,
    });
    const steps = ['s0', 's1', 's2'].map((_id) => ({ _id, kind: 'search' }) as StepDocument);
    const lease = async () => {
      const { granted } = await credentials.lease({ _id: 'j', source: 'x' }, steps, 't');
      return [...granted.values()].map(({ charge }) => charge);
    };
    const charges = await lease();
    // As long as nobody gives it back, it is taken.
    expect(await quota('a')).toMatchObject({ used: 30 });
    await credentials.giveBack(charges.slice(1));
    expect((await quota('a')).used).toBe(10);
    expect((await quota('a')).tokens).toBeCloseTo(4, 1);
    await credentials.giveBack(charges.slice(0, 1).map((charge) => ({ ...charge, day: '2026-01-01' })));
    expect((await quota('a')).used).toBe(10);
  });

  test('any number of leases of one quota at once get no more than there is of it', async () => {
    await add('a', { unitsPerDay: 100, callsPerHour: 7 });
    const steps = Array.from({ length: 12 }, (_, n) => ({ _id: `s${n}`, kind: 'search' }) as StepDocument);
    const leases = await Promise.all(
      Array.from({ length: 8 }, (_, n) =>
        new Credentials({
          store: world.store,
          log: { warn: () => undefined },
          providerOf: () => PROVIDER,
        }).lease({ _id: `j${n}`, source: 'x' }, steps.slice(0, 3 + (n % 3)), `t${n}`),
      ),
    );
    const granted = leases.reduce((sum, lease) => sum + lease.granted.size, 0);
    expect(granted).toBe(7);
    expect((await quota('a')).used).toBe(70);
  });
});
