import { setTimeout as sleep } from 'node:timers/promises';
import { SideThread } from './side-thread.ts';

const module = new URL('./side-thread-fixture.ts', import.meta.url);
const never = new AbortController().signal;
let thread: SideThread<{ do: string; n: number }, number>;

beforeEach(() => {
  thread = new SideThread(module, { memoryMb: 32 });
});
afterEach(() => thread.close());

const double = (n: number, signal = never): Promise<number> => thread.run({ do: 'double', n }, signal);

test('tasks are done one after the other', async () => {
  expect(await Promise.all([1, 2, 3].map((n) => double(n)))).toEqual([2, 4, 6]);
});

test.each(['throw', 'eat', 'exit'])('one that does %s is refused, and the next is done', async (what) => {
  const [bad, good] = await Promise.allSettled([thread.run({ do: what, n: 1 }, never), double(2)]);
  expect(bad).toMatchObject({ status: 'rejected', reason: { name: 'Permanent', code: 'parse_error' } });
  expect(good).toEqual({ status: 'fulfilled', value: 4 });
});

test('one that takes too long is refused, and what waited for it is done', async () => {
  const hasty = new SideThread<{ do: string; n: number }, number>(module, { timeoutMs: 2_000 });
  const hanging = hasty.run({ do: 'hang', n: 1 }, never);
  // Many wait for it: the one for which a thread begins too slowly is refused as well.
  const behind = Promise.allSettled(
    Array.from({ length: 20 }, () => hasty.run({ do: 'double', n: 2 }, never)),
  );
  await expect(hanging).rejects.toMatchObject({ name: 'Permanent', code: 'parse_timeout' });
  expect(await behind).toContainEqual({ status: 'fulfilled', value: 4 });
  await hasty.close();
});

test('an abort ends the task at work, or takes it out of the queue', async () => {
  const [one, two] = [new AbortController(), new AbortController()];
  const hanging = thread.run({ do: 'hang', n: 1 }, one.signal);
  const waiting = double(2, two.signal);
  const last = double(3);
  setTimeout(() => two.abort(), 20);
  await expect(waiting).rejects.toMatchObject({ code: 'aborted' });
  one.abort();
  await expect(hanging).rejects.toMatchObject({ code: 'aborted' });
  expect(await last).toBe(6);
});

test('a thread without work ends, and comes back', async () => {
  const brief = new SideThread<{ do: string; n: number }, number>(module, { idleMs: 10 });
  expect(await brief.run({ do: 'double', n: 1 }, never)).toBe(2);
  await sleep(100);
  expect(await brief.run({ do: 'double', n: 2 }, never)).toBe(4);
  await brief.close();
  expect(await brief.run({ do: 'double', n: 3 }, never)).toBe(6);
  await brief.close();
});
